#include "books.h"
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "audit.h"
#include "audit/table.h"
#include "base/file.h"
#include "identity/identity.h"
#include "plugin/plugin.h"

const enum wt_set books_sets[] = { WT_SET_state, WT_SET_config, WT_SET_store,
                                   WT_SET_store_timeout, N_WT_SETTINGS };

const struct wt_plugin *wt_plugin_store_sqlite(void);

static wt_err url_of(const struct call *c, char *out, size_t cap)
{
        static const struct wt_plugin *(*const built_in[])(void) = { wt_plugin_store_sqlite, NULL };
        wt_err err = wt_plugin_register(built_in);

        return err != WT_OK ? err : wt_store_url(wt_conf_str(c->conf, WT_SET_store), c->state, out,
                                                 cap);
}

/* Keys and usage of somebody else are not ours to read: said before SQLite says it poorly. */
static wt_err ours(const char *state)
{
        struct passwd *who;
        struct stat st;

        if (stat(state, &st) != 0 || access(state, R_OK | W_OK | X_OK) == 0)
                return WT_OK;
        who = getpwuid(st.st_uid);
        return wt_fail(WT_EPERM, "the state folder %s belongs to another user (%s); run as that "
                       "user, or name a folder of your own with --state DIR", state,
                       who != NULL ? who->pw_name : "unknown");
}

/* What only reads has nothing to read where no cluster has been. */
static wt_err there(const struct call *c, const char *file)
{
        char path[4300];

        snprintf(path, sizeof path, "%s/%s", c->state, file);
        if (strcmp(wt_conf_str(c->conf, WT_SET_store), "sqlite") != 0 ||
            access(path, F_OK) == 0 || errno != ENOENT)
                return ours(c->state);
        return wt_fail(WT_ENOTFOUND, "no cluster has been started in %s; witan up starts one, "
                       "--state DIR names another folder", c->state);
}

static wt_err bare(const struct call *c, uint64_t patience_ms, wt_store **out)
{
        uint64_t ms = wt_conf_u64(c->conf, WT_SET_store_timeout);
        char url[4200];
        wt_err err = url_of(c, url, sizeof url);

        return err != WT_OK ? err
                            : wt_store_open(out, url, ms > patience_ms ? ms : patience_ms);
}

wt_err books_bare(const struct call *c, uint64_t patience_ms, wt_store **out)
{
        wt_err err = there(c, "");

        return err != WT_OK ? err : bare(c, patience_ms, out);
}

wt_err books_fresh(const struct call *c, uint64_t patience_ms, wt_store **out)
{
        wt_err err = ours(c->state);

        if (err != WT_OK || (err = wt_dir_make(c->state, 0700)) != WT_OK)
                return err;
        return bare(c, patience_ms, out);
}

wt_err books_read(const struct call *c, wt_store **out)
{
        wt_err err = there(c, "witan.db");

        return err != WT_OK ? err : books_open(c, out);
}

wt_err books_open(const struct call *c, wt_store **out)
{
        char url[4200];
        wt_store *s;
        wt_err err;

        if ((err = ours(c->state)) != WT_OK || (err = wt_dir_make(c->state, 0700)) != WT_OK ||
            (err = url_of(c, url, sizeof url)) != WT_OK ||
            (err = wt_store_open(&s, url, wt_conf_u64(c->conf, WT_SET_store_timeout))) != WT_OK)
                return err;
        if ((err = wt_identity_migrate(s)) != WT_OK) {
                wt_store_close(s);
                return err;
        }
        *out = s;
        return WT_OK;
}

struct change {
        struct call *c;
        const char *action;
        wt_err (*work)(void *arg, wt_store *s, struct wt_buf *words);
        void *arg;
        struct wt_buf words;
};

static wt_err change_work(void *arg, wt_store *s)
{
        struct change *g = arg;
        wt_err err;

        wt_buf_clear(&g->words);
        wt_buf_str(&g->words, "");
        err = g->work(g->arg, s, &g->words);
        return err != WT_OK ? err : auditor_deed(g->c, s, g->action, g->words.data);
}

wt_err books_change(struct call *c, wt_store *s, const char *action,
                    wt_err (*work)(void *arg, wt_store *s, struct wt_buf *words), void *arg)
{
        struct change g = { .c = c, .action = action, .work = work, .arg = arg };
        wt_err err = wt_audit_migrate(s);

        if (err == WT_OK)
                err = wt_store_do(s, change_work, &g);
        wt_buf_free(&g.words);
        return err;
}

struct wt_buf *books_list(const struct call *c, struct wt_buf *b, const char *titles, ...)
{
        va_list ap;

        if (c->json) {
                wt_buf_str(b, "[");
                return b;
        }
        va_start(ap, titles);
        vprintf(titles, ap);
        va_end(ap);
        return NULL;
}

int books_list_end(struct call *c, struct wt_buf *b, wt_err err)
{
        if (err == WT_OK && c->json) {
                wt_buf_str(b, "]");
                puts(b->data);
        }
        wt_buf_free(b);
        return err == WT_OK ? EXIT_DONE : verb_fail(c, "%s", wt_words());
}

const char *books_time(int64_t t, char out[32])
{
        time_t at = (time_t)t;
        struct tm tm;

        if (t == 0 || gmtime_r(&at, &tm) == NULL ||
            strftime(out, 32, "%Y-%m-%d %H:%M", &tm) == 0)
                strcpy(out, "-");
        return out;
}

wt_err books_tenant(wt_store *s, const char *id)
{
        struct wt_tenant in = { .limits = wt_no_limits }, out;
        wt_err err;

        snprintf(in.id, sizeof in.id, "%s", id);
        err = wt_tenant_create(s, &in, &out);
        return err == WT_EEXIST ? WT_OK : err;
}

wt_err books_check(const struct call *c, const char *secret, char role[16])
{
        char url[4200];
        struct wt_who who;
        wt_identity *i;
        wt_err err = url_of(c, url, sizeof url);

        if (err != WT_OK || (err = wt_identity_open(&i, url, wt_conf_u64(c->conf,
                                                    WT_SET_store_timeout))) != WT_OK)
                return err;
        err = wt_identity_check(i, secret, strlen(secret), time(NULL), "127.0.0.1", &who);
        if (err == WT_OK)
                strcpy(role, who.key.role);
        wt_identity_close(i);
        return err;
}
