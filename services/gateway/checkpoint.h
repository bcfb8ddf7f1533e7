/* checkpoint.h - the audit log's signer in a gateway: starts it, logs what it says, and shows how
 * far it has come. */
#ifndef WITAN_GATEWAY_CHECKPOINT_H
#define WITAN_GATEWAY_CHECKPOINT_H
#include "base/buf.h"
#include "base/conf.h"

struct gateway_signer;
/* name: of this process; store: URL. */
wt_err gateway_signer_open(struct gateway_signer **out, const wt_conf *conf, const char *name,
                           const char *store);
/* After the last record is in the store: it signs once more. NULL is fine. */
void gateway_signer_close(struct gateway_signer *s);
void gateway_signer_metrics(struct gateway_signer *s, struct wt_buf *out);
#endif
