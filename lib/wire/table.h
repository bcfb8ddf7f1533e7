/* table.h - the descriptor tables of proto/witan/v1, for the files of this floor and for those who
 * keep a message of their own outside of an envelope (lib/audit).
 * A message is a struct and a row per field, in ascending numbers. Nesting is fixed: the envelope
 * holds tensors and one body, a body holds elements, an element holds no message. So a walk needs a
 * stack of WIRE_LEVELS and never recurses. */
#ifndef WITAN_WIRE_TABLE_H
#define WITAN_WIRE_TABLE_H
#include <string.h>
#include "wire/wire.h"

enum { WIRE_LEVELS = 3, WIRE_MAX_FIELDS = 40, WIRE_MAX_UNKNOWN = 64 };

enum wire_type { WIRE_U32, WIRE_U64, WIRE_I32, WIRE_BOOL, WIRE_FLOAT, WIRE_DOUBLE, WIRE_FIXED64,
                 WIRE_BYTES, WIRE_STR, WIRE_MSG };
/* INLINE: an array within the struct. */
enum wire_how { WIRE_ONE, WIRE_MANY, WIRE_PACKED, WIRE_INLINE };

struct wire_desc;
struct wire_field {
        uint8_t number, type, how;
        uint16_t off, n_off;                     /* of the value or array; of its count */
        uint32_t limit;                          /* greatest value, or length in bytes */
        uint32_t max_count;                      /* of arrays */
        const struct wire_desc *sub;             /* WIRE_MSG */
        const char *name;
};
struct wire_desc {
        const char *name;
        uint32_t size, n_fields;
        const struct wire_field *fields;
};

extern const struct wire_desc wire_envelope;     /* without its bodies */
const struct wire_desc *wire_body(uint32_t method);      /* NULL: unknown */
size_t wire_item_bytes(const struct wire_field *f);      /* of one value or array element */
/* The wire type of one value: 0 varint, 1 eight bytes, 2 a length and bytes, 5 four bytes. */
uint32_t wire_form(const struct wire_field *f);

/* Limits of one struct (not of the structs in its arrays): code in words when one is broken. */
wt_err wire_limits(wt_err code, const struct wire_desc *d, const char *base);
/* What binds the envelope's fields to each other: version, tensors, part of parts. */
wt_err wire_envelope_limits(wt_err code, const struct wt_envelope *e);

/* A message outside of an envelope, by the same rules: limits, canonical bytes, no recursion.
 * d may hold messages (WIRE_LEVELS deep). encode appends at most `most` bytes (WT_EINVAL) or
 * nothing; decode fills base (d->size bytes), what it points to lies in a. */
wt_err wire_encode_one(const struct wire_desc *d, const void *base, size_t most,
                       struct wt_buf *out);
wt_err wire_decode_one(const struct wire_desc *d, void *base, const void *data, size_t len,
                       struct wt_arena *a);

static inline uint32_t wire_count(const struct wire_field *f, const char *base)
{
        uint32_t n;

        memcpy(&n, base + f->n_off, sizeof n);
        return n;
}

/* The array of a repeated field, wherever it lies. */
static inline char *wire_array(const struct wire_field *f, const char *base)
{
        char *p;

        if (f->how == WIRE_INLINE)
                return (char *)(uintptr_t)(base + f->off);
        memcpy(&p, base + f->off, sizeof p);
        return p;
}
#endif
