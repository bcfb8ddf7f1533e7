/* issuer.h - the keys of an issuer of tokens, kept fresh: out of a file, or fetched over https by a
 * thread of their own, so that nobody waits for the issuer. Old keys serve until new ones are
 * here. */
#ifndef WITAN_TLS_ISSUER_H
#define WITAN_TLS_ISSUER_H
#include "net/secure.h"
#include "tls/jwt.h"

struct wt_issuer_conf {
        /* A path; or the URL of a set of keys; or "", then the issuer's own configuration names it
         * (issuer + "/.well-known/openid-configuration"). https alone, http only on this machine.
         * Shared secrets are taken from files alone, which nobody else may read. */
        const char *keys;
        struct wt_jwt_rules rules;               /* its strings live as long as the issuer */
        const struct wt_secure *secure;          /* for https; borrowed */
        uint64_t max_age_ms;                     /* fetched again after this; 0: an hour */
        uint64_t least_ms;                       /* from one fetch to the next, whatever asks for
                                                  * it; 0: 30 s */
};
typedef struct wt_issuer wt_issuer;

/* A file is read now and must be good; a URL is fetched from now on, and until it is here tokens
 * are told to come again. WT_EINVAL: no such source can be. */
wt_err wt_issuer_open(wt_issuer **out, const struct wt_issuer_conf *conf);
void wt_issuer_close(wt_issuer *i);              /* waits for a fetch under way; NULL is fine */

/* wt_jwt_check by the keys that are here; any thread. WT_EUNAUTH: refused in words.
 * WT_EUNAVAILABLE: the keys are not here yet, or are being fetched again because the token names
 * one that is not among them; come again in a second. */
wt_err wt_issuer_check(wt_issuer *i, int64_t now_s, const char *token, size_t len,
                       wt_json **claims);

/* Looks at a file now, and fetches from a URL as soon as least_ms allows. */
void wt_issuer_again(wt_issuer *i);

/* age_s: since the keys were last known to be the issuer's; -1: none yet. words: why the last
 * fetch failed, "" when it did not; skipped: keys of the set that nobody here can use. */
struct wt_issuer_facts { uint64_t fetches, failures; uint32_t keys, skipped; double age_s;
                         char words[512]; };
void wt_issuer_facts(wt_issuer *i, struct wt_issuer_facts *out);
#endif
