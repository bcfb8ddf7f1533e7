/* json_tape.h - the tape between json.c, which writes it, and json_get.c, which reads it. */
#ifndef WITAN_BASE_JSON_TAPE_H
#define WITAN_BASE_JSON_TAPE_H
#include "base/json.h"

/* Nodes lie in document order: a container's first child is the node after it. */
struct wt_json_node {
        uint32_t raw_at, raw_len;                /* in text */
        uint32_t next;                       /* sibling or NONE; of an open container: its parent */
        uint32_t key_at, key_len;                /* in strings; key_at NONE: no member */
        uint32_t count;                          /* members, elements, or bytes of a string */
        uint32_t at;                            /* string: in strings; object: its table in slots */
        uint8_t type;                            /* enum wt_json_type */
        uint8_t is_true;                         /* of a bool */
};

/* Objects of more than WT_JSON_SMALL members have a table: 2^k >= 2 * members slots of node
 * numbers, open addressing, keyed hash. */
enum { WT_JSON_SMALL = 8 };

struct wt_json {
        char *text;                              /* the document, NUL-ended */
        char *strings;                           /* unescaped strings and keys, NUL-ended each */
        struct wt_json_node *node;
        uint32_t n_nodes, cap_nodes;
        uint32_t *slots;
        size_t n_slots, cap_slots;
        uint64_t key[2];                         /* of the hash: drawn per document with tables */
};

uint64_t wt_json_hash(const uint64_t key[2], const char *s, size_t len);
/* Slots in the table of an object of n members. */
static inline uint32_t wt_json_table_size(uint32_t n)
{
        uint32_t size = 16;

        while (size < 2u * n)
                size *= 2;
        return size;
}
#endif
