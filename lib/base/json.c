#include "base/json_tape.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "base/rng.h"
#include "base/utf8.h"

const struct wt_json_limits wt_json_default = { .max_depth = 64, .max_bytes = 64u << 20,
                                                .max_nodes = 16u << 20 };

/* Offsets and node numbers are 32 bits; the last number means NONE. */
static const size_t most = UINT32_MAX - 1;

struct reader {
        wt_json *j;
        const char *p, *end;                     /* in j->text; *end is NUL */
        char *str;                               /* where the next string goes */
        const struct wt_json_limits *lim;
        uint32_t open;                           /* innermost open container or NONE */
        uint32_t last;                           /* its last child so far or NONE */
        uint32_t depth;
        uint32_t key_at, key_len;                /* of the value to come; NONE in arrays */
};

static wt_err refuse(const struct reader *r, const char *at, const char *why)
{
        if (at >= r->end)
                return wt_fail(WT_EINVAL, "JSON ends too early, at byte %zu: %s",
                               (size_t)(r->end - r->j->text), why);
        return wt_fail(WT_EINVAL, "JSON is wrong at byte %zu: %s", (size_t)(at - r->j->text), why);
}

static void skip_blanks(struct reader *r)
{
        while (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r')
                r->p++;
}

/* ---- strings ---- */

static int hex4(const char *s)
{
        int v = 0;

        for (int i = 0; i < 4; i++) {
                int c = s[i], lower = c | 0x20;

                if (c >= '0' && c <= '9')
                        v = v * 16 + c - '0';
                else if (lower >= 'a' && lower <= 'f')
                        v = v * 16 + lower - 'a' + 10;
                else
                        return -1;               /* the NUL at the end, too */
        }
        return v;
}

/* r->p is at a backslash; writes the character it stands for. */
static wt_err escape(struct reader *r)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *start = r->p, *hit;
        int c, low;

        r->p++;
        if (*r->p != 'u') {
                hit = *r->p ? strchr(from, *r->p) : NULL;
                if (!hit)
                        return refuse(r, r->p, "no such escape");
                *r->str++ = to[hit - from];
                r->p++;
                return WT_OK;
        }
        c = hex4(r->p + 1);
        if (c < 0)
                return refuse(r, start, "\\u wants four hex digits");
        r->p += 5;
        if (c >= 0xd800 && c <= 0xdfff) {
                low = c < 0xdc00 && r->p[0] == '\\' && r->p[1] == 'u' ? hex4(r->p + 2) : -1;
                if (low < 0xdc00 || low > 0xdfff)
                        return refuse(r, start, "unpaired surrogate");
                r->p += 6;
                c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
        }
        r->str += wt_utf8_put((uint32_t)c, r->str);
        return WT_OK;
}

/* Copies the plain ASCII at r->p, eight bytes at a time; stops at ", \, control, non-ASCII or
 * NUL. */
static void copy_plain(struct reader *r)
{
        const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;

        while (r->end - r->p >= 8) {
                uint64_t w, quote, slash;

                memcpy(&w, r->p, 8);
                quote = w ^ ones * '"';
                slash = w ^ ones * '\\';
                if ((w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & tops)
                        break;                   /* borrows can only stop it too early */
                memcpy(r->str, r->p, 8);
                r->str += 8;
                r->p += 8;
        }
        while ((unsigned char)*r->p >= 0x20 && *r->p != '"' && *r->p != '\\' &&
               (unsigned char)*r->p < 0x80)
                *r->str++ = *r->p++;
}

/* r->p is after the opening quote. strings never overflows: what is written, the NUL included, is
 * never longer than what was read, the quotes included. */
static wt_err string(struct reader *r, uint32_t *at, uint32_t *len)
{
        char *start = r->str;
        size_t n;
        wt_err err;

        for (;;) {
                copy_plain(r);
                if (*r->p == '"')
                        break;
                if (*r->p == '\\') {
                        if ((err = escape(r)) != WT_OK)
                                return err;
                        continue;
                }
                n = wt_utf8(r->p, (size_t)(r->end - r->p));
                if (n < 2)
                        return refuse(r, r->p, n ? "a control character must be escaped"
                                                 : "no UTF-8, or the string has no end");
                memcpy(r->str, r->p, n);
                r->str += n;
                r->p += n;
        }
        r->p++;
        *at = (uint32_t)(start - r->j->strings);
        *len = (uint32_t)(r->str - start);
        *r->str++ = '\0';
        return WT_OK;
}

/* ---- nodes ---- */

/* A new node for the value at r->p, linked after its elder sibling. */
static wt_err add(struct reader *r, enum wt_json_type type, uint32_t *out)
{
        wt_json *j = r->j;
        uint32_t v = j->n_nodes;

        if (v >= r->lim->max_nodes || v >= most)
                return wt_fail(WT_EEXHAUSTED, "JSON has more than %zu values", r->lim->max_nodes);
        if (v == j->cap_nodes) {
                size_t cap = (size_t)j->cap_nodes * 2 < most ? (size_t)j->cap_nodes * 2 : most;
                struct wt_json_node *grown = realloc(j->node, cap * sizeof *grown);

                if (!grown)
                        return wt_fail(WT_ENOMEM, "no memory for %zu JSON values", cap);
                j->node = grown;
                j->cap_nodes = (uint32_t)cap;
        }
        j->n_nodes++;
        j->node[v] = (struct wt_json_node){.raw_at = (uint32_t)(r->p - j->text),
                                           .next = WT_JSON_NONE,
                                           .key_at = r->key_at,
                                           .key_len = r->key_len,
                                           .type = (uint8_t)type};
        if (r->last != WT_JSON_NONE)
                j->node[r->last].next = v;
        if (r->open != WT_JSON_NONE)
                j->node[r->open].count++;
        r->last = v;
        *out = v;
        return WT_OK;
}

static void end_raw(struct reader *r, uint32_t v)
{
        r->j->node[v].raw_len = (uint32_t)(r->p - r->j->text) - r->j->node[v].raw_at;
}

static bool digit(char c) { return c >= '0' && c <= '9'; }

static wt_err number(struct reader *r)
{
        const char *start = r->p, *digits;
        bool exponent = false;
        uint32_t v = 0;
        wt_err err;

        if ((err = add(r, WT_JSON_NUMBER, &v)) != WT_OK)
                return err;
        if (*r->p == '-') r->p++;
        digits = r->p;
        if (!digit(*r->p))
                return refuse(r, r->p, "a value was expected");
        while (digit(*r->p)) r->p++;
        if (*digits == '0' && r->p - digits > 1)
                return refuse(r, digits, "a number must not begin with 0");
        if (*r->p == '.') {
                if (!digit(*++r->p))
                        return refuse(r, r->p, "a digit must follow the point");
                while (digit(*r->p)) r->p++;
        }
        if (*r->p == 'e' || *r->p == 'E') {
                exponent = true;
                r->p++;
                if (*r->p == '+' || *r->p == '-') r->p++;
                if (!digit(*r->p))
                        return refuse(r, r->p, "the exponent has no digit");
                while (digit(*r->p)) r->p++;
        }
        end_raw(r, v);
        /* Up to 300 digits without exponent stay below 1.8e308. */
        if ((exponent || r->p - digits > 300) && !isfinite(wt_strtod(start, NULL)))
                return refuse(r, start, "the number is beyond the double range");
        return WT_OK;
}

static wt_err word(struct reader *r, const char *text, enum wt_json_type type, uint8_t is_true)
{
        size_t n = strlen(text);
        uint32_t v = 0;
        wt_err err;

        if (strncmp(r->p, text, n) != 0)
                return refuse(r, r->p, "a value was expected");
        if ((err = add(r, type, &v)) != WT_OK)
                return err;
        r->p += n;
        r->j->node[v].is_true = is_true;
        end_raw(r, v);
        return WT_OK;
}

/* ---- objects ---- */

static wt_err key(struct reader *r)
{
        wt_err err;

        skip_blanks(r);
        if (*r->p != '"')
                return refuse(r, r->p, "a key in quotes was expected");
        r->p++;
        if ((err = string(r, &r->key_at, &r->key_len)) != WT_OK)
                return err;
        skip_blanks(r);
        if (*r->p != ':')
                return refuse(r, r->p, "a colon must follow a key");
        r->p++;
        return WT_OK;
}

static bool same_key(const wt_json *j, uint32_t a, uint32_t b)
{
        const struct wt_json_node *x = &j->node[a], *y = &j->node[b];

        return x->key_len == y->key_len &&
               memcmp(j->strings + x->key_at, j->strings + y->key_at, x->key_len) == 0;
}

static wt_err twice(const struct reader *r, uint32_t v)
{
        const struct wt_json_node *n = &r->j->node[v];

        return wt_fail(WT_EINVAL, "JSON is wrong at byte %zu: the key \"%.64s\" before this value "
                       "stood already; leave one of the two out", (size_t)n->raw_at,
                       r->j->strings + n->key_at);
}

static wt_err table_new(wt_json *j, uint32_t size, uint32_t **out)
{
        if (j->n_slots + size > most)
                return wt_fail(WT_EEXHAUSTED, "JSON has too many members");
        if (j->n_slots == 0)
                wt_random_bytes(j->key, sizeof j->key);
        if (j->n_slots + size > j->cap_slots) {
                size_t cap =
                        2 * j->cap_slots > j->n_slots + size ? 2 * j->cap_slots : j->n_slots + size;
                uint32_t *grown = realloc(j->slots, cap * sizeof *grown);

                if (!grown)
                        return wt_fail(WT_ENOMEM, "no memory for a table of %u JSON keys", size);
                j->slots = grown;
                j->cap_slots = cap;
        }
        *out = memset(j->slots + j->n_slots, 0xff, size * sizeof **out);        /* NONE in all */
        return WT_OK;
}

/* The members of a closed object are told apart: by comparing all where they are few, else by the
 * table that wt_json_get will use. */
static wt_err check_keys(struct reader *r, uint32_t obj)
{
        wt_json *j = r->j;
        uint32_t n = j->node[obj].count, size, *slot = NULL;
        wt_err err;

        if (n <= WT_JSON_SMALL) {
                for (uint32_t a = wt_json_first(j, obj); a != WT_JSON_NONE; a = j->node[a].next)
                        for (uint32_t b = obj + 1; b != a; b = j->node[b].next)
                                if (same_key(j, a, b))
                                        return twice(r, a);
                return WT_OK;
        }
        size = wt_json_table_size(n);
        if ((err = table_new(j, size, &slot)) != WT_OK)
                return err;
        for (uint32_t a = obj + 1; a != WT_JSON_NONE; a = j->node[a].next) {
                const struct wt_json_node *m = &j->node[a];
                uint64_t h = wt_json_hash(j->key, j->strings + m->key_at, m->key_len);
                uint32_t i = (uint32_t)h & (size - 1);

                for (; slot[i] != WT_JSON_NONE; i = (i + 1) & (size - 1))
                        if (same_key(j, slot[i], a))
                                return twice(r, a);
                slot[i] = a;
        }
        j->node[obj].at = (uint32_t)j->n_slots;
        j->n_slots += size;
        return WT_OK;
}

static wt_err open_container(struct reader *r, enum wt_json_type type)
{
        uint32_t v = 0;
        wt_err err;

        if (++r->depth > r->lim->max_depth)
                return wt_fail(WT_EEXHAUSTED, "JSON is nested deeper than %u, at byte %zu",
                               r->lim->max_depth, (size_t)(r->p - r->j->text));
        if ((err = add(r, type, &v)) != WT_OK)
                return err;
        r->p++;
        r->j->node[v].next = r->open;
        r->open = v;
        r->last = WT_JSON_NONE;
        return WT_OK;
}

static wt_err close_container(struct reader *r)
{
        uint32_t v = r->open;

        r->p++;
        r->depth--;
        end_raw(r, v);
        r->open = r->j->node[v].next;
        r->j->node[v].next = WT_JSON_NONE;
        r->last = v;
        return r->j->node[v].type == WT_JSON_OBJECT ? check_keys(r, v) : WT_OK;
}

/* ---- the loop ---- */

/* One scalar, or the opening of a container. */
static wt_err value(struct reader *r)
{
        uint32_t v = 0;
        wt_err err;

        skip_blanks(r);
        switch (*r->p) {
        case '{': return open_container(r, WT_JSON_OBJECT);
        case '[': return open_container(r, WT_JSON_ARRAY);
        case 't': return word(r, "true", WT_JSON_BOOL, 1);
        case 'f': return word(r, "false", WT_JSON_BOOL, 0);
        case 'n': return word(r, "null", WT_JSON_NULL, 0);
        case '"':
                if ((err = add(r, WT_JSON_STRING, &v)) != WT_OK)
                        return err;
                r->p++;
                err = string(r, &r->j->node[v].at, &r->j->node[v].count);
                end_raw(r, v);
                return err;
        default: return number(r);
        }
}

/* What may come after a value or an opening: closings, then a comma or the end. *more: a value
 * comes. */
static wt_err between(struct reader *r, bool *more)
{
        wt_err err;

        while (r->open != WT_JSON_NONE) {
                bool object = r->j->node[r->open].type == WT_JSON_OBJECT;
                bool empty = r->last == WT_JSON_NONE;

                skip_blanks(r);
                if (*r->p == (object ? '}' : ']')) {
                        if ((err = close_container(r)) != WT_OK)
                                return err;
                        continue;
                }
                if (!empty && *r->p++ != ',')
                        return refuse(r, r->p - 1, object ? "a comma or } was expected"
                                                          : "a comma or ] was expected");
                r->key_at = WT_JSON_NONE;
                r->key_len = 0;
                *more = true;
                return object ? key(r) : WT_OK;
        }
        *more = false;
        return WT_OK;
}

static wt_err document(struct reader *r)
{
        bool more = true;
        wt_err err;

        while (more)
                if ((err = value(r)) != WT_OK || (err = between(r, &more)) != WT_OK)
                        return err;
        skip_blanks(r);
        return r->p == r->end ? WT_OK : refuse(r, r->p, "nothing may follow the value");
}

wt_err wt_json_parse(wt_json **out, const char *text, size_t len, const struct wt_json_limits *lim)
{
        struct reader r = { .lim = lim ? lim : &wt_json_default, .open = WT_JSON_NONE,
                            .last = WT_JSON_NONE, .key_at = WT_JSON_NONE };
        size_t cap = len / 16 + 8;
        wt_json *j;
        wt_err err;

        if (len > r.lim->max_bytes || len > most)
                return wt_fail(WT_EEXHAUSTED, "JSON of %zu bytes is larger than %zu", len,
                               r.lim->max_bytes);
        cap = cap < r.lim->max_nodes ? cap : r.lim->max_nodes + 1;
        j = calloc(1, sizeof *j);
        if (j) {
                j->text = malloc(len + 1);
                j->strings = malloc(len + 1);
                j->node = malloc(cap * sizeof *j->node);
                j->cap_nodes = (uint32_t)cap;
        }
        if (!j || !j->text || !j->strings || !j->node) {
                wt_json_free(j);
                return wt_fail(WT_ENOMEM, "no memory for JSON of %zu bytes", len);
        }
        if (len)
                memcpy(j->text, text, len);
        j->text[len] = '\0';
        r.j = j;
        r.p = j->text;
        r.end = j->text + len;
        r.str = j->strings;
        if ((err = document(&r)) != WT_OK) {
                wt_json_free(j);
                return err;
        }
        *out = j;
        return WT_OK;
}

void wt_json_free(wt_json *j)
{
        if (!j)
                return;
        free(j->text);
        free(j->strings);
        free(j->node);
        free(j->slots);
        free(j);
}
