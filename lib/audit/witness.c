#include "audit/witness.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/base64.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "tls/sign.h"

struct wt_witness {
        char folder[4000];
        struct wt_verifier log;
        struct wt_signer key;
        struct wt_checkpoint last;               /* size 0: nothing was cosigned yet */
        struct wt_buf text;                      /* ... as the file has it */
        int lock;
};

static void path_of(const wt_witness *w, const char *name, char out[4200])
{
        snprintf(out, 4200, "%s/%s", w->folder, name);
}

static wt_err lock(wt_witness *w)
{
        char path[4200];

        path_of(w, "lock", path);
        w->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (w->lock < 0)
                return wt_fail(WT_EIO, "cannot open %s: %s", path, strerror(errno));
        if (flock(w->lock, LOCK_EX | LOCK_NB) != 0)
                return wt_fail(WT_EEXIST, "another witness holds %s; stop it, or name another "
                               "folder", w->folder);
        return WT_OK;
}

/* A new witness: its empty memory is written before its key, so that a key never stands alone
 * unless somebody took the memory away. */
static wt_err make(wt_witness *w, const char *key, const char *memory)
{
        char name[WT_NOTE_NAME + 1], public_path[4200], hex[17];
        uint8_t random[8];
        wt_err err;

        wt_random_bytes(random, sizeof random);
        wt_hex(random, sizeof random, hex);
        snprintf(name, sizeof name, "witan-witness-%s", hex);
        path_of(w, "key.pub", public_path);
        if ((err = wt_file_write(memory, "", 0, 0600)) != WT_OK ||
            (err = wt_signer_new(&w->key, WT_NOTE_WITNESS, name)) != WT_OK)
                return err;
        return wt_signer_save(&w->key, key, public_path);
}

static wt_err remember(wt_witness *w, const char *memory)
{
        struct wt_note note;
        wt_err err = wt_file_read(memory, WT_NOTE_MOST, &w->text);

        if (err == WT_ENOTFOUND)
                return wt_fail(WT_EDATA, "the witness in %s has a key and no memory (the file "
                               "checkpoint is gone), so it could not see a rollback; put the file "
                               "back, or move the folder away and make a new witness",
                               w->folder);
        if (err != WT_OK || w->text.len == 0)
                return err;
        err = wt_checkpoint_read(&w->last, &note, w->text.data, w->text.len, &w->log, &w->key.v);
        return err != WT_OK ? wt_fail_in(WT_EDATA, "%s", memory) : WT_OK;
}

wt_err wt_witness_open(wt_witness **out, const char *folder, const struct wt_verifier *log)
{
        wt_witness *w = calloc(1, sizeof *w);
        char key[4200], memory[4200];
        wt_err err;

        if (w == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a witness");
        w->lock = -1;
        w->log = *log;
        snprintf(w->folder, sizeof w->folder, "%s", folder);
        path_of(w, "key", key);
        path_of(w, "checkpoint", memory);
        if ((err = wt_dir_make(folder, 0700)) == WT_OK && (err = lock(w)) == WT_OK) {
                if (access(key, F_OK) != 0 && errno == ENOENT)
                        err = make(w, key, memory);
                else if ((err = wt_signer_load(&w->key, key)) == WT_OK)
                        err = w->key.v.type == WT_NOTE_WITNESS
                                      ? remember(w, memory)
                                      : wt_fail(WT_EDATA, "%s is the key of a log", key);
        }
        if (err != WT_OK) {
                wt_witness_close(w);
                return err;
        }
        *out = w;
        return WT_OK;
}

void wt_witness_close(wt_witness *w)
{
        if (w == NULL)
                return;
        if (w->lock >= 0)
                close(w->lock);
        wt_buf_free(&w->text);
        wt_wipe(w, sizeof *w);
        free(w);
}

const struct wt_verifier *wt_witness_key(const wt_witness *w) { return &w->key.v; }

const char *wt_witness_last(const wt_witness *w, uint64_t *size)
{
        *size = w->last.size;
        return w->text.data != NULL ? w->text.data : "";
}

/* ---- a request ---- */

struct request {
        uint64_t old;
        struct wt_hash path[WT_MERKLE_DEEP]; uint32_t n;
        const char *text; size_t len;            /* the checkpoint */
        struct wt_checkpoint c;
        struct wt_note note;
};

static bool refuse(struct wt_witness_answer *out, int status, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

static bool refuse(struct wt_witness_answer *out, int status, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(out->words, sizeof out->words, fmt, ap);
        va_end(ap);
        out->status = status;
        out->type = "text/plain; charset=utf-8";
        wt_buf_clear(&out->body);
        wt_buf_fmt(&out->body, "%s\n", out->words);
        return false;
}

static bool parse(struct request *q, const char *body, size_t len, struct wt_witness_answer *out)
{
        const char *at = body, *end = body + len, *stop;

        for (uint32_t line = 0; (stop = memchr(at, '\n', (size_t)(end - at))) != NULL; line++) {
                size_t n = (size_t)(stop - at);

                if (line == 0) {
                        if (n < 5 || memcmp(at, "old ", 4) != 0 ||
                            wt_checkpoint_number(at + 4, n - 4, &q->old) != n - 4)
                                break;
                } else if (n == 0) {
                        q->text = stop + 1;
                        q->len = (size_t)(end - q->text);
                        return true;
                } else if (q->n == WT_MERKLE_DEEP ||
                           !wt_base64_exact(at, n, q->path[q->n++].b, 32)) {
                        break;
                }
                at = stop + 1;
        }
        return refuse(out, 400, "a request reads \"old N\", lines of a proof in base64 (at most "
                      "%d), an empty line, a checkpoint", WT_MERKLE_DEEP);
}

static bool check_signature(const wt_witness *w, struct request *q, struct wt_witness_answer *out)
{
        if (wt_checkpoint_read(&q->c, &q->note, q->text, q->len, NULL, NULL) != WT_OK)
                return refuse(out, 400, "%s", wt_words());
        if (q->len > WT_NOTE_MOST - 512 || q->note.n == WT_NOTE_SIGNATURES)
                return refuse(out, 400, "the checkpoint leaves no room for a cosignature");
        if (strcmp(q->c.origin, w->log.name) != 0)
                return refuse(out, 404, "this witness knows the log %s, not %s", w->log.name,
                              q->c.origin);
        if (!wt_note_signed(&q->note, &w->log, NULL))
                return refuse(out, 403, "the checkpoint of %llu rows does not carry the signature "
                              "of the log %s", (unsigned long long)q->c.size, w->log.name);
        return true;
}

static bool check_past(const wt_witness *w, struct request *q, struct wt_witness_answer *out)
{
        unsigned long long last = w->last.size, size = q->c.size, old = q->old;

        if (old > size)
                return refuse(out, 400, "a log of %llu rows never had %llu", size, old);
        if (old != last) {
                refuse(out, 409, size < last ? "rollback: the log had %llu rows when this witness "
                                               "last cosigned it; it now shows %llu"
                                             : "the proof must begin at the %llu rows that were "
                                               "cosigned last (the checkpoint has %llu)",
                       last, size);
                out->type = "text/x.tlog.size";
                wt_buf_clear(&out->body);
                wt_buf_fmt(&out->body, "%llu\n", last);
                return false;
        }
        if (size == last && last > 0 && memcmp(q->c.root.b, w->last.root.b, 32) != 0)
                return refuse(out, 409, "fork: this witness has cosigned %llu rows with another "
                              "root", size);
        if (!wt_merkle_consistent(old, &w->last.root, size, &q->c.root, q->path, q->n))
                return refuse(out, 422, "fork: the proof does not lead from the %llu rows that "
                              "were cosigned to these %llu", last, size);
        return true;
}

/* The checkpoint as the log sent it, with our line: durable, then in memory, then told. */
static bool cosign(wt_witness *w, const struct request *q, uint64_t time_s,
                   struct wt_witness_answer *out)
{
        struct wt_buf line = { 0 }, text = { 0 };
        char path[4200];
        wt_err err = wt_note_sign(&w->key, q->note.body, q->note.len, time_s, &line);

        path_of(w, "checkpoint", path);
        wt_buf_add(&text, q->text, q->len);
        wt_buf_add(&text, line.data, line.len);
        if (err == WT_OK)
                err = wt_file_write(path, text.data, text.len, 0600);
        if (err != WT_OK) {
                refuse(out, 500, "the witness cannot remember: %s", wt_words());
        } else {
                wt_buf_free(&w->text);
                w->text = text;
                text = (struct wt_buf){ 0 };
                w->last = q->c;
                out->status = 200;
                out->type = "text/plain; charset=utf-8";
                wt_buf_add(&out->body, line.data, line.len);
        }
        wt_buf_free(&text);
        wt_buf_free(&line);
        return err == WT_OK;
}

void wt_witness_add(wt_witness *w, const char *body, size_t len, uint64_t time_s,
                    struct wt_witness_answer *out)
{
        struct wt_hash none;
        struct request q = { .old = 0 };

        out->words[0] = '\0';
        wt_buf_clear(&out->body);
        if (w->last.size == 0) {                 /* before the first: the empty log's root */
                wt_sha256_of("", 0, none.b);
                w->last.root = none;
        }
        if (parse(&q, body, len, out) && check_signature(w, &q, out) && check_past(w, &q, out))
                cosign(w, &q, time_s, out);
}

void wt_witness_request(uint64_t old_size, const struct wt_hash *path, uint32_t n,
                        const char *checkpoint, size_t len, struct wt_buf *out)
{
        wt_buf_fmt(out, "old %llu\n", (unsigned long long)old_size);
        for (uint32_t i = 0; i < n; i++) {
                wt_base64_add(out, path[i].b, 32);
                wt_buf_str(out, "\n");
        }
        wt_buf_str(out, "\n");
        wt_buf_add(out, checkpoint, len);
}
