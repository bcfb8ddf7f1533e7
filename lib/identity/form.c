/* form.c - see form.h. A form is a table of fields; one reader for all of them. */
#include "identity/form.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "identity/money.h"

const struct wt_json_limits wt_form_limits = { .max_depth = 16, .max_bytes = 64 << 10,
                                               .max_nodes = 8192 };

enum kind { TEXT, LIST, TIME, WEIGHT, SWITCH, PRICE, LIMITS };
struct field {
        const char *name;
        enum kind kind;
        size_t at, cap;                          /* in the struct; of a text */
        size_t given;                            /* LIMITS: where their bits go; 0: nowhere */
};
struct form { const struct field *field; size_t n; };
#define FORM(rows) ((struct form){ rows, sizeof rows / sizeof *rows })
#define AT(type, member) offsetof(struct type, member), sizeof ((struct type *)0)->member

static wt_err bad(const char **field, const char *name, const char *words)
{
        *field = name;
        return wt_fail(WT_EINVAL, "%s %s", name, words);
}

static bool plain(const char *s, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
                        return false;
        return true;
}

static wt_err read_text(const wt_json *j, wt_jv v, const struct field *f, char *out,
                        const char **field)
{
        size_t len;
        const char *s = wt_json_str(j, v, &len);

        if (s == NULL)
                return bad(field, f->name, "must be a string");
        if (len >= f->cap || !plain(s, len)) {
                *field = f->name;
                return wt_fail(WT_EINVAL, "%s has at most %zu bytes, none of them a control "
                               "character", f->name, f->cap - 1);
        }
        memcpy(out, s, len + 1);
        return WT_OK;
}

/* An array of strings, or the same as one string with commas. */
static wt_err read_list(const wt_json *j, wt_jv v, const struct field *f, char *out,
                        const char **field)
{
        size_t at = 0, len;

        if (wt_json_type(j, v) != WT_JSON_ARRAY)
                return read_text(j, v, f, out, field);
        out[0] = '\0';
        for (wt_jv e = wt_json_first(j, v); e != WT_JSON_NONE; e = wt_json_next(j, e)) {
                const char *s = wt_json_str(j, e, &len);

                if (s == NULL || len == 0 || !plain(s, len) || strchr(s, ',') != NULL)
                        return bad(field, f->name, "must be an array of strings, none of them "
                                   "empty or with a comma");
                if (at + len + 2 > f->cap)
                        return bad(field, f->name, "holds more than fits (1024 bytes)");
                if (at > 0)
                        out[at++] = ',';
                memcpy(out + at, s, len + 1);
                at += len;
        }
        return WT_OK;
}

static wt_err read_limits(const wt_json *j, wt_jv v, struct wt_limits *out, uint32_t *given,
                          const char **field)
{
        *field = "limits";
        if (wt_json_type(j, v) != WT_JSON_OBJECT)
                return bad(field, "limits", "must be an object of limits");
        for (wt_jv e = wt_json_first(j, v); e != WT_JSON_NONE; e = wt_json_next(j, e)) {
                size_t len;
                const char *name = wt_json_key(j, e, &len), *raw;
                enum wt_limit l;

                if (strlen(name) != len || !wt_limit_named(name, &l))
                        return wt_fail(WT_EINVAL, "there is no limit \"%.40s\"; there are "
                                       "requests_per_minute, tokens_per_minute, concurrency, "
                                       "tokens_per_day, tokens_per_month, cost_per_day and "
                                       "cost_per_month", name);
                if (wt_json_type(j, e) != WT_JSON_NUMBER && wt_json_type(j, e) != WT_JSON_NULL)
                        return wt_fail(WT_EINVAL, "%s must be a number, or null for no limit",
                                       wt_limit_name(l));
                raw = wt_json_raw(j, e, &len);
                if (wt_json_type(j, e) == WT_JSON_NULL)
                        out->most[l] = -1;
                else if (wt_limit_read(l, raw, len, &out->most[l]) != WT_OK)
                        return WT_EINVAL;
                *given |= 1u << l;
        }
        *field = NULL;
        return WT_OK;
}

static wt_err read_price(const wt_json *j, wt_jv v, const struct field *f, int64_t *out,
                         const char **field)
{
        size_t len;
        const char *raw;

        if (wt_json_type(j, v) != WT_JSON_NUMBER)
                return bad(field, f->name, "must be a number: the price of a million tokens");
        raw = wt_json_raw(j, v, &len);
        *field = f->name;
        return wt_price_read(raw, len, out);
}

static wt_err read_field(const wt_json *j, wt_jv v, const struct field *f, char *out,
                         const char **field)
{
        void *to = out + f->at;
        uint32_t ignored = 0;
        int64_t n;

        switch (f->kind) {
        case TEXT: return read_text(j, v, f, to, field);
        case LIST: return read_list(j, v, f, to, field);
        case PRICE: return read_price(j, v, f, to, field);
        case LIMITS:
                return read_limits(j, v, to, f->given != 0 ? (void *)(out + f->given) : &ignored,
                                   field);
        case SWITCH:
                if (!wt_json_bool(j, v, to))
                        return bad(field, f->name, "must be true or false");
                return WT_OK;
        case WEIGHT:
                if (!wt_json_i64(j, v, &n) || n < 1 || n > 1000)
                        return bad(field, f->name, "must be an integer from 1 to 1000");
                *(uint32_t *)to = (uint32_t)n;
                return WT_OK;
        default:
                if (wt_json_type(j, v) == WT_JSON_NULL)
                        n = 0;
                else if (!wt_json_i64(j, v, &n) || n < 0 || n > 253402300799)
                        return bad(field, f->name, "must be seconds since 1970, or null");
                *(int64_t *)to = n;
                return WT_OK;
        }
}

static wt_err unknown(const struct form *m, const char *name)
{
        char all[400] = "";
        size_t at = 0;

        for (size_t i = 0; i < m->n && at < sizeof all; i++)
                at += (size_t)snprintf(all + at, sizeof all - at, "%s%s", i > 0 ? ", " : "",
                                       m->field[i].name);
        return wt_fail(WT_EINVAL, "there is no field \"%.40s\" here; there are %s", name, all);
}

static wt_err read_form(const wt_json *j, const struct form *m, void *out, const char **field)
{
        *field = NULL;
        if (wt_json_type(j, 0) != WT_JSON_OBJECT)
                return wt_fail(WT_EINVAL, "the body must be a JSON object");
        for (wt_jv v = wt_json_first(j, 0); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                size_t len, i = 0;
                const char *name = wt_json_key(j, v, &len);
                wt_err err;

                while (i < m->n && (strlen(m->field[i].name) != len ||
                                    memcmp(m->field[i].name, name, len) != 0))
                        i++;
                if (i == m->n)
                        return unknown(m, name);
                if ((err = read_field(j, v, &m->field[i], out, field)) != WT_OK)
                        return err;
        }
        return WT_OK;
}

wt_err wt_tenant_read(const wt_json *j, struct wt_tenant_form *out, const char **field)
{
        static const struct field rows[] = {
                { "id", TEXT, AT(wt_tenant_form, tenant.id), 0 },
                { "name", TEXT, AT(wt_tenant_form, tenant.name), 0 },
                { "weight", WEIGHT, AT(wt_tenant_form, tenant.weight), 0 },
                { "disabled", SWITCH, AT(wt_tenant_form, disabled), 0 },
                { "limits", LIMITS, AT(wt_tenant_form, tenant.limits),
                  offsetof(struct wt_tenant_form, limits) },
        };

        return read_form(j, &FORM(rows), out, field);
}

wt_err wt_team_read(const wt_json *j, struct wt_team *out, const char **field)
{
        static const struct field rows[] = {
                { "tenant", TEXT, AT(wt_team, tenant), 0 },
                { "id", TEXT, AT(wt_team, id), 0 },
                { "limits", LIMITS, AT(wt_team, limits), 0 },
        };

        return read_form(j, &FORM(rows), out, field);
}

wt_err wt_key_read(const wt_json *j, struct wt_key *out, const char **field)
{
        static const struct field rows[] = {
                { "tenant", TEXT, AT(wt_key, tenant), 0 },
                { "team", TEXT, AT(wt_key, team), 0 },
                { "name", TEXT, AT(wt_key, name), 0 },
                { "role", TEXT, AT(wt_key, role), 0 },
                { "models", LIST, AT(wt_key, models), 0 },
                { "sources", LIST, AT(wt_key, sources), 0 },
                { "expires_at", TIME, AT(wt_key, expires_at), 0 },
                { "limits", LIMITS, AT(wt_key, limits), 0 },
        };

        return read_form(j, &FORM(rows), out, field);
}

wt_err wt_price_form_read(const wt_json *j, struct wt_price *out, const char **field)
{
        static const struct field rows[] = {
                { "model", TEXT, AT(wt_price, model), 0 },
                { "tenant", TEXT, AT(wt_price, tenant), 0 },
                { "prompt", PRICE, AT(wt_price, prompt_nano), 0 },
                { "completion", PRICE, AT(wt_price, completion_nano), 0 },
        };

        return read_form(j, &FORM(rows), out, field);
}

wt_err wt_scope_read(const wt_json *j, struct wt_scope_form *out, const char **field)
{
        static const struct field rows[] = {
                { "scope", TEXT, AT(wt_scope_form, scope.name), 0 },
                { "limits", LIMITS, AT(wt_scope_form, scope.limits),
                  offsetof(struct wt_scope_form, limits) },
        };

        return read_form(j, &FORM(rows), out, field);
}

/* ---- out ----------------------------------------------------------------------------------- */

static void put_limits(const struct wt_limits *l, struct wt_buf *out)
{
        char text[WT_MONEY_TEXT];

        wt_buf_json_key(out, "limits");
        wt_buf_str(out, "{");
        for (int i = 0; i < WT_N_LIMITS; i++)
                if (l->most[i] >= 0) {
                        wt_buf_json_key(out, wt_limit_name((enum wt_limit)i));
                        wt_buf_str(out, wt_limit_text((enum wt_limit)i, l->most[i], text));
                }
        wt_buf_str(out, "}");
}

static void put_time(struct wt_buf *out, const char *name, int64_t t)
{
        if (t != 0)
                wt_buf_json_ki(out, name, t);
        else
                wt_buf_json_kv(out, name, NULL);
}

static void put_list(struct wt_buf *out, const char *name, const char *list)
{
        wt_buf_json_key(out, name);
        wt_buf_str(out, "[");
        for (const char *p = list; *p != '\0'; p += *p == ',') {
                size_t len = strcspn(p, ",");

                wt_buf_json_sep(out);
                wt_buf_json_str(out, p, len);
                p += len;
        }
        wt_buf_str(out, "]");
}

static void begin(struct wt_buf *out)
{
        wt_buf_json_sep(out);
        wt_buf_str(out, "{");
}

void wt_tenant_json(const struct wt_tenant *t, struct wt_buf *out)
{
        begin(out);
        wt_buf_json_kv(out, "id", t->id);
        wt_buf_json_kv(out, "name", t->name);
        wt_buf_json_ki(out, "created_at", t->created_at);
        put_time(out, "disabled_at", t->disabled_at);
        wt_buf_json_ku(out, "weight", t->weight);
        put_limits(&t->limits, out);
        wt_buf_str(out, "}");
}

void wt_team_json(const struct wt_team *t, struct wt_buf *out)
{
        begin(out);
        wt_buf_json_kv(out, "tenant", t->tenant);
        wt_buf_json_kv(out, "id", t->id);
        wt_buf_json_ki(out, "created_at", t->created_at);
        put_limits(&t->limits, out);
        wt_buf_str(out, "}");
}

void wt_key_json(const struct wt_key *k, bool more, struct wt_buf *out)
{
        begin(out);
        wt_buf_json_kv(out, "id", k->id);
        wt_buf_json_kv(out, "tenant", k->tenant);
        wt_buf_json_kv(out, "team", k->team[0] != '\0' ? k->team : NULL);
        wt_buf_json_kv(out, "name", k->name);
        wt_buf_json_kv(out, "role", k->role);
        put_list(out, "models", k->models);
        put_list(out, "sources", k->sources);
        wt_buf_json_ki(out, "created_at", k->created_at);
        put_time(out, "expires_at", k->expires_at);
        put_time(out, "revoked_at", k->revoked_at);
        put_limits(&k->limits, out);
        wt_buf_str(out, more ? "" : "}");
}

void wt_price_json(const struct wt_price *p, struct wt_buf *out)
{
        char text[WT_MONEY_TEXT];

        begin(out);
        wt_buf_json_kv(out, "model", p->model);
        wt_buf_json_kv(out, "tenant", p->tenant[0] != '\0' ? p->tenant : NULL);
        wt_buf_json_key(out, "prompt");
        wt_buf_str(out, wt_price_text(p->prompt_nano, text));
        wt_buf_json_key(out, "completion");
        wt_buf_str(out, wt_price_text(p->completion_nano, text));
        wt_buf_str(out, "}");
}

static void put_amount(struct wt_buf *out, const char *name, enum wt_limit l, int64_t n)
{
        char text[WT_MONEY_TEXT];

        wt_buf_json_key(out, name);
        wt_buf_str(out, wt_limit_text(l, n, text));
}

void wt_quota_json(const struct wt_quota_line *q, struct wt_buf *out)
{
        begin(out);
        wt_buf_json_kv(out, "scope", q->scope);
        wt_buf_json_kv(out, "limit", wt_limit_name(q->limit));
        put_amount(out, "most", q->limit, q->most);
        put_amount(out, "used", q->limit, q->used);
        put_amount(out, "leased", q->limit, q->leased);
        put_amount(out, "left", q->limit, q->left);
        if (q->reset_s > 0)
                wt_buf_json_ku(out, "reset_seconds", q->reset_s);
        else
                wt_buf_json_kv(out, "reset_seconds", NULL);
        wt_buf_str(out, "}");
}
