/* span.h - bytes that are being read as protobuf, for the files of this floor. */
#ifndef WITAN_WIRE_SPAN_H
#define WITAN_WIRE_SPAN_H
#include <stdbool.h>
#include <stdint.h>

struct span { const uint8_t *at, *end; };

/* Both move s behind what they read. False: the bytes end before, or it has more than 64 bits. */
static inline bool span_varint(struct span *s, uint64_t *out)
{
        uint64_t v = 0;

        for (unsigned shift = 0; shift < 70 && s->at < s->end; shift += 7) {
                uint8_t byte = *s->at++;

                if (shift == 63 && byte > 1)
                        return false;
                v |= (uint64_t)(byte & 0x7f) << shift;
                if (byte < 0x80) {
                        *out = v;
                        return true;
                }
        }
        return false;
}

/* n bytes, little-endian. */
static inline bool span_fixed(struct span *s, unsigned n, uint64_t *out)
{
        uint64_t v = 0;

        if ((uint64_t)(s->end - s->at) < n)
                return false;
        for (unsigned i = 0; i < n; i++)
                v |= (uint64_t)s->at[i] << 8 * i;
        s->at += n;
        *out = v;
        return true;
}
#endif
