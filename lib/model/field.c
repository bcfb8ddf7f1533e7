/* field.c - typed, bounded fields of a JSON object, see field.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "model/field.h"

enum { SHOWN = 48 };                             /* bytes of a value that a message quotes */

void wt_field_fail(struct wt_fields *f, const char *fmt, ...)
{
        va_list ap;

        if (f->err != WT_OK)
                return;
        va_start(ap, fmt);
        f->err = wt_failv(WT_EINVAL, fmt, ap);
        va_end(ap);
}

static wt_jv find(const struct wt_fields *f, const char *name)
{
        wt_jv v = wt_json_get(f->json, f->at, name);

        return v == WT_JSON_NONE || wt_json_type(f->json, v) == WT_JSON_NULL ? WT_JSON_NONE : v;
}

/* "field "x" is VALUE", the value cut short. */
static void found(const struct wt_fields *f, const char *name, wt_jv v, char out[160])
{
        size_t len = 0;
        const char *raw = wt_json_raw(f->json, v, &len);
        int shown = len > SHOWN ? SHOWN : (int)len;

        snprintf(out, 160, "field \"%s%.40s\" is %.*s%s", f->prefix, name, raw ? shown : 0,
                 raw ? raw : "", len > SHOWN ? "..." : "");
}

bool wt_field_there(const struct wt_fields *f, const char *name)
{
        return find(f, name) != WT_JSON_NONE;
}

uint32_t wt_field_u32(struct wt_fields *f, const char *name, uint32_t min, uint32_t max,
                      int64_t def)
{
        wt_jv v = find(f, name);
        uint64_t n = 0;
        char what[160];

        if (v == WT_JSON_NONE) {
                if (def >= 0)
                        return (uint32_t)def;
                wt_field_fail(f, "field \"%s%s\" is missing; it wants a whole number from %u to %u",
                              f->prefix, name, min, max);
                return min;
        }
        if (wt_json_u64(f->json, v, &n) && n >= min && n <= max)
                return (uint32_t)n;
        found(f, name, v, what);
        wt_field_fail(f, "%s; allowed: a whole number from %u to %u", what, min, max);
        return min;
}

double wt_field_f64(struct wt_fields *f, const char *name, double min, double max, double def)
{
        wt_jv v = find(f, name);
        double x = 0;
        char what[160];

        if (v == WT_JSON_NONE) {
                if (def == def)
                        return def;
                wt_field_fail(f, "field \"%s%s\" is missing; it wants a number from %g to %g",
                              f->prefix, name, min, max);
                return min;
        }
        if (wt_json_f64(f->json, v, &x) && x >= min && x <= max)
                return x;
        found(f, name, v, what);
        wt_field_fail(f, "%s; allowed: a number from %g to %g", what, min, max);
        return min;
}

bool wt_field_bool(struct wt_fields *f, const char *name, bool def)
{
        wt_jv v = find(f, name);
        bool b = def;
        char what[160];

        if (v == WT_JSON_NONE || wt_json_bool(f->json, v, &b))
                return b;
        found(f, name, v, what);
        wt_field_fail(f, "%s; allowed: true or false", what);
        return def;
}

const char *wt_field_word(struct wt_fields *f, const char *name, const char *def,
                          const char *const *allowed)
{
        wt_jv v = find(f, name);
        size_t len = 0;
        const char *s;
        char what[160];
        struct wt_buf all = { 0 };

        if (v == WT_JSON_NONE && def)
                return def;
        s = wt_json_str(f->json, v, &len);
        for (const char *const *a = allowed; *a; a++)
                if (s && strlen(*a) == len && memcmp(*a, s, len) == 0)
                        return *a;
        for (const char *const *a = allowed; *a; a++)
                wt_buf_fmt(&all, "%s%s", a == allowed ? "" : ", ", *a);
        if (v == WT_JSON_NONE) {
                wt_field_fail(f, "field \"%s%s\" is missing; allowed: %s", f->prefix, name,
                              all.data);
        } else {
                found(f, name, v, what);
                wt_field_fail(f, "%s; allowed: %s", what, all.data);
        }
        wt_buf_free(&all);
        return def ? def : allowed[0];
}

void wt_field_refuse(struct wt_fields *f, const char *name, const char *why)
{
        wt_jv v = find(f, name);
        bool on = true;
        char what[160];

        if (v == WT_JSON_NONE || (wt_json_bool(f->json, v, &on) && !on))
                return;
        found(f, name, v, what);
        wt_field_fail(f, "%s; %s", what, why);
}
