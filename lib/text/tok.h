/* tok.h - the inside of lib/text: a loaded tokenizer, and the parts that make and use it.
 * The way of a text: checked UTF-8 -> added tokens cut out -> normalizer -> added tokens of the
 * normalized kind cut out -> stages of the pre-tokenizer -> bytes -> BPE -> ids. */
#ifndef WITAN_TEXT_TOK_H
#define WITAN_TEXT_TOK_H
#include "base/json.h"
#include "text/tokenizer.h"

enum {
        WT_TOK_IDS = 1 << 20,                    /* ids are below this */
        WT_TOK_MERGES = 1 << 22,
        WT_TOK_BYTES = 65535,                    /* of one token */
        WT_TOK_ADDED = 1 << 16,                  /* added tokens, ... */
        WT_TOK_ADDED_BYTES = 512,                /* ... and the text of one */
        WT_TOK_STAGES = 16,                      /* of the pre-tokenizer, flattened */
        WT_TOK_FORMS = 4,                        /* of the normalizer */
        WT_TOK_PATTERN = 16384                   /* bytes of a regular expression */
};

/* table.c: open addressing, at most half full. */
struct wt_tok_pair { uint64_t key; uint32_t a, b; };
struct wt_tok_pairs { struct wt_tok_pair *slot; uint64_t mask, n; };
/* n in all; keeps what is in, also when it returns WT_ENOMEM. */
wt_err wt_tok_pairs_room(struct wt_tok_pairs *t, size_t n);
void wt_tok_pairs_free(struct wt_tok_pairs *t);
/* The pair of key, made with a = b = 0 when new (*fresh tells). NULL: memory is gone; never after
 * room was made for it. */
struct wt_tok_pair *wt_tok_pairs_put(struct wt_tok_pairs *t, uint64_t key, bool *fresh);

#define WT_TOK_NO_KEY UINT64_MAX
static inline uint64_t wt_tok_mix(uint64_t x)    /* xor and multiply, as in splitmix64 */
{
        x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        return x ^ (x >> 29);
}
static inline const struct wt_tok_pair *wt_tok_pairs_get(const struct wt_tok_pairs *t, uint64_t key)
{
        if (t->slot == NULL)
                return NULL;
        for (uint64_t i = wt_tok_mix(key) & t->mask;; i = (i + 1) & t->mask) {
                if (t->slot[i].key == key)
                        return &t->slot[i];
                if (t->slot[i].key == WT_TOK_NO_KEY)
                        return NULL;
        }
}

/* Strings -> ids; the strings are elsewhere and are asked for by id. */
struct wt_tok_word { uint32_t hash, id1; };      /* id1: id + 1, 0 when free */
struct wt_tok_words { struct wt_tok_word *slot; uint32_t mask; };
typedef const char *(*wt_tok_text_of)(const void *arg, uint32_t id, size_t *len);
wt_err wt_tok_words_room(struct wt_tok_words *t, size_t n);      /* once, for n in all; WT_ENOMEM */
void wt_tok_words_free(struct wt_tok_words *t);
/* False when the string is there already. */
bool wt_tok_words_put(struct wt_tok_words *t, uint32_t id, wt_tok_text_of text, const void *arg);
int32_t wt_tok_words_get(const struct wt_tok_words *t, const char *s, size_t len,
                         wt_tok_text_of text, const void *arg);  /* -1 */
/* *out (n items of size bytes), zeroed; WT_ENOMEM in words. */
wt_err wt_tok_calloc(void *out, size_t n, size_t size);

/* utf8.c, bytelevel.c */
/* Length of the character at p, 0: p (n) is the begin of one, -k: k bytes are none. n > 0. */
int wt_utf8_step(const uint8_t *p, size_t n);
size_t wt_utf8_valid(const char *s, size_t n);   /* length of the longest valid front */
uint32_t wt_utf8_char(const uint8_t *p);         /* of valid text */
/* GPT-2's bytes as characters ("Ġ" for a blank): appends the bytes of s (valid UTF-8); false, and
 * nothing is appended, when s holds a character that stands for no byte. */
bool wt_bytelevel_bytes(const char *s, size_t len, struct wt_buf *out);

/* pattern.c: the only code that sees PCRE2. */
typedef struct wt_tok_regex wt_tok_regex;
typedef struct wt_tok_finder wt_tok_finder;      /* match memory of one call of encode */
/* Oniguruma's regular expression src; words begin with where. literal: src is the text itself. */
wt_err wt_tok_regex_new(wt_tok_regex **out, const char *src, size_t len, bool literal,
                        const char *where);
void wt_tok_regex_free(wt_tok_regex *re);
wt_err wt_tok_finder_new(wt_tok_finder **out);   /* WT_ENOMEM */
void wt_tok_finder_free(wt_tok_finder *f);
/* First match at or after `at` in valid UTF-8: *found, span[0..1]. WT_EEXHAUSTED: gave up;
 * WT_ENOMEM. */
wt_err wt_tok_regex_find(const wt_tok_regex *re, wt_tok_finder *f, const char *s, size_t len,
                         size_t at, bool *found, size_t span[2]);
/* pattern_onig.c: appends to out the same expression in PCRE2's words, or says what it cannot. */
wt_err wt_tok_onig(const char *src, size_t len, struct wt_buf *out, const char *where);

/* added.c */
struct wt_tok_added {
        const char *text; uint32_t len;          /* content; lent from the tokenizer's bytes */
        int32_t id;
        bool lstrip, rstrip, single_word, normalized, special;
        bool control;                            /* comes from templates, never from user text */
};
struct wt_tok_trie {
        struct wt_tok_pairs next;                /* node << 8 | byte -> a: node, b: index + 1 */
        uint32_t n_nodes;                        /* the root is node 0 */
        bool first[256];                         /* bytes that some token begins with */
};
struct wt_tok_cut { size_t start, end; int32_t id; };    /* id -1: text between added tokens */
struct wt_tok_scan {
        const wt_tokenizer *t; const struct wt_tok_trie *trie; wt_tok_finder *finder;
        const char *s; size_t len;
        bool specials;
        size_t at, done;                         /* search goes on at; cuts are given up to done */
        struct wt_tok_cut held; bool has_held;
};
wt_err wt_tok_trie_put(struct wt_tok_trie *trie, const char *s, size_t len, uint32_t index);
/* Next cut; *more false at the end. Cuts cover the text, in order. */
wt_err wt_tok_scan_next(struct wt_tok_scan *sc, struct wt_tok_cut *cut, bool *more);

/* stage.c (how a pre-tokenizer runs), stage_load.c (how it is read) */
enum wt_tok_behavior { WT_TOK_ISOLATED, WT_TOK_REMOVED, WT_TOK_CONTIGUOUS, WT_TOK_WITH_PREVIOUS,
                       WT_TOK_WITH_NEXT };
struct wt_tok_stage {
        wt_tok_regex *re;                        /* NULL: nothing is split (ByteLevel, no regex) */
        enum wt_tok_behavior behavior;
        bool invert, prefix_space;
};
struct wt_tok_run;
wt_err wt_tok_stages_load(wt_tokenizer *t, const wt_json *j, wt_jv v);
wt_err wt_tok_stages_run(struct wt_tok_run *r, const char *s, size_t len);

/* bpe.c */
struct wt_tok_scratch { uint32_t *word; uint64_t *heap; size_t cap; };   /* cap: symbols */
void wt_tok_scratch_free(struct wt_tok_scratch *s);
/* Appends the ids of one pre-token. WT_EINVAL when a byte has no token; WT_ENOMEM. */
wt_err wt_tok_bpe(const wt_tokenizer *t, struct wt_tok_scratch *s, const char *p, size_t len,
                  struct wt_ids *out);

/* normal.c: utf8proc's options of each form, in order. */
wt_err wt_tok_normal_load(wt_tokenizer *t, const wt_json *j, wt_jv v);
/* *out is s itself, or freed with free(*owned). */
wt_err wt_tok_normal(const wt_tokenizer *t, const char *s, size_t len, const char **out,
                     size_t *out_len, char **owned);

/* vocab.c, load.c */
wt_err wt_tok_vocab_load(wt_tokenizer *t, const wt_json *j, wt_jv model, wt_jv added);
wt_err wt_tok_load(wt_tokenizer *t, const wt_json *j);
/* Refuses members of object v other than the words of known (" a b c "), unless they are null. */
wt_err wt_tok_only(const wt_json *j, wt_jv v, const char *where, const char *known);
bool wt_tok_is(const wt_json *j, wt_jv v, const char *s);        /* v is the string s */
/* A boolean member; def when absent or null. */
wt_err wt_tok_flag(const wt_json *j, wt_jv v, const char *where, const char *key, bool def,
                   bool *out);

enum { WT_TOK_THERE = 1, WT_TOK_SPECIAL = 2, WT_TOK_CONTROL = 4 };
struct wt_tok_token { uint32_t off; uint16_t len; uint8_t flags; };

struct wt_tokenizer {
        struct wt_buf text;                      /* the bytes of all tokens */
        struct wt_tok_token *token;              /* (n_ids) */
        uint32_t n_ids;
        int32_t byte_id[256];                    /* the token of one byte, -1: none */
        struct wt_tok_pairs merges;              /* left << 32 | right -> a: rank, b: id */
        struct wt_tok_words whole;               /* bytes of pre-tokens that are one id -> it */
        struct wt_tok_added *added;              /* (n_added), sorted by content */
        uint32_t n_added;
        struct wt_tok_trie raw, normal;          /* added tokens: before, after normalization */
        wt_tok_regex *word;                      /* one word character; NULL: no single_word */
        struct wt_tok_stage stage[WT_TOK_STAGES];
        uint32_t n_stages;
        int form[WT_TOK_FORMS];
        uint32_t n_forms;
        size_t longest;                          /* bytes of text of one id at most; 0: no bound */
        int32_t bos;                             /* that the post-processor puts in front, -1 */
        bool ignore_merges;
        bool guard;                              /* BPE itself can make a control token */
};

/* One call of encode. */
struct wt_tok_run {
        const wt_tokenizer *t; struct wt_ids *out;
        bool specials;
        struct wt_tok_scratch scratch; wt_tok_finder *finder;
        struct wt_buf spaced;                    /* a piece with a blank put in front */
};
/* A pre-token to ids; what the last stage calls. */
wt_err wt_tok_emit(struct wt_tok_run *r, const char *s, size_t len);
#endif
