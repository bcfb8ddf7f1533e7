/* stage_load.c - reads pre_tokenizer: Split, Digits, Punctuation and, at the end, ByteLevel,
 * flattened out of their Sequences into stages. Each type is a row of a table. */
#include "text/tok.h"
#include <stdio.h>
#include <string.h>

static const char gpt2[] =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct loading { wt_tokenizer *t; const wt_json *j; bool bytes; /* ByteLevel has been seen */ };

static wt_err behavior_of(const struct loading *l, wt_jv v, const char *where,
                          enum wt_tok_behavior *out)
{
        static const char *const name[] = {"Isolated", "Removed", "Contiguous",
                                           "MergedWithPrevious", "MergedWithNext"};
        wt_jv b = wt_json_get(l->j, v, "behavior");

        for (int i = 0; i < 5; i++)
                if (wt_tok_is(l->j, b, name[i])) {
                        *out = (enum wt_tok_behavior)i;
                        return WT_OK;
                }
        return wt_fail(WT_EUNSUPPORTED, "%s: behavior is none of Isolated, Removed, Contiguous, "
                       "MergedWithPrevious, MergedWithNext", where);
}

static wt_err load_split(struct loading *l, wt_jv v, struct wt_tok_stage *st, const char *where)
{
        wt_jv pattern = wt_json_get(l->j, v, "pattern");
        const char *s;
        size_t len;
        bool literal = false;
        wt_err err;

        if ((err = wt_tok_only(l->j, v, where, " type pattern behavior invert ")) != WT_OK ||
            (err = wt_tok_flag(l->j, v, where, "invert", false, &st->invert)) != WT_OK ||
            (err = behavior_of(l, v, where, &st->behavior)) != WT_OK)
                return err;
        if ((s = wt_json_str(l->j, wt_json_get(l->j, pattern, "Regex"), &len)) == NULL) {
                s = wt_json_str(l->j, wt_json_get(l->j, pattern, "String"), &len);
                literal = true;
        }
        if (s == NULL || wt_json_count(l->j, pattern) != 1)
                return wt_fail(WT_EINVAL,
                               "%s: pattern must be {\"Regex\": text} or {\"String\": text}",
                               where);
        return wt_tok_regex_new(&st->re, s, len, literal, where);
}

static wt_err load_digits(struct loading *l, wt_jv v, struct wt_tok_stage *st, const char *where)
{
        bool each;
        wt_err err;

        if ((err = wt_tok_only(l->j, v, where, " type individual_digits ")) != WT_OK ||
            (err = wt_tok_flag(l->j, v, where, "individual_digits", false, &each)) != WT_OK)
                return err;
        st->behavior = each ? WT_TOK_ISOLATED : WT_TOK_CONTIGUOUS;
        return wt_tok_regex_new(&st->re, "\\p{N}", 5, false, where);
}

static wt_err load_punctuation(struct loading *l, wt_jv v, struct wt_tok_stage *st,
                               const char *where)
{
        static const char ascii_too[] = "[\\p{P}$+<=>\\^`|~]";
        wt_err err;

        if ((err = wt_tok_only(l->j, v, where, " type behavior ")) != WT_OK)
                return err;
        if (wt_json_get(l->j, v, "behavior") != WT_JSON_NONE &&
            (err = behavior_of(l, v, where, &st->behavior)) != WT_OK)
                return err;
        return wt_tok_regex_new(&st->re, ascii_too, sizeof ascii_too - 1, false, where);
}

static wt_err load_bytes(struct loading *l, wt_jv v, struct wt_tok_stage *st, const char *where)
{
        bool regex;
        wt_err err;

        /* trim_offsets moves offsets only, and ours are not asked for */
        if ((err = wt_tok_only(l->j, v, where, " type add_prefix_space trim_offsets use_regex ")) !=
                    WT_OK ||
            (err = wt_tok_flag(l->j, v, where, "add_prefix_space", true, &st->prefix_space)) !=
                    WT_OK ||
            (err = wt_tok_flag(l->j, v, where, "use_regex", true, &regex)) != WT_OK)
                return err;
        l->bytes = true;
        return regex ? wt_tok_regex_new(&st->re, gpt2, sizeof gpt2 - 1, false, where) : WT_OK;
}

static const struct {
        const char *type;
        wt_err (*load)(struct loading *l, wt_jv v, struct wt_tok_stage *st, const char *where);
} kinds[] = {
        { "Split",       load_split },
        { "Digits",      load_digits },
        { "Punctuation", load_punctuation },
        { "ByteLevel",   load_bytes },
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static wt_err load_one(struct loading *l, wt_jv v)
{
        wt_tokenizer *t = l->t;
        const char *type = wt_json_str(l->j, wt_json_get(l->j, v, "type"), &(size_t){ 0 });
        char where[80];

        snprintf(where, sizeof where, "pre_tokenizer, step %u (%s)", t->n_stages + 1,
                 type != NULL ? type : "no type");
        if (t->n_stages == WT_TOK_STAGES)
                return wt_fail(WT_EEXHAUSTED, "pre_tokenizer has more than %d steps",
                               WT_TOK_STAGES);
        if (l->bytes)
                return wt_fail(WT_EUNSUPPORTED, "%s comes after ByteLevel, which must be the last",
                               where);
        for (int k = 0; k < N_KINDS; k++)
                if (type != NULL && strcmp(type, kinds[k].type) == 0)
                        return kinds[k].load(l, v, &t->stage[t->n_stages++], where);
        return wt_fail(WT_EUNSUPPORTED,
                       "%s: only Split, Digits, Punctuation, ByteLevel and Sequence "
                       "are supported",
                       where);
}

/* Sequences may hold Sequences; the depth is that of the JSON (limited). */
static wt_err load_any(struct loading *l, wt_jv v)
{
        wt_jv list = wt_json_get(l->j, v, "pretokenizers");
        wt_err err;

        if (!wt_tok_is(l->j, wt_json_get(l->j, v, "type"), "Sequence"))
                return load_one(l, v);
        if ((err = wt_tok_only(l->j, v, "pre_tokenizer (Sequence)", " type pretokenizers ")) !=
            WT_OK)
                return err;
        if (list == WT_JSON_NONE || wt_json_type(l->j, list) != WT_JSON_ARRAY)
                return wt_fail(WT_EINVAL,
                               "pre_tokenizer: a Sequence without its list, pretokenizers");
        for (v = wt_json_first(l->j, list); v != WT_JSON_NONE; v = wt_json_next(l->j, v))
                if ((err = load_any(l, v)) != WT_OK)
                        return err;
        return WT_OK;
}

wt_err wt_tok_stages_load(wt_tokenizer *t, const wt_json *j, wt_jv v)
{
        struct loading l = { t, j, false };
        wt_err err = WT_OK;

        if (v != WT_JSON_NONE && wt_json_type(j, v) != WT_JSON_NULL)
                err = load_any(&l, v);
        if (err == WT_OK && !l.bytes)
                err = wt_fail(WT_EUNSUPPORTED, "pre_tokenizer has no ByteLevel; only byte-level "
                              "tokenizers are supported");
        return err;
}
