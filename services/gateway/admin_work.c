/* admin_work.c - what the calls of the admin API do: check their body on the loop, and work on the
 * store on a thread. */
#include <stdio.h>
#include <string.h>
#include "admin.h"

static void list_begin(struct wt_buf *out) { wt_buf_str(out, "{\"object\":\"list\",\"data\":["); }
static wt_err list_end(wt_err err, struct wt_buf *out)
{
        wt_buf_str(out, "]}");
        return err;
}

/* A page: where the next one begins. */
static wt_err page_end(wt_err err, const struct wt_page *p, struct wt_buf *out)
{
        wt_buf_str(out, "]");
        wt_buf_json_kb(out, "has_more", p->has_more);
        wt_buf_json_kv(out, "after", p->next[0] != '\0' ? p->next : NULL);
        wt_buf_str(out, "}");
        return err;
}

/* ---- tenants and teams --------------------------------------------------------------------- */

static wt_err tenant_read(const struct admin_job *j, struct wt_tenant_form *f, const char **field)
{
        wt_err err = wt_tenant_read(j->body, f, field);

        if (err == WT_OK && j->call->named && strcmp(f->tenant.id, j->id) != 0)
                return wt_fail(WT_EINVAL, "a tenant's id stays as it is; leave \"id\" out");
        if (err == WT_OK && f->tenant.id[0] == '\0')     /* a name alone will do */
                snprintf(f->tenant.id, sizeof f->tenant.id, "%s", f->tenant.name);
        return err;
}

wt_err admin_tenant_check(struct admin_job *j, const char **field)
{
        struct wt_tenant_form f = { .tenant = { .weight = 1, .limits = wt_no_limits } };
        wt_err err;

        if (strlen(j->id) >= sizeof f.tenant.id)
                return wt_fail(WT_EINVAL, "a tenant's id has at most 64 bytes");
        strcpy(f.tenant.id, j->id);
        err = tenant_read(j, &f, field);
        if (err == WT_OK && !j->call->named && f.disabled)
                return wt_fail(WT_EINVAL, "a tenant begins enabled; PATCH /v1/admin/tenants/%s "
                               "disables it", f.tenant.id);
        snprintf(j->words, sizeof j->words, "tenant=%s", f.tenant.id);
        return err;
}

wt_err admin_tenant_create(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        struct wt_tenant_form f = { .tenant = { .limits = wt_no_limits } };
        struct wt_tenant made;
        const char *field;
        wt_err err = tenant_read(j, &f, &field);

        if (err == WT_OK && (err = wt_tenant_create(s, &f.tenant, &made)) == WT_OK)
                wt_tenant_json(&made, out);
        return err;
}

struct found { const char *id; struct wt_tenant t; bool is; };
static void on_find(void *arg, const struct wt_tenant *t)
{
        struct found *f = arg;

        if (strcmp(t->id, f->id) != 0)
                return;
        f->t = *t;
        f->is = true;
}

/* Read and written in one transaction: two changes at a time lose nothing. */
struct update { const struct admin_job *j; struct wt_tenant_form f; struct wt_tenant made; };
static wt_err update_work(void *arg, wt_store *s)
{
        struct update *u = arg;
        struct found f = { .id = u->j->id };
        const char *field;
        wt_err err = wt_tenant_list(s, on_find, &f);

        if (err == WT_OK && !f.is)
                err = wt_fail(WT_ENOTFOUND, "there is no tenant \"%s\"; GET /v1/admin/tenants "
                              "lists them", u->j->id);
        u->f = (struct wt_tenant_form){ .tenant = f.t, .disabled = f.t.disabled_at != 0 };
        if (err == WT_OK && (err = tenant_read(u->j, &u->f, &field)) == WT_OK &&
            (err = wt_tenant_update(s, &u->f.tenant, u->f.disabled)) == WT_OK)
                err = wt_tenant_list(s, on_find, &f);
        u->made = f.t;
        return err;
}

wt_err admin_tenant_update(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        struct update u = { .j = j };
        wt_err err = wt_store_do(s, update_work, &u);

        if (err == WT_OK)
                wt_tenant_json(&u.made, out);
        return err;
}

static void on_tenant(void *arg, const struct wt_tenant *t) { wt_tenant_json(t, arg); }

wt_err admin_tenant_list(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        list_begin(out);
        return page_end(wt_tenant_page(s, &j->page, on_tenant, out), &j->page, out);
}

wt_err admin_team_check(struct admin_job *j, const char **field)
{
        struct wt_team t = { .limits = wt_no_limits };
        wt_err err = wt_team_read(j->body, &t, field);

        snprintf(j->words, sizeof j->words, "tenant=%s team=%s", t.tenant, t.id);
        return err;
}

wt_err admin_team_create(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        struct wt_team t = { .limits = wt_no_limits }, made;
        const char *field;
        wt_err err = wt_team_read(j->body, &t, &field);

        if (err == WT_OK && (err = wt_team_create(s, &t, &made)) == WT_OK)
                wt_team_json(&made, out);
        return err;
}

static void on_team(void *arg, const struct wt_team *t) { wt_team_json(t, arg); }

wt_err admin_team_list(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        list_begin(out);
        return page_end(wt_team_page(s, &j->page, on_team, out), &j->page, out);
}

/* ---- keys ---------------------------------------------------------------------------------- */

wt_err admin_key_check(struct admin_job *j, const char **field)
{
        struct wt_key k = { .limits = wt_no_limits };
        wt_err err = wt_key_read(j->body, &k, field);

        snprintf(j->words, sizeof j->words, "tenant=%s name=%s role=%s", k.tenant, k.name,
                 k.role[0] != '\0' ? k.role : "user");
        return err;
}

wt_err admin_key_create(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        struct wt_key k = { .limits = wt_no_limits }, made;
        char secret[80];
        const char *field;
        size_t at;
        wt_err err = wt_key_read(j->body, &k, &field);

        if (err != WT_OK || (err = wt_key_create(s, &k, &made, secret)) != WT_OK)
                return err;
        wt_key_json(&made, true, out);
        wt_buf_json_kv(out, "key", secret);
        wt_buf_str(out, "}");
        explicit_bzero(secret, sizeof secret);
        at = strlen(j->words);
        snprintf(j->words + at, sizeof j->words - at, " key=%s", made.id);
        return WT_OK;
}

static void on_key(void *arg, const struct wt_key *k) { wt_key_json(k, false, arg); }

wt_err admin_key_list(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        list_begin(out);
        return page_end(wt_key_page(s, &j->page, on_key, out), &j->page, out);
}

wt_err admin_key_revoke(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        wt_err err = wt_key_revoke(s, j->id);

        snprintf(j->words, sizeof j->words, "key=%.80s", j->id);
        if (err != WT_OK)
                return err;
        wt_buf_str(out, "{");
        wt_buf_json_kv(out, "id", j->id);
        wt_buf_json_kb(out, "revoked", true);
        wt_buf_str(out, "}");
        return WT_OK;
}

/* ---- prices, quotas, usage ----------------------------------------------------------------- */

static wt_err price_read(const struct admin_job *j, struct wt_price *p, const char **field)
{
        wt_err err = wt_price_form_read(j->body, p, field);

        if (err == WT_OK && (p->prompt_nano < 0 || p->completion_nano < 0))
                return wt_fail(WT_EINVAL, "a price has \"prompt\" and \"completion\", each of a "
                               "million tokens");
        return err;
}

wt_err admin_price_check(struct admin_job *j, const char **field)
{
        struct wt_price p = { .prompt_nano = -1, .completion_nano = -1 };
        wt_err err = price_read(j, &p, field);

        snprintf(j->words, sizeof j->words, "model=%.100s tenant=%s", p.model, p.tenant);
        return err;
}

wt_err admin_price_set(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        struct wt_price p = { .prompt_nano = -1, .completion_nano = -1 };
        const char *field;
        wt_err err = price_read(j, &p, &field);

        if (err == WT_OK && (err = wt_price_set(s, &p)) == WT_OK)
                wt_price_json(&p, out);
        return err;
}

static void on_price(void *arg, const struct wt_price *p) { wt_price_json(p, arg); }

wt_err admin_price_list(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        list_begin(out);
        return page_end(wt_price_page(s, &j->page, on_price, out), &j->page, out);
}

wt_err admin_quota_check(struct admin_job *j, const char **field)
{
        struct wt_scope_form f = { .scope = { .limits = wt_no_limits } };
        wt_err err = wt_scope_read(j->body, &f, field);

        snprintf(j->words, sizeof j->words, "scope=%s", f.scope.name);
        return err;
}

static void on_quota(void *arg, const struct wt_quota_line *q) { wt_quota_json(q, arg); }

wt_err admin_quota_set(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        struct wt_scope_form f = { .scope = { .limits = wt_no_limits } };
        const char *field;
        wt_err err = wt_scope_read(j->body, &f, &field);

        if (err != WT_OK ||
            (err = wt_limits_set(s, f.scope.name, &f.scope.limits, f.limits)) != WT_OK)
                return err;
        list_begin(out);
        return list_end(wt_quota_report(s, f.scope.name, on_quota, out), out);
}

wt_err admin_quota_list(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        (void)j;
        list_begin(out);
        return list_end(wt_quota_report(s, NULL, on_quota, out), out);
}

struct rows { const struct admin_job *j; struct wt_buf *out; };
static void on_usage(void *arg, const struct wt_usage *u)
{
        struct rows *w = arg;

        if (w->j->csv)
                wt_usage_csv(w->j->ask.by, u, w->out);
        else
                wt_usage_json(w->j->ask.by, u, w->out);
}

wt_err admin_usage_read(struct admin_job *j, wt_store *s, struct wt_buf *out)
{
        struct rows w = { j, out };

        if (j->csv) {
                wt_usage_csv_head(j->ask.by, out);
                return wt_usage_report(s, &j->ask, on_usage, &w);
        }
        wt_buf_str(out, "{\"object\":\"list\"");
        wt_buf_json_kv(out, "by", wt_usage_by_name[j->ask.by]);
        wt_buf_json_key(out, "data");
        wt_buf_str(out, "[");
        return list_end(wt_usage_report(s, &j->ask, on_usage, &w), out);
}
