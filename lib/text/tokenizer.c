/* tokenizer.c - the tokenizer as others see it: load, encode, the bytes of an id. */
#include "text/tok.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"

enum { FILE_BYTES = 64 << 20, TEXT_BYTES = 1 << 28 };

void wt_ids_free(struct wt_ids *v)
{
        free(v->data);
        *v = (struct wt_ids){ 0 };
}

wt_err wt_ids_room(struct wt_ids *v, size_t n)
{
        size_t cap = v->cap > 0 ? v->cap : 64;
        int32_t *grown;

        if (n <= v->cap - v->len)
                return WT_OK;
        while (cap - v->len < n)
                cap *= 2;
        if ((grown = realloc(v->data, cap * sizeof *grown)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for %zu token ids", cap);
        v->data = grown;
        v->cap = cap;
        return WT_OK;
}

void wt_ids_add(struct wt_ids *v, int32_t id)
{
        if (wt_ids_room(v, 1) != WT_OK)
                wt_out_of_memory("token ids", (v->len + 1) * sizeof id);
        v->data[v->len++] = id;
}

/* A form may make text shorter, lstrip and rstrip take blanks, a stage may remove what it finds. */
static size_t longest(const wt_tokenizer *t)
{
        size_t most = 0;

        for (uint32_t i = 0; i < t->n_added; i++)
                if (t->added[i].lstrip || t->added[i].rstrip)
                        return 0;
        for (uint32_t i = 0; i < t->n_stages; i++)
                if (t->stage[i].behavior == WT_TOK_REMOVED)
                        return 0;
        for (uint32_t i = 0; i < t->n_ids; i++)
                most = t->token[i].len > most ? t->token[i].len : most;
        return t->n_forms > 0 ? 0 : most;
}

wt_err wt_tokenizer_parse(wt_tokenizer **out, const char *json, size_t len)
{
        wt_tokenizer *t = NULL;
        wt_json *j;
        wt_err err;

        if ((err = wt_json_parse(&j, json, len, &wt_json_default)) != WT_OK)
                return err;
        if ((err = wt_tok_calloc(&t, 1, sizeof *t)) == WT_OK) {
                t->bos = -1;
                err = wt_tok_load(t, j);
                t->longest = err == WT_OK ? longest(t) : 0;
        }
        wt_json_free(j);
        if (err != WT_OK) {
                wt_tokenizer_free(t);
                return err;
        }
        *out = t;
        return WT_OK;
}

wt_err wt_tokenizer_load(wt_tokenizer **out, const char *folder)
{
        struct wt_buf text = { 0 };
        char path[4096];
        wt_err err;

        if (snprintf(path, sizeof path, "%s/tokenizer.json", folder) >= (int)sizeof path)
                return wt_fail(WT_EINVAL, "the folder's path is longer than %zu bytes",
                               sizeof path);
        if ((err = wt_file_read(path, FILE_BYTES, &text)) == WT_OK &&
            (err = wt_tokenizer_parse(out, text.data, text.len)) != WT_OK)
                err = wt_fail_in(err, "%s", path);
        wt_buf_free(&text);
        return err;
}

void wt_tokenizer_free(wt_tokenizer *t)
{
        if (t == NULL)
                return;
        for (uint32_t k = 0; k < t->n_stages; k++)
                wt_tok_regex_free(t->stage[k].re);
        wt_tok_regex_free(t->word);
        wt_tok_pairs_free(&t->merges);
        wt_tok_pairs_free(&t->raw.next);
        wt_tok_pairs_free(&t->normal.next);
        wt_tok_words_free(&t->whole);
        wt_buf_free(&t->text);
        free(t->added);
        free(t->token);
        free(t);
}

uint32_t wt_tokenizer_size(const wt_tokenizer *t) { return t->n_ids; }

size_t wt_tokenizer_longest(const wt_tokenizer *t) { return t->longest; }

int32_t wt_tokenizer_bos(const wt_tokenizer *t) { return t->bos; }

const char *wt_tokenizer_bytes(const wt_tokenizer *t, int32_t id, size_t *len, bool *special)
{
        bool there = id >= 0 && (uint32_t)id < t->n_ids && (t->token[id].flags & WT_TOK_THERE);

        if (special != NULL)
                *special = there && (t->token[id].flags & WT_TOK_SPECIAL);
        *len = there ? t->token[id].len : 0;
        return there ? t->text.data + t->token[id].off : "";
}

int32_t wt_tokenizer_id(const wt_tokenizer *t, const char *token)
{
        uint32_t low = 0, high = t->n_added, n = (uint32_t)strlen(token);

        while (low < high) {
                uint32_t mid = (low + high) / 2;
                const struct wt_tok_added *a = &t->added[mid];
                int d = memcmp(a->text, token, a->len < n ? a->len : n);

                d = d != 0 ? d : (a->len > n) - (a->len < n);
                if (d == 0)
                        return a->id;
                if (d < 0)
                        low = mid + 1;
                else
                        high = mid;
        }
        return -1;
}

/* Control tokens that merges made of user text from at on become the bytes that they were. */
static wt_err unmake_controls(struct wt_tok_run *r, size_t at)
{
        const wt_tokenizer *t = r->t;
        struct wt_ids made = { 0 };
        wt_err err = WT_OK;

        for (size_t i = at; i < r->out->len; i++) {
                const struct wt_tok_token *k = &t->token[r->out->data[i]];
                bool control = k->flags & WT_TOK_CONTROL;

                if ((err = wt_ids_room(&made, control ? k->len : 1)) != WT_OK)
                        break;
                for (uint32_t b = 0; control && b < k->len; b++)
                        wt_ids_add(&made, t->byte_id[(uint8_t)t->text.data[k->off + b]]);
                if (!control)
                        wt_ids_add(&made, r->out->data[i]);
        }
        r->out->len = at;
        if (err == WT_OK)
                err = wt_ids_room(r->out, made.len);
        for (size_t i = 0; i < made.len && err == WT_OK; i++)
                if (made.data[i] >= 0)
                        wt_ids_add(r->out, made.data[i]);
        wt_ids_free(&made);
        return err;
}

wt_err wt_tok_emit(struct wt_tok_run *r, const char *s, size_t len)
{
        size_t at = r->out->len;
        wt_err err = wt_tok_bpe(r->t, &r->scratch, s, len, r->out);

        if (err == WT_OK && r->t->guard && !r->specials)
                err = unmake_controls(r, at);
        return err;
}

/* Text without the added tokens that are found as it stands. */
static wt_err encode_plain(struct wt_tok_run *r, const char *s, size_t len)
{
        struct wt_tok_scan sc = { .t = r->t, .trie = &r->t->normal, .finder = r->finder,
                                  .specials = r->specials };
        struct wt_tok_cut cut;
        char *owned;
        bool more;
        wt_err err;

        if ((err = wt_tok_normal(r->t, s, len, &sc.s, &sc.len, &owned)) != WT_OK)
                return err;
        while ((err = wt_tok_scan_next(&sc, &cut, &more)) == WT_OK && more) {
                if (cut.id < 0)
                        err = wt_tok_stages_run(r, sc.s + cut.start, cut.end - cut.start);
                else if ((err = wt_ids_room(r->out, 1)) == WT_OK)
                        wt_ids_add(r->out, cut.id);
                if (err != WT_OK)
                        break;
        }
        free(owned);
        return err;
}

wt_err wt_tokenizer_encode(const wt_tokenizer *t, const char *text, size_t len, bool specials,
                           struct wt_ids *out)
{
        struct wt_tok_run r = { .t = t, .out = out, .specials = specials };
        struct wt_tok_scan sc = { .t = t, .trie = &t->raw, .s = text, .len = len,
                                  .specials = specials };
        size_t good, before = out->len;
        struct wt_tok_cut cut;
        bool more;
        wt_err err;

        if (len > TEXT_BYTES)
                return wt_fail(WT_EEXHAUSTED, "the text has %zu bytes; %d are possible", len,
                               TEXT_BYTES);
        if ((good = wt_utf8_valid(text, len)) < len)
                return wt_fail(WT_EINVAL, "the text is not UTF-8: byte 0x%02x at offset %zu",
                               (uint8_t)text[good], good);
        if ((err = wt_tok_finder_new(&r.finder)) != WT_OK)
                return err;
        sc.finder = r.finder;
        while ((err = wt_tok_scan_next(&sc, &cut, &more)) == WT_OK && more) {
                if (cut.id < 0)
                        err = encode_plain(&r, text + cut.start, cut.end - cut.start);
                else if ((err = wt_ids_room(out, 1)) == WT_OK)
                        wt_ids_add(out, cut.id);
                if (err != WT_OK)
                        break;
        }
        if (err != WT_OK)
                out->len = before;               /* all of the text or nothing */
        wt_tok_finder_free(r.finder);
        wt_tok_scratch_free(&r.scratch);
        wt_buf_free(&r.spaced);
        return err;
}
