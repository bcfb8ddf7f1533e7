/* key.c - witan key create|list|revoke: bearer keys in STATE/the store. */
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "books.h"
#include "bus/bus.h"
#include "cluster.h"
#include "identity/form.h"
#include "limit.h"
#include "names.h"
#include "page.h"

enum { F_TENANT, F_TEAM, F_NAME, F_ROLE, F_MODELS, F_SOURCES, F_DAYS, F_EXPIRES, F_RPC, F_LIMITS,
       F_PAGE = F_LIMITS + WT_N_LIMITS };

/* What an RPC client needs, in one file of its own: include/witan/client.h reads it. */
/* A client that connects before the gateway has heard of its key is refused for good by libzmq: the
 * file is handed over when the door knows it, or after five seconds (nothing runs, then). */
static void wait_for_door(const struct call *c, const char *public_key)
{
        struct wt_buf b = { 0 };
        char path[4200];
        bool known = false;

        snprintf(path, sizeof path, "%s/keys/rpc-gateway-0.allowed", c->state);
        for (int i = 0; i < 50 && !known; i++) {
                wt_buf_clear(&b);
                if (wt_file_read(path, 1 << 24, &b) != WT_OK)
                        break;
                known = strstr(b.data, public_key) != NULL;
                if (!known)
                        nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000 * 1000 }, NULL);
        }
        wt_buf_free(&b);
}

static wt_err write_client(const struct call *c, const struct wt_key *k, const char *secret,
                           const char *curve_secret)
{
        struct cluster *cl = calloc(1, sizeof *cl);
        struct wt_buf pub = { 0 }, b = { 0 };
        char path[4200], server[64] = "";
        wt_err err;

        WT_ASSERT(cl != NULL);
        snprintf(path, sizeof path, "%s/keys/rpc.pub", c->state);
        if ((err = wt_file_read(path, 256, &pub)) == WT_OK &&
            sscanf(pub.data, "public %40s", server) != 1)
                err = wt_fail(WT_EDATA, "%s holds no key; witan up makes it", path);
        if (err == WT_OK && (err = cluster_read(cl, c->state)) == WT_OK && cl->rpc[0] == '\0')
                err = wt_fail(WT_EPRECONDITION, "this cluster has no RPC door; "
                              "start it with --rpc");
        wt_buf_fmt(&b, "endpoint: %s\nserver_key: %s\npublic_key: %s\nsecret_key: %s\n"
                   "api_key: %s\n", cl->rpc, server, k->rpc_public, curve_secret, secret);
        if (err == WT_OK)
                err = wt_file_write(c->flag[F_RPC], b.data, b.len, 0600);
        if (b.data != NULL)
                explicit_bzero(b.data, b.len);
        wt_buf_free(&b);
        wt_buf_free(&pub);
        free(cl);
        return err;
}

/* A flag's text into a key's; false: it is longer than that holds, said. */
static bool text_flag(const struct call *c, int f, const char *absent, char *out, size_t cap)
{
        const char *value = c->flag[f] != NULL ? c->flag[f] : absent;

        if (strlen(value) >= cap) {
                verb_usage(c, "--%s has at most %zu bytes", c->verb->flags[f].name, cap - 1);
                return false;
        }
        strcpy(out, value);
        return true;
}

/* --expires: the moment from which on it opens nothing; a day begins at midnight, by UTC. */
static bool read_expiry(const struct call *c, double days, int64_t *out)
{
        const char *s = c->flag[F_EXPIRES], *end;
        struct tm tm = { 0 };

        if (days > 0)
                *out = time(NULL) + (int64_t)(days * 86400);
        if (s == NULL)
                return true;
        if (days > 0) {
                verb_usage(c, "--days and --expires say the same; leave one out");
                return false;
        }
        end = strptime(s, "%Y-%m-%d", &tm);
        if (end != NULL && *end == 'T')
                end = strptime(end, "T%H:%M:%SZ", &tm);
        *out = end != NULL && *end == '\0' ? (int64_t)timegm(&tm) : -1;
        if (*out > time(NULL))
                return true;
        verb_usage(c, "--expires %s is %s; write 2099-01-31 or 2099-01-31T18:00:00Z (UTC)", s,
                   *out < 0 ? "no date" : "over");
        return false;
}

static bool read_flags(const struct call *c, struct wt_key *in)
{
        double days = 0;
        uint32_t given;

        if (!text_flag(c, F_TENANT, "default", in->tenant, sizeof in->tenant) ||
            !text_flag(c, F_TEAM, "", in->team, sizeof in->team) ||
            !text_flag(c, F_NAME, "", in->name, sizeof in->name) ||
            !text_flag(c, F_ROLE, "user", in->role, sizeof in->role) ||
            !text_flag(c, F_MODELS, "", in->models, sizeof in->models) ||
            !text_flag(c, F_SOURCES, "", in->sources, sizeof in->sources) ||
            !limit_flags(c, F_LIMITS, &in->limits, &given) ||
            !verb_number(c, F_DAYS, 0.001, 36500, &days))
                return false;
        return read_expiry(c, days, &in->expires_at);
}

struct made { struct wt_key in, out; char secret[80]; };

static wt_err make(void *arg, wt_store *s, struct wt_buf *words)
{
        struct made *m = arg;
        wt_err err = wt_key_create(s, &m->in, &m->out, m->secret);

        wt_buf_fmt(words, "tenant=%s name=%s role=%s key=%s", m->out.tenant, m->out.name,
                   m->out.role, m->out.id);
        return err;
}

static wt_err end(void *arg, wt_store *s, struct wt_buf *words)
{
        wt_buf_fmt(words, "key=%.80s", (const char *)arg);
        return wt_key_revoke(s, arg);
}

static void show(const struct call *c, struct made *m)
{
        if (c->json) {
                struct wt_buf b = { 0 };

                wt_key_json(&m->out, true, &b);
                wt_buf_json_kv(&b, "key", m->secret);
                wt_buf_str(&b, "}");
                puts(b.data);
                explicit_bzero(b.data, b.len);
                wt_buf_free(&b);
        } else {
                printf("%s\n", m->secret);
                fprintf(stderr, "key %s for tenant %s, role %s; it is shown this once\n",
                        m->out.id, m->out.tenant, m->out.role);
        }
}

/* What the flags name is there, and the file is not. */
static wt_err look_first(const struct call *c, wt_store *s, const struct wt_key *in)
{
        char path[4300];
        struct stat st;
        wt_err err = WT_OK;

        snprintf(path, sizeof path, "%s/keys/rpc.pub", c->state);
        if (c->flag[F_RPC] != NULL && access(path, F_OK) != 0)
                return wt_fail(WT_EPRECONDITION, "there is no key of the RPC door in %s yet; start "
                               "the cluster once (witan up makes it), then make the key",
                               c->state);
        if (c->flag[F_RPC] != NULL && lstat(c->flag[F_RPC], &st) == 0)
                return wt_fail(WT_EEXIST, "--rpc: %s exists; name a file that does not, or remove "
                               "it", c->flag[F_RPC]);
        if (c->flag[F_TENANT] != NULL)
                err = names_tenant(s, in->tenant);
        if (err == WT_OK && in->team[0] != '\0')
                err = names_team(s, in->tenant, in->team);
        if (err == WT_OK)
                names_models(c, in->models);
        return err;
}

static int create(struct call *c, wt_store *s)
{
        struct made m = { .in = { .limits = wt_no_limits } };
        char curve_secret[41] = "";

        if (!read_flags(c, &m.in))
                return EXIT_USAGE;
        if (look_first(c, s, &m.in) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (c->flag[F_RPC] != NULL && wt_bus_keypair(m.in.rpc_public, curve_secret) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if ((c->flag[F_TENANT] == NULL && books_tenant(s, "default") != WT_OK) ||
            books_change(c, s, "admin.key.create", make, &m) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (c->flag[F_RPC] != NULL && write_client(c, &m.out, m.secret, curve_secret) != WT_OK) {
                verb_fail(c, "%s", wt_words());
                if (books_change(c, s, "admin.key.revoke", end, m.out.id) != WT_OK)
                        verb_fail(c, "key %s was made and nobody has it; witan key revoke ends "
                                  "it: %s", m.out.id, wt_words());
                return EXIT_FAILED;
        }
        explicit_bzero(curve_secret, sizeof curve_secret);
        if (c->flag[F_RPC] != NULL)
                wait_for_door(c, m.out.rpc_public);
        if (c->flag[F_RPC] != NULL)
                fprintf(stderr, "wrote %s, the file of an RPC client; it holds the key and is "
                        "secret (0600)\n", c->flag[F_RPC]);
        show(c, &m);
        explicit_bzero(m.secret, sizeof m.secret);
        return EXIT_DONE;
}

static void row(void *arg, const struct wt_key *k)
{
        char created[32], expires[32], revoked[32];
        struct wt_buf limits = { 0 };

        if (arg != NULL) {
                wt_key_json(k, false, arg);
                return;
        }
        limit_words(&k->limits, &limits);
        if (k->models[0] != '\0')
                wt_buf_fmt(&limits, "; models %s", k->models);
        if (k->sources[0] != '\0')
                wt_buf_fmt(&limits, "; from %s", k->sources);
        printf("%-38s %-12s %-16s %-8s %-17s %-17s %-17s %s\n", k->id, k->tenant, k->name,
               k->role, books_time(k->created_at, created), books_time(k->expires_at, expires),
               books_time(k->revoked_at, revoked), limits.data);
        wt_buf_free(&limits);
}

static int list(struct call *c, wt_store *s, struct wt_page *page)
{
        struct wt_buf b = { 0 },
                *json = books_list(c, &b, "%-38s %-12s %-16s %-8s %-17s %-17s %-17s %s\n", "ID",
                                   "TENANT", "NAME", "ROLE", "CREATED", "EXPIRES", "REVOKED",
                                   "LIMITS");

        return page_end(c, &b, page, wt_key_page(s, page, row, json));
}

static int revoke_key(struct call *c, wt_store *s)
{
        if (names_key(s, c->words[1]) != WT_OK ||
            books_change(c, s, "admin.key.revoke", end, c->words[1]) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (c->json)
                printf("{\"id\":\"%s\",\"revoked\":true}\n", c->words[1]);
        else
                printf("key %s is revoked\n", c->words[1]);
        return EXIT_DONE;
}

static int run(struct call *c)
{
        const struct sub *sub = verb_sub(c);
        enum { CREATE, LIST, REVOKE };
        long what;
        bool fresh = access(c->state, F_OK) != 0;
        struct wt_page room, *page;
        wt_store *s;
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        what = sub - c->verb->subs;
        if (what == CREATE && c->n_words > 1)
                return verb_usage(c, "create takes no word; a name is given as --name %s",
                                  c->words[1]);
        if ((rc = verb_words(c, what == REVOKE ? 2 : 1)) != 0)
                return rc;
        if (what == REVOKE && c->n_words != 2)
                return verb_usage(c, "revoke takes the id of a key; witan key list shows them");
        for (int k = 0; k < F_PAGE && what != CREATE; k++)
                if (c->flag[k] != NULL)
                        return verb_usage(c, "--%s is for key create", c->verb->flags[k].name);
        if (!page_flags(c, F_PAGE, what == LIST, &room, &page))
                return EXIT_USAGE;
        if ((what == CREATE ? books_open(c, &s) : books_read(c, &s)) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (fresh && what == CREATE)
                fprintf(stderr, "no cluster has been started in %s yet: the folder is made\n",
                        c->state);
        if (what == CREATE)
                rc = create(c, s);
        else if (what == LIST)
                rc = list(c, s, page);
        else
                rc = revoke_key(c, s);
        wt_store_close(s);
        return rc;
}

const struct verb verb_key = {
        .name = "key",
        .about = "makes, lists and revokes API keys",
        .usage = "witan key create [--tenant T] [--team G] [--name N] [--role R] [--models A,B] "
                 "[--sources NETS] [--days D | --expires DATE] [LIMITS] | list | revoke ID",
        .example = "witan key create --tenant research --name anna --days 90 --tokens-per-day "
                   "200000",
        .text = "Keys live in the store as salted hashes; a key is shown once, when it is made. A "
                "cluster that runs takes up new keys and forgets revoked ones within a moment. A "
                "request is held to the limits of its key, of the key's team and of its tenant; "
                "witan quota shows what is left. What is made and revoked has a row in the audit "
                "log.",
        .subs = {{"create", "", "makes a key and prints it, this once"},
                 {"list", "", "shows all keys, without their secrets"},
                 {"revoke", "ID", "ends a key for good"}},
        .flags = {[F_TENANT] = {"tenant", "NAME", "tenant of the key [default]", 0},
                  [F_TEAM] = {"team", "NAME", "team of the tenant, whose limits it shares [none]",
                              0},
                  [F_NAME] = {"name", "NAME", "whose key it is", 0},
                  [F_ROLE] = {"role", "user|operator|auditor|admin", "what it may do [user]", 0},
                  [F_MODELS] = {"models", "LIST", "models it may use, separated by commas [all]",
                                0},
                  [F_SOURCES] = {"sources", "LIST", "addresses and networks it may come from, as "
                                 "10.0.0.0/8,2001:db8::1 [anywhere]", 0},
                  [F_DAYS] = {"days", "N", "days until it expires [never]", 0},
                  [F_EXPIRES] = {"expires", "DATE", "when it expires, as 2099-01-31 [never]", 0},
                  [F_RPC] = {"rpc", "FILE", "also makes the file of an RPC client: endpoint, keys",
                             0},
                  LIMIT_FLAGS(F_LIMITS), PAGE_FLAGS(F_PAGE)},
        .sets = books_sets,
        .run = run,
};
