/* parse.c - the body as JSON, the model by name, then the options all doors share and the door's
 * own. */
#include "path.h"
#include <string.h>

static const struct wt_json_limits limits = { .max_depth = 32, .max_bytes = 64 << 20,
                                              .max_nodes = 1 << 20 };

static bool model_known(struct request *r)
{
        size_t len;
        const char *name = wt_json_str(r->body, wt_json_get(r->body, 0, "model"), &len);

        if (wt_json_get(r->body, 0, "model") == WT_JSON_NONE && r->door->any_model) {
                record_model(r, r->g->conf.model, true);
                return true;
        }
        if (name == NULL)
                return request_refuse(r, BAD("model"), "model %s; this server has \"%s\"",
                                      wt_json_get(r->body, 0, "model") == WT_JSON_NONE
                                              ? "is missing" : "must be a string",
                                      r->g->conf.model);
        if (strlen(name) == len && strcmp(name, r->g->conf.model) == 0) {
                record_model(r, name, true);
                return true;
        }
        record_model(r, name, false);
        return request_refuse(
                r, (struct refusal){404, "invalid_request_error", "model_not_found", "model"},
                "the model \"%.128s\" does not exist; this server has \"%s\"", name,
                r->g->conf.model);
}

bool gateway_parse(struct request *r)
{
        size_t len;
        const char *text = caller_body(r->call, &len);

        if (len == 0)
                return request_refuse(r, BAD(NULL), "the body is empty; send a JSON object");
        if (wt_json_parse(&r->body, text, len, &limits) != WT_OK)
                return request_refuse(r, BAD(NULL), "the body is no valid JSON: %s", wt_words());
        if (wt_json_type(r->body, 0) != WT_JSON_OBJECT)
                return request_refuse(r, BAD(NULL), "the body must be a JSON object");
        if (r->door->answer != NULL)
                return model_known(r) && (r->door->parse == NULL || r->door->parse(r));
        return model_known(r) && options_parse(r) && r->door->parse(r);
}
