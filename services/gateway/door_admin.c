/* door_admin.c - /v1/admin: tenants, teams, keys, prices, quotas, usage, cluster. A call is a
 * request like any other, with rows of its own that say what it did; what it does to the store is
 * done by a thread of the desk. */
#include "path.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "admin.h"
#include "base/sha256.h"
#include "desk.h"

static const struct admin_call calls[] = {
        { { .path = "/v1/admin/tenants", .action = "admin.tenant.create" }, .method = "POST",
          .has_body = true, .check = admin_tenant_check, .work = admin_tenant_create },
        { { .path = "/v1/admin/tenants", .action = "admin.tenant.list" }, .method = "GET",
          .paged = true, .work = admin_tenant_list },
        { { .path = "/v1/admin/tenants/", .action = "admin.tenant.update" }, .method = "PATCH",
          .named = true, .has_body = true, .check = admin_tenant_check,
          .work = admin_tenant_update },
        { { .path = "/v1/admin/teams", .action = "admin.team.create" }, .method = "POST",
          .has_body = true, .check = admin_team_check, .work = admin_team_create },
        { { .path = "/v1/admin/teams", .action = "admin.team.list" }, .method = "GET",
          .paged = true, .work = admin_team_list },
        { { .path = "/v1/admin/keys", .action = "admin.key.create" }, .method = "POST",
          .has_body = true, .check = admin_key_check, .work = admin_key_create },
        { { .path = "/v1/admin/keys", .action = "admin.key.list" }, .method = "GET",
          .paged = true, .work = admin_key_list },
        { { .path = "/v1/admin/keys/", .action = "admin.key.revoke" }, .method = "DELETE",
          .named = true, .work = admin_key_revoke },
        { { .path = "/v1/admin/prices", .action = "admin.price.set" }, .method = "POST",
          .has_body = true, .check = admin_price_check, .work = admin_price_set },
        { { .path = "/v1/admin/prices", .action = "admin.price.list" }, .method = "GET",
          .paged = true, .work = admin_price_list },
        { { .path = "/v1/admin/quota", .action = "admin.quota.set" }, .method = "POST",
          .has_body = true, .check = admin_quota_check, .work = admin_quota_set },
        { { .path = "/v1/admin/quota", .action = "admin.quota.list" }, .method = "GET",
          .roles = ADMIN_OPERATOR, .work = admin_quota_list },
        { { .path = "/v1/admin/usage", .action = "admin.usage.read" }, .method = "GET",
          .roles = ADMIN_OPERATOR | ADMIN_AUDITOR, .work = admin_usage_read },
        { { .path = "/v1/admin/cluster", .action = "admin.cluster.read" }, .method = "GET",
          .roles = ADMIN_OPERATOR, .answer = admin_cluster },
};
enum { N_CALLS = sizeof calls / sizeof *calls };

static bool may(struct request *r, const struct admin_call *a)
{
        const char *role = r->who.key.role;

        if (r->g->conf.identity == NULL)         /* nobody is known here: nothing is changed */
                return a->answer != NULL ||
                       request_refuse(r, (struct refusal){ 403, "invalid_request_error",
                                      "open_door", NULL }, "this gateway asks nobody for a key "
                                      "(open_door), so it does not manage any; witan key, tenant, "
                                      "quota and usage work on the store itself");
        if (strcmp(role, "admin") == 0 ||
            ((a->roles & ADMIN_OPERATOR) != 0 && strcmp(role, "operator") == 0) ||
            ((a->roles & ADMIN_AUDITOR) != 0 && strcmp(role, "auditor") == 0))
                return true;
        return request_refuse(r, (struct refusal){ 403, "invalid_request_error",
                              "role_not_allowed", NULL }, "this key has the role \"%s\"; %s %s is "
                              "for the role%s admin%s%s (witan key create --role admin makes such "
                              "a key)", role, a->method, a->door.path, a->roles != 0 ? "s" : "",
                              a->roles & ADMIN_OPERATOR ? ", operator" : "",
                              a->roles & ADMIN_AUDITOR ? ", auditor" : "");
}

static void job_drop(void *arg)
{
        struct admin_job *j = arg;

        wt_json_free(j->body);
        free(j);
}

static struct refusal refusal_of_work(wt_err err)
{
        switch (err) {
        case WT_EINVAL: return BAD(NULL);
        case WT_ENOTFOUND:
                return (struct refusal){ 404, "invalid_request_error", "not_found", NULL };
        case WT_EEXIST:
                return (struct refusal){ 409, "invalid_request_error", "exists", NULL };
        default: return refusal_of(WT_EUNAVAILABLE);
        }
}

/* From the desk: it is done, or could not be. */
static void done(void *gateway, const uint8_t id[16], void *arg, const char *data, size_t len,
                 wt_err err)
{
        const struct admin_job *j = arg;
        struct request *r = request_find(gateway, id);
        char headers[100];

        if (r == NULL)
                return;
        snprintf(r->tally.words, sizeof r->tally.words, "%s", j->words);
        if (err != WT_OK) {
                request_refuse(r, refusal_of_work(err), "%s", wt_words());
                return;
        }
        snprintf(headers, sizeof headers, "x-request-id: %s\r\ncache-control: no-store\r\n",
                 r->id_text);
        r->status = 200;
        hold_reply(r, 200, j->csv ? "text/csv; charset=utf-8" : "application/json", headers, data,
                   len);
        request_end(r, "ok");
}

static bool take_body(struct request *r, struct admin_job *j)
{
        const char *field = NULL, *text;
        size_t len;

        if (j->call->has_body) {
                text = caller_body(r->call, &len);
                if (len == 0)
                        return request_refuse(r, BAD(NULL), "the body is empty; send a JSON "
                                              "object");
                if (wt_json_parse(&j->body, text, len, &wt_form_limits) != WT_OK)
                        return request_refuse(r, BAD(NULL), "the body is no valid JSON: %s",
                                              wt_words());
        }
        if (j->call->check != NULL && j->call->check(j, &field) != WT_OK)
                return request_refuse(r, BAD(field), "%s", wt_words());
        return true;
}

static bool take_query(struct request *r, struct admin_job *j, const char *query)
{
        const char *accept = caller_header(r->call, "accept");

        if (j->call->paged)
                return admin_page_parse(j, query) == WT_OK ||
                       request_refuse(r, BAD(NULL), "%s", wt_words());
        if (j->call->work != admin_usage_read)
                return query[0] == '\0' ||
                       request_refuse(r, BAD(NULL), "%s %s takes no query string",
                                      j->call->method, j->call->door.path);
        j->csv = accept != NULL && strncmp(accept, "text/csv", 8) == 0;
        if (admin_usage_parse(j, query, (int64_t)wt_wall_us(r->g->conf.clock)) != WT_OK)
                return request_refuse(r, BAD(NULL), "%s", wt_words());
        return true;
}

static wt_err work(void *arg, wt_store *s, struct wt_buf *out)
{
        struct admin_job *j = arg;

        return j->call->work(j, s, out);
}

static void begin(struct request *r, struct admin_job *j)
{
        const struct desk_task t = { .work = work, .done = done, .drop = job_drop, .arg = j };
        wt_err err;

        snprintf(r->tally.words, sizeof r->tally.words, "%s", j->words);
        if (!gateway_intend(r)) {
                job_drop(j);
        } else if ((err = desk_do(r->g->desk, r->id, &t)) != WT_OK) {
                request_refuse(r, refusal_of(err), "%s", wt_words());
                job_drop(j);
        }
}

static void serve(struct gateway *g, struct caller c, const struct admin_call *a, const char *id,
                  const char *query)
{
        struct request *r = request_new(g, c, &a->door);
        struct admin_job *j;

        if (g->draining) {
                request_refuse(r, refusal_of(WT_EUNAVAILABLE),
                               "this gateway is shutting down; ask another");
                return;
        }
        if (!audit_open(r) || !gateway_authorize(r) || !may(r, a))
                return;
        if (a->answer != NULL) {
                a->answer(r);
                return;
        }
        if (g->desk == NULL) {
                request_refuse(r, refusal_of(WT_EUNAVAILABLE), "this gateway has no store");
                return;
        }
        if ((j = calloc(1, sizeof *j)) == NULL) {
                request_refuse(r, refusal_of(WT_EUNAVAILABLE), "out of memory; try again later");
                return;
        }
        j->call = a;
        snprintf(j->id, sizeof j->id, "%s", id);
        if (take_query(r, j, query) && take_body(r, j))
                begin(r, j);
        else
                job_drop(j);
}

/* The name behind the path, decoded; false: none, or none that there can be. */
static bool name_of(const char *text, char out[257])
{
        size_t n = 0;

        for (; *text != '\0' && n < 256; text++) {
                uint8_t byte = (uint8_t)*text;

                if (*text == '%') {
                        if (text[1] == '\0' || text[2] == '\0' ||
                            wt_unhex(text + 1, 1, &byte) != 0)
                                return false;
                        text += 2;
                }
                if (byte < ' ' || byte == '/')
                        return false;
                out[n++] = (char)byte;
        }
        out[n] = '\0';
        return n > 0 && *text == '\0';
}

bool request_admin(struct gateway *g, struct caller c, const char *method, const char *path,
                   const char *query)
{
        char id[257] = "", methods[40] = "";
        size_t at = 0;

        for (int i = 0; i < N_CALLS; i++) {
                const struct admin_call *a = &calls[i];
                size_t len = strlen(a->door.path);

                if (a->named ? strncmp(path, a->door.path, len) != 0 || !name_of(path + len, id)
                             : strcmp(path, a->door.path) != 0)
                        continue;
                if (strcmp(method, a->method) == 0) {
                        serve(g, c, a, id, query);
                        return true;
                }
                at += (size_t)snprintf(methods + at, sizeof methods - at, "%s%s",
                                       at > 0 ? " or " : "", a->method);
        }
        if (at > 0)
                call_refuse(&c, "-", (struct refusal){ 405, "invalid_request_error",
                            "method_not_allowed", NULL }, "%.200s is asked with %s, not %.20s",
                            path, methods, method);
        return at > 0;
}
