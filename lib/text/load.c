/* load.c - reads tokenizer.json from the top: every member is understood or refused by name. */
#include "text/tok.h"
#include <string.h>

bool wt_tok_is(const wt_json *j, wt_jv v, const char *s)
{
        size_t len;
        const char *p = wt_json_str(j, v, &len);

        return p != NULL && len == strlen(s) && memcmp(p, s, len) == 0;
}

/* Is key one of the words of known, which has a blank at both ends? */
static bool among(const char *known, const char *key, size_t len)
{
        for (const char *at = known; len > 0 && (at = strstr(at, key)) != NULL; at++)
                if (at > known && at[-1] == ' ' && at[len] == ' ' && memchr(key, ' ', len) == NULL)
                        return true;
        return false;
}

wt_err wt_tok_only(const wt_json *j, wt_jv v, const char *where, const char *known)
{
        if (v == WT_JSON_NONE || wt_json_type(j, v) != WT_JSON_OBJECT)
                return wt_fail(WT_EINVAL, "%s is no object", where);
        for (wt_jv m = wt_json_first(j, v); m != WT_JSON_NONE; m = wt_json_next(j, m)) {
                size_t len;
                const char *key = wt_json_key(j, m, &len);

                if ((strlen(key) != len || !among(known, key, len)) &&
                    wt_json_type(j, m) != WT_JSON_NULL)
                        return wt_fail(WT_EUNSUPPORTED, "%s: \"%.60s\" is not known", where, key);
        }
        return WT_OK;
}

wt_err wt_tok_flag(const wt_json *j, wt_jv v, const char *where, const char *key, bool def,
                   bool *out)
{
        wt_jv m = wt_json_get(j, v, key);

        *out = def;
        if (m == WT_JSON_NONE || wt_json_type(j, m) == WT_JSON_NULL || wt_json_bool(j, m, out))
                return WT_OK;
        return wt_fail(WT_EINVAL, "%s: %s must be true or false", where, key);
}

/* Absent, null or, where that means the same, an empty string or 0. */
static bool unset(const wt_json *j, wt_jv v)
{
        size_t len;
        double x;

        if (v == WT_JSON_NONE || wt_json_type(j, v) == WT_JSON_NULL)
                return true;
        if (wt_json_str(j, v, &len) != NULL)
                return len == 0;
        return wt_json_f64(j, v, &x) && x == 0;
}

static wt_err load_model(wt_tokenizer *t, const wt_json *j, wt_jv m, wt_jv added)
{
        static const char *const must_be_unset[] = { "dropout", "continuing_subword_prefix",
                                                     "end_of_word_suffix" };
        wt_jv type = wt_json_get(j, m, "type"), unk = wt_json_get(j, m, "unk_token");
        bool fuse, fallback;
        wt_err err;

        if (m == WT_JSON_NONE || (type != WT_JSON_NONE && !wt_tok_is(j, type, "BPE")))
                return wt_fail(WT_EUNSUPPORTED, "model is not of type BPE");
        if ((err = wt_tok_only(j, m, "model", " type dropout unk_token continuing_subword_prefix "
                               "end_of_word_suffix fuse_unk byte_fallback ignore_merges vocab "
                               "merges ")) != WT_OK ||
            (err = wt_tok_flag(j, m, "model", "fuse_unk", false, &fuse)) != WT_OK ||
            (err = wt_tok_flag(j, m, "model", "byte_fallback", false, &fallback)) != WT_OK ||
            (err = wt_tok_flag(j, m, "model", "ignore_merges", false, &t->ignore_merges)) != WT_OK)
                return err;
        for (size_t k = 0; k < sizeof must_be_unset / sizeof *must_be_unset; k++)
                if (!unset(j, wt_json_get(j, m, must_be_unset[k])))
                        return wt_fail(WT_EUNSUPPORTED, "model: %s is not supported",
                                       must_be_unset[k]);
        if (fallback)
                return wt_fail(WT_EUNSUPPORTED, "model: byte_fallback is not supported: it is of "
                               "tokenizers that are not byte-level");
        if ((err = wt_tok_vocab_load(t, j, m, added)) != WT_OK || unset(j, unk))
                return err;
        for (int b = 0; b < 256; b++)            /* with all bytes there is nothing unknown */
                if (t->byte_id[b] < 0 && b != 0xc0 && b != 0xc1 && b < 0xf5)
                        return wt_fail(WT_EUNSUPPORTED,
                                       "model: unk_token is not supported when vocab "
                                       "lacks a byte (0x%02x)",
                                       b);
        return WT_OK;
}

/* {"SpecialToken": {"id": NAME}} and then {"Sequence": {"id": "A"}}: NAME goes in front. */
static wt_err load_template(wt_tokenizer *t, const wt_json *j, wt_jv v)
{
        wt_jv single = wt_json_get(j, v, "single"), first = wt_json_first(j, single);
        wt_jv token = wt_json_get(j, first, "SpecialToken"), ids, name;
        wt_jv text = token == WT_JSON_NONE ? first : wt_json_next(j, first);
        const char *s;
        uint64_t id;

        if (!wt_tok_is(j, wt_json_get(j, wt_json_get(j, text, "Sequence"), "id"), "A") ||
            wt_json_count(j, single) != (token == WT_JSON_NONE ? 1u : 2u))
                return wt_fail(WT_EUNSUPPORTED,
                               "post_processor: only a TemplateProcessing that puts one "
                               "token in front of the text is supported");
        if (token == WT_JSON_NONE)
                return WT_OK;
        name = wt_json_get(j, token, "id");
        s = wt_json_str(j, name, &(size_t){ 0 });
        ids = wt_json_get(
                j, wt_json_get(j, wt_json_get(j, v, "special_tokens"), s != NULL ? s : ""), "ids");
        if (wt_json_count(j, ids) != 1 || !wt_json_u64(j, wt_json_first(j, ids), &id) ||
            id >= t->n_ids || !(t->token[id].flags & WT_TOK_THERE))
                return wt_fail(WT_EINVAL,
                               "post_processor: special_tokens gives \"%.40s\" no id that "
                               "is known",
                               s != NULL ? s : "");
        t->bos = (int32_t)id;
        return WT_OK;
}

static wt_err load_post(wt_tokenizer *t, const wt_json *j, wt_jv v)
{
        wt_jv type = wt_json_get(j, v, "type");
        wt_err err;

        if (v == WT_JSON_NONE || wt_json_type(j, v) == WT_JSON_NULL ||
            wt_tok_is(j, type, "ByteLevel"))
                return WT_OK;                    /* ByteLevel moves offsets only */
        if (wt_tok_is(j, type, "TemplateProcessing"))
                return load_template(t, j, v);
        if (!wt_tok_is(j, type, "Sequence"))
                return wt_fail(WT_EUNSUPPORTED,
                               "post_processor: only ByteLevel, TemplateProcessing and "
                               "a Sequence of these are supported");
        v = wt_json_get(j, v, "processors");
        for (v = wt_json_first(j, v); v != WT_JSON_NONE; v = wt_json_next(j, v))
                if ((err = load_post(t, j, v)) != WT_OK)
                        return err;
        return WT_OK;
}

wt_err wt_tok_load(wt_tokenizer *t, const wt_json *j)
{
        static const char *const must_be_null[] = { "truncation", "padding" };
        wt_jv added = wt_json_get(j, 0, "added_tokens"), v = wt_json_get(j, 0, "version");
        wt_err err;

        if ((err = wt_tok_only(j, 0, "tokenizer.json", " version truncation padding added_tokens "
                               "normalizer pre_tokenizer post_processor decoder model ")) != WT_OK)
                return err;
        if (v != WT_JSON_NONE && !wt_tok_is(j, v, "1.0"))
                return wt_fail(WT_EUNSUPPORTED, "version is not \"1.0\"");
        for (int k = 0; k < 2; k++)
                if (!unset(j, wt_json_get(j, 0, must_be_null[k])))
                        return wt_fail(WT_EUNSUPPORTED, "%s is not supported; set it to null",
                                       must_be_null[k]);
        v = wt_json_get(j, wt_json_get(j, 0, "decoder"), "type");
        if (!wt_tok_is(j, v, "ByteLevel"))
                return wt_fail(WT_EUNSUPPORTED, "decoder is not ByteLevel");
        if ((err = wt_tok_normal_load(t, j, wt_json_get(j, 0, "normalizer"))) != WT_OK ||
            (err = wt_tok_stages_load(t, j, wt_json_get(j, 0, "pre_tokenizer"))) != WT_OK ||
            (err = load_model(t, j, wt_json_get(j, 0, "model"), added)) != WT_OK)
                return err;
        return load_post(t, j, wt_json_get(j, 0, "post_processor"));
}
