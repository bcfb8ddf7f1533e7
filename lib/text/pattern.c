/* pattern.c - regular expressions by PCRE2: UTF-8 with Unicode classes, compiled to machine code
 * where the library can. Texts were checked before, so that no match checks them again. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include "text/tok.h"
#include <stdio.h>
#include <stdlib.h>

enum {
        STEPS = 1 << 20,                         /* a match may take so many, ... */
        STEPS_PER_BYTE = 64,                     /* ... and these for each byte of the text */
        HEAP_KIB = 64 << 10,                     /* memory of one match without machine code */
        NESTING = 64                             /* parentheses */
};

void wt_text_library(char out[64])
{
        char version[32] = "";                   /* "10.42 2022-12-11" */

        pcre2_config(PCRE2_CONFIG_VERSION, version);
        snprintf(out, 64, "PCRE2 %s", version);
}

struct wt_tok_regex { pcre2_code *code; };
struct wt_tok_finder { pcre2_match_data *data; pcre2_match_context *ctx; };

static wt_err no_memory(const char *where)
{
        return wt_fail(WT_ENOMEM, "%s: no memory for a regular expression", where);
}

static wt_err compile(wt_tok_regex *re, const char *s, size_t len, bool literal, const char *where)
{
        pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
        uint32_t options = PCRE2_UTF | (literal ? PCRE2_LITERAL
                         : PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C);
        PCRE2_UCHAR why[128] = { 0 };
        PCRE2_SIZE at = 0;
        int code = 0;

        if (ctx == NULL)
                return no_memory(where);
        pcre2_set_newline(ctx, PCRE2_NEWLINE_LF); /* as Oniguruma: '.', '^', '$' know only \n */
        pcre2_set_parens_nest_limit(ctx, NESTING);
        re->code = pcre2_compile((PCRE2_SPTR)s, len, options, &code, &at, ctx);
        pcre2_compile_context_free(ctx);
        if (re->code == NULL && code == PCRE2_ERROR_HEAP_FAILED)
                return no_memory(where);
        if (re->code == NULL) {
                pcre2_get_error_message(code, why, sizeof why);
                return wt_fail(WT_EINVAL, "%s: the pattern does not compile, near offset %zu: %s",
                               where, (size_t)at, (const char *)why);
        }
        (void)pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);   /* without it matches are slower */
        return WT_OK;
}

wt_err wt_tok_regex_new(wt_tok_regex **out, const char *src, size_t len, bool literal,
                        const char *where)
{
        wt_tok_regex *re;
        struct wt_buf said = { 0 };
        wt_err err = WT_OK;

        if (len == 0 || len > WT_TOK_PATTERN)
                return wt_fail(WT_EINVAL, "%s: the pattern has %zu bytes; 1 to %d are possible",
                               where, len, WT_TOK_PATTERN);
        if ((err = wt_tok_calloc(&re, 1, sizeof *re)) != WT_OK)
                return err;
        if (literal)
                wt_buf_add(&said, src, len);
        else
                err = wt_tok_onig(src, len, &said, where);
        if (err == WT_OK)
                err = compile(re, said.data, said.len, literal, where);
        wt_buf_free(&said);
        if (err != WT_OK) {
                free(re);
                return err;
        }
        *out = re;
        return WT_OK;
}

void wt_tok_regex_free(wt_tok_regex *re)
{
        if (re == NULL)
                return;
        pcre2_code_free(re->code);
        free(re);
}

wt_err wt_tok_finder_new(wt_tok_finder **out)
{
        wt_tok_finder *f;
        wt_err err = wt_tok_calloc(&f, 1, sizeof *f);

        if (err != WT_OK)
                return err;
        f->data = pcre2_match_data_create(1, NULL);      /* only the whole match is asked for */
        f->ctx = pcre2_match_context_create(NULL);
        if (f->data == NULL || f->ctx == NULL) {
                wt_tok_finder_free(f);
                return no_memory("a match");
        }
        pcre2_set_heap_limit(f->ctx, HEAP_KIB);
        *out = f;
        return WT_OK;
}

void wt_tok_finder_free(wt_tok_finder *f)
{
        if (f == NULL)
                return;
        pcre2_match_data_free(f->data);
        pcre2_match_context_free(f->ctx);
        free(f);
}

wt_err wt_tok_regex_find(const wt_tok_regex *re, wt_tok_finder *f, const char *s, size_t len,
                         size_t at, bool *found, size_t span[2])
{
        uint64_t steps = STEPS + (uint64_t)STEPS_PER_BYTE * len;
        PCRE2_SIZE *v;
        int rc;

        pcre2_set_match_limit(f->ctx, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
        rc = pcre2_match(re->code, (PCRE2_SPTR)s, len, at, PCRE2_NO_UTF_CHECK, f->data, f->ctx);
        if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
                rc = pcre2_match(re->code, (PCRE2_SPTR)s, len, at,
                                 PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, f->data, f->ctx);
        if (rc == PCRE2_ERROR_NOMATCH) {
                *found = false;
                return WT_OK;
        }
        if (rc == PCRE2_ERROR_NOMEMORY)
                return no_memory("a pattern of the pre-tokenizer");
        if (rc < 0)
                return wt_fail(WT_EEXHAUSTED,
                               "a pattern of the pre-tokenizer gave up at byte %zu of a "
                               "text of %zu bytes (PCRE2 error %d); shorten the text",
                               at, len, rc);
        v = pcre2_get_ovector_pointer(f->data);
        *found = true;
        span[0] = v[0];
        span[1] = v[1] < v[0] ? v[0] : v[1]; /* \K in a look-ahead could turn it round */
        return WT_OK;
}
