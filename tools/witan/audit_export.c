/* audit_export.c - witan audit export and verify. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit.h"
#include "audit/proof.h"
#include "audit/verify.h"
#include "base/file.h"
#include "base/sha256.h"
#include "books.h"

enum { PATIENCE_MS = 60000 };                    /* for the database: verify reads all of it */

static wt_err put(void *arg, const char *data, size_t len)
{
        if (fwrite(data, 1, len, arg) != len)
                return wt_fail(WT_EIO, "cannot write the export: %s", strerror(errno));
        return WT_OK;
}

static wt_err finish(FILE *to)
{
        if (fflush(to) != 0 || (to != stdout && (fsync(fileno(to)) != 0 || fclose(to) != 0)))
                return wt_fail(WT_EIO, "cannot write the export: %s", strerror(errno));
        return WT_OK;
}

int auditor_export(struct call *c)
{
        const char *path = c->flag[A_OUT];
        struct wt_audit_filter f;
        wt_store *s;
        FILE *to = stdout;
        uint64_t n = 0;
        wt_err (*export)(wt_store *, const struct wt_audit_filter *,
                         wt_err (*)(void *, const char *, size_t), void *, uint64_t *) =
                c->flag[A_CSV] != NULL ? wt_audit_export_csv : wt_audit_export;
        wt_err err;

        if (!auditor_filter(c, &f))
                return EXIT_USAGE;
        if (auditor_open(c, &s) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (path != NULL && (to = fopen(path, "wx")) == NULL) {
                int why = errno;                 /* closing the store has errors of its own */

                wt_store_close(s);
                return why == EEXIST
                        ? verb_fail(c, "%s exists; name a file that does not exist", path)
                        : verb_fail(c, "cannot make %s: %s; name another file", path,
                                    strerror(why));
        }
        if ((err = auditor_read(c, s, "audit.export")) == WT_OK &&
            (err = export(s, &f, put, to, &n)) == WT_OK)
                err = finish(to);
        wt_store_close(s);
        if (err != WT_OK)
                return verb_fail(c, "%s", wt_words());
        fprintf(stderr, "%llu events; witan audit verify --file FILE --witness KEY verifies them "
                "anywhere\n", (unsigned long long)n);
        return EXIT_DONE;
}

/* ---- verify ---- */

struct keys {
        struct wt_verifier witness, log;
        struct wt_buf last;
        bool has_log;
};

/* A file that was named must be there; the default one may be missing. */
static wt_err path_of(struct call *c, int flag, const char *def, char out[4400], bool *there)
{
        snprintf(out, 4400, "%s%s%s", c->flag[flag] != NULL ? c->flag[flag] : c->state,
                 c->flag[flag] != NULL ? "" : "/", c->flag[flag] != NULL ? "" : def);
        *there = access(out, F_OK) == 0;
        return *there || c->flag[flag] == NULL
                       ? WT_OK : wt_fail(WT_ENOTFOUND, "there is no file %s", out);
}

static const char an_export[] = "begins as an export of the log does";

/* What somebody named who took one file for another; NULL: it may be anything. */
static const char *looks_like(const char *path)
{
        FILE *f = fopen(path, "r");
        char head[64] = "";
        size_t n = f != NULL ? fread(head, 1, sizeof head - 1, f) : 0;

        if (f != NULL)
                fclose(f);
        head[n] = '\0';
        return n == 0 ? "is empty"
                : head[0] == '{' || strncmp(head, "leaf,", 5) == 0 ? an_export
                : strncmp(head, "PRIVATE+KEY+", 12) == 0 ? "holds a private key"
                : strncmp(head, "SQLite format 3", 15) == 0 ? "is a database of SQLite"
                : strchr(head, '\n') == NULL && strchr(head, '+') != NULL ? "holds a public key"
                : strchr(head, '+') != NULL && strchr(head, ' ') == NULL ? "holds a public key"
                : NULL;
}

static wt_err key_of(struct wt_verifier *out, enum wt_note_key type, const char *path)
{
        wt_err err = wt_verifier_load(out, type, path);
        const char *like = looks_like(path);

        return err != WT_EDATA && err != WT_EEXHAUSTED ? err
                : wt_fail(err, "%s %s; --%s wants the public key of the %s, a line "
                          "NAME+8 hex digits+base64", path,
                          like != NULL ? like : "is something else",
                          type == WT_NOTE_WITNESS ? "witness" : "log",
                          type == WT_NOTE_WITNESS ? "witness" : "log");
}

static wt_err load(struct call *c, struct keys *k)
{
        char path[4400];
        bool there;
        wt_err err;

        if ((err = path_of(c, A_WITNESS, "witness/key.pub", path, &there)) != WT_OK)
                return err;
        if (!there)
                return wt_fail(WT_ENOTFOUND, "there is no %s; --witness names the public key of "
                               "the witness, from which all starts", path);
        if ((err = key_of(&k->witness, WT_NOTE_WITNESS, path)) != WT_OK ||
            (err = path_of(c, A_LAST, "witness/checkpoint", path, &there)) != WT_OK)
                return err;
        if (there && (err = wt_file_read(path, WT_NOTE_MOST, &k->last)) != WT_OK)
                return err;
        if ((err = path_of(c, A_LOG, "keys/audit-log.pub", path, &there)) != WT_OK)
                return err;
        k->has_log = there;
        return there ? key_of(&k->log, WT_NOTE_LOG, path) : WT_OK;
}

static wt_err verify_file(struct wt_verify *v, const char *path)
{
        FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
        const char *like = f == stdin || f == NULL ? NULL : looks_like(path);
        wt_verify_export *x;
        char *line = NULL;
        size_t cap = 0;
        ssize_t n;
        wt_err err;

        if (f == NULL)
                return wt_fail(WT_ENOTFOUND, "cannot read %s: %s", path, strerror(errno));
        if (like != NULL && like != an_export) {
                if (f != stdin)
                        fclose(f);
                return wt_fail(WT_EDATA, "%s %s; --file wants an export, as witan audit export "
                               "writes it", path, like);
        }
        if ((err = wt_verify_export_begin(&x, v)) == WT_OK) {
                while ((n = getline(&line, &cap, f)) > 0 &&
                       wt_verify_export_line(x, line, (size_t)n - (line[n - 1] == '\n')))
                        ;
                wt_verify_export_end(x);
        }
        free(line);
        if (f != stdin)
                fclose(f);
        return err;
}

static const char *const wrongs[] = {
        [WT_WRONG_NOTHING] = "nothing", [WT_WRONG_ROW] = "row", [WT_WRONG_MISSING] = "missing",
        [WT_WRONG_EXTRA] = "extra", [WT_WRONG_RANGE] = "range", [WT_WRONG_TREE] = "tree",
        [WT_WRONG_CHECKPOINT] = "checkpoint", [WT_WRONG_EXPORT] = "export" };

static void print_json(const struct wt_verify *v)
{
        const struct wt_finding *f = &v->finding;
        struct wt_buf b = { 0 };

        wt_buf_str(&b, "{");
        wt_buf_json_kb(&b, "good", f->wrong == WT_WRONG_NOTHING);
        wt_buf_json_ku(&b, "rows", v->seen.rows);
        wt_buf_json_ku(&b, "witnessed", v->seen.witnessed);
        wt_buf_json_ku(&b, "witnessed_at", v->seen.witnessed_s);
        wt_buf_json_ku(&b, "unwitnessed", v->seen.unwitnessed);
        wt_buf_json_ku(&b, "dropped", v->seen.dropped);
        wt_buf_json_ku(&b, "checkpoints", v->seen.checkpoints);
        wt_buf_json_kb(&b, "complete", v->seen.complete);
        if (f->wrong != WT_WRONG_NOTHING) {
                wt_buf_json_kv(&b, "wrong", wrongs[f->wrong]);
                wt_buf_json_ku(&b, "leaf", f->leaf);
                wt_buf_json_ku(&b, "last", f->last);
                wt_buf_json_ku(&b, "line", f->line);
                wt_buf_json_kv(&b, "request_id", f->request[0] != '\0' ? f->request : NULL);
                wt_buf_json_kv(&b, "words", f->words);
        }
        wt_buf_str(&b, "}");
        puts(b.data);
        wt_buf_free(&b);
}

static void print_finding(const struct wt_finding *f)
{
        if (f->line != 0)
                printf("line %llu: ", (unsigned long long)f->line);
        if (f->wrong == WT_WRONG_CHECKPOINT || f->wrong == WT_WRONG_EXPORT)
                ;
        else if (f->last > f->leaf)
                printf("rows %llu to %llu: ", (unsigned long long)f->leaf,
                       (unsigned long long)f->last);
        else
                printf("row %llu: ", (unsigned long long)f->leaf);
        if (f->request[0] != '\0')
                printf("request %s: ", f->request);
        printf("%s\n", f->words);
}

static void print(const struct wt_verify *v)
{
        char at[32];

        wt_audit_time_text(v->seen.witnessed_s * 1000000, at);
        if (v->finding.wrong != WT_WRONG_NOTHING) {
                print_finding(&v->finding);
                return;
        }
        printf("%llu rows are what was logged; the witness has cosigned %llu of the log at %s\n",
               (unsigned long long)v->seen.rows, (unsigned long long)v->seen.witnessed, at);
        if (v->seen.unwitnessed > 0)
                printf("%llu newer row%s not cosigned yet; that takes a second or two\n",
                       (unsigned long long)v->seen.unwitnessed,
                       v->seen.unwitnessed == 1 ? " is" : "s are");
        if (v->seen.dropped > 0)
                printf("%llu were deleted by retention, with a record in the log\n",
                       (unsigned long long)v->seen.dropped);
        if (!v->seen.complete)
                puts("the export was made with a filter: that nothing was left out, it does not "
                     "prove");
}

int auditor_verify(struct call *c)
{
        struct keys k = { .has_log = false };
        struct wt_verify v = { .witness = &k.witness };
        wt_store *s;
        wt_err err = load(c, &k);

        v.log = k.has_log ? &k.log : NULL;
        v.last = k.last.data;
        v.last_len = k.last.len;
        if (err == WT_OK && c->flag[A_FILE] != NULL) {
                err = verify_file(&v, c->flag[A_FILE]);
        } else if (err == WT_OK && (err = books_bare(c, PATIENCE_MS, &s)) == WT_OK) {
                err = wt_verify_store(&v, s);
                wt_store_close(s);
        }
        wt_buf_free(&k.last);
        if (err != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (c->json)
                print_json(&v);
        else
                print(&v);
        return v.finding.wrong == WT_WRONG_NOTHING ? EXIT_DONE : EXIT_FAILED;
}
