/* normal.c - Unicode normalization forms by utf8proc: NFC, NFD, NFKC, NFKD, and Sequences of
 * them. */
#include <utf8proc.h>
#include "text/tok.h"
#include <stdlib.h>

static const struct { const char *type; int options; } forms[] = {
        { "NFC",  UTF8PROC_STABLE | UTF8PROC_COMPOSE },
        { "NFD",  UTF8PROC_STABLE | UTF8PROC_DECOMPOSE },
        { "NFKC", UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT },
        { "NFKD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT },
};
enum { N_FORMS = sizeof forms / sizeof *forms };

static wt_err load_one(wt_tokenizer *t, const wt_json *j, wt_jv v)
{
        wt_jv type = wt_json_get(j, v, "type");
        const char *name = wt_json_str(j, type, &(size_t){ 0 });

        if (t->n_forms == WT_TOK_FORMS)
                return wt_fail(WT_EEXHAUSTED, "normalizer has more than %d steps", WT_TOK_FORMS);
        for (int k = 0; k < N_FORMS; k++)
                if (wt_tok_is(j, type, forms[k].type)) {
                        t->form[t->n_forms++] = forms[k].options;
                        return wt_tok_only(j, v, "normalizer", " type ");
                }
        return wt_fail(WT_EUNSUPPORTED,
                       "normalizer %s is not supported; NFC, NFD, NFKC, NFKD, Sequence "
                       "and null are",
                       name != NULL ? name : "without a type");
}

wt_err wt_tok_normal_load(wt_tokenizer *t, const wt_json *j, wt_jv v)
{
        wt_jv list = wt_json_get(j, v, "normalizers");
        wt_err err;

        if (v == WT_JSON_NONE || wt_json_type(j, v) == WT_JSON_NULL)
                return WT_OK;
        if (!wt_tok_is(j, wt_json_get(j, v, "type"), "Sequence"))
                return load_one(t, j, v);
        if ((err = wt_tok_only(j, v, "normalizer (Sequence)", " type normalizers ")) != WT_OK)
                return err;
        if (list == WT_JSON_NONE || wt_json_type(j, list) != WT_JSON_ARRAY)
                return wt_fail(WT_EINVAL, "normalizer: a Sequence without its list, normalizers");
        for (v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v))
                if ((err = load_one(t, j, v)) != WT_OK)
                        return err;
        return WT_OK;
}

static bool ascii(const char *s, size_t len)     /* ASCII is in all four forms already */
{
        size_t i = 0;

        while (i < len && (uint8_t)s[i] < 0x80)
                i++;
        return i == len;
}

wt_err wt_tok_normal(const wt_tokenizer *t, const char *s, size_t len, const char **out,
                     size_t *out_len, char **owned)
{
        char *made = NULL;

        for (uint32_t k = 0; k < t->n_forms && !ascii(s, len); k++) {
                utf8proc_uint8_t *next = NULL;
                utf8proc_ssize_t n =
                        utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)len, &next,
                                     (utf8proc_option_t)t->form[k]);

                free(made);
                if (n == UTF8PROC_ERROR_NOMEM)
                        return wt_fail(WT_ENOMEM, "no memory to normalize a text of %zu bytes",
                                       len);
                if (n < 0)
                        return wt_fail(WT_EINVAL, "the text cannot be normalized: %s",
                                       utf8proc_errmsg(n));
                s = made = (char *)next;
                len = (size_t)n;
        }
        *out = s;
        *out_len = len;
        *owned = made;
        return WT_OK;
}
