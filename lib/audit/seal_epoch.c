/* seal_epoch.c - the keys of epochs, in files beside the store, and what the store knows of them: a
 * row for each, with a proof of which key it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "audit/seal.h"
#include "audit/seal_impl.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "tls/sign.h"

enum { PROOF = 16, MOST_LIVE = MOST_LOST };

static void path_of(const char *folder, int64_t epoch, char out[4300])
{
        snprintf(out, 4300, "%s/%lld.key", folder, (long long)epoch);
}

static wt_err sync_folder(const char *folder)
{
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool good = fd >= 0 && fsync(fd) == 0;

        if (fd >= 0)
                close(fd);
        return good ? WT_OK : wt_fail(WT_EIO, "cannot sync %s: %s", folder, strerror(errno));
}

/* Under a name of its own first, then linked: a key that is there is never written over, whoever
 * else makes one now, for keys of subjects may be wrapped by it already. A crash in between leaves
 * a second name of the same file, or a key that nothing was wrapped by. */
static wt_err epoch_make(const char *folder, int64_t epoch)
{
        uint8_t key[32];
        char path[4300], mine[4400];
        wt_err err;

        path_of(folder, epoch, path);
        if (access(path, F_OK) == 0)
                return WT_OK;
        snprintf(mine, sizeof mine, "%s.%ld", path, (long)getpid());
        wt_random_bytes(key, sizeof key);
        if ((err = wt_dir_make(folder, 0700)) == WT_OK)
                err = wt_file_write(mine, key, sizeof key, 0600);
        wt_wipe(key, sizeof key);
        if (err != WT_OK)
                return err;
        if (link(mine, path) != 0 && errno != EEXIST)
                err = wt_fail(WT_EIO, "cannot make %s: %s", path, strerror(errno));
        unlink(mine);
        return err == WT_OK ? sync_folder(folder) : err;
}

wt_err epoch_key(const char *folder, int64_t epoch, uint8_t key[32])
{
        struct wt_buf b = { 0 };
        char path[4300];
        wt_err err;

        path_of(folder, epoch, path);
        if ((err = wt_file_read(path, 64, &b)) == WT_OK && b.len != 32)
                err = wt_fail(WT_EDATA, "%s has %zu bytes, not 32; restore it: without it no text "
                              "of its epoch can be read", path, b.len);
        if (err == WT_OK)
                memcpy(key, b.data, 32);
        if (b.data != NULL)
                wt_wipe(b.data, b.len);
        wt_buf_free(&b);
        return err;
}

/* In place first: an unlinked file's bytes stay on the disk. (A file system that writes elsewhere,
 * and a disk that keeps spares, may still have them: docs/audit.md says so.) */
wt_err epoch_destroy(const char *folder, int64_t epoch)
{
        uint8_t noise[32];
        char path[4300];
        int fd;
        bool good;

        path_of(folder, epoch, path);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? sync_folder(folder)
                                       : wt_fail(WT_EIO, "cannot open %s: %s", path,
                                                 strerror(errno));
        wt_random_bytes(noise, sizeof noise);
        good = write(fd, noise, sizeof noise) == (ssize_t)sizeof noise && fsync(fd) == 0;
        close(fd);
        if (!good || (unlink(path) != 0 && errno != ENOENT))     /* another does the same now */
                return wt_fail(WT_EIO, "cannot destroy %s: %s", path, strerror(errno));
        return sync_folder(folder);
}

static int on_int(void *arg, const struct wt_value *column, uint32_t n)
{
        if (n == 1 && column[0].type == WT_INT)
                *(int64_t *)arg = column[0].as.i;
        return WT_OK;
}

wt_err epoch_newest(wt_store *s, int64_t *epoch)
{
        *epoch = 0;
        return wt_store_query(s, "SELECT max(epoch) FROM audit_epochs", NULL, 0, on_int, epoch,
                              NULL);
}


/* ---- proofs ---------------------------------------------------------------------------------- */

/* Says which key it is and nothing about it: the key has 256 bits that nobody chose. */
static void proof_of(const uint8_t key[32], int64_t epoch, uint8_t proof[PROOF])
{
        uint8_t out[32];
        char text[64];
        int n = snprintf(text, sizeof text, "witan audit epoch %lld", (long long)epoch);

        wt_hmac_sha256(key, 32, text, (size_t)n, out);
        memcpy(proof, out, PROOF);
}

wt_err epoch_put(wt_store *s, const char *folder, int64_t epoch)
{
        struct wt_value v[] = { wt_v_int(epoch),
                                wt_v_int((int64_t)wt_wall_us(&wt_clock_real)) };
        uint8_t key[32], proof[PROOF];
        wt_err err = wt_store_query(s, "INSERT INTO audit_epochs (epoch, since_us) VALUES ($1, $2)",
                                    v, 2, NULL, NULL, NULL);

        if (err == WT_EEXIST)
                return wt_fail(WT_EABORTED, "epoch %lld is being made by another",
                               (long long)epoch);
        if (err != WT_OK || (err = epoch_make(folder, epoch)) != WT_OK ||
            (err = epoch_key(folder, epoch, key)) != WT_OK)
                return err;
        proof_of(key, epoch, proof);
        wt_wipe(key, sizeof key);
        v[1] = wt_v_blob(proof, PROOF);
        return wt_store_query(s, "UPDATE audit_epochs SET proof = $2 WHERE epoch = $1", v, 2, NULL,
                              NULL, NULL);
}

/* An epoch that is needed: it is the newest, or keys are wrapped by it. One of these keys is a
 * proof, too: rows that older versions made have no other. */
struct live {
        int64_t epoch;
        bool has_proof, has_subject;
        uint8_t proof[PROOF], id[16], wrapped[WRAPPED];
};
struct lives { struct live epoch[MOST_LIVE]; uint32_t n; };

static int on_live(void *arg, const struct wt_value *c, uint32_t n)
{
        struct lives *l = arg;
        struct live *e = &l->epoch[l->n];

        if (n != 4 || c[0].type != WT_INT || l->n == MOST_LIVE)
                return WT_OK;                    /* the rest is looked at when it is used */
        *e = (struct live){ .epoch = c[0].as.i };
        e->has_proof = c[1].type == WT_BLOB && c[1].len == PROOF;
        if (e->has_proof)
                memcpy(e->proof, c[1].as.data, PROOF);
        e->has_subject = c[2].type == WT_BLOB && c[2].len == 16 && c[3].type == WT_BLOB &&
                         c[3].len == WRAPPED;
        if (e->has_subject) {
                memcpy(e->id, c[2].as.data, 16);
                memcpy(e->wrapped, c[3].as.data, WRAPPED);
        }
        l->n++;
        return WT_OK;
}

static wt_err read_lives(wt_store *s, struct lives *l)
{
        l->n = 0;
        return wt_store_query(s, "SELECT e.epoch, e.proof, u.subject, u.wrapped FROM audit_epochs e"
                              " LEFT JOIN audit_subjects u ON u.subject = (SELECT m.subject"
                              " FROM audit_subjects m WHERE m.epoch = e.epoch LIMIT 1) WHERE"
                              " u.subject IS NOT NULL OR e.epoch = (SELECT max(epoch) FROM"
                              " audit_epochs) ORDER BY e.epoch DESC", NULL, 0, on_live, l, NULL);
}

static wt_err is_it(const char *folder, const struct live *e, const uint8_t key[32])
{
        uint8_t proof[PROOF], subject[32];
        bool good = true;

        if (e->has_proof) {
                proof_of(key, e->epoch, proof);
                good = memcmp(proof, e->proof, PROOF) == 0;
        } else if (e->has_subject) {
                good = subject_unwrap(key, e->epoch, e->id, e->wrapped, subject) == WT_OK;
                wt_wipe(subject, sizeof subject);
        }
        return good ? WT_OK : wt_fail(WT_EPRECONDITION, "%s/%lld.key is not the key of the store's "
                "epoch %lld: the folder is of another cluster, or was put back wrongly. All "
                "gateways of a store share one keys/audit-epochs: give this one that of the "
                "others", folder, (long long)e->epoch, (long long)e->epoch);
}

static wt_err check_one(const char *folder, const struct live *e, uint8_t key[32], bool *absent)
{
        wt_err err = epoch_key(folder, e->epoch, key);

        *absent = err == WT_ENOTFOUND;
        if (*absent)
                return wt_fail(WT_EPRECONDITION, "%s/%lld.key is not there, and the store has "
                               "epoch %lld, under which texts of the audit log are sealed. All "
                               "gateways of a store share one keys/audit-epochs: give this one "
                               "that of the others, or put it back from its backup; if it is lost "
                               "for good, `witan audit erase lost` gives those texts up", folder,
                               (long long)e->epoch, (long long)e->epoch);
        return err == WT_OK ? is_it(folder, e, key) : err;
}

wt_err wt_epochs_check(wt_store *s, const char *folder)
{
        struct lives l;
        uint8_t key[32];
        bool absent;
        wt_err err = read_lives(s, &l);

        for (uint32_t i = 0; i < l.n && err == WT_OK; i++)
                err = check_one(folder, &l.epoch[i], key, &absent);
        wt_wipe(key, sizeof key);
        return err;
}

wt_err epochs_lost(wt_store *s, const char *folder, int64_t lost[MOST_LOST], uint32_t *n)
{
        struct lives l;
        uint8_t key[32];
        bool absent;
        wt_err err = read_lives(s, &l);

        *n = 0;
        for (uint32_t i = 0; i < l.n && err == WT_OK; i++) {
                err = check_one(folder, &l.epoch[i], key, &absent);
                if (absent) {
                        lost[(*n)++] = l.epoch[i].epoch;
                        err = WT_OK;
                }
        }
        wt_wipe(key, sizeof key);
        return err;
}

static int on_proof(void *arg, const struct wt_value *c, uint32_t n)
{
        struct live *e = arg;

        e->has_proof = n == 1 && c[0].type == WT_BLOB && c[0].len == PROOF;
        if (e->has_proof)
                memcpy(e->proof, c[0].as.data, PROOF);
        return WT_OK;
}

wt_err epoch_key_proved(wt_store *s, const char *folder, int64_t epoch, uint8_t key[32])
{
        struct live e = { .epoch = epoch };
        const struct wt_value v = wt_v_int(epoch);
        bool absent;
        wt_err err = wt_store_query(s, "SELECT proof FROM audit_epochs WHERE epoch = $1", &v, 1,
                                    on_proof, &e, NULL);

        return err == WT_OK ? check_one(folder, &e, key, &absent) : err;
}
