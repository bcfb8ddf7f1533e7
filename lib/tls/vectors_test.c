/* vectors_test.c - Wycheproof's vectors for JWS, JWK and the signatures beneath them: each is
 * decided as it says, or named here with the reason. A selection lies beside this file
 * (vectors.json); all of them where WITAN_SHARED (or ../shared) has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "tls/jwt.h"
#include "tls/token.h"

enum { MOST_FILE = 4 << 20, ALL = WT_JWS_PUBLIC | WT_JWS_SHARED };

/* Vectors that no verifier, or not this one, decides as they say. */
static const struct { const char *file; int64_t id; const char *why; } named[] = {
        { "json_web_signature", 346, "the key says PS256, the token PS384: the key decides, as the "
          "vectors 331 to 340 want it" },
        { "json_web_signature", 350, "as 346" },
        { "json_web_signature", 367, "the same bytes and key as 357, which is valid" },
        { "json_web_signature", 370, "the same bytes and key as 357, which is valid" },
        { "json_web_signature", 372, "'?' is no base64url (RFC 7515 section 2), and 366 wants it "
          "refused" },
        { "json_web_signature", 373, "as 372" },
};

static const char cut[] = "JWS knows no MAC cut to 128 bits",
                  brief[] = "HS256 wants a key of 256 bits (RFC 7518, 3.2)";

struct count { uint32_t all, said, named, wrong, cut, brief; };

static const char *text(const wt_json *j, wt_jv v, const char *name)
{
        const char *s = wt_json_str(j, wt_json_get(j, v, name), NULL);

        return s ? s : "";
}

static int64_t number(const wt_json *j, wt_jv v, const char *name)
{
        int64_t n = 0;

        wt_json_i64(j, wt_json_get(j, v, name), &n);
        return n;
}

static void unhex(const char *hex, struct wt_buf *out)
{
        size_t n = strlen(hex) / 2;

        wt_buf_clear(out);
        assert_int_equal(wt_unhex(hex, n, (uint8_t *)wt_buf_room(out, n + 1)), 0);
        out->len = n;
}

static void put_b64url(struct wt_buf *out, const char *name, const void *data, size_t n)
{
        wt_buf_json_key(out, name);
        wt_buf_str(out, "\"");
        put_b64(out, data, n);
        wt_buf_str(out, "\"");
}

/* ---- what a group's key is as a JWK ---- */

static void key_of(const wt_json *j, wt_jv group, wt_jv test, const char *type, struct wt_buf *out)
{
        wt_jv public_key = wt_json_get(j, group, "publicKey");
        struct wt_buf raw = { 0 };

        wt_buf_clear(out);
        if (strcmp(type, "EcdsaP1363Verify") == 0) {
                unhex(text(j, public_key, "uncompressed"), &raw);
                assert_int_equal(raw.len, 65);
                wt_buf_str(out, "{\"kty\":\"EC\",\"crv\":\"P-256\"");
                put_b64url(out, "x", raw.data + 1, 32);
                put_b64url(out, "y", raw.data + 33, 32);
        } else if (strcmp(type, "EddsaVerify") == 0) {
                unhex(text(j, public_key, "pk"), &raw);
                wt_buf_str(out, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"");
                put_b64url(out, "x", raw.data, raw.len);
        } else if (strcmp(type, "RsassaPkcs1Verify") == 0) {
                unhex(text(j, public_key, "modulus"), &raw);
                wt_buf_str(out, "{\"kty\":\"RSA\",\"alg\":\"RS256\"");
                put_b64url(out, "n", raw.data, raw.len);
                unhex(text(j, public_key, "publicExponent"), &raw);
                put_b64url(out, "e", raw.data, raw.len);
        } else {
                unhex(text(j, test, "key"), &raw);
                wt_buf_str(out, "{\"kty\":\"oct\",\"alg\":\"HS256\"");
                put_b64url(out, "k", raw.data, raw.len);
        }
        wt_buf_str(out, "}");
        wt_buf_free(&raw);
}

static bool raw_good(const wt_jwks *set, const wt_json *j, wt_jv test)
{
        struct wt_buf msg = { 0 }, sig = { 0 };
        bool mac = wt_json_get(j, test, "tag") != WT_JSON_NONE, good = false;

        unhex(text(j, test, "msg"), &msg);
        unhex(text(j, test, mac ? "tag" : "sig"), &sig);
        if (set)
                good = wt_jwks_good(set, 0, wt_jwks_algs(set, 0), msg.data, msg.len, sig.data,
                                    sig.len);
        wt_buf_free(&msg);
        wt_buf_free(&sig);
        return good;
}

static bool token_good(const wt_jwks *set, const char *jws)
{
        struct wt_buf payload = { 0 };
        struct wt_jws about;
        wt_err err = set ? wt_jws_open(&payload, &about, set, ALL, jws, strlen(jws)) : WT_EUNAUTH;

        assert_true(err == WT_OK || err == WT_EUNAUTH || err == WT_ENOTFOUND);
        assert_true(err == WT_OK || payload.len == 0);
        wt_buf_free(&payload);
        return err == WT_OK;
}

/* ---- what is outside of what is served ---- */

static const char *outside(const char *file, const wt_json *j, wt_jv group, wt_jv test)
{
        int64_t id = number(j, test, "tcId");

        for (size_t i = 0; i < sizeof named / sizeof *named; i++)
                if (named[i].id == id && strncmp(file, named[i].file, strlen(named[i].file)) == 0)
                        return named[i].why;
        if (wt_json_get(j, test, "tag") == WT_JSON_NONE || strcmp(text(j, test, "result"), "valid"))
                return NULL;
        if (number(j, group, "tagSize") != 256)
                return cut;
        return number(j, group, "keySize") < 256 ? brief : NULL;
}

static void decide(const char *file, const wt_json *j, wt_jv group, wt_jv test, bool good,
                   struct count *n)
{
        const char *result = text(j, test, "result"), *why = outside(file, j, group, test);
        bool said = strcmp(result, "acceptable") == 0 || good == (strcmp(result, "valid") == 0);

        n->all++;
        if (why && said) {
                n->wrong++;
                print_message("%s %lld is decided as it says; it need not be named\n", file,
                              (long long)number(j, test, "tcId"));
        } else if (why) {
                n->named++;
                n->cut += why == cut;
                n->brief += why == brief;
                if (why != cut && why != brief)          /* those are many and alike */
                        print_message("%s %lld (%s) says %s, here %s: %s\n", file,
                                      (long long)number(j, test, "tcId"), text(j, test, "comment"),
                                      result, good ? "valid" : "invalid", why);
        } else if (said) {
                n->said++;
        } else {
                n->wrong++;
                print_message("WRONG %s %lld (%s) says %s; %s\n", file,
                              (long long)number(j, test, "tcId"), text(j, test, "comment"), result,
                              wt_words());
        }
}

static void run_group(const char *file, const wt_json *j, wt_jv group, struct count *n)
{
        const char *type = text(j, group, "type");
        bool tokens = strncmp(type, "JsonWeb", 7) == 0;
        wt_jv key = wt_json_get(j, group, "public");
        struct wt_buf jwk = { 0 };
        wt_jwks *set;
        size_t len;

        if (key == WT_JSON_NONE)
                key = wt_json_get(j, group, "private");
        for (wt_jv t = wt_json_first(j, wt_json_get(j, group, "tests")); t != WT_JSON_NONE;
             t = wt_json_next(j, t)) {
                const char *raw = tokens ? wt_json_raw(j, key, &len) : NULL;

                if (!tokens)
                        key_of(j, group, t, type, &jwk);
                set = NULL;
                if (wt_jwks_parse(&set, tokens ? raw : jwk.data, tokens ? len : jwk.len) != WT_OK)
                        assert_null(set);
                decide(file, j, group, t,
                       tokens ? token_good(set, text(j, t, "jws")) : raw_good(set, j, t), n);
                wt_jwks_free(set);
        }
        wt_buf_free(&jwk);
}

static void run_file(const char *path, const char *file, uint32_t least)
{
        struct wt_buf raw = { 0 };
        struct count n = { 0 };
        wt_json *j;

        if (wt_file_read(path, MOST_FILE, &raw) != WT_OK ||
            wt_json_parse(&j, raw.data, raw.len, &wt_json_default) != WT_OK)
                fail_msg("%s", wt_words());
        for (wt_jv g = wt_json_first(j, wt_json_get(j, 0, "testGroups")); g != WT_JSON_NONE;
             g = wt_json_next(j, g))
                run_group(file, j, g, &n);
        print_message("%s: %u vectors, %u decided as they say, %u named with a reason, %u wrong\n",
                      file, n.all, n.said, n.named, n.wrong);
        if (n.cut + n.brief > 0)
                print_message("%s: valid and refused here: %u (%s), %u (%s)\n", file, n.cut, cut,
                              n.brief, brief);
        assert_int_equal(n.wrong, 0);
        assert_true(n.all >= least);
        assert_int_equal(n.all, number(j, 0, "numberOfTests"));
        wt_json_free(j);
        wt_buf_free(&raw);
}

static void committed(void **state)
{
        (void)state;
        run_file("lib/tls/vectors.json", "vectors.json", 60);
}

static const struct { const char *name; uint32_t least; } files[] = {
        { "json_web_signature_test.json", 400 }, { "json_web_key_test.json", 26 },
        { "ecdsa_secp256r1_sha256_p1363_test.json", 262 }, { "ed25519_test.json", 151 },
        { "hmac_sha256_test.json", 174 }, { "rsa_signature_2048_sha256_test.json", 259 },
};

static void all(void **state)
{
        const char *shared = getenv("WITAN_SHARED");
        char path[4200];
        FILE *there;

        (void)state;
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                snprintf(path, sizeof path, "%s/data/api/jwt/%s", shared ? shared : "../shared",
                         files[i].name);
                if ((there = fopen(path, "r")) == NULL) {
                        print_message("skipped: no %s (WITAN_SHARED names the folder)\n", path);
                        continue;
                }
                fclose(there);
                run_file(path, files[i].name, files[i].least);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(committed), cmocka_unit_test(all) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
