/* gateway_undrained.c - the whole gateway but for the drain: records stay in its spool and no store
 * is written beside, so that a benchmark can tell what the spool costs from what the drain costs.
 * The product's own objects and main.c, linked with these in place of ledger.c (ld --wrap). */
#include "ledger.h"

wt_err __wrap_gateway_ledger_open(struct gateway_ledger **out, const wt_conf *conf,
                                  const char *name, const char *store, wt_spool *spool);

wt_err __wrap_gateway_ledger_open(struct gateway_ledger **out, const wt_conf *conf,
                                  const char *name, const char *store, wt_spool *spool)
{
        (void)conf; (void)name; (void)store; (void)spool;
        *out = NULL;                             /* ledger.c takes NULL for none */
        return WT_OK;
}
