/* query.h - asks the audit log. A row is what happened to one request: its intent, its outcome, or
 * that it was interrupted, seen as one; a note is a row, too. Rows come in the order of (time,
 * leaf) of their first event, and a page ends with where the next one begins. */
#ifndef WITAN_AUDIT_QUERY_H
#define WITAN_AUDIT_QUERY_H
#include "audit/event.h"
#include "store/store.h"

enum { WT_QUERY_MOST = 1000, WT_QUERY_WORD = 256 };      /* rows of a page; bytes of a value */
struct wt_audit_filter {                         /* "" and 0: any */
        char tenant[WT_QUERY_WORD + 1], actor[WT_QUERY_WORD + 1], key[WT_QUERY_WORD + 1],
             model[WT_QUERY_WORD + 1], arm[WT_QUERY_WORD + 1], outcome[WT_QUERY_WORD + 1];
        char verdict[WT_QUERY_WORD + 1];         /* action, rule or type of one of its verdicts */
        uint8_t revision[32], revision_end[32]; bool has_revision;       /* from, to */
        uint8_t request[16]; bool has_request;
        int64_t since_us, until_us;              /* since <= time < until */
        uint32_t limit;                          /* 0: 100 */
        bool has_after; int64_t after_us, after_leaf;
};
/* One "name=value" of a URL or a flag: tenant, actor, key, model, revision, arm, outcome, verdict,
 * request, since, until, limit, after. A revision may be its first 8 digits or more. Times: seconds
 * since 1970, "2026-11-25", "2026-11-25T10:00:00Z", today or yesterday (midnight, UTC), or "90s",
 * "30m", "24h", "7d" before now_us. WT_EINVAL in words. */
wt_err wt_audit_filter_set(struct wt_audit_filter *f, const char *name, const char *value,
                           int64_t now_us);
/* A whole query string, percent-decoded. Names in other (ended by NULL) are left alone. */
wt_err wt_audit_filter_parse(struct wt_audit_filter *f, const char *query, int64_t now_us,
                             const char *const *other);

/* The next name=value of a query string, percent-decoded, and *query behind it. WT_EINVAL in words:
 * a broken escape, a value that cap does not hold. */
wt_err wt_query_next(const char **query, char name[32], char *value, size_t cap);

struct wt_audit_view {
        struct wt_audit_event first, end;        /* end: outcome, or interrupted, when has_end */
        bool has_end;
        uint64_t leaf, end_leaf;
};
/* after: "" when nothing was looked at. Verdicts stand in the bodies alone: for a page of them at
 * most WT_QUERY_SEEN rows are looked at; it may hold fewer than were asked for, or none, and yet
 * has_more. */
enum { WT_QUERY_SEEN = 100000 };
struct wt_audit_page { uint32_t n; bool has_more; char after[48]; };
/* each gets the rows; what they point to lives until it returns, and it must not use s. Not WT_OK:
 * stops, and comes back. WT_EDATA: a body in the table is no event. */
wt_err wt_audit_query(wt_store *s, const struct wt_audit_filter *f,
                      wt_err (*each)(void *arg, const struct wt_audit_view *v), void *arg,
                      struct wt_audit_page *page);

/* Rows as they end: those whose last event is the leaf *leaf or a later one, in the order of the
 * log; *leaf moves behind the last one given. At most WT_QUERY_MOST at once. */
wt_err wt_audit_tail(wt_store *s, const struct wt_audit_filter *f, uint64_t *leaf,
                     wt_err (*each)(void *arg, const struct wt_audit_view *v), void *arg,
                     uint32_t *n);

/* Has the event this verdict? "": any. */
bool wt_audit_has_verdict(const struct wt_audit_event *e, const char *word);

/* For whoever writes other questions about events, the columns being those of table.h under the
 * name e: appends " AND e.tenant = $3 ..." and the values; n_args goes on from where it was. */
enum { WT_QUERY_ARGS = 20 };
void wt_audit_where(const struct wt_audit_filter *f, struct wt_buf *sql,
                    struct wt_value args[WT_QUERY_ARGS], uint32_t *n_args);

/* Forms of a row: a JSON object; a line of CSV (RFC 4180), whose names are the head line. */
void wt_audit_view_json(const struct wt_audit_view *v, struct wt_buf *out);
void wt_audit_view_csv(const struct wt_audit_view *v, struct wt_buf *out);
extern const char wt_audit_csv_head[];
/* The parts of a row that tables show. */
const char *wt_audit_view_outcome(const struct wt_audit_view *v);       /* "" while it runs */
void wt_audit_time_text(uint64_t us, char out[32]);      /* "2026-11-25T10:00:00.123Z" */
#endif
