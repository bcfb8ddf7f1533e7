/* authorize_jwt.c - a token's claims become what a key's row would have said: tenant, role, name.
 * Limits are the tenant's; what is spent is counted for the token's subject. */
#include "authorize_jwt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "net/metrics.h"
#include "path.h"
#include "tls/issuer.h"
#include "tls/tls.h"

#define LOOK_US 2000000ull

struct gateway_oidc {
        wt_issuer *issuer;
        wt_tls *client;                          /* by which the keys are fetched */
        wt_identity *identity;
        const char *issuer_name, *tenant_claim, *role_claim, *role_prefix;
        wt_loop *loop;
        struct wt_timer look;
        struct wt_issuer_facts told;             /* what the log has heard */
};

/* ---- claims ---- */

/* Copies at most cap - 1 bytes, whole characters of UTF-8. */
static void put_text(char *room, size_t cap, const char *s, size_t n)
{
        size_t at = 0, len;

        while (at < n && (len = wt_utf8(s + at, n - at)) > 0 && at + len < cap)
                at += len;
        memcpy(room, s, at);
        room[at] = '\0';
}

static bool is_role(const struct gateway_oidc *o, const wt_json *j, wt_jv v, const char *role)
{
        size_t n, prefix = strlen(o->role_prefix);
        const char *s = wt_json_str(j, v, &n);

        return s != NULL && n == prefix + strlen(role) && memcmp(s, o->role_prefix, prefix) == 0 &&
               memcmp(s + prefix, role, n - prefix) == 0;
}

/* The first of these that the claim, a string or a list of them, has. */
static const char *role_of(const struct gateway_oidc *o, const wt_json *j)
{
        static const char *const roles[] = { "admin", "operator", "auditor" };
        wt_jv claim = *o->role_claim ? wt_jwt_claim(j, o->role_claim) : WT_JSON_NONE;

        for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
                if (is_role(o, j, claim, roles[i]))
                        return roles[i];
                if (wt_json_type(j, claim) != WT_JSON_ARRAY)
                        continue;
                for (wt_jv v = wt_json_first(j, claim); v != WT_JSON_NONE; v = wt_json_next(j, v))
                        if (is_role(o, j, v, roles[i]))
                                return roles[i];
        }
        return "user";
}

static wt_err tenant_of(const struct gateway_oidc *o, const wt_json *j, struct wt_who *out)
{
        size_t n = 7;
        const char *s = *o->tenant_claim
                                ? wt_json_str(j, wt_jwt_claim(j, o->tenant_claim), &n) : "default";

        if (s == NULL || n == 0 || strlen(s) != n)
                return wt_fail(WT_EPERM, "the token names no tenant; its claim \"%s\" must be the "
                               "id of one", o->tenant_claim);
        if (wt_identity_tenant(o->identity, s, &out->tenant) != WT_OK)
                return wt_fail(WT_EPERM, "%s; an administrator makes it with witan tenant create",
                               wt_words());
        return WT_OK;
}

/* An id that is the subject's at this issuer alone, and fits where a key's id stands. */
static wt_err subject_of(const struct gateway_oidc *o, const wt_json *j, struct wt_key *k)
{
        size_t n;
        const char *sub = wt_json_str(j, wt_json_get(j, 0, "sub"), &n);
        uint8_t digest[32];
        struct wt_sha256 h;

        if (sub == NULL || n == 0)
                return wt_fail(WT_EUNAUTH, "the token names nobody (sub)");
        wt_sha256_init(&h);
        wt_sha256_add(&h, o->issuer_name, strlen(o->issuer_name) + 1);
        wt_sha256_add(&h, sub, n);
        wt_sha256_end(&h, digest);
        strcpy(k->id, "jwt-");
        wt_hex(digest, 16, k->id + 4);
        put_text(k->name, sizeof k->name, sub, strlen(sub));
        return WT_OK;
}

wt_err gateway_oidc_check(struct gateway_oidc *o, const char *bearer, int64_t now,
                          struct wt_who *out)
{
        struct wt_who who = { .key.limits = wt_no_limits, .team.limits = wt_no_limits };
        double expires = 0;
        wt_json *j;
        wt_err err = wt_issuer_check(o->issuer, now, bearer, strlen(bearer), &j);

        if (err != WT_OK)
                return err;
        if ((err = subject_of(o, j, &who.key)) == WT_OK && (err = tenant_of(o, j, &who)) == WT_OK) {
                snprintf(who.key.tenant, sizeof who.key.tenant, "%s", who.tenant.id);
                snprintf(who.key.role, sizeof who.key.role, "%s", role_of(o, j));
                wt_json_f64(j, wt_json_get(j, 0, "exp"), &expires);
                who.key.expires_at = expires < 9e15 ? (int64_t)expires : 0;
                *out = who;
        }
        wt_json_free(j);
        return err;
}

/* ---- a request ---- */

bool gateway_oidc_takes(const struct gateway_oidc *o, const char *bearer)
{
        return o != NULL && wt_jwt_looks(bearer, strlen(bearer));
}

bool gateway_authorize_jwt(struct request *r, const char *bearer)
{
        static const struct refusal no = { 401, "invalid_request_error", "invalid_token", NULL },
                        no_tenant = { 403, "invalid_request_error", "tenant_not_allowed", NULL };
        wt_err err = gateway_oidc_check(r->g->conf.oidc, bearer, r->created, &r->who);

        if (err == WT_OK)
                return true;
        if (err == WT_EUNAVAILABLE)
                return request_refuse(r, refusal_of(WT_EUNAVAILABLE), "%s; try again in a second",
                                      wt_words());
        if (err != WT_EUNAUTH && err != WT_EPERM) {
                wt_log_err(WT_ERROR, "GATEWAY-OIDC", err);
                return request_refuse(r, refusal_of(err), "the token could not be looked at");
        }
        return request_refuse(r, err == WT_EPERM ? no_tenant : no, "%s", wt_words());
}

/* ---- opening ---- */

static void on_look(void *arg, struct wt_timer *timer)
{
        struct gateway_oidc *o = arg;
        struct wt_issuer_facts f;

        wt_issuer_facts(o->issuer, &f);
        if (f.words[0] != '\0' && strcmp(f.words, o->told.words) != 0)
                wt_log(WT_WARN, "GATEWAY-OIDC-KEYS", "keys=%u words=\"%s\"", f.keys, f.words);
        else if (f.words[0] == '\0' && f.keys > 0 &&
                 (o->told.words[0] != '\0' || f.keys != o->told.keys))
                wt_log(WT_NOTICE, "GATEWAY-OIDC-READY", "keys=%u skipped=%u", f.keys, f.skipped);
        o->told = f;
        wt_loop_timer_set(o->loop, timer, wt_loop_now(o->loop) + LOOK_US);
}

static wt_err start(struct gateway_oidc *o, const wt_conf *conf)
{
        struct wt_issuer_conf c = {
                .keys = wt_conf_str(conf, WT_SET_oidc_jwks),
                .rules = { .issuer = o->issuer_name,
                           .audience = wt_conf_str(conf, WT_SET_oidc_audience),
                           .leeway_s = (uint32_t)(wt_conf_u64(conf, WT_SET_oidc_leeway) / 1000) },
                .max_age_ms = wt_conf_u64(conf, WT_SET_oidc_max_age),
        };
        wt_err err = wt_jws_alg_list(&c.rules.algs, wt_conf_str(conf, WT_SET_oidc_algs));

        if (err != WT_OK)
                return wt_fail_in(err, "oidc_algs");
        if (*c.rules.audience == '\0')
                return wt_fail(WT_EINVAL, "oidc_audience is empty; a token for another service of "
                               "the same issuer would open this one: name what stands in its "
                               "\"aud\"");
        if ((err = wt_tls_client(&o->client, wt_conf_str(conf, WT_SET_cacert), "")) != WT_OK)
                return err;
        c.secure = wt_tls_secure(o->client);
        return wt_issuer_open(&o->issuer, &c);
}

wt_err gateway_oidc_open(struct gateway_oidc **out, const wt_conf *conf, wt_identity *identity,
                         wt_loop *l)
{
        const char *issuer = wt_conf_str(conf, WT_SET_oidc_issuer);
        struct gateway_oidc *o;
        wt_err err;

        if (*issuer == '\0' || identity == NULL)
                return WT_OK;
        if ((o = calloc(1, sizeof *o)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the issuer's keys");
        o->issuer_name = issuer;
        o->identity = identity;
        o->tenant_claim = wt_conf_str(conf, WT_SET_tenant_claim);
        o->role_claim = wt_conf_str(conf, WT_SET_role_claim);
        o->role_prefix = wt_conf_str(conf, WT_SET_oidc_role_prefix);
        o->loop = l;
        if ((err = start(o, conf)) != WT_OK) {
                gateway_oidc_close(o);
                return err;
        }
        o->look = (struct wt_timer){ .fire = on_look, .arg = o };
        on_look(o, &o->look);
        *out = o;
        return WT_OK;
}

void gateway_oidc_close(struct gateway_oidc *o)
{
        if (o == NULL)
                return;
        if (o->look.fire != NULL)
                wt_loop_timer_off(o->loop, &o->look);
        wt_issuer_close(o->issuer);
        wt_tls_free(o->client);
        free(o);
}

void gateway_oidc_look(struct gateway_oidc *o)
{
        if (o != NULL)
                wt_issuer_again(o->issuer);
}

void gateway_oidc_metrics(struct gateway_oidc *o, struct wt_buf *out)
{
        struct wt_issuer_facts f;

        if (o == NULL)
                return;
        wt_issuer_facts(o->issuer, &f);
        const struct wt_metric rows[] = {
                { .name = "witan_gateway_oidc_keys", .help = "Keys of the issuer.",
                  .kind = WT_GAUGE, .value = f.keys },
                { .name = "witan_gateway_oidc_keys_age_seconds", .kind = WT_GAUGE,
                  .help = "Since the issuer's keys were last fetched; -1: not yet.",
                  .value = f.age_s },
                { .name = "witan_gateway_oidc_fetches_total",
                  .help = "Times that the issuer's keys were fetched or tried to be.",
                  .value = (double)f.fetches },
                { .name = "witan_gateway_oidc_failed_total",
                  .help = "Times that the issuer's keys could not be fetched.",
                  .value = (double)f.failures },
        };
        wt_metrics_text(out, rows, sizeof rows / sizeof *rows);
}
