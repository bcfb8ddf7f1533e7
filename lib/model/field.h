/* field.h - reads the fields of a config.json with their bounds. The reader keeps its first
 * error: a family reads all it needs and asks f->err once. Every message has field, value, what
 * is allowed. */
#ifndef WITAN_MODEL_FIELD_H
#define WITAN_MODEL_FIELD_H
#include <stdbool.h>
#include "base/err.h"
#include "base/json.h"

struct wt_fields {
        const wt_json *json;
        wt_jv at;                                /* the object that is read */
        const char *prefix;                      /* "" or "rope_scaling." */
        wt_err err;                              /* the first failure; WT_OK so far */
};
#define WT_NEEDED (-1)                           /* as a default: the field must be there */

/* An absent field and a null are the same: the default, or an error when it is needed. */
bool wt_field_there(const struct wt_fields *f, const char *name);
uint32_t wt_field_u32(struct wt_fields *f, const char *name, uint32_t min, uint32_t max,
                      int64_t def);
double wt_field_f64(struct wt_fields *f, const char *name, double min, double max, double def);
bool wt_field_bool(struct wt_fields *f, const char *name, bool def);
/* allowed: NULL-ended. Returns one of allowed, or def. */
const char *wt_field_word(struct wt_fields *f, const char *name, const char *def,
                          const char *const *allowed);
/* Refuses a field that is there, not null and not false; why ends the sentence. */
void wt_field_refuse(struct wt_fields *f, const char *name, const char *why);
/* Keeps an error in the reader's own words unless it has one already. */
void wt_field_fail(struct wt_fields *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
