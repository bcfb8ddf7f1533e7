#include "base/conf_value.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit { const char *name; uint64_t is; };
static const struct unit byte_units[] = {
        { "", 1 }, { "B", 1 },
        { "K", 1ull << 10 }, { "M", 1ull << 20 }, { "G", 1ull << 30 }, { "T", 1ull << 40 },
        { "KiB", 1ull << 10 }, { "MiB", 1ull << 20 }, { "GiB", 1ull << 30 }, { "TiB", 1ull << 40 },
        { NULL, 0 }
};
static const struct unit time_units[] = {
        { "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { NULL, 0 }
};
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct { const char *word; uint64_t is; } truths[] = {
        { "true", 1 }, { "yes", 1 }, { "on", 1 }, { "1", 1 },
        { "false", 0 }, { "no", 0 }, { "off", 0 }, { "0", 0 },
};

/* Digits, perhaps a blank, a unit. false: no such number, or beyond 64 bits. */
static bool read_number(const char *s, const struct unit *units, uint64_t *out)
{
        uint64_t n = 0;

        if (!isdigit((unsigned char)*s))
                return false;
        for (; isdigit((unsigned char)*s); s++)
                if (__builtin_mul_overflow(n, 10u, &n) ||
                    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
                        return false;
        if (*s == ' ' && s[1] != '\0')
                s++;
        for (; units->name; units++)
                if (strcasecmp(s, units->name) == 0)
                        return !__builtin_mul_overflow(n, units->is, out);
        return false;
}

static bool read_truth(const char *s, uint64_t *out)
{
        for (size_t i = 0; i < sizeof truths / sizeof *truths; i++)
                if (strcasecmp(s, truths[i].word) == 0) {
                        *out = truths[i].is;
                        return true;
                }
        return false;
}

static const char *wanted(enum wt_conf_type type)
{
        switch (type) {
        case WT_CONF_U64: return "a whole number such as ";
        case WT_CONF_BYTES: return "a number of bytes such as 4096, 64K, 256M or 1G (K is 1024)";
        case WT_CONF_MS: return "a time such as 250ms, 10s, 5m or 1h";
        case WT_CONF_BOOL: return "true or false; write one of them";
        default: return "text";
        }
}

static wt_err check(const struct wt_setting *row, const char *text, const char *where, uint64_t *n)
{
        bool words = row->type == WT_CONF_STR || row->type == WT_CONF_PATH, read = true;

        switch (row->type) {
        case WT_CONF_STR: case WT_CONF_PATH: *n = strlen(text); break;
        case WT_CONF_U64: read = read_number(text, no_units, n); break;
        case WT_CONF_BYTES: read = read_number(text, byte_units, n); break;
        case WT_CONF_MS: read = read_number(text, time_units, n); break;
        case WT_CONF_BOOL: read = read_truth(text, n); break;
        }
        if (!read)
                return wt_fail(WT_EINVAL, "%s: '%.80s' (%s) is not %s%s", row->name, text, where,
                               wanted(row->type), row->type == WT_CONF_U64 ? row->def : "");
        if (*n >= row->min && *n <= row->max)
                return WT_OK;
        if (words)
                return wt_fail(WT_EINVAL,
                               "%s: '%.80s' (%s) has %" PRIu64 " bytes; %" PRIu64 " to %" PRIu64
                               " are allowed",
                               row->name, text, where, *n, row->min, row->max);
        return wt_fail(WT_EINVAL, "%s: %s (%s) is not between %" PRIu64 " and %" PRIu64 "%s%s; "
                       "choose one in between", row->name, text, where, row->min, row->max,
                       *row->unit ? " " : "", row->unit);
}

wt_err wt_conf_set(wt_conf *c, enum wt_set s, const char *text, size_t len, enum wt_conf_from from,
                   const char *where)
{
        struct wt_conf_value *v = &c->value[s];
        char *copy = strndup(text, len), *origin = strdup(where);
        uint64_t n = 0;
        wt_err err = copy && origin ? check(&wt_settings[s], copy, where, &n)
                                    : wt_fail(WT_ENOMEM, "no memory for the setting %s",
                                              wt_settings[s].name);

        if (err != WT_OK) {
                free(copy);
                free(origin);
                return err;
        }
        free(v->text);
        free(v->where);
        *v = (struct wt_conf_value){ .text = copy, .where = origin, .number = n, .from = from };
        return WT_OK;
}
