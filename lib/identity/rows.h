/* rows.h - tenants, teams, keys and prices as rows of the store; for this folder only. */
#ifndef WITAN_IDENTITY_ROWS_H
#define WITAN_IDENTITY_ROWS_H
#include "identity/identity.h"
#include "identity/secret.h"

/* The columns of the limits, in the order of enum wt_limit; NULL: no limit. */
#define LIMIT_COLUMNS "requests_per_minute, tokens_per_minute, concurrency, tokens_per_day," \
                      " tokens_per_month, cost_per_day, cost_per_month"

/* A key with what only the check may see. */
struct key_row {
        char prefix[WT_PREFIX + 1];
        uint8_t salt[WT_SALT], hash[WT_HASH];
        struct wt_key key;
};
wt_err rows_keys(wt_store *s, void (*each)(void *arg, const struct key_row *r), void *arg);
#endif
