#include "audit/checkpoint_signer.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "audit/erase.h"
#include "audit/tree.h"
#include "audit/witness.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "net/http.h"
#include "tls/sign.h"

enum { LEASE_MS = 15000, WITNESS_MS = 5000, FINISH_MS = 10000 };

wt_err wt_log_key(const char *keys, struct wt_signer *out)
{
        char path[4200], public_path[4200], name[40], hex[17];
        uint8_t random[8];
        wt_err err;

        snprintf(path, sizeof path, "%s/audit-log.key", keys);
        snprintf(public_path, sizeof public_path, "%s/audit-log.pub", keys);
        if (access(path, F_OK) != 0 && errno == ENOENT) {
                struct wt_signer fresh;

                wt_random_bytes(random, sizeof random);
                wt_hex(random, sizeof random, hex);
                snprintf(name, sizeof name, "witan-audit-%s", hex);
                if ((err = wt_dir_make(keys, 0700)) != WT_OK ||
                    (err = wt_signer_new(&fresh, WT_NOTE_LOG, name)) != WT_OK)
                        return err;
                err = wt_signer_save(&fresh, path, public_path);
                wt_wipe(&fresh, sizeof fresh);
                if (err != WT_OK && err != WT_EEXIST)    /* another was first: its key is ours */
                        return err;
        }
        if ((err = wt_signer_load(out, path)) == WT_OK && out->v.type != WT_NOTE_LOG)
                err = wt_fail(WT_EDATA, "%s is the key of a witness", path);
        return err;
}

/* ---- the witness, over HTTP ---- */

static wt_err ask(const struct wt_log_conf *c, const char *method, const char *path,
                  const struct wt_buf *body, int *status, struct wt_buf *out)
{
        char url[400];
        wt_err err;

        snprintf(url, sizeof url, "http://%s%s", c->witness, path);
        err = wt_http_fetch(method, url, NULL, body != NULL ? body->data : NULL,
                            body != NULL ? body->len : 0, WITNESS_MS * 1000, status, out, NULL,
                            NULL);
        return err != WT_OK ? wt_fail_in(err, "the witness at %s", c->witness) : WT_OK;
}

/* Its public key: only a good signature under it is kept, so whoever answers here can at most
 * keep us from being witnessed. */
static wt_err meet(struct wt_log_turn *t, const struct wt_log_conf *c)
{
        struct wt_buf out = { 0 };
        int status = 0;
        wt_err err;

        if (t->has_witness)
                return WT_OK;
        if ((err = ask(c, "GET", "/key", NULL, &status, &out)) == WT_OK && status != 200)
                err = wt_fail(WT_EUNAVAILABLE, "the witness at %s answers %d", c->witness, status);
        if (err == WT_OK)
                err = wt_verifier_parse(&t->witness, out.data != NULL ? out.data : "", out.len);
        t->has_witness = err == WT_OK;
        wt_buf_free(&out);
        return err;
}

static wt_err request(wt_store *s, uint64_t old, uint64_t size, struct wt_buf *out)
{
        struct wt_hash path[WT_MERKLE_DEEP];
        struct wt_buf text = { 0 };
        uint32_t n = 0;
        wt_err err = wt_checkpoints_get(s, size, &text);

        if (err == WT_OK)
                err = wt_merkle_consistency(old, size, wt_tree_get, s, path, &n);
        if (err == WT_OK)
                wt_witness_request(old, path, n, text.data, text.len, out);
        wt_buf_free(&text);
        return err;
}

/* One question; 409 with a size tells from where on the witness wants the proof. */
static wt_err ask_from(struct wt_log_turn *t, wt_store *s, const struct wt_log_conf *c,
                       uint64_t *old, bool *again)
{
        uint64_t size = t->state.signed_rows, known = 0;
        struct wt_buf body = { 0 }, out = { 0 };
        int status = 0;
        wt_err err = request(s, *old, size, &body);

        if (err == WT_OK)
                err = ask(c, "POST", "/add-checkpoint", &body, &status, &out);
        *again = false;
        if (err == WT_OK && status == 200) {
                err = wt_checkpoints_cosign(s, size, &t->witness, out.data, out.len);
        } else if (err == WT_OK && status == 409 && out.len > 1 &&
                   wt_checkpoint_number(out.data, out.len, &known) == out.len - 1) {
                t->rollback = known > size;
                *again = known <= size && known != *old;
                *old = known;
                err = t->rollback ? wt_fail(WT_EDATA, "the witness has cosigned %llu rows of this "
                                            "log, and it has %llu: it was truncated or rolled "
                                            "back", (unsigned long long)known,
                                            (unsigned long long)size)
                                  : WT_OK;
        } else if (err == WT_OK) {
                t->rollback = status == 409 || status == 422;
                err = wt_fail(WT_EPRECONDITION, "the witness refuses (%d): %.*s", status,
                              (int)(out.len > 300 ? 300 : out.len),
                              out.data != NULL ? out.data : "");
        }
        wt_buf_free(&body);
        wt_buf_free(&out);
        return err;
}

static wt_err witness(struct wt_log_turn *t, wt_store *s, const struct wt_log_conf *c)
{
        uint64_t old = t->state.cosigned_rows;
        bool again = true;
        wt_err err = meet(t, c);

        if (err == WT_OK && old == 0)
                err = wt_checkpoints_newest(s, true, &old, NULL);
        t->rollback = false;
        for (int i = 0; i < 3 && err == WT_OK && again; i++)
                err = ask_from(t, s, c, &old, &again);
        if (err != WT_OK || again) {
                t->has_witness = t->has_witness && err != WT_EUNAUTH;
                return err;
        }
        t->state.cosigned_rows = t->state.signed_rows;
        t->state.cosigned_us = wt_now_us(&wt_clock_real);
        return WT_OK;
}

/* Renewed in good time, not every second: each time is a write to the disk. */
static wt_err hold(struct wt_log_turn *t, wt_store *s, const struct wt_log_conf *c)
{
        uint64_t now = wt_now_us(&wt_clock_real);
        wt_err err;

        if (t->renewed_us != 0 && now - t->renewed_us < LEASE_MS * 1000 / 3)
                return WT_OK;
        err = wt_lease_take(s, "audit-signer", c->holder, LEASE_MS, &t->lease);
        t->state.holds_lease = err == WT_OK;
        t->renewed_us = err == WT_OK ? now : 0;
        return err;
}

/* A process that died between an erasure and its end leaves an old epoch key behind, which must not
 * live for more than a minute. */
static wt_err finish(struct wt_log_turn *t, wt_store *s, const struct wt_log_conf *c)
{
        uint64_t now = wt_now_us(&wt_clock_real), left;

        if (c->epochs[0] == '\0' ||
            (t->finished_us != 0 && now - t->finished_us < FINISH_MS * 1000))
                return WT_OK;
        t->finished_us = now;
        return wt_erase_finish(s, c->epochs, &left);
}

/* The log's own key, or none: under a second one no checkpoint would follow from the last. A
 * gateway that joined a store without the keys of those before it signs nothing, and makes no key
 * where the log has one. */
static wt_err own_key(struct wt_log_turn *t, wt_store *s, const struct wt_log_conf *c)
{
        struct wt_buf text = { 0 };
        struct wt_checkpoint last;
        struct wt_note note;
        char path[4200];
        uint64_t size;
        wt_err err;

        if (t->has_key && t->state.signed_rows > 0)
                return WT_OK;
        snprintf(path, sizeof path, "%s/audit-log.key", c->keys);
        if ((err = wt_checkpoints_newest(s, false, &size, &text)) == WT_OK && size > 0 &&
            access(path, F_OK) != 0)
                err = wt_fail(WT_EPRECONDITION, "it is not here");
        if (err == WT_OK && !t->has_key)
                t->has_key = (err = wt_log_key(c->keys, &t->key)) == WT_OK;
        if (err == WT_OK && size > 0)
                err = wt_checkpoint_read(&last, &note, text.data, text.len, &t->key.v, NULL);
        wt_buf_free(&text);
        if (err == WT_EPRECONDITION || err == WT_EUNAUTH)
                return wt_fail(WT_EPRECONDITION, "the audit log in this store is signed by another "
                               "key than %s: this gateway signs none of it. Copy audit-log.key and "
                               "audit-log.pub from the state folder of the gateway that has signed "
                               "it, or give this one a store of its own", path);
        return err;
}

wt_err wt_log_turn(struct wt_log_turn *t, wt_store *s, const struct wt_log_conf *c)
{
        struct wt_hash root;
        uint64_t size = 0;
        wt_err err = own_key(t, s, c);

        if (err == WT_OK && (err = hold(t, s, c)) == WT_EEXIST)
                return WT_OK;                    /* another gateway does it */
        if (err != WT_OK || (err = finish(t, s, c)) != WT_OK ||
            (err = wt_tree_head(s, &size, &root)) != WT_OK)
                return err;
        if (size != t->state.signed_rows &&
            (err = wt_checkpoints_sign(s, &t->key, &t->lease, wt_wall_us(&wt_clock_real),
                                       &size)) != WT_OK) {
                t->renewed_us = 0;               /* the lease may be lost: ask */
                return err == WT_EPRECONDITION ? WT_OK : err;
        }
        if (size != t->state.signed_rows)
                t->state.signed_us = wt_now_us(&wt_clock_real);
        t->state.signed_rows = size;
        if (c->witness[0] == '\0' || size == 0 || size == t->state.cosigned_rows)
                return WT_OK;
        return witness(t, s, c);
}

/* ---- the thread ---- */

struct wt_log_signer {
        struct wt_log_conf conf;
        char store[4200], keys[4200], epochs[4300], holder[64], witness[300];
        pthread_t thread;
        pthread_mutex_t lock;                    /* of stop and state */
        pthread_cond_t wake;
        bool stop, troubled, migrated;
        struct wt_log_state state;
        struct wt_log_turn turn;                 /* the thread's own */
};

static wt_err turn(struct wt_log_signer *g, wt_store **s)
{
        wt_err err;

        if (*s == NULL && (err = wt_store_open(s, g->conf.store, g->conf.timeout_ms)) != WT_OK)
                return err;
        if (!g->migrated) {
                if ((err = wt_tree_migrate(*s)) != WT_OK ||
                    (err = wt_checkpoints_migrate(*s)) != WT_OK ||
                    (err = wt_subjects_migrate(*s)) != WT_OK)
                        return err;
                g->migrated = true;
        }
        return wt_log_turn(&g->turn, *s, &g->conf);
}

static void tell(struct wt_log_signer *g, wt_err err)
{
        if (g->conf.said != NULL && (err != WT_OK) != g->troubled)
                g->conf.said(g->conf.arg, g->turn.rollback, err != WT_OK ? wt_words() : "");
        g->troubled = err != WT_OK;
}

static bool nap(struct wt_log_signer *g)         /* false: it is time to stop */
{
        struct timespec at;
        bool go_on;

        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_nsec += (long)(g->conf.every_ms % 1000) * 1000000;
        at.tv_sec += (time_t)(g->conf.every_ms / 1000) + at.tv_nsec / 1000000000;
        at.tv_nsec %= 1000000000;
        pthread_mutex_lock(&g->lock);
        g->state = g->turn.state;
        while (!g->stop && pthread_cond_timedwait(&g->wake, &g->lock, &at) == 0)
                ;
        go_on = !g->stop;
        pthread_mutex_unlock(&g->lock);
        return go_on;
}

static void *run(void *arg)
{
        struct wt_log_signer *g = arg;
        wt_store *s = NULL;

        do
                tell(g, turn(g, &s));
        while (nap(g));
        tell(g, turn(g, &s));                    /* what was written meanwhile is signed, too */
        if (s != NULL && g->turn.state.holds_lease)
                wt_lease_give(s, &g->turn.lease);
        wt_store_close(s);
        return NULL;
}

wt_err wt_log_signer_start(wt_log_signer **out, const struct wt_log_conf *c)
{
        struct wt_log_signer *g = calloc(1, sizeof *g);
        pthread_condattr_t mono;

        if (g == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the audit log's signer");
        snprintf(g->store, sizeof g->store, "%s", c->store);
        snprintf(g->keys, sizeof g->keys, "%s", c->keys);
        snprintf(g->epochs, sizeof g->epochs, "%s", c->epochs);
        snprintf(g->holder, sizeof g->holder, "%s", c->holder);
        snprintf(g->witness, sizeof g->witness, "%s", c->witness);
        g->conf = *c;
        g->conf.store = g->store;
        g->conf.keys = g->keys;
        g->conf.epochs = g->epochs;
        g->conf.holder = g->holder;
        g->conf.witness = g->witness;
        pthread_mutex_init(&g->lock, NULL);
        pthread_condattr_init(&mono);
        pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
        pthread_cond_init(&g->wake, &mono);
        pthread_condattr_destroy(&mono);
        if (pthread_create(&g->thread, NULL, run, g) != 0) {
                free(g);
                return wt_fail(WT_EEXHAUSTED, "no thread for the audit log's signer");
        }
        *out = g;
        return WT_OK;
}

void wt_log_signer_state(wt_log_signer *g, struct wt_log_state *out)
{
        pthread_mutex_lock(&g->lock);
        *out = g->state;
        pthread_mutex_unlock(&g->lock);
}

void wt_log_signer_stop(wt_log_signer *g)
{
        if (g == NULL)
                return;
        pthread_mutex_lock(&g->lock);
        g->stop = true;
        pthread_cond_signal(&g->wake);
        pthread_mutex_unlock(&g->lock);
        pthread_join(g->thread, NULL);
        pthread_cond_destroy(&g->wake);
        pthread_mutex_destroy(&g->lock);
        wt_wipe(&g->turn, sizeof g->turn);
        free(g);
}
