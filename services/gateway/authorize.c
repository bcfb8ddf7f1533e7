/* authorize.c - who asks: a bearer key, checked against salted hashes. */
#include "path.h"
#include <string.h>
#include <strings.h>
#include "base/log.h"

#define NO_KEY ((struct refusal){ 401, "invalid_request_error", "invalid_api_key", NULL })

/* The key's models: a list separated by commas, or empty for all. */
static bool model_allowed(const struct wt_key *k, const char *model)
{
        size_t n = strlen(model);

        for (const char *p = k->models; *p != '\0'; p += *p == ',') {
                size_t len = strcspn(p, ",");
                if (len == n && memcmp(p, model, n) == 0)
                        return true;
                p += len;
        }
        return k->models[0] == '\0';
}

bool gateway_authorize(struct request *r)
{
        const struct gateway *g = r->g;
        const char *h = wt_call_header(r->call, "authorization");
        wt_err err;

        if (g->conf.keys == NULL)
                return true;
        if (h == NULL)
                return request_refuse(r, NO_KEY, "no API key; send the header "
                        "\"Authorization: Bearer KEY\" (witan key create makes one)");
        if (strncasecmp(h, "Bearer ", 7) != 0)
                return request_refuse(r, NO_KEY,
                                      "the Authorization header must read \"Bearer KEY\"");
        for (h += 7; *h == ' '; h++)
                ;
        err = wt_keys_check(g->conf.keys, h, strlen(h), r->created, &r->key);
        if (err != WT_OK && err != WT_EUNAUTH) {
                wt_log_err(WT_ERROR, "GATEWAY-KEYS", err);
                return request_refuse(r, refusal_of(WT_EUNAVAILABLE),
                                      "the keys cannot be read now; try again "
                                      "later, the gateway's log says why");
        }
        if (err != WT_OK)
                return request_refuse(r, NO_KEY, "the API key is unknown, expired or revoked; "
                        "witan key list shows what exists, witan key create makes one");
        if (!model_allowed(&r->key, g->conf.model))
                return request_refuse(r, (struct refusal){ 403, "invalid_request_error",
                        "model_not_allowed", "model" },
                        "this key may not use model \"%s\"; it may use: %s", g->conf.model,
                        r->key.models);
        return true;
}
