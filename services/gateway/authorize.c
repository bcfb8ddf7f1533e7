/* authorize.c - who asks: a bearer key, checked against salted hashes. */
#include "path.h"
#include <string.h>
#include <strings.h>
#include "authorize_jwt.h"

#define NO_KEY ((struct refusal){ 401, "invalid_request_error", "invalid_api_key", NULL })

bool gateway_authorize(struct request *r)
{
        const struct gateway *g = r->g;
        const char *h = caller_header(r->call, "authorization");
        const char *bound = caller_key_id(r->call);
        wt_err err;

        if (g->conf.identity == NULL)
                return true;
        if (h == NULL)
                return request_refuse(r, NO_KEY, "no API key; send the header "
                        "\"Authorization: Bearer KEY\" (witan key create makes one)");
        if (strncasecmp(h, "Bearer ", 7) != 0)
                return request_refuse(r, NO_KEY,
                                      "the Authorization header must read \"Bearer KEY\"");
        for (h += 7; *h == ' '; h++)
                ;
        if (bound == NULL && gateway_oidc_takes(g->conf.oidc, h))
                return gateway_authorize_jwt(r, h);
        err = wt_identity_check(g->conf.identity, h, strlen(h), r->created,
                                caller_peer(r->call), &r->who);
        if (err == WT_EPERM)
                return request_refuse(r, (struct refusal){ 403, "invalid_request_error",
                        "source_not_allowed", NULL }, "%s", wt_words());
        if (err != WT_OK)
                return request_refuse(r, NO_KEY, "%s%s", wt_words(), r->who.key.id[0] != '\0' ? ""
                        : "; witan key list shows what exists, witan key create makes one");
        if (bound != NULL && strcmp(bound, r->who.key.id) != 0)
                return request_refuse(r, NO_KEY, "the API key is not the one that this "
                        "connection's CURVE key was made with; use a client file as witan key "
                        "create --rpc wrote it");
        if (!wt_models_allow(r->who.key.models, g->conf.model))
                return request_refuse(r, (struct refusal){ 403, "invalid_request_error",
                        "model_not_allowed", "model" },
                        "this key may not use model \"%s\"; it may use: %s", g->conf.model,
                        r->who.key.models);
        return true;
}
