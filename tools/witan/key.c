/* key.c - witan key create|list|revoke: bearer keys in STATE/the store. */
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>
#include "base/buf.h"
#include "base/file.h"
#include "books.h"
#include "bus/bus.h"
#include "cluster.h"
#include "identity/identity.h"
#include "verb.h"

enum { F_TENANT, F_NAME, F_ROLE, F_MODELS, F_DAYS, F_RPC };

static void put_key(struct wt_buf *b, const struct wt_key *k)
{
        wt_buf_json_sep(b);
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "id", k->id);
        wt_buf_json_kv(b, "tenant", k->tenant);
        wt_buf_json_kv(b, "name", k->name);
        wt_buf_json_kv(b, "role", k->role);
        wt_buf_json_kv(b, "models", k->models);
        wt_buf_json_ki(b, "created_at", k->created_at);
        wt_buf_json_ki(b, "expires_at", k->expires_at);
        wt_buf_json_ki(b, "revoked_at", k->revoked_at);
}

/* What an RPC client needs, in one file of its own: include/witan/client.h reads it. */
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
                err = wt_fail(WT_EPRECONDITION, "this cluster has no RPC door; start it with --rpc");
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

static int create(struct call *c, wt_store *s)
{
        struct wt_key in = { .limits = wt_no_limits }, out;
        char secret[80], curve_secret[41] = "";
        double days = 0;

        snprintf(in.tenant, sizeof in.tenant, "%s",
                 c->flag[F_TENANT] ? c->flag[F_TENANT] : "default");
        snprintf(in.name, sizeof in.name, "%s", c->flag[F_NAME] ? c->flag[F_NAME] : "");
        snprintf(in.role, sizeof in.role, "%s", c->flag[F_ROLE] ? c->flag[F_ROLE] : "user");
        snprintf(in.models, sizeof in.models, "%s", c->flag[F_MODELS] ? c->flag[F_MODELS] : "");
        if (!verb_number(c, F_DAYS, 0.001, 36500, &days))
                return EXIT_USAGE;
        if (days > 0)
                in.expires_at = time(NULL) + (int64_t)(days * 86400);
        if (c->flag[F_RPC] != NULL && wt_bus_keypair(in.rpc_public, curve_secret) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if ((c->flag[F_TENANT] == NULL && books_tenant(s, "default") != WT_OK) ||
            wt_key_create(s, &in, &out, secret) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (c->flag[F_RPC] != NULL && write_client(c, &out, secret, curve_secret) != WT_OK) {
                wt_key_revoke(s, out.id);        /* nobody has it */
                return verb_fail(c, "%s", wt_words());
        }
        explicit_bzero(curve_secret, sizeof curve_secret);
        if (c->json) {
                struct wt_buf b = { 0 };
                put_key(&b, &out);
                wt_buf_json_kv(&b, "key", secret);
                wt_buf_str(&b, "}");
                puts(b.data);
                wt_buf_free(&b);
        } else {
                printf("%s\n", secret);
                fprintf(stderr, "key %s for tenant %s, role %s; it is shown this once\n", out.id,
                        out.tenant, out.role);
        }
        return EXIT_DONE;
}

static void when(int64_t t, char out[32])
{
        time_t at = (time_t)t;
        struct tm tm;

        if (t == 0)
                strcpy(out, "-");
        else
                strftime(out, 32, "%Y-%m-%d %H:%M", gmtime_r(&at, &tm));
}

static void row(void *arg, const struct wt_key *k)
{
        struct wt_buf *b = arg;
        char created[32], expires[32], revoked[32];

        if (b != NULL) {
                put_key(b, k);
                wt_buf_str(b, "}");
                return;
        }
        when(k->created_at, created);
        when(k->expires_at, expires);
        when(k->revoked_at, revoked);
        printf("%-38s %-12s %-16s %-8s %-17s %-17s %s\n", k->id, k->tenant, k->name, k->role,
               created, expires, revoked);
}

static int list(struct call *c, wt_store *s)
{
        struct wt_buf b = { 0 };
        wt_err err;

        if (!c->json) {
                printf("%-38s %-12s %-16s %-8s %-17s %-17s %s\n", "ID", "TENANT", "NAME", "ROLE",
                       "CREATED", "EXPIRES", "REVOKED");
                return wt_key_list(s, row, NULL) == WT_OK ? EXIT_DONE
                                                              : verb_fail(c, "%s", wt_words());
        }
        wt_buf_str(&b, "[");
        err = wt_key_list(s, row, &b);
        wt_buf_str(&b, "]");
        if (err == WT_OK)
                puts(b.data);
        wt_buf_free(&b);
        return err == WT_OK ? EXIT_DONE : verb_fail(c, "%s", wt_words());
}

static int revoke(struct call *c, wt_store *s)
{
        if (wt_key_revoke(s, c->words[1]) != WT_OK)
                return verb_fail(c, "%s; witan key list shows the ids", wt_words());
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
        wt_store *s;
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        what = sub - c->verb->subs;
        if ((rc = verb_words(c, what == REVOKE ? 2 : 1)) != 0)
                return rc;
        if (what == REVOKE && c->n_words != 2)
                return verb_usage(c, "revoke takes the id of a key; witan key list shows them");
        for (int k = 0; k < MAX_FLAGS && what != CREATE && c->verb->flags[k].name != NULL; k++)
                if (c->flag[k] != NULL)
                        return verb_usage(c, "--%s is for key create", c->verb->flags[k].name);
        if (books_open(c, &s) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (what == CREATE)
                rc = create(c, s);
        else if (what == LIST)
                rc = list(c, s);
        else
                rc = revoke(c, s);
        wt_store_close(s);
        return rc;
}

const struct verb verb_key = {
        .name = "key",
        .about = "makes, lists and revokes API keys",
        .usage = "witan key create [--tenant T] [--name N] [--role R] [--models A,B] [--days D] | "
                 "list | "
                 "revoke ID",
        .example = "witan key create --tenant research --name anna --days 90",
        .text = "Keys live in STATE/witan.db as salted hashes; a key is shown once, when it is "
                "made. A cluster "
                "that runs takes up new keys and forgets revoked ones within a moment.",
        .subs = {{"create", "", "makes a key and prints it, this once"},
                 {"list", "", "shows all keys, without their secrets"},
                 {"revoke", "ID", "ends a key for good"}},
        .flags = {[F_TENANT] = {"tenant", "NAME", "tenant of the key [default]", 0},
                  [F_NAME] = {"name", "NAME", "whose key it is", 0},
                  [F_ROLE] = {"role", "user|operator|auditor|admin", "what it may do [user]", 0},
                  [F_MODELS] = {"models", "LIST", "models it may use, separated by commas [all]",
                                0},
                  [F_DAYS] = {"days", "N", "days until it expires [never]", 0},
                  [F_RPC] = {"rpc", "FILE", "also makes the file of an RPC client: endpoint, keys", 0}},
        .sets = books_sets,
        .run = run,
};
