/* stage.c - the pre-tokenizer at work: each stage splits a piece and hands the parts to the next
 * one at once, so that a text costs no list of pieces. Stages are at most WT_TOK_STAGES deep. */
#include "text/tok.h"

/* The parts of one piece on their way through a behavior: one part is held back, because the
 * next one may join it. */
struct parts {
        struct wt_tok_run *r;
        uint32_t stage;
        const char *s;
        size_t start, end;                       /* of the held part */
        bool held, was_match;                    /* was_match: the last part seen */
};

static wt_err run_stage(struct wt_tok_run *r, uint32_t k, const char *s, size_t len);

static wt_err let_go(struct parts *p)
{
        bool some = p->held && p->end > p->start;

        p->held = false;
        return some ? run_stage(p->r, p->stage + 1, p->s + p->start, p->end - p->start) : WT_OK;
}

static bool joins(enum wt_tok_behavior how, bool match, bool was_match)
{
        switch (how) {
        case WT_TOK_CONTIGUOUS:    return match == was_match;
        case WT_TOK_WITH_PREVIOUS: return match && !was_match;
        case WT_TOK_WITH_NEXT:     return !match && was_match;
        default:                   return false;
        }
}

/* A part [start, end) that the pattern matched or that lay between. */
static wt_err part(struct parts *p, size_t start, size_t end, bool match)
{
        const struct wt_tok_stage *st = &p->r->t->stage[p->stage];
        wt_err err = WT_OK;

        if (st->invert)
                match = !match;
        if (st->behavior == WT_TOK_REMOVED && match)
                return WT_OK;
        if (p->held && joins(st->behavior, match, p->was_match)) {
                p->end = end;
        } else {
                err = let_go(p);
                p->start = start;
                p->end = end;
                p->held = true;
        }
        p->was_match = match;
        return err;
}

static wt_err split(struct wt_tok_run *r, uint32_t k, const char *s, size_t len)
{
        const struct wt_tok_stage *st = &r->t->stage[k];
        struct parts p = { .r = r, .stage = k, .s = s };
        size_t at = 0, done = 0, span[2], last = SIZE_MAX;
        bool found;
        wt_err err;

        while (at <= len) {
                if ((err = wt_tok_regex_find(st->re, r->finder, s, len, at, &found, span)) != WT_OK)
                        return err;
                if (!found)
                        break;
                if (span[0] == span[1] && span[0] == last) {     /* nothing, right behind a match */
                        at += at < len ? (size_t)wt_utf8_step((const uint8_t *)s + at, len - at)
                                       : 1;
                        continue;
                }
                if (span[0] > done && (err = part(&p, done, span[0], false)) != WT_OK)
                        return err;
                if ((err = part(&p, span[0], span[1], true)) != WT_OK)
                        return err;
                at = done = last = span[1];
        }
        if (done < len && (err = part(&p, done, len, false)) != WT_OK)
                return err;
        return let_go(&p);
}

static wt_err run_stage(struct wt_tok_run *r, uint32_t k, const char *s, size_t len)
{
        const struct wt_tok_stage *st = &r->t->stage[k];

        if (k == r->t->n_stages)
                return wt_tok_emit(r, s, len);
        if (st->prefix_space && s[0] != ' ') {   /* only the last stage has it: spaced is free */
                wt_buf_clear(&r->spaced);
                if (wt_buf_try(&r->spaced, len + 1) == NULL)
                        return wt_fail(WT_ENOMEM, "no memory for a text of %zu bytes", len);
                wt_buf_add(&r->spaced, " ", 1);
                wt_buf_add(&r->spaced, s, len);
                s = r->spaced.data;
                len++;
        }
        return st->re != NULL ? split(r, k, s, len) : run_stage(r, k + 1, s, len);
}

wt_err wt_tok_stages_run(struct wt_tok_run *r, const char *s, size_t len)
{
        return len > 0 ? run_stage(r, 0, s, len) : WT_OK;
}
