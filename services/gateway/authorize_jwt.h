/* authorize_jwt.h - who asks, by a token of an OpenID Connect issuer instead of a key: the settings
 * oidc_*, tenant_claim and role_claim. */
#ifndef WITAN_GATEWAY_AUTHORIZE_JWT_H
#define WITAN_GATEWAY_AUTHORIZE_JWT_H
#include "base/buf.h"
#include "base/conf.h"
#include "identity/identity.h"
#include "net/loop.h"

struct gateway_oidc;
struct request;
/* *out stays NULL when oidc_issuer is empty: then only keys are taken. identity is borrowed; logs
 * by a timer of l what becomes of the issuer's keys. */
wt_err gateway_oidc_open(struct gateway_oidc **out, const wt_conf *conf, wt_identity *identity,
                         wt_loop *l);
void gateway_oidc_close(struct gateway_oidc *o); /* NULL is fine */
/* Is this bearer's text for gateway_authorize_jwt? (o NULL: no.) */
bool gateway_oidc_takes(const struct gateway_oidc *o, const char *bearer);
/* Fills r->who, or refuses and returns false. */
bool gateway_authorize_jwt(struct request *r, const char *bearer);
/* The same without a request, for other doors: WT_EUNAUTH (401), WT_EPERM (403), WT_EUNAVAILABLE
 * (come again in a second), in words. */
wt_err gateway_oidc_check(struct gateway_oidc *o, const char *bearer, int64_t now,
                          struct wt_who *out);
void gateway_oidc_look(struct gateway_oidc *o);  /* at the issuer's keys, now; NULL is fine */
void gateway_oidc_metrics(struct gateway_oidc *o, struct wt_buf *out);
#endif
