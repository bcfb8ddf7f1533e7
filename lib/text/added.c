/* added.c - finds added tokens in a text: the leftmost, of those the longest, then what its
 * flags say about blanks and words around it. The order of questions is that of Hugging Face's
 * find_matches. */
#include "text/tok.h"

wt_err wt_tok_trie_put(struct wt_tok_trie *trie, const char *s, size_t len, uint32_t index)
{
        struct wt_tok_pair *p = NULL;
        uint32_t node = 0;
        bool fresh;

        trie->first[(uint8_t)s[0]] = true;
        for (size_t i = 0; i < len; i++) {
                p = wt_tok_pairs_put(&trie->next, (uint64_t)node << 8 | (uint8_t)s[i], &fresh);
                if (p == NULL)
                        return WT_ENOMEM;        /* in words already */
                if (fresh)
                        p->a = ++trie->n_nodes;
                node = p->a;
        }
        p->b = index + 1;
        return WT_OK;
}

/* Longest token that s (len) begins with; NULL: none. Without specials control tokens are text. */
static const struct wt_tok_added *longest(const struct wt_tok_scan *sc, const char *s, size_t len,
                                          size_t *n)
{
        const struct wt_tok_added *best = NULL, *added;
        const struct wt_tok_pair *p;
        uint32_t node = 0;

        for (size_t i = 0; i < len; i++) {
                p = wt_tok_pairs_get(&sc->trie->next, (uint64_t)node << 8 | (uint8_t)s[i]);
                if (p == NULL)
                        break;
                node = p->a;
                added = p->b > 0 ? &sc->t->added[p->b - 1] : NULL;
                if (added != NULL && (sc->specials || !added->control)) {
                        best = added;
                        *n = i + 1;
                }
        }
        return best;
}

static bool is_blank(uint32_t c)                 /* Unicode's White_Space */
{
        return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
               (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
               c == 0x205f || c == 0x3000;
}

static size_t char_before(const char *s, size_t at)      /* where the character before at begins */
{
        do
                at--;
        while (((uint8_t)s[at] & 0xc0) == 0x80);
        return at;
}

static wt_err is_word(const struct wt_tok_scan *sc, size_t at, bool *yes)
{
        const uint8_t *p = (const uint8_t *)sc->s + at;
        size_t span[2];

        return wt_tok_regex_find(sc->t->word, sc->finder, (const char *)p,
                                 (size_t)wt_utf8_step(p, sc->len - at), 0, yes, span);
}

/* No word character may touch [start, end). */
static wt_err stands_alone(const struct wt_tok_scan *sc, size_t start, size_t end, bool *yes)
{
        bool before = false, behind = false;
        wt_err err = WT_OK;

        if (start > 0)
                err = is_word(sc, char_before(sc->s, start), &before);
        if (err == WT_OK && end < sc->len)
                err = is_word(sc, end, &behind);
        *yes = !before && !behind;
        return err;
}

static void take_blanks(const struct wt_tok_scan *sc, const struct wt_tok_added *a,
                        struct wt_tok_cut *cut)
{
        while (a->lstrip && cut->start > sc->done) {
                size_t at = char_before(sc->s, cut->start);

                if (!is_blank(wt_utf8_char((const uint8_t *)sc->s + at)))
                        break;
                cut->start = at;
        }
        while (a->rstrip && cut->end < sc->len) {
                const uint8_t *p = (const uint8_t *)sc->s + cut->end;

                if (!is_blank(wt_utf8_char(p)))
                        break;
                cut->end += (size_t)wt_utf8_step(p, sc->len - cut->end);
        }
}

/* Next token from sc->at on, with its blanks; id -1: none is left. */
static wt_err next_token(struct wt_tok_scan *sc, struct wt_tok_cut *cut)
{
        size_t n = 0;
        wt_err err;

        cut->id = -1;
        while (sc->at < sc->len) {
                const struct wt_tok_added *a = NULL;
                size_t start = sc->at;
                bool alone = true;

                if (sc->trie->first[(uint8_t)sc->s[start]])
                        a = longest(sc, sc->s + start, sc->len - start, &n);
                sc->at += a != NULL ? n : 1;
                if (a == NULL)
                        continue;
                if (a->single_word && (err = stands_alone(sc, start, start + n, &alone)) != WT_OK)
                        return err;
                if (!alone)
                        continue;
                *cut = (struct wt_tok_cut){ start, start + n, a->id };
                take_blanks(sc, a, cut);
                if (sc->at < cut->end)
                        sc->at = cut->end;
                return WT_OK;
        }
        return WT_OK;
}

wt_err wt_tok_scan_next(struct wt_tok_scan *sc, struct wt_tok_cut *cut, bool *more)
{
        struct wt_tok_cut token;
        wt_err err;

        *more = sc->has_held || sc->done < sc->len;
        if (!*more)
                return WT_OK;
        if (sc->has_held) {
                *cut = sc->held;
                sc->has_held = false;
                sc->done = cut->end;
                return WT_OK;
        }
        if ((err = next_token(sc, &token)) != WT_OK)
                return err;
        if (token.id < 0) {
                *cut = (struct wt_tok_cut){ sc->done, sc->len, -1 };
        } else if (sc->done < token.start) {
                *cut = (struct wt_tok_cut){ sc->done, token.start, -1 };
                sc->held = token;
                sc->has_held = true;
                return WT_OK;
        } else {
                *cut = token;
        }
        sc->done = cut->end;
        return WT_OK;
}
