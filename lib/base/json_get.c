/* json_get.c - reads the tape that json.c wrote. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/json_tape.h"
#include "base/number.h"

static const struct wt_json_node *at(const wt_json *j, wt_jv v, enum wt_json_type type)
{
        return v < j->n_nodes && j->node[v].type == type ? &j->node[v] : NULL;
}

enum wt_json_type wt_json_type(const wt_json *j, wt_jv v)
{
        return v < j->n_nodes ? (enum wt_json_type)j->node[v].type : WT_JSON_NULL;
}

uint32_t wt_json_count(const wt_json *j, wt_jv v)
{
        if (!at(j, v, WT_JSON_OBJECT) && !at(j, v, WT_JSON_ARRAY))
                return 0;
        return j->node[v].count;
}

wt_jv wt_json_first(const wt_json *j, wt_jv v)
{
        return wt_json_count(j, v) ? v + 1 : WT_JSON_NONE;
}

wt_jv wt_json_next(const wt_json *j, wt_jv v)
{
        return v < j->n_nodes ? j->node[v].next : WT_JSON_NONE;
}

/* SipHash-1-3 (Aumasson, Bernstein 2012): keys come from outside, and an attacker who could foresee
 * the slots would make a parse quadratic. */
static inline uint64_t rol(uint64_t x, int n) { return x << n | x >> (64 - n); }

static inline void sip_round(uint64_t v[4])
{
        v[0] += v[1]; v[1] = rol(v[1], 13) ^ v[0]; v[0] = rol(v[0], 32);
        v[2] += v[3]; v[3] = rol(v[3], 16) ^ v[2];
        v[0] += v[3]; v[3] = rol(v[3], 21) ^ v[0];
        v[2] += v[1]; v[1] = rol(v[1], 17) ^ v[2]; v[2] = rol(v[2], 32);
}

uint64_t wt_json_hash(const uint64_t key[2], const char *s, size_t len)
{
        uint64_t v[4] = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                          key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u };
        uint64_t last = (uint64_t)len << 56, m;

        for (; len >= 8; s += 8, len -= 8) {
                memcpy(&m, s, 8);
                v[3] ^= m;
                sip_round(v);
                v[0] ^= m;
        }
        for (size_t i = 0; i < len; i++)
                last |= (uint64_t)(unsigned char)s[i] << (8 * i);
        v[3] ^= last;
        sip_round(v);
        v[0] ^= last;
        v[2] ^= 0xff;
        for (int i = 0; i < 3; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool key_is(const wt_json *j, wt_jv v, const char *key, size_t len)
{
        return j->node[v].key_len == len && memcmp(j->strings + j->node[v].key_at, key, len) == 0;
}

wt_jv wt_json_get(const wt_json *j, wt_jv v, const char *key)
{
        const struct wt_json_node *o = at(j, v, WT_JSON_OBJECT);
        size_t len = strlen(key);
        wt_jv m;

        if (!o)
                return WT_JSON_NONE;
        if (o->count <= WT_JSON_SMALL) {
                for (m = wt_json_first(j, v); m != WT_JSON_NONE && !key_is(j, m, key, len);)
                        m = wt_json_next(j, m);
                return m;
        }
        uint32_t mask = wt_json_table_size(o->count) - 1;
        uint32_t i = (uint32_t)wt_json_hash(j->key, key, len) & mask;

        while ((m = j->slots[o->at + i]) != WT_JSON_NONE && !key_is(j, m, key, len))
                i = (i + 1) & mask;
        return m;
}

/* Lends a string and tells its length, or NULL and 0. */
static const char *lend(const char *s, size_t n, size_t *len)
{
        if (len)
                *len = n;
        return s;
}

const char *wt_json_key(const wt_json *j, wt_jv v, size_t *len)
{
        if (v >= j->n_nodes || j->node[v].key_at == WT_JSON_NONE)
                return lend(NULL, 0, len);
        return lend(j->strings + j->node[v].key_at, j->node[v].key_len, len);
}

const char *wt_json_str(const wt_json *j, wt_jv v, size_t *len)
{
        const struct wt_json_node *n = at(j, v, WT_JSON_STRING);

        return n ? lend(j->strings + n->at, n->count, len) : lend(NULL, 0, len);
}

const char *wt_json_raw(const wt_json *j, wt_jv v, size_t *len)
{
        if (v >= j->n_nodes)
                return lend(NULL, 0, len);
        return lend(j->text + j->node[v].raw_at, j->node[v].raw_len, len);
}

/* Digits only, with or without a minus: the magnitude fits 64 bits? */
static bool integer(const wt_json *j, wt_jv v, bool *negative, uint64_t *magnitude)
{
        const struct wt_json_node *n = at(j, v, WT_JSON_NUMBER);
        const char *s, *end;
        uint64_t m = 0;

        if (!n)
                return false;
        s = j->text + n->raw_at;
        end = s + n->raw_len;
        *negative = *s == '-';
        for (s += *negative; s < end; s++) {
                if (*s < '0' || *s > '9' || __builtin_mul_overflow(m, 10u, &m) ||
                    __builtin_add_overflow(m, (uint64_t)(*s - '0'), &m))
                        return false;
        }
        *magnitude = m;
        return true;
}

bool wt_json_i64(const wt_json *j, wt_jv v, int64_t *out)
{
        bool negative;
        uint64_t m;

        if (!integer(j, v, &negative, &m) || m > (uint64_t)INT64_MAX + negative)
                return false;
        *out = negative ? (int64_t)(0 - m) : (int64_t)m;
        return true;
}

bool wt_json_u64(const wt_json *j, wt_jv v, uint64_t *out)
{
        bool negative;
        uint64_t m;

        if (!integer(j, v, &negative, &m) || (negative && m != 0))
                return false;
        *out = m;
        return true;
}

bool wt_json_is_int(const wt_json *j, wt_jv v)
{
        int64_t i;
        uint64_t u;

        return wt_json_i64(j, v, &i) || wt_json_u64(j, v, &u);
}

bool wt_json_f64(const wt_json *j, wt_jv v, double *out)
{
        const struct wt_json_node *n = at(j, v, WT_JSON_NUMBER);

        if (!n)
                return false;
        *out = wt_strtod(j->text + n->raw_at, NULL);   /* what follows a number is no part of one */
        return true;
}

bool wt_json_bool(const wt_json *j, wt_jv v, bool *out)
{
        const struct wt_json_node *n = at(j, v, WT_JSON_BOOL);

        if (!n)
                return false;
        *out = n->is_true;
        return true;
}
