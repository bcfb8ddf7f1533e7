/* door_audit.c - GET /v1/admin/audit and /v1/admin/audit/export, for admins and auditors. A reading
 * is a request like any other: it has its rows in the log that it reads. */
#include "path.h"
#include <stdio.h>
#include <string.h>
#include "desk.h"

static const struct door door_query = { .path = "/v1/admin/audit",
                                        .action = "admin.audit.query" };
static const struct door door_export = { .path = "/v1/admin/audit/export",
                                         .action = "admin.audit.export" };

static const char *const types[] = {
        [DESK_JSON] = "application/json", [DESK_NDJSON] = "application/x-ndjson",
        [DESK_CSV] = "text/csv; charset=utf-8", [DESK_EXPORT] = "application/x-ndjson",
        [DESK_EXPORT_CSV] = "text/csv; charset=utf-8" };

static bool may_read(struct request *r)
{
        const char *role = r->who.key.role;

        if (r->g->conf.identity == NULL || strcmp(role, "admin") == 0 ||
            strcmp(role, "auditor") == 0)
                return true;
        return request_refuse(r, (struct refusal){ 403, "invalid_request_error",
                              "role_not_allowed", NULL }, "this key has the role \"%s\"; the "
                              "audit log is for the roles auditor and admin (witan key create "
                              "--role auditor makes such a key)", role);
}

/* format=json|ndjson|csv, of an export ndjson|csv; what else there is are filters. */
static bool read_form(struct request *r, const char *query, bool whole, enum desk_form *form)
{
        static const struct form { const char *word; enum desk_form form; } each[2][3] = {
                { { "format=json", DESK_JSON }, { "format=ndjson", DESK_NDJSON },
                  { "format=csv", DESK_CSV } },
                { { "format=ndjson", DESK_EXPORT }, { "format=csv", DESK_EXPORT_CSV },
                  { "", DESK_EXPORT } } };
        const struct form *forms = each[whole];
        const char *at = strstr(query, "format=");
        size_t len = at != NULL ? strcspn(at, "&") : 0;

        if (at == NULL || (at != query && at[-1] != '&'))
                return true;
        for (size_t i = 0; i < 3; i++)
                if (strlen(forms[i].word) == len && memcmp(at, forms[i].word, len) == 0) {
                        *form = forms[i].form;
                        return true;
                }
        return request_refuse(r, BAD("format"), whole ? "format of an export is ndjson or csv"
                                                : "format is json, ndjson or csv");
}

void request_audit(struct gateway *g, struct caller c, const char *query, bool whole)
{
        static const char *const other[] = { "format", NULL };
        struct request *r = request_new(g, c, whole ? &door_export : &door_query);
        enum desk_form form = whole ? DESK_EXPORT : DESK_JSON;
        struct wt_audit_filter f = { .limit = 0 };
        wt_err err;

        if (g->draining) {
                request_refuse(r, refusal_of(WT_EUNAVAILABLE),
                               "this gateway is shutting down; ask another");
                return;
        }
        if (!audit_open(r) || !gateway_authorize(r) || !may_read(r) ||
            !read_form(r, query, whole, &form))
                return;
        if (g->desk == NULL) {
                request_refuse(r, refusal_of(WT_EUNAVAILABLE), "this gateway has no store");
                return;
        }
        if (wt_audit_filter_parse(&f, query, (int64_t)wt_wall_us(g->conf.clock),
                                  other) != WT_OK) {
                request_refuse(r, BAD(NULL), "%s", wt_words());
                return;
        }
        if (!gateway_intend(r))
                return;
        if ((err = desk_read(g->desk, r->id, &f, form)) != WT_OK)
                request_refuse(r, refusal_of(err), "%s", wt_words());
}

static void refuse(struct request *r, wt_err err)
{
        if (!r->begun) {
                request_refuse(r, refusal_of(err), "the audit log cannot be read: %s",
                               wt_words());
                return;
        }
        if (r->call != NULL)                     /* half an export must not look like a whole one */
                caller_abort(r->call);
        r->call = NULL;
        request_end(r, "failed");
}

/* For the desk: an export is paused for a client that reads slowly, and for its own intent. */
bool audit_room(void *arg, const uint8_t id[16])
{
        struct request *r = request_find(arg, id);

        return r == NULL || r->call == NULL || (r->hold.bytes.len == 0 && !caller_full(r->call));
}

/* From the desk: pieces of an answer, in order. */
bool audit_piece(void *arg, const uint8_t id[16], enum desk_form form, const char *data,
                 size_t len, bool last, wt_err err)
{
        struct request *r = request_find(arg, id);
        char headers[100];

        if (r == NULL)
                return false;
        if (err != WT_OK) {
                refuse(r, err);
                return false;
        }
        r->status = 200;
        snprintf(headers, sizeof headers, "x-request-id: %s\r\n", r->id_text);
        if (form < DESK_EXPORT) {                /* the page is one piece, if it has a byte */
                if (len > 0 || (last && !r->hold.whole))
                        hold_reply(r, 200, types[form], headers, data, len);
        } else {
                if (!r->begun)
                        hold_begin(r, 200, types[form], headers);
                r->begun = true;
                if (len > 0 && !hold_write(r, data, len, last))
                        return false;
                if (last)
                        hold_end(r);
        }
        if (last)
                request_end(r, "ok");
        return true;
}
