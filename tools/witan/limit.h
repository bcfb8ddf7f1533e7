/* limit.h - the flags of limits, which key, tenant, team and quota share. */
#ifndef WITAN_TOOLS_LIMIT_H
#define WITAN_TOOLS_LIMIT_H
#include "identity/identity.h"
#include "verb.h"

/* Their rows in a verb's flags, from place at on: WT_N_LIMITS of them, in the limits' order. */
#define LIMIT_FLAGS(at)                                                                          \
        [(at) + WT_REQUESTS_PER_MINUTE] = {"requests-per-minute", "N", "limit [none]", 0},       \
        [(at) + WT_TOKENS_PER_MINUTE] = {"tokens-per-minute", "N",                               \
                                         "limit of prompt and answer together [none]", 0},       \
        [(at) + WT_CONCURRENCY] = {"concurrency", "N", "limit of requests at one time [none]", 0}, \
        [(at) + WT_TOKENS_PER_DAY] = {"tokens-per-day", "N", "budget, by UTC [none]", 0},        \
        [(at) + WT_TOKENS_PER_MONTH] = {"tokens-per-month", "N", "budget, by UTC [none]", 0},    \
        [(at) + WT_COST_PER_DAY] = {"cost-per-day", "AMOUNT", "budget, as 12.50 [none]", 0},     \
        [(at) + WT_COST_PER_MONTH] = {"cost-per-month", "AMOUNT", "budget, as 12.50 [none]", 0}

/* What the flags say is written into *out ("none": no limit), the bits of those given into *given.
 * False: said. */
bool limit_flags(const struct call *c, int at, struct wt_limits *out, uint32_t *given);
/* "requests_per_minute 60, cost_per_day 2.5"; "-" for none. */
void limit_words(const struct wt_limits *l, struct wt_buf *out);
#endif
