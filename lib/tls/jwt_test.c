/* jwt_test.c - headers, keys and claims of tokens that the test signs itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tls/jwt.h"
#include "tls/token.h"

#define NOW 1700000000
/* The set {"keys":[the Ed25519 key with kid "a", more]}. */
static wt_jwks *keys(const char *more)
{
        struct wt_buf b = { 0 };
        wt_jwks *s;

        wt_buf_str(&b, "{\"keys\":[");
        put_key(&b, "a");
        wt_buf_fmt(&b, "%s]}", more);
        if (wt_jwks_parse(&s, b.data, b.len) != WT_OK)
                fail_msg("%s", wt_words());
        wt_buf_free(&b);
        return s;
}

static const struct wt_jwt_rules rules = { .issuer = "https://id.example", .audience = "witan",
                                           .algs = WT_JWS_PUBLIC, .leeway_s = 60 };

/* words: of the refusal; NULL: it is taken. */
static void check(const wt_jwks *s, wt_err expected, const char *words, const char *t)
{
        wt_json *claims = NULL;
        wt_err err = wt_jwt_check(&claims, s, &rules, NOW, t, strlen(t));

        if (err != expected)
                fail_msg("%s: code %d, not %d: %s", t, err, expected, wt_words());
        if (words && !strstr(wt_words(), words))
                fail_msg("\"%s\" is not in \"%s\"", words, wt_words());
        assert_int_equal(claims != NULL, err == WT_OK);
        wt_json_free(claims);
}

#define HEAD "{\"alg\":\"EdDSA\",\"kid\":\"a\"}"
#define GOOD "\"iss\":\"https://id.example\",\"aud\":\"witan\""
#define EXP ",\"exp\":1700000100"

static const struct { const char *claims, *words; } claims[] = {
        { "{" GOOD EXP "}", NULL },
        { "{" GOOD EXP ",\"nbf\":1700000059,\"iat\":1700000060}", NULL },
        { "{" GOOD ",\"exp\":1700000000.5}", NULL },
        { "{" GOOD ",\"exp\":1699999941}", NULL },
        { "{\"iss\":\"https://id.example\",\"aud\":[\"x\",\"witan\"]" EXP "}", NULL },
        { "{" GOOD ",\"exp\":1699999940}", "has expired" },
        { "{" GOOD "}", "never expires" },
        { "{" GOOD ",\"exp\":\"1700000100\"}", "exp that is no number" },
        { "{" GOOD EXP ",\"nbf\":1700000061}", "not valid yet" },
        { "{" GOOD EXP ",\"nbf\":null}", "nbf that is no number" },
        { "{" GOOD EXP ",\"iat\":1700000061}", "in the future" },
        { "{" GOOD EXP ",\"iat\":\"\"}", "iat that is no number" },
        { "{\"iss\":\"https://id.example/\",\"aud\":\"witan\"" EXP "}", "another issuer" },
        { "{\"iss\":\"https://id.example\\u0000\",\"aud\":\"witan\"" EXP "}", "another issuer" },
        { "{\"iss\":[\"https://id.example\"],\"aud\":\"witan\"" EXP "}", "another issuer" },
        { "{\"aud\":\"witan\"" EXP "}", "another issuer" },
        { "{\"iss\":\"https://id.example\",\"aud\":\"witan2\"" EXP "}", "another service" },
        { "{\"iss\":\"https://id.example\",\"aud\":[]" EXP "}", "another service" },
        { "{\"iss\":\"https://id.example\",\"aud\":[[\"witan\"]]" EXP "}", "another service" },
        { "{\"iss\":\"https://id.example\"" EXP "}", "another service" },
        { "{" GOOD EXP EXP "}", "the token's claims" },  /* twice the same name */
        { "[]", "claims that are no JSON object" },
        { "", "the token's claims" },
};

static void claims_are_checked(void **state)
{
        wt_jwks *s = keys("");
        struct wt_buf t = { 0 };

        (void)state;
        for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
                check(s, claims[i].words ? WT_EUNAUTH : WT_OK, claims[i].words,
                      token(&t, HEAD, claims[i].claims, false));
        wt_buf_free(&t);
        wt_jwks_free(s);
}

static const struct { const char *header; wt_err err; const char *words; } headers[] = {
        { HEAD, WT_OK, NULL },
        { "{\"alg\":\"EdDSA\"}", WT_OK, NULL },          /* the one key that fits */
        { "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"typ\":\"JWT\"}", WT_OK, NULL },
        { "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"typ\":\"application/at+jwt\"}", WT_OK, NULL },
        { "{\"alg\":\"EdDSA\",\"kid\":\"b\"}", WT_ENOTFOUND, "\"b\"" },
        { "{\"alg\":\"EdDSA\",\"kid\":7}", WT_EUNAUTH, "kid that is no string" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"a\\u0000\"}", WT_EUNAUTH, "kid that is no string" },
        { "{\"alg\":\"none\",\"kid\":\"a\"}", WT_EUNAUTH, "\"none\"" },
        { "{\"alg\":\"None\"}", WT_EUNAUTH, "\"None\"" },
        { "{\"alg\":\"\"}", WT_EUNAUTH, "\"\"" },
        { "{\"alg\":[\"EdDSA\"],\"kid\":\"a\"}", WT_EUNAUTH, "names no algorithm" },
        { "{\"kid\":\"a\"}", WT_EUNAUTH, "names no algorithm" },
        { "{\"alg\":\"RS256\",\"kid\":\"a\"}", WT_EUNAUTH, "not what its key is for" },
        { "{\"alg\":\"HS256\",\"kid\":\"a\"}", WT_EUNAUTH, "not among the algorithms" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"crit\":[\"exp\"]}", WT_EUNAUTH, "crit" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"typ\":\"logout+jwt\"}", WT_EUNAUTH, "logout+jwt" },
        { "{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\",\"kid\":\"a\"}", WT_EUNAUTH, "header" },
        { "\"EdDSA\"", WT_EUNAUTH, "no JSON object" },
        { "{\"alg\":\"EdDSA\",\"kid\":\"a\"} x", WT_EUNAUTH, "header" },
};

static void headers_are_checked(void **state)
{
        wt_jwks *s = keys("");
        struct wt_buf t = { 0 };

        (void)state;
        for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
                check(s, headers[i].err, headers[i].words,
                      token(&t, headers[i].header, claims[0].claims, false));
        wt_buf_free(&t);
        wt_jwks_free(s);
}

/* Every character of a token counts. */
static void any_change_is_refused(void **state)
{
        wt_jwks *s = keys("");
        struct wt_buf t = { 0 };
        wt_json *claims_out = NULL;
        char *text = token(&t, HEAD, claims[0].claims, false);

        (void)state;
        for (size_t i = 0; i < t.len; i++) {
                char was = text[i];

                text[i] = was == 'B' ? 'C' : 'B';
                assert_int_not_equal(wt_jwt_check(&claims_out, s, &rules, NOW, text, t.len), WT_OK);
                text[i] = was;
                if (i > 0)
                        assert_int_not_equal(wt_jwt_check(&claims_out, s, &rules, NOW, text, i),
                                             WT_OK);
        }
        check(s, WT_OK, NULL, text);
        wt_buf_str(&t, ".");
        check(s, WT_EUNAUTH, "three parts", t.data);
        wt_buf_clear(&t);
        for (int i = 0; i <= WT_JWT_BYTES; i++)
                wt_buf_str(&t, "A");
        check(s, WT_EUNAUTH, "16 KiB", t.data);
        wt_buf_free(&t);
        wt_jwks_free(s);
}

/* Which key: by kid, by the algorithm when there is none, and never by guesses. */
static void keys_are_picked(void **state)
{
        static const char second[] = ",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"b\",\"x\":"
                                     "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
        wt_jwks *s = keys(second);
        struct wt_buf t = { 0 };

        (void)state;
        assert_int_equal(wt_jwks_count(s), 2);
        check(s, WT_OK, NULL, token(&t, HEAD, claims[0].claims, false));
        check(s, WT_EUNAUTH, "2 of its issuer's keys",
              token(&t, "{\"alg\":\"EdDSA\"}", claims[0].claims, false));
        check(s, WT_EUNAUTH, "signature that is not its key's",
              token(&t, "{\"alg\":\"EdDSA\",\"kid\":\"b\"}", claims[0].claims, false));
        wt_jwks_free(s);
        wt_buf_free(&t);
}

/* A secret verifies what it is for, and a public key is never taken for a secret. */
static void secrets(void **state)
{
        struct wt_jwt_rules mac = rules;
        struct wt_buf t = { 0 }, b = { 0 };
        wt_json *j;
        wt_jwks *s;

        (void)state;
        wt_buf_str(&b, "{\"kty\":\"oct\",\"k\":\"");
        put_b64(&b, secret, 32);
        wt_buf_str(&b, "\"}");
        assert_int_equal(wt_jwks_parse(&s, b.data, b.len), WT_OK);
        assert_true(wt_jwks_secret(s));
        assert_int_equal(wt_jwks_algs(s, 0), WT_HS256);  /* 32 bytes are too few for the others */
        token(&t, "{\"alg\":\"HS256\"}", claims[0].claims, true);
        check(s, WT_EUNAUTH, "not among the algorithms", t.data);
        mac.algs = WT_HS256;
        assert_int_equal(wt_jwt_check(&j, s, &mac, NOW, t.data, t.len), WT_OK);
        wt_json_free(j);
        wt_jwks_free(s);
        s = keys("");
        assert_false(wt_jwks_secret(s));
        mac.algs = WT_JWS_PUBLIC | WT_JWS_SHARED;
        assert_int_equal(wt_jwt_check(&j, s, &mac, NOW, t.data, t.len), WT_EUNAUTH);
        assert_non_null(strstr(wt_words(), "0 of its issuer's keys"));
        wt_jwks_free(s);
        wt_buf_free(&t);
        wt_buf_free(&b);
}

#define X "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define OKP "\"kty\":\"OKP\",\"crv\":\"Ed25519\"," X
static const struct { const char *set; wt_err err; const char *words; uint32_t skipped; } sets[] = {
        { "{" OKP "}", WT_OK, NULL, 0 },
        { "{\"keys\":[{" OKP "}]}", WT_OK, NULL, 0 },
        { "{\"keys\":[{" OKP ",\"use\":\"sig\",\"key_ops\":[\"verify\"],\"x5t\":7}]}", WT_OK, NULL,
          0 },
        { "{\"keys\":[{\"kty\":\"new\"},{" OKP "}]}", WT_OK, "kty, crv and alg", 1 },
        { "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\"," X "},{" OKP "}]}", WT_OK, "crv", 1 },
        { "{\"keys\":[{" OKP ",\"kid\":\"a\",\"use\":\"enc\"},{" OKP ",\"kid\":\"a\"}]}", WT_OK,
          "not for signatures", 1 },
        { "{\"keys\":[{" OKP ",\"alg\":\"RS256\"},{" OKP "}]}", WT_OK, "alg", 1 },
        { "{\"keys\":[{" OKP ",\"kid\":\"a\"},{" OKP ",\"kid\":\"a\"}]}", WT_EDATA, "two keys", 0 },
        { "{\"keys\":[{" OKP "},{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
          "AAA\"}]}", WT_EDATA, "mixes", 0 },
        { "{" OKP ",\"d\":\"AA\"}", WT_EDATA, "private part", 0 },
        { "{\"keys\":[]}", WT_EDATA, "no key", 0 },
        { "{\"keys\":{}}", WT_EDATA, "is a list", 0 },
        { "{\"keys\":[7]}", WT_EDATA, "key 0: a key is a JSON object", 0 },
        { "[]", WT_EDATA, "JSON object", 0 },
        { "{\"keys\":[", WT_EDATA, "ends too early", 0 },
        { "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}", WT_EDATA, "32 bytes",
          0 },
        { "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", WT_EDATA, "2048", 0 },
        { "{\"kty\":\"oct\",\"k\":\"AAAA\"}", WT_EDATA, "as long as its hash", 0 },
};

static void sets_are_checked(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
                const char *why = "";
                wt_jwks *s = NULL;
                wt_err err = wt_jwks_parse(&s, sets[i].set, strlen(sets[i].set));

                if (err != sets[i].err)
                        fail_msg("%s: %d, %s", sets[i].set, err, wt_words());
                if (err == WT_OK)
                        assert_int_equal(wt_jwks_skipped(s, &why), sets[i].skipped);
                else
                        why = wt_words();
                if (sets[i].words && !strstr(why, sets[i].words))
                        fail_msg("%s: \"%s\" is not in \"%s\"", sets[i].set, sets[i].words, why);
                wt_jwks_free(s);
        }
}

static void too_many_keys(void **state)
{
        struct wt_buf b = { 0 };
        wt_jwks *s;

        (void)state;
        wt_buf_str(&b, "{\"keys\":[");
        for (int i = 0; i <= WT_JWKS_KEYS; i++)
                wt_buf_fmt(&b, "%s{" OKP ",\"kid\":\"%d\"}", i ? "," : "", i);
        wt_buf_str(&b, "]}");
        assert_int_equal(wt_jwks_parse(&s, b.data, b.len), WT_EEXHAUSTED);
        wt_buf_free(&b);
        for (int i = 0; i <= WT_JWKS_BYTES; i++)
                wt_buf_str(&b, " ");
        assert_int_equal(wt_jwks_parse(&s, b.data, b.len), WT_EEXHAUSTED);
        wt_buf_free(&b);
}

static void claims_by_path(void **state)
{
        static const char text[] = "{\"a\":{\"b\":{\"c\":\"deep\"}},\"https://x.y/role\":\"flat\","
                                   "\"tenant\":\"t\"}";
        wt_json *j;

        (void)state;
        assert_int_equal(wt_json_parse(&j, text, sizeof text - 1, &wt_json_default), WT_OK);
        assert_string_equal(wt_json_str(j, wt_jwt_claim(j, "a.b.c"), NULL), "deep");
        assert_string_equal(wt_json_str(j, wt_jwt_claim(j, "https://x.y/role"), NULL), "flat");
        assert_string_equal(wt_json_str(j, wt_jwt_claim(j, "tenant"), NULL), "t");
        assert_int_equal(wt_jwt_claim(j, "a.b.d"), WT_JSON_NONE);
        assert_int_equal(wt_jwt_claim(j, "a..c"), WT_JSON_NONE);
        assert_int_equal(wt_jwt_claim(j, "tenant.x"), WT_JSON_NONE);
        assert_int_equal(wt_jwt_claim(j, ""), WT_JSON_NONE);
        wt_json_free(j);
}

static void looks(void **state)
{
        (void)state;
        assert_true(wt_jwt_looks("a.b.c", 5));
        assert_true(wt_jwt_looks("a.b.", 4));
        assert_false(wt_jwt_looks("a.b", 3));
        assert_false(wt_jwt_looks("a.b.c.d", 7));
        assert_false(wt_jwt_looks("wt-12345678-abc", 15));
        assert_false(wt_jwt_looks("a.b.c ", 6));
}

static void lists_of_algorithms(void **state)
{
        unsigned algs = 0;

        (void)state;
        assert_int_equal(wt_jws_alg_list(&algs, "RS256, ES256 EdDSA"), WT_OK);
        assert_int_equal(algs, WT_RS256 | WT_ES256 | WT_EDDSA);
        assert_int_equal(wt_jws_alg_list(&algs, "RS256,none"), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "\"none\""));
        assert_int_equal(wt_jws_alg_list(&algs, " ,"), WT_EINVAL);
        assert_int_equal(algs, WT_RS256 | WT_ES256 | WT_EDDSA);
        for (unsigned a = 1; a <= WT_HS512; a *= 2)
                assert_int_equal(wt_jws_alg_of(wt_jws_alg_name(a), strlen(wt_jws_alg_name(a))), a);
        assert_null(wt_jws_alg_name(8192));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(claims_are_checked),
                cmocka_unit_test(headers_are_checked),
                cmocka_unit_test(any_change_is_refused),
                cmocka_unit_test(keys_are_picked),
                cmocka_unit_test(secrets),
                cmocka_unit_test(sets_are_checked),
                cmocka_unit_test(too_many_keys),
                cmocka_unit_test(claims_by_path),
                cmocka_unit_test(looks),
                cmocka_unit_test(lists_of_algorithms),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
