/* identity.h - who may, and how much: tenants, teams, keys, limits and prices. They live in the
 * store; each gateway answers from a copy in memory, which a thread of its own reads again when
 * the store says that something changed, so that a database that is away stops nobody.
 *
 * Tables (schema name "identity"): identity_tenants, identity_teams, identity_keys,
 * identity_prices, identity_usage (usage.h). Secrets are stored as salted hashes. Channel of
 * changes: "identity". */
#ifndef WITAN_IDENTITY_IDENTITY_H
#define WITAN_IDENTITY_IDENTITY_H
#include <stdbool.h>
#include "base/err.h"
#include "store/store.h"

/* What can be limited. A window counts from the database's clock, in UTC: a minute, a day, a
 * calendar month; concurrency has none. Cost is in 1e-9 of the deployment's currency. */
enum wt_limit { WT_REQUESTS_PER_MINUTE, WT_TOKENS_PER_MINUTE, WT_CONCURRENCY, WT_TOKENS_PER_DAY,
                WT_TOKENS_PER_MONTH, WT_COST_PER_DAY, WT_COST_PER_MONTH, WT_N_LIMITS };
struct wt_limits { int64_t most[WT_N_LIMITS]; }; /* -1: no limit */
extern const struct wt_limits wt_no_limits;
/* "requests_per_minute", ...: the names of the API, the columns, and the flags ('-' for '_'). */
const char *wt_limit_name(enum wt_limit l);
bool wt_limit_named(const char *name, enum wt_limit *out);
/* An amount as people write it, costs as money (money.h); WT_EINVAL in words. And back. */
wt_err wt_limit_read(enum wt_limit l, const char *text, size_t len, int64_t *out);
const char *wt_limit_text(enum wt_limit l, int64_t n, char out[32]);

struct wt_tenant {
        char id[65], name[65];                   /* id is what keys and rows name */
        int64_t created_at, disabled_at;         /* seconds since 1970; 0: never */
        uint32_t weight;                         /* share of a full house; 1 to 1,000, usually 1 */
        struct wt_limits limits;
};
struct wt_team { char tenant[65], id[65]; int64_t created_at; struct wt_limits limits; };
/* Strings are NUL-ended, "" when absent. */
struct wt_key {
        char id[40], tenant[65], team[65], name[65], role[16];
        char models[1025];                       /* names separated by commas; "": all */
        char sources[1025];                      /* addresses, networks (CIDR); "": anywhere */
        char rpc_public[41];                     /* CURVE key of its RPC client, Z85; "": none */
        int64_t created_at, expires_at, revoked_at;
        struct wt_limits limits;
};
/* What a token costs, in 1e-9 of the currency. The row of a tenant goes before that of all. */
struct wt_price { char model[257], tenant[65]; int64_t prompt_nano, completion_nano; };

/* ---- writing and listing: one connection of the caller's ----------------------------------- */

wt_err wt_identity_migrate(wt_store *s);
/* Text as people and programs give it, checked and set: "" or "0" ... WT_EINVAL in words. */
bool wt_role_known(const char *role);            /* user, operator, auditor, admin */
wt_err wt_sources_check(const char *list);
/* Is addr ("127.0.0.1:53214", "[::1]:80", or without a port) in the list? An empty list: yes. */
bool wt_sources_allow(const char *list, const char *addr);
bool wt_models_allow(const char *list, const char *model);

/* A part of a list, in the order of its key; NULL for all of it. next is where the page behind it
 * begins, as "ID", "TENANT/ID" of a team, "MODEL/TENANT" of a price. */
enum { WT_PAGE_MOST = 1000, WT_PAGE_AT = 330 };
struct wt_page {
        uint32_t limit;                          /* 1 to WT_PAGE_MOST; 0: WT_PAGE_MOST */
        char after[WT_PAGE_AT];                  /* next of the page before; "": the first */
        bool has_more; char next[WT_PAGE_AT];    /* out; "" where nothing was given */
};

/* in: id and all else but the times. WT_EEXIST. */
wt_err wt_tenant_create(wt_store *s, const struct wt_tenant *in, struct wt_tenant *out);
/* Limits, name, weight; disabled: its keys are refused from now on. WT_ENOTFOUND. */
wt_err wt_tenant_update(wt_store *s, const struct wt_tenant *in, bool disabled);
wt_err wt_tenant_list(wt_store *s, void (*each)(void *arg, const struct wt_tenant *t), void *arg);
wt_err wt_tenant_page(wt_store *s, struct wt_page *page,
                   void (*each)(void *arg, const struct wt_tenant *t), void *arg);
wt_err wt_team_create(wt_store *s, const struct wt_team *in, struct wt_team *out);
wt_err wt_team_list(wt_store *s, void (*each)(void *arg, const struct wt_team *t), void *arg);
wt_err wt_team_page(wt_store *s, struct wt_page *page,
                   void (*each)(void *arg, const struct wt_team *t), void *arg);
/* in: tenant (must exist), team (of it, or ""), name, role ("": user), models, sources, expires_at,
 * limits. Gives the secret "wt-<prefix>-<random>" once. */
wt_err wt_key_create(wt_store *s, const struct wt_key *in, struct wt_key *out, char secret[80]);
wt_err wt_key_revoke(wt_store *s, const char *id);       /* WT_ENOTFOUND */
wt_err wt_key_list(wt_store *s, void (*each)(void *arg, const struct wt_key *k), void *arg);
wt_err wt_key_page(wt_store *s, struct wt_page *page,
                   void (*each)(void *arg, const struct wt_key *k), void *arg);
/* Of "tenant:ID", "team:TENANT/ID" or "key:ID" those limits whose bits are given. WT_EINVAL: no
 * scope, or nothing given; WT_ENOTFOUND. */
wt_err wt_limits_set(wt_store *s, const char *scope, const struct wt_limits *l, uint32_t given);
wt_err wt_price_set(wt_store *s, const struct wt_price *p);
/* Of p the model and the tenant ("": the price of all). WT_ENOTFOUND. */
wt_err wt_price_remove(wt_store *s, const struct wt_price *p);
/* What a model costs a tenant now; WT_ENOTFOUND: no price is set. */
wt_err wt_price_find(wt_store *s, const char *model, const char *tenant, struct wt_price *out);
wt_err wt_price_list(wt_store *s, void (*each)(void *arg, const struct wt_price *p), void *arg);
wt_err wt_price_page(wt_store *s, struct wt_page *page,
                   void (*each)(void *arg, const struct wt_price *p), void *arg);

/* ---- the copy in memory -------------------------------------------------------------------- */

typedef struct wt_identity wt_identity;          /* any thread may ask */
/* Opens the store, migrates, reads, and starts the thread that follows changes. */
wt_err wt_identity_open(wt_identity **out, const char *store_url, uint64_t timeout_ms);
void wt_identity_close(wt_identity *i);
/* Reads again now (tests; a push that names a key). */
void wt_identity_wake(wt_identity *i);
/* Moves whenever the copy was read anew. */
uint64_t wt_identity_rpc_version(wt_identity *i);
/* The allow-list of the RPC door: "ID client KEY" for each key that opens now. */
void wt_identity_rpc_allowed(wt_identity *i, int64_t now, struct wt_buf *out);
/* Seconds since the copy was last known to be what the store holds. */
double wt_identity_age(wt_identity *i);

/* Everything that a request of this key is held to. */
struct wt_who { struct wt_key key; struct wt_tenant tenant; struct wt_team team; };
/* WT_EUNAUTH: unknown (the comparison in constant time; out is as before), or the secret is right
 * and the key expired, revoked, or of a disabled tenant: the words say which, and out is whose it
 * is. WT_EPERM: not from this address, the same. Whoever gets an error must let nobody in. */
wt_err wt_identity_check(wt_identity *i, const char *secret, size_t len, int64_t now,
                         const char *address, struct wt_who *out);
/* The same for somebody who proved by a token who he is: the tenant must exist. */
wt_err wt_identity_tenant(wt_identity *i, const char *tenant, struct wt_tenant *out);
bool wt_identity_price(wt_identity *i, const char *model, const char *tenant,
                       struct wt_price *out);
#endif
