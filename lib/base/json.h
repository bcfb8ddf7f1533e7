/* json.h - a strict JSON reader (RFC 8259) onto a tape; no recursion, limits first.
 * Refused: trailing bytes, duplicate keys, invalid UTF-8, unpaired surrogates in escapes,
 * leading BOM, NaN, control characters, numbers out of the double range (integers keep their own
 * digits: int64 and uint64 are exact), more depth or nodes than the limits allow. */
#ifndef WITAN_BASE_JSON_H
#define WITAN_BASE_JSON_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum wt_json_type { WT_JSON_NULL, WT_JSON_BOOL, WT_JSON_NUMBER, WT_JSON_STRING, WT_JSON_ARRAY,
                    WT_JSON_OBJECT };
struct wt_json_limits { uint32_t max_depth; size_t max_bytes; size_t max_nodes; };
extern const struct wt_json_limits wt_json_default;     /* 64 deep, 64 MiB, 16 M nodes */

typedef struct wt_json wt_json;                  /* a parsed document; owns its tape and strings */
typedef uint32_t wt_jv;                          /* a value in it; 0 is the root */
#define WT_JSON_NONE UINT32_MAX                  /* "no such value": every getter accepts it */

/* Borrows text only during the call. WT_EINVAL with byte offset and reason; WT_EEXHAUSTED:
 * limit. */
wt_err wt_json_parse(wt_json **out, const char *text, size_t len, const struct wt_json_limits *lim);
void wt_json_free(wt_json *j);

enum wt_json_type wt_json_type(const wt_json *j, wt_jv v);      /* NONE: WT_JSON_NULL */
/* Member of an object or NONE (also when v is no object). */
wt_jv wt_json_get(const wt_json *j, wt_jv v, const char *key);
uint32_t wt_json_count(const wt_json *j, wt_jv v);              /* members or elements, else 0 */
/* First child and next sibling, NONE at the end; in an object the children are values. */
wt_jv wt_json_first(const wt_json *j, wt_jv v);
wt_jv wt_json_next(const wt_json *j, wt_jv v);
const char *wt_json_key(const wt_json *j, wt_jv v, size_t *len);/* key of a member; NUL-ended too */
const char *wt_json_str(const wt_json *j, wt_jv v, size_t *len);/* unescaped; NULL if no string.
                                                 * NUL-ended; may hold NULs inside: use len */
/* A number without '.' and 'e' and within int64 or uint64. */
bool wt_json_is_int(const wt_json *j, wt_jv v);
/* False when v is no number, has a fraction or exponent, or does not fit. *out untouched then. */
bool wt_json_i64(const wt_json *j, wt_jv v, int64_t *out);
bool wt_json_u64(const wt_json *j, wt_jv v, uint64_t *out);
bool wt_json_f64(const wt_json *j, wt_jv v, double *out);
bool wt_json_bool(const wt_json *j, wt_jv v, bool *out);
/* The raw text of a value as it stood (object, array, number, ...); lent. */
const char *wt_json_raw(const wt_json *j, wt_jv v, size_t *len);
#endif
