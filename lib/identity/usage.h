/* usage.h - what was used, by day, tenant, team, key and model: booked in the transaction that
 * takes the ends of requests out of the audit spool, so that it agrees with the audit log and with
 * the quotas. Table identity_usage (migrated with those of identity.h). */
#ifndef WITAN_IDENTITY_USAGE_H
#define WITAN_IDENTITY_USAGE_H
#include "base/buf.h"
#include "base/json.h"
#include "identity/identity.h"

/* Requests that were taken and have ended, however they ended. day: since 1970, in UTC. In a report
 * what it is not by is "", and day -1. */
struct wt_usage {
        int64_t day;
        char tenant[65], team[65], key_id[65], name[65], model[257];    /* name: of the key */
        int64_t requests, prompt_tokens, completion_tokens, cost_nano;
};
/* In the caller's transaction. */
wt_err wt_usage_add(wt_store *s, const struct wt_usage *u);

enum wt_usage_by { WT_BY_DAY, WT_BY_TENANT, WT_BY_KEY, WT_BY_MODEL, WT_BY_TEAM, WT_N_BY };
extern const char *const wt_usage_by_name[WT_N_BY];      /* "day", ... */
bool wt_usage_by_named(const char *name, enum wt_usage_by *out);
struct wt_usage_ask {
        enum wt_usage_by by;
        int64_t since_day, until_day;            /* since <= day < until; 0: open */
        char tenant[257], key[257], model[257];  /* "": all */
};
/* The days of a time: that of since, and all that begin before until (0: open). */
void wt_usage_days(struct wt_usage_ask *q, int64_t since_us, int64_t until_us);
/* Sums in the order of what they are by. */
wt_err wt_usage_report(wt_store *s, const struct wt_usage_ask *q,
                       void (*each)(void *arg, const struct wt_usage *u), void *arg);
/* A row of a report as a JSON object, and as a line of CSV (RFC 4180) under its head line. */
void wt_usage_json(enum wt_usage_by by, const struct wt_usage *u, struct wt_buf *out);
void wt_usage_csv(enum wt_usage_by by, const struct wt_usage *u, struct wt_buf *out);
void wt_usage_csv_head(enum wt_usage_by by, struct wt_buf *out);
const char *wt_day_text(int64_t day, char out[16]);      /* "2026-11-26" */
#endif
