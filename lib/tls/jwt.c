#include "tls/jwt.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/base64.h"

static const struct wt_json_limits head_limits = { .max_depth = 4, .max_bytes = 4 << 10,
                                                   .max_nodes = 256 };
static const struct wt_json_limits claim_limits = { .max_depth = 16, .max_bytes = WT_JWT_BYTES,
                                                    .max_nodes = 4096 };

/* ---- the three parts ---- */

struct parts { const char *at[3]; size_t n[3]; size_t signed_len; };

static bool split(struct parts *p, const char *token, size_t len)
{
        const char *end = token + len;

        for (int i = 0; i < 3; i++) {
                const char *dot = memchr(token, '.', (size_t)(end - token));

                if ((dot == NULL) != (i == 2))
                        return false;
                p->at[i] = token;
                p->n[i] = (size_t)((dot ? dot : end) - token);
                token = dot ? dot + 1 : end;
        }
        p->signed_len = p->n[0] + 1 + p->n[1];
        return true;
}

bool wt_jwt_looks(const char *token, size_t len)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_";
        struct parts p;

        if (!split(&p, token, len))
                return false;
        for (int i = 0; i < 3; i++)
                for (size_t c = 0; c < p.n[i]; c++)
                        if (!p.at[i][c] || !strchr(digits, p.at[i][c]))
                                return false;
        return true;
}

/* ---- the header ---- */

struct header { unsigned alg; char alg_text[16], kid[WT_KID + 1], typ[64]; bool has_kid; };

static wt_err no(const char *why) { return wt_fail(WT_EUNAUTH, "the token %s", why); }

/* A string member into room. False: no string, or too long. Absent: "", and true. */
static bool text_of(const wt_json *j, const char *name, char *room, size_t cap, bool *there)
{
        wt_jv v = wt_json_get(j, 0, name);
        size_t n;
        const char *s = wt_json_str(j, v, &n);

        *there = v != WT_JSON_NONE;
        room[0] = '\0';
        if (!*there)
                return true;
        if (!s || n >= cap || strlen(s) != n)
                return false;
        memcpy(room, s, n + 1);
        return true;
}

static wt_err take_header(struct header *h, const wt_json *j)
{
        bool there;

        if (wt_json_type(j, 0) != WT_JSON_OBJECT)
                return no("has a header that is no JSON object");
        if (wt_json_get(j, 0, "crit") != WT_JSON_NONE)
                return no("asks for extensions (crit) that are not known here");
        if (!text_of(j, "alg", h->alg_text, sizeof h->alg_text, &there) || !there)
                return no("names no algorithm that is known here");
        h->alg = wt_jws_alg_of(h->alg_text, strlen(h->alg_text));
        if (h->alg == 0)
                return wt_fail(WT_EUNAUTH, "the token is signed by \"%s\", which is not taken here",
                               h->alg_text);
        if (!text_of(j, "kid", h->kid, sizeof h->kid, &h->has_kid))
                return no("has a kid that is no string of at most 256 bytes");
        if (!text_of(j, "typ", h->typ, sizeof h->typ, &there))
                return no("has a typ that is no string of at most 63 bytes");
        return WT_OK;
}

static wt_err read_header(struct header *h, const struct parts *p)
{
        struct wt_buf text = { 0 };
        wt_json *j;
        wt_err err;

        if (p->n[0] > head_limits.max_bytes)
                return no("has a header of more than 4 KiB");
        if (!wt_base64url_read(&text, p->at[0], p->n[0]))
                err = no("has a header that is not base64url");
        else if ((err = wt_json_parse(&j, text.data, text.len, &head_limits)) != WT_OK)
                err = wt_fail_in(err == WT_ENOMEM ? err : WT_EUNAUTH, "the token's header");
        else {
                err = take_header(h, j);
                wt_json_free(j);
        }
        wt_buf_free(&text);
        return err;
}

/* ---- the key ---- */

static wt_err by_kid(uint32_t *out, const wt_jwks *set, const char *kid)
{
        for (uint32_t i = 0; i < wt_jwks_count(set); i++) {
                const char *its = wt_jwks_kid(set, i);

                if (its ? strcmp(its, kid) == 0 : wt_jwks_count(set) == 1) {
                        *out = i;
                        return WT_OK;
                }
        }
        return wt_fail(WT_ENOTFOUND, "the token names key \"%.64s\", which its issuer does not "
                       "publish", kid);
}

static wt_err by_alg(uint32_t *out, const wt_jwks *set, unsigned alg)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < wt_jwks_count(set); i++)
                if (wt_jwks_algs(set, i) & alg) {
                        *out = i;
                        n++;
                }
        if (n == 1)
                return WT_OK;
        return wt_fail(WT_EUNAUTH, "the token names no key (kid), and %u of its issuer's keys "
                       "would fit", n);
}

static wt_err pick(uint32_t *out, const wt_jwks *set, const struct header *h)
{
        wt_err err = h->has_kid ? by_kid(out, set, h->kid) : by_alg(out, set, h->alg);

        if (err == WT_OK && !(wt_jwks_algs(set, *out) & h->alg))
                return wt_fail(WT_EUNAUTH, "the token says %s, which is not what its key is for",
                               h->alg_text);
        return err;
}

wt_err wt_jws_open(struct wt_buf *payload, struct wt_jws *about, const wt_jwks *set,
                   unsigned algs, const char *token, size_t len)
{
        struct wt_buf sig = { 0 };
        struct header h;
        struct parts p;
        uint32_t key = 0;
        wt_err err;

        if (len > WT_JWT_BYTES)
                return no("has more than 16 KiB");
        if (!split(&p, token, len))
                return no("does not have three parts with dots between");
        if ((err = read_header(&h, &p)) != WT_OK)
                return err;
        if (!(h.alg & algs))
                return wt_fail(WT_EUNAUTH, "the token is signed by %s, which is not among the "
                               "algorithms allowed here", h.alg_text);
        if ((err = pick(&key, set, &h)) != WT_OK)
                return err;
        if (!wt_base64url_read(&sig, p.at[2], p.n[2]))
                err = no("has a signature that is not base64url");
        else if (!wt_jwks_good(set, key, h.alg, token, p.signed_len, sig.data, sig.len))
                err = no("has a signature that is not its key's");
        else if (!wt_base64url_read(payload, p.at[1], p.n[1]))
                err = no("has a payload that is not base64url");
        wt_buf_free(&sig);
        if (err != WT_OK)
                return err;
        about->alg = h.alg;
        memcpy(about->typ, h.typ, sizeof h.typ);
        return WT_OK;
}

/* ---- the claims ---- */

/* Other kinds of JWT (a logout, an event) are signed by the same keys and are no access tokens
 * (RFC 8725, 3.11). */
static bool typ_taken(const char *typ)
{
        if (strncasecmp(typ, "application/", 12) == 0)
                typ += 12;
        return *typ == '\0' || strcasecmp(typ, "JWT") == 0 || strcasecmp(typ, "at+jwt") == 0;
}

static bool is_text(const wt_json *j, wt_jv v, const char *text)
{
        size_t n;
        const char *s = wt_json_str(j, v, &n);

        return s && n == strlen(text) && memcmp(s, text, n) == 0;
}

static bool for_audience(const wt_json *j, const char *audience)
{
        wt_jv aud = wt_json_get(j, 0, "aud");

        if (wt_json_type(j, aud) != WT_JSON_ARRAY)
                return is_text(j, aud, audience);
        for (wt_jv v = wt_json_first(j, aud); v != WT_JSON_NONE; v = wt_json_next(j, v))
                if (is_text(j, v, audience))
                        return true;
        return false;
}

static wt_err check_times(const wt_json *j, int64_t now_s, uint32_t leeway_s)
{
        wt_jv exp = wt_json_get(j, 0, "exp"), nbf = wt_json_get(j, 0, "nbf"),
              iat = wt_json_get(j, 0, "iat");
        double now = (double)now_s, leeway = leeway_s, at;

        if (exp == WT_JSON_NONE)
                return no("never expires (exp is missing)");
        if (!wt_json_f64(j, exp, &at))
                return no("has an exp that is no number");
        if (now - leeway >= at)
                return no("has expired");
        if (nbf != WT_JSON_NONE && !wt_json_f64(j, nbf, &at))
                return no("has an nbf that is no number");
        if (nbf != WT_JSON_NONE && now + leeway < at)
                return no("is not valid yet (nbf)");
        if (iat != WT_JSON_NONE && !wt_json_f64(j, iat, &at))
                return no("has an iat that is no number");
        if (iat != WT_JSON_NONE && now + leeway < at)
                return no("was issued in the future (iat); look at the clocks");
        return WT_OK;
}

static wt_err check_claims(const wt_json *j, const struct wt_jwt_rules *rules, int64_t now_s)
{
        if (wt_json_type(j, 0) != WT_JSON_OBJECT)
                return no("has claims that are no JSON object");
        if (!is_text(j, wt_json_get(j, 0, "iss"), rules->issuer))
                return no("is of another issuer (iss)");
        if (!for_audience(j, rules->audience))
                return no("is meant for another service (aud)");
        return check_times(j, now_s, rules->leeway_s);
}

wt_err wt_jwt_check(wt_json **claims, const wt_jwks *set, const struct wt_jwt_rules *rules,
                    int64_t now_s, const char *token, size_t len)
{
        struct wt_buf payload = { 0 };
        struct wt_jws about;
        wt_json *j = NULL;
        wt_err err = wt_jws_open(&payload, &about, set, rules->algs, token, len);

        if (err == WT_OK && !typ_taken(about.typ))
                err = wt_fail(WT_EUNAUTH, "the token is a \"%s\", not one for access", about.typ);
        if (err == WT_OK) {
                err = wt_json_parse(&j, payload.data, payload.len, &claim_limits);
                err = err == WT_OK ? check_claims(j, rules, now_s)
                                   : wt_fail_in(err == WT_ENOMEM ? err : WT_EUNAUTH,
                                                "the token's claims");
        }
        wt_buf_free(&payload);
        if (err != WT_OK) {
                wt_json_free(j);
                return err;
        }
        *claims = j;
        return WT_OK;
}

wt_jv wt_jwt_claim(const wt_json *claims, const char *path)
{
        wt_jv v = wt_json_get(claims, 0, path);
        char name[128];

        if (v != WT_JSON_NONE || !strchr(path, '.'))
                return v;
        for (v = 0; v != WT_JSON_NONE;) {
                size_t n = strcspn(path, ".");

                if (n >= sizeof name)
                        return WT_JSON_NONE;
                memcpy(name, path, n);
                name[n] = '\0';
                v = wt_json_get(claims, v, name);
                if (path[n] == '\0')
                        break;
                path += n + 1;
        }
        return v;
}
