#include "audit/erase.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/deed.h"
#include "audit/erase_impl.h"
#include "audit/seal_impl.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "tls/sign.h"

enum { BATCH = 500 };

wt_err erase_note(const struct wt_eraser *e, struct wt_audit_event *note, uint64_t *leaf)
{
        note->kind = WT_AUDIT_NOTE;
        note->actor = WT_STR(e->actor);
        note->door = WT_STR("shell");
        note->cause = WT_STR("admin");
        note->outcome = WT_STR("ok");
        return wt_audit_deed(e->store, note, NULL, leaf);
}

int erase_on_int(void *arg, const struct wt_value *column, uint32_t n)
{
        if (n == 1 && column[0].type == WT_INT)
                *(int64_t *)arg = column[0].as.i;
        return WT_OK;
}

/* ---- revoking ---- */

struct revoke {
        const struct wt_eraser *e;
        const uint8_t *id;
        char hex[33], tenant[65];
        int64_t old_epoch, new_epoch;
        uint64_t leaf;
        bool found;
};

static int on_tenant(void *arg, const struct wt_value *column, uint32_t n)
{
        struct revoke *r = arg;

        r->found = n == 1 && wt_v_copy(&column[0], r->tenant, sizeof r->tenant);
        return WT_OK;
}

static wt_err is_held(const struct revoke *r, wt_store *s)
{
        const struct wt_value v[] = { wt_v_text(r->hex), wt_v_text(r->tenant) };
        int64_t n = 0;
        wt_err err = wt_store_query(s, "SELECT count(*) FROM audit_holds WHERE"
                                    " (kind = 'subject' AND name = $1) OR"
                                    " (kind = 'tenant' AND name = $2)", v, 2, erase_on_int, &n,
                                    NULL);

        if (err == WT_OK && n > 0)
                return wt_fail(WT_EPRECONDITION, "a legal hold forbids it: subject %s of tenant "
                               "%s; witan audit hold NAME remove ends a hold", r->hex, r->tenant);
        return err;
}

static wt_err next_epoch(struct revoke *r, wt_store *s)
{
        wt_err err = epoch_newest(s, &r->old_epoch);

        r->new_epoch = r->old_epoch + 1;
        return err == WT_OK ? epoch_put(s, r->e->folder, r->new_epoch) : err;
}

static wt_err revoke(void *arg, wt_store *s)
{
        struct revoke *r = arg;
        const struct wt_value id = wt_v_blob(r->id, 16);
        struct wt_audit_event note = { .kind = 0 };
        char words[200];
        wt_err err;

        r->found = false;
        if ((err = wt_store_query(s, "SELECT tenant FROM audit_subjects WHERE subject = $1", &id, 1,
                                  on_tenant, r, NULL)) != WT_OK)
                return err;
        if (!r->found)
                return wt_fail(WT_ENOTFOUND, "no data subject %s has a key: it was erased before, "
                               "or never had data here", r->hex);
        if ((err = is_held(r, s)) != WT_OK || (err = next_epoch(r, s)) != WT_OK ||
            (err = wt_store_query(s, "DELETE FROM audit_subjects WHERE subject = $1", &id, 1, NULL,
                                  NULL, NULL)) != WT_OK)
                return err;
        snprintf(words, sizeof words, "the key of this data subject was deleted; epoch %lld "
                 "replaces %lld", (long long)r->new_epoch, (long long)r->old_epoch);
        note.action = WT_STR("audit.erase");
        note.subject = WT_BYTES(r->id, 16);
        note.tenant = WT_STR(r->tenant);
        note.words = WT_STR(words);
        return erase_note(r->e, &note, &r->leaf);
}

/* ---- rewrapping ---- */

struct row { uint8_t id[16], wrapped[WRAPPED]; int64_t epoch; };
struct rewrap {
        const char *folder;
        struct row row[BATCH]; uint32_t n;
        int64_t to;
        uint64_t left;
};

static int on_row(void *arg, const struct wt_value *column, uint32_t n)
{
        struct rewrap *w = arg;
        struct row *r = &w->row[w->n];

        if (n != 3 || column[0].type != WT_BLOB || column[0].len != 16 ||
            column[2].type != WT_BLOB || column[2].len != WRAPPED)
                return wt_fail(WT_EDATA, "a row of audit_subjects is damaged");
        memcpy(r->id, column[0].as.data, 16);
        r->epoch = column[1].as.i;
        memcpy(r->wrapped, column[2].as.data, WRAPPED);
        w->n++;
        return WT_OK;
}

static wt_err rewrap_one(struct rewrap *w, wt_store *s, struct row *r, const uint8_t to[32])
{
        uint8_t from[32], key[32], fresh[WRAPPED];
        wt_err err = epoch_key(w->folder, r->epoch, from);

        if (err == WT_OK && (err = subject_unwrap(from, r->epoch, r->id, r->wrapped, key)) == WT_OK)
                err = subject_wrap(to, w->to, r->id, key, fresh);
        wt_wipe(from, sizeof from);
        wt_wipe(key, sizeof key);
        if (err == WT_OK) {
                const struct wt_value v[] = { wt_v_int(w->to), wt_v_blob(fresh, WRAPPED),
                                              wt_v_blob(r->id, 16) };

                err = wt_store_query(s, "UPDATE audit_subjects SET epoch = $1, wrapped = $2"
                                     " WHERE subject = $3", v, 3, NULL, NULL, NULL);
        }
        return err;
}

static wt_err rewrap_some(void *arg, wt_store *s)
{
        struct rewrap *w = arg;
        struct wt_value to;
        uint8_t key[32];
        wt_err err = epoch_newest(s, &w->to);

        w->n = 0;
        if (err != WT_OK || w->to == 0)
                return err;
        to = wt_v_int(w->to);
        if ((err = wt_store_query(s, "SELECT subject, epoch, wrapped FROM audit_subjects"
                                  " WHERE epoch < $1 ORDER BY epoch LIMIT 500", &to, 1, on_row, w,
                                  NULL)) != WT_OK || (err = epoch_key(w->folder, w->to,
                                                                      key)) != WT_OK)
                return err;
        for (uint32_t i = 0; i < w->n && err == WT_OK; i++)
                err = rewrap_one(w, s, &w->row[i], key);
        wt_wipe(key, sizeof key);
        return err;
}

struct olds { int64_t epoch[64]; uint32_t n; };

static int on_old(void *arg, const struct wt_value *column, uint32_t n)
{
        struct olds *o = arg;

        if (n == 1 && column[0].type == WT_INT && o->n < 64)
                o->epoch[o->n++] = column[0].as.i;
        return WT_OK;
}

/* Epochs that no key is wrapped by and that are not the newest. Their files go first: a row that
 * is left makes the next call look again. */
static wt_err destroy_old(wt_store *s, const char *folder, uint64_t *left)
{
        struct olds o = { .n = 0 };
        wt_err err = wt_store_query(s, "SELECT epoch FROM audit_epochs WHERE epoch <"
                                    " (SELECT max(epoch) FROM audit_epochs) AND NOT EXISTS"
                                    " (SELECT 1 FROM audit_subjects WHERE audit_subjects.epoch ="
                                    " audit_epochs.epoch) ORDER BY epoch", NULL, 0, on_old, &o,
                                    NULL);

        *left = o.n == 64;
        for (uint32_t i = 0; i < o.n && err == WT_OK; i++) {
                const struct wt_value v = wt_v_int(o.epoch[i]);

                if ((err = epoch_destroy(folder, o.epoch[i])) == WT_OK)
                        err = wt_store_query(s, "DELETE FROM audit_epochs WHERE epoch = $1", &v, 1,
                                             NULL, NULL, NULL);
        }
        return err;
}

/* Where another does the same, a key may be destroyed that rows of an older view name: the next
 * view has them under the new one. */
static wt_err rewrap_all(struct rewrap *w, wt_store *s)
{
        uint32_t tries = 0;
        wt_err err;

        do
                err = wt_store_do(s, rewrap_some, w);
        while ((err == WT_OK && w->n == BATCH) ||
               ((err == WT_ENOTFOUND || err == WT_EDATA) && ++tries < 4));
        return err;
}

wt_err wt_erase_finish(wt_store *s, const char *folder, uint64_t *left)
{
        struct rewrap *w = calloc(1, sizeof *w);
        int64_t epochs = 0;
        wt_err err;

        if (w == NULL)
                return wt_fail(WT_ENOMEM, "no memory to wrap keys");
        w->folder = folder;
        *left = 0;
        err = wt_store_query(s, "SELECT count(*) FROM audit_epochs", NULL, 0, erase_on_int, &epochs,
                             NULL);
        if (err == WT_OK && epochs > 1) {
                err = rewrap_all(w, s);
                if (err == WT_OK)
                        err = destroy_old(s, folder, left);
        }
        wt_wipe(w, sizeof *w);
        free(w);
        return err;
}

/* ---- the whole ---- */

static wt_err put_receipt(const struct revoke *r, uint64_t at_us, struct wt_buf *out)
{
        struct wt_buf text = { 0 };
        char at[32], done[32];
        wt_err err;

        wt_audit_time_text(at_us, at);
        wt_audit_time_text(wt_wall_us(&wt_clock_real), done);
        wt_buf_fmt(&text, "witan-audit-erasure/1\nlog %s\nsubject %s\nrevoked %s\nnote-leaf %llu\n"
                   "epoch-destroyed %lld %s\n", r->e->key->v.name, r->hex, at,
                   (unsigned long long)r->leaf, (long long)r->old_epoch, done);
        wt_buf_add(out, text.data, text.len);
        wt_buf_str(out, "\n");
        err = wt_note_sign(r->e->key, text.data, text.len, 0, out);
        wt_buf_free(&text);
        return err;
}

wt_err wt_erase_subject(const struct wt_eraser *e, const uint8_t id[16], struct wt_buf *receipt,
                        uint64_t *revoked_us)
{
        struct revoke r = { .e = e, .id = id };
        uint64_t begin = wt_now_us(&wt_clock_real), at, left = 1;
        wt_err err;

        wt_hex(id, 16, r.hex);
        if ((err = wt_store_do(e->store, revoke, &r)) != WT_OK)
                return err;
        at = wt_wall_us(&wt_clock_real);
        if (revoked_us != NULL)
                *revoked_us = wt_now_us(&wt_clock_real) - begin;
        while (left > 0)
                if ((err = wt_erase_finish(e->store, e->folder, &left)) != WT_OK)
                        return wt_fail_in(err, "the subject's key is deleted, but the old epoch "
                                          "key is not destroyed yet; a gateway goes on with it");
        return receipt != NULL ? put_receipt(&r, at, receipt) : WT_OK;
}
