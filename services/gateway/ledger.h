/* ledger.h - a gateway's audit records on their way into the store, and what is booked with them:
 * starts the drain, logs what it says, bills ended requests in the same transaction. */
#ifndef WITAN_GATEWAY_LEDGER_H
#define WITAN_GATEWAY_LEDGER_H
#include "audit/spool.h"
#include "base/buf.h"
#include "base/conf.h"

struct gateway_ledger;
/* name: of this process; store: URL. Borrows spool until close. */
wt_err gateway_ledger_open(struct gateway_ledger **out, const wt_conf *conf, const char *name,
                           const char *store, wt_spool *spool);
/* Takes what is left into the store, for some seconds at most; what stays in the spool is taken by
 * the next run. NULL is fine. */
void gateway_ledger_close(struct gateway_ledger *l);
void gateway_ledger_metrics(struct gateway_ledger *l, struct wt_buf *out);
#endif
