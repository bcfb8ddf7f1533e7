/* conf.h - settings (law 7): a setting is one row of lib/base/settings.def, and flags, environment,
 * config file, --help and the docs come from that row.
 * Precedence: flag, environment, file, default; each value knows where it came from.
 *   name "kv_bytes" -> flag --kv-bytes V (or --kv-bytes=V), environment WITAN_KV_BYTES, file line
 *   "kv_bytes: V" ('#' comments; the flat subset of YAML). The file is the one that the setting
 *   `config` names. A path that begins with "~/" is under HOME. */
#ifndef WITAN_BASE_CONF_H
#define WITAN_BASE_CONF_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

enum wt_conf_type { WT_CONF_STR, WT_CONF_U64, WT_CONF_BYTES /* 64M, 1G */,
                    WT_CONF_MS /* 10s, 250ms */, WT_CONF_BOOL, WT_CONF_PATH };
enum wt_conf_role { WT_FOR_GATEWAY = 1, WT_FOR_ROUTER = 2, WT_FOR_EXPERT = 4, WT_FOR_WITAN = 8,
                    WT_FOR_ALL = 15 };
/* STATE: a program recalled it from its state folder (wt_conf_recall). */
enum wt_conf_from { WT_FROM_DEFAULT, WT_FROM_STATE, WT_FROM_FILE, WT_FROM_ENV, WT_FROM_FLAG };

struct wt_setting {
        const char *name; enum wt_conf_type type;
        const char *def;                         /* default as text */
        uint64_t min, max;                       /* bounds of numbers (of length for strings) */
        const char *unit, *help;                 /* help: one sentence */
        unsigned roles;                          /* enum wt_conf_role, or-ed */
};
/* WT_SET_<name> for each row, in order; N_WT_SETTINGS. */
enum wt_set {
#define S(name, type, def, min, max, unit, roles, help) WT_SET_##name,
#include "base/settings.def"
#undef S
        N_WT_SETTINGS
};
extern const struct wt_setting wt_settings[N_WT_SETTINGS];

typedef struct wt_conf wt_conf;
/* argv without the program's name; every flag must be a row of role, else WT_EINVAL names it and
 * the nearest known one. Words that are no flags are handed back by wt_conf_rest. file may be NULL;
 * envp is main's. --help is left to main: wt_conf_wants_help. */
wt_err wt_conf_load(wt_conf **out, unsigned role, int argc, char *const *argv, char *const *envp,
                    const char *file);
void wt_conf_free(wt_conf *c);
/* Another value for a setting, checked like a flag's: what a program decided after it was
 * started. */
wt_err wt_conf_decide(wt_conf *c, enum wt_set s, const char *value);
/* A value that the state folder's record has (where: "state /var/lib/witan/witan.json"), for a
 * setting that nothing but its default sets; for another it does nothing. */
wt_err wt_conf_recall(wt_conf *c, enum wt_set s, const char *value, const char *where);
const char *wt_conf_str(const wt_conf *c, enum wt_set s);   /* "" when empty; never NULL */
uint64_t wt_conf_u64(const wt_conf *c, enum wt_set s);      /* U64, BYTES, MS (in ms) */
bool wt_conf_bool(const wt_conf *c, enum wt_set s);
enum wt_conf_from wt_conf_from(const wt_conf *c, enum wt_set s);
/* "flag --http", "environment WITAN_HTTP", "file witan.conf line 3" or "default" */
const char *wt_conf_where(const wt_conf *c, enum wt_set s);
const char *wt_conf_from_name(enum wt_conf_from f);   /* "default", "state", "file" ... */
int wt_conf_rest(const wt_conf *c, char *const **words);    /* their number */
bool wt_conf_wants_help(const wt_conf *c);
void wt_conf_help(FILE *to, unsigned role);                 /* the rows of a role, aligned */
/* The row whose name is nearest to s (edit distance <= 3) among those of role, or NULL. */
const struct wt_setting *wt_conf_nearest(const char *s, unsigned role);
/* The row of this name ('-' reads as '_'), or N_WT_SETTINGS. */
enum wt_set wt_conf_row(const char *name, size_t len);
/* "kv_bytes" -> "--kv-bytes" or "WITAN_KV_BYTES". */
void wt_conf_flag_name(const struct wt_setting *s, char out[64]);
void wt_conf_env_name(const struct wt_setting *s, char out[64]);
/* Reads a file of settings as every role does and hands the words of each failure to each, in
 * order; returns how many there were. What each hears first may be that the file cannot be read. */
uint32_t wt_conf_check_file(const char *path, void (*each)(void *arg, const char *words),
                            void *arg);
#endif
