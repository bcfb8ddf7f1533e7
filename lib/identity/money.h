/* money.h - amounts of the deployment's currency as people write them, and as 1e-9 of it. No
 * floating point: "0.1" is 100,000,000. */
#ifndef WITAN_IDENTITY_MONEY_H
#define WITAN_IDENTITY_MONEY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum { WT_MONEY_TEXT = 32 };
/* "12", "12.5", up to nine digits behind the point, up to 1,000,000,000. WT_EINVAL in words. */
wt_err wt_money_read(const char *text, size_t len, int64_t *nano);
/* The shortest text that reads back; a '-' in front where nano is negative. */
const char *wt_money_text(int64_t nano, char out[WT_MONEY_TEXT]);
/* A price of a million tokens, at least 0.001 or 0: 1e-9 of the currency a token. */
wt_err wt_price_read(const char *text, size_t len, int64_t *nano_per_token);
const char *wt_price_text(int64_t nano_per_token, char out[WT_MONEY_TEXT]);
#endif
