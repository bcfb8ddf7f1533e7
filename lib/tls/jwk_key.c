/* jwk_key.c - one JWK out of JSON, into OpenSSL's hands once everything about it is checked. */
#include "tls/jwk_impl.h"
#include <stdlib.h>
#include <string.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include "base/base64.h"

enum { RSA_LEAST = 2048, RSA_MOST = 8192,        /* bits */
       MOST_SECRET = 1024,                       /* bytes of a shared secret */
       COORDINATE = 66 };                        /* of the largest curve */

static wt_err skip(const char *why) { return wt_fail(WT_EUNSUPPORTED, "%s", why); }

static bool is(const char *s, size_t n, const char *word)
{
        return s && strlen(word) == n && memcmp(s, word, n) == 0;
}

/* A member's base64url as bytes into out (emptied first). False: absent or none. */
static bool bytes_of(const wt_json *j, wt_jv v, const char *name, struct wt_buf *out)
{
        size_t n;
        const char *s = wt_json_str(j, wt_json_get(j, v, name), &n);

        wt_buf_clear(out);
        return s && wt_base64url_read(out, s, n);
}

/* ---- RSA ---- */

/* ROCA (CVE-2017-15361): the moduli of a broken generator are powers of 65537 modulo each of these
 * primes; another modulus is so for all of them once in about 2^27. */
static bool is_roca(const BIGNUM *n)
{
        static const uint8_t primes[] = { 11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109,
                                          127, 151, 157 };

        for (size_t i = 0; i < sizeof primes; i++) {
                BN_ULONG r = BN_mod_word(n, primes[i]), x = 1;

                do
                        x = x * 65537 % primes[i];
                while (x != r && x != 1);
                if (x != r)
                        return false;
        }
        return true;
}

static const char *rsa_fault(const BIGNUM *n, const BIGNUM *e)
{
        if (BN_num_bits(n) < RSA_LEAST || BN_num_bits(n) > RSA_MOST)
                return "an RSA key has 2048 to 8192 bits here";
        if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e) || BN_num_bits(e) > 64)
                return "this RSA key's exponent or modulus is none";
        return is_roca(n) ? "this RSA key can be factored (ROCA)" : NULL;
}

/* The caller's parameters become a public key of the named type; NULL when they are none. */
static EVP_PKEY *public_key(const char *type, OSSL_PARAM_BLD *bld)
{
        OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
        EVP_PKEY *key = NULL;

        if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
            EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
                key = NULL;
        EVP_PKEY_CTX_free(ctx);
        OSSL_PARAM_free(params);
        ERR_clear_error();
        return key;
}

static wt_err read_rsa(struct jwk *k, const wt_json *j, wt_jv v, struct wt_buf *room)
{
        BIGNUM *n = NULL, *e = NULL;
        OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
        const char *why = "an RSA key has n and e in base64url";

        if (bytes_of(j, v, "n", room) && room->len <= RSA_MOST / 8 + 1)
                n = BN_bin2bn((unsigned char *)room->data, (int)room->len, NULL);
        if (bytes_of(j, v, "e", room) && room->len <= 16)
                e = BN_bin2bn((unsigned char *)room->data, (int)room->len, NULL);
        if (n && e && (why = rsa_fault(n, e)) == NULL) {
                if (bld && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &&
                    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e))
                        k->public_key = public_key("RSA", bld);
                if (!k->public_key)
                        why = "OpenSSL does not take this RSA key";
        }
        OSSL_PARAM_BLD_free(bld);
        BN_free(n);
        BN_free(e);
        return why ? skip(why) : WT_OK;
}

/* ---- curves ---- */

static wt_err read_ec(struct jwk *k, const wt_json *j, wt_jv v, const struct jws_alg *a,
                      struct wt_buf *room)
{
        uint8_t point[1 + 2 * COORDINATE] = { POINT_CONVERSION_UNCOMPRESSED };
        size_t half = a->coordinate;
        OSSL_PARAM_BLD *bld;

        for (int i = 0; i < 2; i++) {
                if (!bytes_of(j, v, i == 0 ? "x" : "y", room) || room->len != half)
                        return skip("an EC key has x and y in base64url, as long as its curve's "
                                    "field");
                memcpy(point + 1 + (size_t)i * half, room->data, half);
        }
        bld = OSSL_PARAM_BLD_new();
        if (bld && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, a->curve, 0) &&
            OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * half))
                k->public_key = public_key("EC", bld);
        OSSL_PARAM_BLD_free(bld);
        return k->public_key ? WT_OK : skip("this EC key's point is not on its curve");
}

static wt_err read_okp(struct jwk *k, const wt_json *j, wt_jv v, struct wt_buf *room)
{
        if (!bytes_of(j, v, "x", room) || room->len != 32)
                return skip("an Ed25519 key has 32 bytes x in base64url");
        k->public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                                    (unsigned char *)room->data, 32);
        ERR_clear_error();
        return k->public_key ? WT_OK : skip("OpenSSL does not take this Ed25519 key");
}

/* ---- secrets ---- */

static wt_err read_oct(struct jwk *k, const wt_json *j, wt_jv v, struct wt_buf *room)
{
        if (!bytes_of(j, v, "k", room) || room->len > MOST_SECRET)
                return skip("a secret key has at most 1,024 bytes k in base64url");
        for (uint32_t i = 0; i < n_jws_algs; i++)        /* RFC 7518, 3.2: as long as the hash */
                if (jws_algs[i].kind == JWK_OCT && room->len < jws_algs[i].digest_bytes)
                        k->algs &= ~(unsigned)jws_algs[i].alg;
        if (k->algs == 0)
                return skip("a secret key is at least as long as its hash: 32 bytes for HS256");
        k->secret = malloc(room->len);
        if (!k->secret)
                return wt_fail(WT_ENOMEM, "no memory for a key");
        memcpy(k->secret, room->data, room->len);
        k->secret_len = room->len;
        return WT_OK;
}

/* ---- any ---- */

static bool for_signatures(const wt_json *j, wt_jv v)
{
        wt_jv use = wt_json_get(j, v, "use"), ops = wt_json_get(j, v, "key_ops");
        const char *s;
        size_t n;

        if (use != WT_JSON_NONE && (!(s = wt_json_str(j, use, &n)) || !is(s, n, "sig")))
                return false;
        if (ops == WT_JSON_NONE)
                return true;
        for (wt_jv o = wt_json_first(j, ops); o != WT_JSON_NONE; o = wt_json_next(j, o))
                if ((s = wt_json_str(j, o, &n)) && is(s, n, "verify"))
                        return true;
        return false;
}

/* The algorithms of a key's kty and crv, and of its alg where it has one. "ES521" is what some
 * write for ES512, after the curve. */
static unsigned algs_of(const wt_json *j, wt_jv v, const struct jws_alg **row)
{
        static const char *const kty[] = { [JWK_RSA] = "RSA", [JWK_EC] = "EC", [JWK_OKP] = "OKP",
                                           [JWK_OCT] = "oct" };
        size_t n_type = 0, n_curve = 0, n_alg = 0;
        const char *type = wt_json_str(j, wt_json_get(j, v, "kty"), &n_type);
        const char *curve = wt_json_str(j, wt_json_get(j, v, "crv"), &n_curve);
        wt_jv alg_member = wt_json_get(j, v, "alg");
        const char *alg = wt_json_str(j, alg_member, &n_alg);
        unsigned algs = 0;

        for (uint32_t i = 0; i < n_jws_algs; i++) {
                const struct jws_alg *a = &jws_algs[i];
                bool named = alg_member == WT_JSON_NONE || is(alg, n_alg, a->name) ||
                             (a->alg == WT_ES512 && is(alg, n_alg, "ES521"));

                if (named && is(type, n_type, kty[a->kind]) &&
                    (!a->curve || is(curve, n_curve, a->curve))) {
                        algs |= a->alg;
                        *row = a;
                }
        }
        return algs;
}

static wt_err read_kid(struct jwk *k, const wt_json *j, wt_jv v)
{
        wt_jv member = wt_json_get(j, v, "kid");
        size_t n;
        const char *kid = wt_json_str(j, member, &n);

        if (member == WT_JSON_NONE)
                return WT_OK;
        if (!kid || n > WT_KID || strlen(kid) != n)
                return skip("a kid is a string of at most 256 bytes");
        memcpy(k->kid, kid, n + 1);
        k->has_kid = true;
        return WT_OK;
}

wt_err jwk_read(struct jwk *out, const wt_json *j, wt_jv v)
{
        const struct jws_alg *a = NULL;
        struct wt_buf room = { 0 };
        struct jwk k = { 0 };
        wt_err err;

        if (wt_json_type(j, v) != WT_JSON_OBJECT)
                return wt_fail(WT_EDATA, "a key is a JSON object");
        if (!for_signatures(j, v))
                return skip("its use or key_ops are not for signatures");
        if ((err = read_kid(out, j, v)) != WT_OK)
                return err;
        k = *out;
        k.algs = algs_of(j, v, &a);
        if (k.algs == 0)
                return skip("its kty, crv and alg do not name a signature that is known here");
        if (a->kind != JWK_OCT && wt_json_get(j, v, "d") != WT_JSON_NONE)
                return wt_fail(WT_EDATA, "the private part \"d\" of key \"%.64s\" is given away; "
                               "publish its public part alone, and make a new key", k.kid);
        err = a->kind == JWK_RSA  ? read_rsa(&k, j, v, &room)
              : a->kind == JWK_EC ? read_ec(&k, j, v, a, &room)
              : a->kind == JWK_OKP ? read_okp(&k, j, v, &room)
                                   : read_oct(&k, j, v, &room);
        if (room.data)
                OPENSSL_cleanse(room.data, room.cap);
        wt_buf_free(&room);
        if (err != WT_OK)
                return err;
        *out = k;
        return WT_OK;
}

void jwk_fini(struct jwk *k)
{
        EVP_PKEY_free(k->public_key);
        if (k->secret)
                OPENSSL_cleanse(k->secret, k->secret_len);
        free(k->secret);
        *k = (struct jwk){ 0 };
}
