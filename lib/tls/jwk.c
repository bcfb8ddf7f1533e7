/* jwk.c - sets of keys. */
#include "tls/jwk_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct wt_json_limits limits = { .max_depth = 8, .max_bytes = WT_JWKS_BYTES,
                                              .max_nodes = 16 << 10 };

/* k may be one that was skipped (algs 0): its kid is taken all the same. */
static wt_err add(struct wt_jwks *s, const struct jwk *k)
{
        bool secret = k->public_key == NULL;

        if (s->n == WT_JWKS_KEYS)
                return wt_fail(WT_EEXHAUSTED, "a set of keys has at most %d here",
                               WT_JWKS_KEYS);
        for (uint32_t i = 0; i < s->n; i++) {
                if (s->key[i].has_kid && k->has_kid && strcmp(s->key[i].kid, k->kid) == 0)
                        return wt_fail(WT_EDATA, "two keys of the set have the kid \"%.64s\"; "
                                       "give each its own", k->kid);
                if (s->key[i].algs && k->algs && (s->key[i].public_key == NULL) != secret)
                        return wt_fail(WT_EDATA, "the set mixes public keys with shared secrets; "
                                       "keep the secrets in a file of their own");
        }
        s->key[s->n++] = *k;
        s->n_usable += k->algs != 0;
        return WT_OK;
}

static wt_err take(struct wt_jwks *s, const wt_json *j, wt_jv v, uint32_t at)
{
        struct jwk k = { 0 };
        wt_err err = jwk_read(&k, j, v);

        if (err == WT_EUNSUPPORTED) {
                if (s->n_skipped++ == 0)
                        snprintf(s->why, sizeof s->why, "key %u: %.230s", at, wt_words());
                err = WT_OK;
                if (!k.has_kid)
                        return WT_OK;
        }
        if (err == WT_OK && (err = add(s, &k)) != WT_OK)
                jwk_fini(&k);
        return err == WT_OK ? WT_OK : wt_fail_in(err, "key %u", at);
}

static wt_err take_all(struct wt_jwks *s, const wt_json *j)
{
        wt_jv keys = wt_json_get(j, 0, "keys");
        wt_err err = WT_OK;
        uint32_t at = 0;

        if (wt_json_type(j, 0) != WT_JSON_OBJECT)
                return wt_fail(WT_EDATA, "a set of keys is a JSON object with a list \"keys\"");
        if (keys == WT_JSON_NONE)
                err = take(s, j, 0, at++);
        else if (wt_json_type(j, keys) != WT_JSON_ARRAY)
                return wt_fail(WT_EDATA, "\"keys\" of a set of keys is a list");
        else
                for (wt_jv v = wt_json_first(j, keys); v != WT_JSON_NONE && err == WT_OK;
                     v = wt_json_next(j, v))
                        err = take(s, j, v, at++);
        if (err == WT_OK && s->n_usable == 0)
                return wt_fail(WT_EDATA, "the set has no key that can verify anything here%s%s",
                               s->why[0] ? "; " : "", s->why);
        return err;
}

wt_err wt_jwks_parse(wt_jwks **out, const char *text, size_t len)
{
        struct wt_jwks *s;
        wt_json *j;
        wt_err err = wt_json_parse(&j, text, len, &limits);

        if (err != WT_OK)
                return wt_fail_in(err == WT_EINVAL ? WT_EDATA : err, "a set of keys");
        s = calloc(1, sizeof *s);
        err = s ? take_all(s, j) : wt_fail(WT_ENOMEM, "no memory for a set of keys");
        wt_json_free(j);
        if (err != WT_OK) {
                wt_jwks_free(s);
                return err;
        }
        *out = s;
        return WT_OK;
}

void wt_jwks_free(wt_jwks *s)
{
        if (!s)
                return;
        for (uint32_t i = 0; i < s->n; i++)
                jwk_fini(&s->key[i]);
        free(s);
}

uint32_t wt_jwks_count(const wt_jwks *s) { return s->n; }

bool wt_jwks_secret(const wt_jwks *s)
{
        uint32_t i = 0;

        while (s->key[i].algs == 0)              /* one is usable */
                i++;
        return s->key[i].public_key == NULL;
}

unsigned wt_jwks_algs(const wt_jwks *s, uint32_t i) { return s->key[i].algs; }

const char *wt_jwks_kid(const wt_jwks *s, uint32_t i)
{
        return s->key[i].has_kid ? s->key[i].kid : NULL;
}

uint32_t wt_jwks_skipped(const wt_jwks *s, const char **why)
{
        if (why)
                *why = s->why;
        return s->n_skipped;
}
