/* up_prepare.c - what witan up does before it starts anything: what fails here fails within a
 * second, in words, and leaves nothing running. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "audit/checkpoint_signer.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "bus/keyring.h"
#include "model/pack.h"
#include "books.h"
#include "identity/identity.h"
#include "room.h"
#include "secure.h"
#include "text/tokenizer.h"
#include "tls/sign.h"
#include "up.h"
#include "up_check.h"
#include "where.h"

static wt_err lock_state(struct up *u)
{
        const struct timespec nap = { 0, 20 * 1000 * 1000 };
        char path[4200];
        int tries = 10;

        snprintf(path, sizeof path, "%s/lock", u->c->state);
        u->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (u->lock < 0)
                return wt_fail(WT_EIO, "could not open %s: %s", path, strerror(errno));
        while (flock(u->lock, LOCK_EX | LOCK_NB) != 0) {
                if (tries-- == 0)
                        return wt_fail(WT_EEXIST,
                                       "a cluster already runs in %s; witan ps shows it, witan "
                                       "down stops it, --state DIR makes another one",
                                       u->c->state);
                nanosleep(&nap, NULL); /* it may be somebody who only looks: cluster_lives */
        }
        return WT_OK;
}

/* Keys and packs of somebody else's cluster are not ours to use, root's included. */
static wt_err check_owner(const char *path)
{
        struct stat st;
        struct passwd *who;

        if (stat(path, &st) != 0 || st.st_uid == geteuid())
                return WT_OK;
        who = getpwuid(st.st_uid);
        return wt_fail(
                WT_EPERM,
                "the state folder %s belongs to another user (%s); run as that user, or name a "
                "folder of your own with --state DIR",
                path, who != NULL ? who->pw_name : "unknown");
}

static wt_err make_folders(struct up *u)
{
        static const char *const names[] = { "keys", "logs", "spool", "packs" };
        const char *state = u->c->state;
        char path[4300];
        wt_err err = check_owner(state);

        if (err != WT_OK)
                return err;
        if ((err = wt_dir_make(state, 0700)) == WT_OK && access(state, W_OK | X_OK) != 0)
                return wt_fail(WT_EPERM, "the state folder %s cannot be written: %s; chmod u+rwx "
                               "makes it so, --state DIR names another one", state,
                               strerror(errno));
        for (size_t i = 0; i < sizeof names / sizeof *names && err == WT_OK; i++) {
                snprintf(path, sizeof path, "%s/%s", state, names[i]);
                err = wt_dir_make(path, 0700);
        }
        return err == WT_OK ? WT_OK
                : wt_fail(err, "state folder: %s; --state DIR names another one", wt_words());
}

/* The spool's rows, the log's witness and the keys belong to one store: another one is taken only
 * when that is said, or what the spool still holds would be a log's beginning elsewhere. */
static wt_err settle_store(struct up *u)
{
        const wt_conf *conf = u->c->conf;
        char *now = u->plan.cluster.store, then[4200], db[4300];
        wt_err err = cluster_store_name(wt_conf_str(conf, WT_SET_store), now);

        if (err != WT_OK)
                return err;
        snprintf(db, sizeof db, "%s/witan.db", u->c->state);
        if ((err = cluster_store(u->c->state, then)) != WT_OK)   /* damaged: the file tells */
                return wt_conf_from(conf, WT_SET_store) != WT_FROM_DEFAULT ||
                       access(db, F_OK) == 0 ? WT_OK
                        : wt_fail(err, "which store this cluster has is not known, since %s; "
                                  "--store names it (sqlite, or the URL)", wt_words());
        if (wt_conf_from(conf, WT_SET_store) == WT_FROM_STATE && strcmp(now, "sqlite") != 0)
                fprintf(stderr, "going on with the store of this state folder: %s\n", now);
        if (then[0] == '\0' || strcmp(then, now) == 0 || u->c->flag[UP_STORE_CHANGE] != NULL)
                return WT_OK;
        return wt_fail(WT_EPRECONDITION, "the cluster of %s has its keys and its audit log in %s, "
                       "and the spool's rows go there; %s names another store. Leave it out to "
                       "go on; or move the store (witan store backup FOLDER, then witan store "
                       "restore FOLDER --store NEW), then say --store-change; or take another "
                       "--state",
                       u->c->state, then, wt_conf_where(conf, WT_SET_store));
}

/* Every tensor is there and whole: said now, not by each process in turn. */
static wt_err check_tensors(struct up *u)
{
        wt_source *s;
        wt_model *m;
        wt_err err = wt_model_open(&m, u->plan.cluster.model, NULL, NULL);

        if (err != WT_OK)
                return err;
        wt_model_close(m);
        if ((err = wt_source_open(&s, u->plan.cluster.model)) != WT_OK)
                return err;
        for (uint32_t i = 0; i < wt_source_count(s); i++)
                u->model_bytes += wt_source_at(s, i)->bytes;
        wt_source_close(s);
        return WT_OK;
}

static wt_err resolve_model(struct up *u)
{
        wt_err err = where_model(u->c->conf, u->plan.cluster.model);
        wt_tokenizer *t;

        if (err != WT_OK)
                return err;
        if ((err = wt_shape_load(&u->shape, u->plan.cluster.model)) == WT_OK &&
            (err = check_tensors(u)) == WT_OK)
                err = wt_tokenizer_load(&t, u->plan.cluster.model);
        if (err == WT_OK)
                wt_tokenizer_free(t);
        return err == WT_OK ? WT_OK
                            : wt_fail(err,
                                      "model %s: %s; --model names a folder as Hugging Face ships "
                                      "it, and witan models "
                                      "inspect looks into one",
                                      u->plan.cluster.model, wt_words());
}

/* The admin's key stays the same from start to start. */
static wt_err make_admin_key(struct up *u)
{
        struct wt_key key = { .tenant = "default", .name = "admin", .role = "admin",
                              .limits = wt_no_limits }, out;
        struct cluster *old = calloc(1, sizeof *old);
        char role[16];
        wt_store *s;
        wt_err err;

        WT_ASSERT(old != NULL);
        if ((err = books_open(u->c, &s)) != WT_OK) {
                free(old);
                return err;
        }
        if (cluster_read(old, u->c->state) == WT_OK)
                u->same_model = strcmp(old->model, u->plan.cluster.model) == 0;
        if (books_check(u->c, old->admin_key, role) == WT_OK)
                snprintf(u->plan.cluster.admin_key, sizeof u->plan.cluster.admin_key, "%s",
                         old->admin_key);
        else if ((err = books_tenant(s, key.tenant)) == WT_OK)
                err = wt_key_create(s, &key, &out, u->plan.cluster.admin_key);
        wt_store_close(s);
        free(old);
        return err;
}

static wt_err make_bus_keys(struct up *u)
{
        struct wt_keyring_name names[MAX_PROCESSES + 2];
        char dir[4200];
        uint32_t n = 0;

        for (uint32_t i = 0; i < u->plan.cluster.n; i++) {
                const struct process *p = &u->plan.cluster.processes[i];
                if (strcmp(p->role, "router") != 0 && strcmp(p->role, "witness") != 0)
                        names[n++] = (struct wt_keyring_name){ p->name, p->role };
        }
        names[n++] = (struct wt_keyring_name){ "control-0", "control" };         /* may push news */
        names[n++] = (struct wt_keyring_name){ "planner-0", "planner" };         /* may assign */
        snprintf(dir, sizeof dir, "%s/keys", u->c->state);
        return wt_keyring_make(dir, names, n);
}

/* Before the witness starts, which is told the public half. */
static wt_err make_log_key(struct up *u)
{
        struct wt_signer key;
        char dir[4200];
        wt_err err;

        snprintf(dir, sizeof dir, "%s/keys", u->c->state);
        err = wt_log_key(dir, &key);
        wt_wipe(&key, sizeof key);
        return err;
}

/* What was decided stands in the settings too: the services of --inproc read them. */
static wt_err settle(struct up *u)
{
        wt_err err = wt_conf_decide(u->c->conf, WT_SET_model, u->plan.cluster.model);

        return err == WT_OK ? wt_conf_decide(u->c->conf, WT_SET_http,
                                             strstr(u->plan.cluster.http, "://") + 3)
                            : err;
}

/* Port 0 of --http: the gateway's own choice would be unknown to us, so we choose. */
static void choose_http(struct up *u)
{
        const char *http = wt_conf_str(u->c->conf, WT_SET_http), *colon = strrchr(http, ':');
        struct child *g = &u->child[u->n - 1];
        char address[256];

        if (colon == NULL || strcmp(colon, ":0") != 0)
                return;
        snprintf(address, sizeof address, "%.*s:%d", (int)(colon - http), http,
                 plan_free_port(&u->plan));
        snprintf(u->plan.cluster.http, sizeof u->plan.cluster.http, "%s://%s",
                 secure_scheme(u->c->conf), address);
        snprintf(g->p->endpoint, sizeof g->p->endpoint, "%s", u->plan.cluster.http);
        for (uint32_t i = 0; i < g->n_argv; i++)
                if (strncmp(g->argv[i], "--http=", 7) == 0) {
                        free(g->argv[i]);
                        if (asprintf(&g->argv[i], "--http=%s", address) < 0)
                                abort();
                }
}

/* One count of cores for all that run here. A file that was named may be another cluster's: it is
 * kept, so that both count together. */
static wt_err make_cores(struct up *u)
{
        char path[4200];
        wt_err err;

        if (wt_conf_str(u->c->conf, WT_SET_cores_file)[0] != '\0')
                return access(wt_conf_str(u->c->conf, WT_SET_cores_file), F_OK) == 0 ? WT_OK
                        : wt_allowance_make(wt_conf_str(u->c->conf, WT_SET_cores_file),
                                            wt_cores_allowed());
        snprintf(path, sizeof path, "%s/cores", u->c->state);
        err = wt_allowance_make(path, wt_cores_allowed());
        return err == WT_OK ? wt_conf_decide(u->c->conf, WT_SET_cores_file, path) : err;
}

/* So that the command line trusts this gateway, wherever it is called from. */
static void name_cert(struct up *u)
{
        const char *cert = wt_conf_str(u->c->conf, WT_SET_tls_cert);
        char *full = *cert != '\0' ? realpath(cert, NULL) : NULL;

        snprintf(u->plan.cluster.tls_cert, sizeof u->plan.cluster.tls_cert, "%s",
                 full != NULL ? full : cert);
        free(full);
        secure_cluster(u->plan.cluster.tls_cert);
}

wt_err up_prepare(struct up *u)
{
        wt_err err;

        if ((err = up_check(u->c->conf)) != WT_OK || (err = resolve_model(u)) != WT_OK ||
            (err = up_check_model(u->c->conf, u->shape)) != WT_OK ||
            (err = make_folders(u)) != WT_OK || (err = lock_state(u)) != WT_OK ||
            (err = settle_store(u)) != WT_OK ||
            (err = up_check_ports(u->c->conf)) != WT_OK)
                return err;
        if ((err = where_bin(u->plan.bin)) != WT_OK ||
            (err = room_check(u->c->state, u->model_bytes)) != WT_OK ||
            (err = plan_make(&u->plan, u->c, u->shape)) != WT_OK ||
            (err = make_admin_key(u)) != WT_OK || (err = make_bus_keys(u)) != WT_OK ||
            (err = make_log_key(u)) != WT_OK ||
            (err = make_cores(u)) != WT_OK)
                return err;
        name_cert(u);
        snprintf(u->plan.cluster.http, sizeof u->plan.cluster.http, "%s://%s",
                 secure_scheme(u->c->conf),
                 wt_conf_str(u->c->conf, WT_SET_http));
        u->n = u->plan.cluster.n;
        for (uint32_t i = 0; i < u->n && err == WT_OK; i++)
                err = child_make(&u->child[i], &u->plan, &u->plan.cluster.processes[i], u->c);
        if (err != WT_OK)
                return err;
        choose_http(u);
        return settle(u);
}

void up_revision(struct up *u)
{
        char packs[4200], hex[65];
        uint8_t sha[32];
        wt_model *m;

        snprintf(packs, sizeof packs, "%s/packs", u->c->state);
        if (wt_model_open(&m, u->plan.cluster.model, packs, NULL) != WT_OK)
                return;
        if (wt_model_revision(m, sha) == WT_OK) {
                wt_hex(sha, 32, hex);
                for (uint32_t i = 0; i < u->plan.cluster.n; i++)
                        if (u->plan.cluster.processes[i].shard[0] != '\0')
                                snprintf(u->plan.cluster.processes[i].revision, sizeof hex, "%s",
                                         hex);
        }
        wt_model_close(m);
}
