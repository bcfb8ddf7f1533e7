/* fold.c - the list, and its two folds: detokenise and stop. */
#include "fold.h"
#include <string.h>

static bool detok_feed(void *state, const struct piece *in, struct wt_buf *out)
{
        struct detok_state *d = state;
        const char *bytes;
        size_t len;
        bool special;

        bytes = wt_tokenizer_bytes(d->tokenizer, in->id, &len, &special);
        if (!special)
                wt_utf8_feed(&d->utf8, bytes, len, out);
        return true;
}

static void detok_flush(void *state, struct wt_buf *out)
{
        wt_utf8_end(&((struct detok_state *)state)->utf8, out);
}

static size_t detok_held(const void *state)
{
        return ((const struct detok_state *)state)->utf8.n;
}

static const struct fold_ops detok_ops = {"detokenise", detok_feed, detok_flush, detok_held, NULL};

/* Where in held a stop string begins, whole; the earliest one wins. SIZE_MAX: none. */
static size_t stop_whole(const struct stop_state *s)
{
        size_t best = SIZE_MAX;

        for (uint32_t i = 0; i < s->stops->n; i++) {
                const char *at = s->held.len < s->stops->len[i] ? NULL
                        : memmem(s->held.data, s->held.len, s->stops->text[i], s->stops->len[i]);
                if (at != NULL && (size_t)(at - s->held.data) < best)
                        best = (size_t)(at - s->held.data);
        }
        return best;
}

/* Bytes at the end of held that may still become a stop string. */
static size_t stop_partial(const struct stop_state *s)
{
        size_t longest = 0;

        for (uint32_t i = 0; i < s->stops->n; i++) {
                size_t most =
                        s->stops->len[i] - 1 < s->held.len ? s->stops->len[i] - 1 : s->held.len;
                for (size_t n = most; n > longest; n--)
                        if (memcmp(s->held.data + s->held.len - n, s->stops->text[i], n) == 0)
                                longest = n;
        }
        return longest;
}

static bool stop_feed(void *state, const struct piece *in, struct wt_buf *out)
{
        struct stop_state *s = state;
        size_t at, keep;

        if (in->len == 0)
                return true;
        wt_buf_add(&s->held, in->text, in->len);
        if ((at = stop_whole(s)) != SIZE_MAX) {
                wt_buf_add(out, s->held.data, at);
                wt_buf_clear(&s->held);
                return false;
        }
        keep = stop_partial(s);
        wt_buf_add(out, s->held.data, s->held.len - keep);
        wt_buf_drop_front(&s->held, s->held.len - keep);
        return true;
}

static void stop_flush(void *state, struct wt_buf *out)
{
        struct stop_state *s = state;

        if (s->held.len > 0)
                wt_buf_add(out, s->held.data, s->held.len);
        wt_buf_clear(&s->held);
}

static size_t stop_held(const void *state)
{
        return ((const struct stop_state *)state)->held.len;
}

static void stop_fini(void *state)
{
        wt_buf_free(&((struct stop_state *)state)->held);
}

static const struct fold_ops stop_ops = { "stop", stop_feed, stop_flush, stop_held, stop_fini };

void folds_init(struct folds *f, const wt_tokenizer *t, const struct stop_list *stops)
{
        memset(f, 0, sizeof *f);
        f->detok.tokenizer = t;
        f->fold[f->n++] = (struct fold){ &detok_ops, &f->detok };
        if (stops->n > 0) {
                f->stop.stops = stops;
                f->fold[f->n++] = (struct fold){ &stop_ops, &f->stop };
        }
}

void folds_fini(struct folds *f)
{
        for (uint32_t i = 0; i < f->n; i++)
                if (f->fold[i].ops->fini != NULL)
                        f->fold[i].ops->fini(f->fold[i].state);
        wt_buf_free(&f->pass[0]);
        wt_buf_free(&f->pass[1]);
        memset(f, 0, sizeof *f);
}

/* Sends a piece through folds [from, n). */
static bool feed_from(struct folds *f, uint32_t from, struct piece p, struct wt_buf *out)
{
        bool on = true;

        for (uint32_t i = from; i < f->n; i++) {
                struct wt_buf *to = i + 1 == f->n ? out : &f->pass[i & 1];

                if (to != out)
                        wt_buf_clear(to);
                on &= f->fold[i].ops->feed(f->fold[i].state, &p, to);
                p = (struct piece){ -1, to->data, to->len };     /* also what stood before a stop */
        }
        return on;
}

bool folds_feed(struct folds *f, int32_t id, struct wt_buf *out)
{
        return feed_from(f, 0, (struct piece){ id, NULL, 0 }, out);
}

bool folds_flush(struct folds *f, struct wt_buf *out)
{
        struct wt_buf rest = { 0 };
        bool on = true;

        for (uint32_t i = 0; i < f->n && on; i++) {
                wt_buf_clear(&rest);
                f->fold[i].ops->flush(f->fold[i].state, &rest);
                if (i + 1 == f->n)
                        wt_buf_add(out, rest.data, rest.len);
                else if (rest.len > 0)
                        on = feed_from(f, i + 1, (struct piece){ -1, rest.data, rest.len }, out);
        }
        wt_buf_free(&rest);
        return on;
}

size_t folds_held(const struct folds *f)
{
        size_t n = 0;

        for (uint32_t i = 0; i < f->n; i++)
                n += f->fold[i].ops->held(f->fold[i].state);
        return n;
}
