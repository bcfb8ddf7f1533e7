/* admin.h - the admin API's calls: a table (door_admin.c), what they do to the store
 * (admin_work.c), and what a gateway knows of its cluster (admin_cluster.c). */
#ifndef WITAN_GATEWAY_ADMIN_H
#define WITAN_GATEWAY_ADMIN_H
#include "identity/form.h"
#include "identity/usage.h"
#include "state.h"

enum admin_role { ADMIN_ONLY = 0, ADMIN_OPERATOR = 1, ADMIN_AUDITOR = 2 };
struct admin_job;
struct admin_call {
        struct door door;                        /* path, and the action of its rows */
        const char *method;
        unsigned roles;                          /* bits: who else than an admin */
        bool named;                              /* a name follows the path */
        bool has_body;
        bool paged;                              /* a list by pages: limit and after */
        /* On the loop: is the body right? What is kept is read from it again where it is needed.
         * WT_EINVAL in words, *field as in form.h. NULL: nothing to ask. */
        wt_err (*check)(struct admin_job *j, const char **field);
        /* On a thread: writes the answer. */
        wt_err (*work)(struct admin_job *j, wt_store *s, struct wt_buf *out);
        /* Instead of both, on the loop. */
        void (*answer)(struct request *r);
};
/* One call under way; its own memory, since the client may leave before it is done. */
struct admin_job {
        const struct admin_call *call;
        wt_json *body;
        char id[257];                            /* of the path */
        struct wt_usage_ask ask; bool csv;
        struct wt_page page;                     /* of a list */
        char words[WORDS_MOST];                  /* what it did, for its row */
};

/* admin_work.c. check and work of each row of the table. */
wt_err admin_tenant_check(struct admin_job *j, const char **field);
wt_err admin_tenant_create(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_tenant_update(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_tenant_list(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_team_check(struct admin_job *j, const char **field);
wt_err admin_team_create(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_team_list(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_key_check(struct admin_job *j, const char **field);
wt_err admin_key_create(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_key_list(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_key_revoke(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_price_check(struct admin_job *j, const char **field);
wt_err admin_price_set(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_price_list(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_quota_check(struct admin_job *j, const char **field);
wt_err admin_quota_set(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_quota_list(struct admin_job *j, wt_store *s, struct wt_buf *out);
wt_err admin_usage_read(struct admin_job *j, wt_store *s, struct wt_buf *out);

/* admin_usage.c: what the query string asks for. */
wt_err admin_usage_parse(struct admin_job *j, const char *query, int64_t now_us);
wt_err admin_page_parse(struct admin_job *j, const char *query);
/* admin_cluster.c */
void admin_cluster(struct request *r);
#endif
