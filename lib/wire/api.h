/* api.h - the messages of proto/witan/v1/api.proto, and their other form: the JSON of the HTTP
 * door. Fields have the same names there, so a table of names is all that the two need. Presence is
 * kept: an absent field is absent on the other side. Nothing recurses deeper than the tables do. */
#ifndef WITAN_WIRE_API_H
#define WITAN_WIRE_API_H
#include "base/buf.h"
#include "base/json.h"

enum api_type { API_STR, API_BOOL, API_INT, API_DOUBLE, API_MSG };
/* MAP: an object of JSON, entries {1 key, 2 value}. BARE: messages of one repeated field, each
 * written as its array or object alone. */
enum api_how { API_ONE, API_MANY, API_MAP, API_BARE };

struct api_message;
struct api_field {
        uint32_t number;
        const char *name;                        /* in JSON */
        enum api_type type;
        enum api_how how;
        const struct api_message *of;            /* API_MSG, and the entries of MAP */
};
struct api_message { const char *name; const struct api_field *field; uint32_t n; };

/* A method: its path, what it is asked with and answers with, and the HTTP door that does it.
 * Behind API_ADMIN are many: the request says which, and JSON is text in one field, both ways. */
#define API_ADMIN "/v1/admin/"
struct api_method {
        const char *path, *door;
        const struct api_message *request, *response;
        const char *extra;                       /* members that the request has beside its own */
        int stream;
};
extern const struct api_method api_methods[];    /* path NULL at the end */
const struct api_method *api_method(const char *path);   /* NULL: unknown */

/* Appends m as a JSON object; extra ("" or `"stream":true,...`) goes in front. Unknown fields are
 * skipped. WT_EINVAL in words: not protobuf, a wrong wire type, more than 65,536 fields, a number
 * that JSON has no word for. */
wt_err api_to_json(const struct api_message *m, const void *data, size_t len, const char *extra,
                   struct wt_buf *out);
/* Appends the protobuf of an object; members that the table does not know, and null, are left out.
 * WT_EDATA: a member of another type than the table says. */
wt_err api_of_json(const struct api_message *m, const wt_json *j, wt_jv v, struct wt_buf *out);
#endif
