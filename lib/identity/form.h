/* form.h - tenants, teams, keys, prices and limits as JSON: what the admin API takes and gives, and
 * what `witan ... -o json` prints. Costs are amounts of the currency (money.h). */
#ifndef WITAN_IDENTITY_FORM_H
#define WITAN_IDENTITY_FORM_H
#include "base/buf.h"
#include "base/json.h"
#include "identity/identity.h"
#include "identity/quota.h"

/* A body of the API; 64 KiB and 16 deep at most. */
extern const struct wt_json_limits wt_form_limits;

/* Each appends an object, a comma in front where one is due. more: not closed yet. */
void wt_tenant_json(const struct wt_tenant *t, struct wt_buf *out);
void wt_team_json(const struct wt_team *t, struct wt_buf *out);
void wt_key_json(const struct wt_key *k, bool more, struct wt_buf *out);
void wt_price_json(const struct wt_price *p, struct wt_buf *out);
void wt_quota_json(const struct wt_quota_line *q, struct wt_buf *out);

/* What the object at the root of j says is written into *out; what it does not say stays. Strict:
 * an unknown field, a wrong type, a string that is too long or holds control characters:
 * WT_EINVAL in words, and *field (static, or NULL) is the field. */
struct wt_tenant_form { struct wt_tenant tenant; bool disabled; uint32_t limits; };
wt_err wt_tenant_read(const wt_json *j, struct wt_tenant_form *out, const char **field);
wt_err wt_team_read(const wt_json *j, struct wt_team *out, const char **field);
wt_err wt_key_read(const wt_json *j, struct wt_key *out, const char **field);
wt_err wt_price_form_read(const wt_json *j, struct wt_price *out, const char **field);
/* {"scope": "tenant:NAME", "limits": {...}}; limits: bits of those named. */
struct wt_scope_form { struct wt_scope scope; uint32_t limits; };
wt_err wt_scope_read(const wt_json *j, struct wt_scope_form *out, const char **field);
#endif
