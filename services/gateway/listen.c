/* listen.c - the front door: a path and a method become a request at a door. */
#include "path.h"
#include <stdio.h>
#include <string.h>
#include "net/health.h"

static const struct door *const doors[] = {&door_chat, &door_completions, &door_generate,
                                           &door_tokenize, &door_detokenize};

static void put_model(const struct gateway *g, struct wt_buf *b)
{
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "id", g->conf.model);
        wt_buf_json_kv(b, "object", "model");
        wt_buf_json_ki(b, "created", 0);
        wt_buf_json_kv(b, "owned_by", "witan");
        wt_buf_json_ku(b, "max_model_len", g->conf.shape->max_positions);
        wt_buf_str(b, "}");
}

/* GET /v1/models and /v1/models/NAME. */
void request_models(struct gateway *g, struct caller c, const char *name)
{
        struct request *r = request_new(g, c, NULL);
        struct wt_buf *b = &g->line;
        char headers[80];

        if (!audit_open(r) || !gateway_authorize(r))
                return;
        if (name != NULL)
                record_model(r, name, strcmp(name, g->conf.model) == 0);
        if (name != NULL && strcmp(name, g->conf.model) != 0) {
                request_refuse(
                        r,
                        (struct refusal){404, "invalid_request_error", "model_not_found", "model"},
                        "the model \"%.128s\" does not exist; this server has \"%s\"", name,
                        g->conf.model);
                return;
        }
        wt_buf_clear(b);
        wt_buf_str(b, name != NULL ? "" : "{\"object\":\"list\",\"data\":[");
        put_model(g, b);
        wt_buf_str(b, name != NULL ? "" : "]}");
        snprintf(headers, sizeof headers, "x-request-id: %s\r\n", r->id_text);
        hold_reply(r, 200, "application/json", headers, b->data, b->len);
        request_end(r, "ok");
}

static bool ready(void *arg, struct wt_buf *words)
{
        const char *why;
        bool yes = gateway_ready(arg, &why);

        wt_buf_str(words, why);
        return yes;
}

/* /healthz and /readyz also at the front door, without a key; /metrics only at its own port. */
static bool health(struct gateway *g, wt_call *c)
{
        const struct wt_health h = { .ready = ready, .arg = g };

        return strcmp(wt_call_path(c), "/metrics") != 0 && wt_health_answer(&h, c);
}

/* Who reads what others asked does not ask himself: neither the models nor the tokenizer. */
static bool may_generate(struct request *r)
{
        if (strcmp(r->who.key.role, "auditor") != 0)
                return true;
        return request_refuse(r, (struct refusal){ 403, "invalid_request_error",
                              "role_not_allowed", NULL }, "this key has the role \"auditor\", "
                              "which reads the audit log and usage and asks no model; %s is for "
                              "the roles user, operator and admin (witan key create --role user "
                              "makes such a key)", r->door->path);
}

void request_serve(struct gateway *g, struct caller c, const struct door *d)
{
        struct request *r = request_new(g, c, d);

        if (g->draining) {
                request_refuse(r, refusal_of(WT_EUNAVAILABLE),
                               "this gateway is shutting down; ask another");
                return;
        }
        if (audit_open(r) && gateway_authorize(r) && may_generate(r) && gateway_parse(r) &&
            (d->answer == NULL || gateway_charge(r)))
                request_charged(r);
}

void request_charged(struct request *r)
{
        if (gateway_tokenize(r))
                request_encoded(r);
}

void request_encoded(struct request *r)
{
        if (r->door->answer != NULL)
                r->door->answer(r);
        else if (gateway_encode(r) && gateway_seal(r))
                gateway_admit(r);
}

void request_go(struct request *r)
{
        const struct door *d = r->door;

        if (!request_seqs(r) || !submit_fits(r) || !gateway_intend(r))
                return;
        if (!r->seal.has) {                      /* sealing wants its words at the end */
                wt_json_free(r->body);
                r->body = NULL;
        }
        for (uint32_t i = 0; i < r->n_seqs; i++) {
                struct sequence *s = &r->seqs[i];
                if (r->opt.echo)
                        wt_buf_add(&s->text, r->prompt_text[s->prompt].data,
                                   r->prompt_text[s->prompt].len);
                if (r->opt.echo && r->opt.logprobs) {
                        d->mark(s, r->prompt[s->prompt].data[0], 0, NULL, NULL, 0, true);
                        s->n_scored = 1;         /* the first token has no probability */
                }
                gateway_choose(s);
                gateway_submit(s);
        }
}

/* What is asked where nothing is: refused with a row, as everything else. */
static const struct door door_unknown = { .path = "/v1/unknown" };

static bool nowhere(struct gateway *g, struct caller c, const char *method, const char *path)
{
        struct request *r = request_new(g, c, &door_unknown);
        static const struct refusal no_path = { 404, "invalid_request_error", "unknown_url", NULL };
        static const struct refusal no_method = {405, "invalid_request_error", "method_not_allowed",
                                                 NULL};

        snprintf(r->tally.door, sizeof r->tally.door, "%s%s", c.ops->name, path);
        if (!audit_open(r))
                return false;
        for (size_t i = 0; i < sizeof doors / sizeof *doors; i++)
                if (strcmp(path, doors[i]->path) == 0)
                        return request_refuse(r, no_method, "%s is asked with POST, not %s", path,
                                              method);
        if (strcmp(path, "/metrics") == 0)
                return request_refuse(r, no_path, "metrics have a port of their own (metrics); "
                                      "witan ps shows it");
        return request_refuse(r, no_path, "there is nothing at %s %.200s; this server has "
                              "/v1/chat/completions, /v1/completions, /v1/generate, /v1/tokenize, "
                              "/v1/detokenize, /v1/models and, for admins, /v1/admin/", method,
                              path);
}

void request_under_admin(struct gateway *g, struct caller c, const char *method, const char *path,
                         const char *query)
{
        bool get = strcmp(method, "GET") == 0;

        if (get && strcmp(path, "/v1/admin/audit") == 0)
                request_audit(g, c, query, false);
        else if (get && strcmp(path, "/v1/admin/audit/export") == 0)
                request_audit(g, c, query, true);
        else if (!request_admin(g, c, method, path, query))
                nowhere(g, c, method, path);
}

void gateway_listen(void *arg, wt_call *c)
{
        struct gateway *g = arg;
        const char *method = wt_call_method(c), *path = wt_call_path(c);
        bool get = strcmp(method, "GET") == 0;

        if (strcmp(method, "POST") == 0)
                for (size_t i = 0; i < sizeof doors / sizeof *doors; i++)
                        if (strcmp(path, doors[i]->path) == 0) {
                                request_serve(g, caller_http(c), doors[i]);
                                return;
                        }
        if (get && strcmp(path, "/v1/models") == 0)
                request_models(g, caller_http(c), NULL);
        else if (get && strncmp(path, "/v1/models/", 11) == 0)
                request_models(g, caller_http(c), path + 11);
        else if (strncmp(path, "/v1/admin/", 10) == 0)
                request_under_admin(g, caller_http(c), method, path, wt_call_query(c));
        else if (!health(g, c))
                nowhere(g, caller_http(c), method, path);
}
