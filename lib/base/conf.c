#include "base/conf_value.h"
#include <stdlib.h>
#include <string.h>

static wt_err from_defaults(wt_conf *c)
{
        wt_err err;

        for (int i = 0; i < N_WT_SETTINGS; i++) {
                const char *def = wt_settings[i].def;

                err = wt_conf_set(c, (enum wt_set)i, def, strlen(def), WT_FROM_DEFAULT, "default");
                if (err != WT_OK)
                        return err;
        }
        return WT_OK;
}

static wt_err from_env(wt_conf *c, unsigned role, char *const *envp)
{
        wt_err err;

        for (int i = 0; i < N_WT_SETTINGS; i++) {
                char name[64], where[96];
                size_t n;

                if (!(wt_settings[i].roles & role))
                        continue;
                wt_conf_env_name(&wt_settings[i], name);
                snprintf(where, sizeof where, "environment %s", name);
                n = strlen(name);
                for (char *const *e = envp; e && *e; e++) {
                        const char *value = *e + n + 1;

                        if (strncmp(*e, name, n) != 0 || (*e)[n] != '=')
                                continue;
                        err = wt_conf_set(c, (enum wt_set)i, value, strlen(value), WT_FROM_ENV,
                                          where);
                        if (err != WT_OK)
                                return err;
                        break;                   /* getenv takes the first as well */
                }
        }
        return WT_OK;
}

static wt_err unknown_flag(const char *flag, int name_len, enum wt_set row, unsigned role)
{
        char name[128], hint[128] = "";

        if (row != N_WT_SETTINGS)
                return wt_fail(WT_EINVAL, "flag %.*s is not for this program; see --help",
                               name_len + 2, flag);
        snprintf(name, sizeof name, "%.*s", name_len, flag + 2);
        wt_conf_hint(name, role, "--", hint);
        return wt_fail(WT_EINVAL, "unknown flag --%s%s", name, *hint ? hint : "; see --help");
}

/* argv[*i] begins with "--"; moves *i to the last word it used. */
static wt_err one_flag(wt_conf *c, unsigned role, int argc, char *const *argv, int *i)
{
        const char *flag = argv[*i], *value = NULL;
        size_t n = strcspn(flag + 2, "=");
        enum wt_set row = wt_conf_row(flag + 2, n);
        char where[96];

        if (row == N_WT_SETTINGS || !(wt_settings[row].roles & role))
                return unknown_flag(flag, n < 100 ? (int)n : 100, row, role);
        if (flag[2 + n] == '=')
                value = flag + 3 + n;
        else if (wt_settings[row].type == WT_CONF_BOOL)
                value = "true";
        else if (*i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0)
                value = argv[++*i];
        if (!value)
                return wt_fail(WT_EINVAL, "flag %s needs a value; write %s=VALUE", flag, flag);
        snprintf(where, sizeof where, "flag --%.*s", (int)n, flag + 2);
        return wt_conf_set(c, row, value, strlen(value), WT_FROM_FLAG, where);
}

/* "--" ends the flags; words, and options with one dash, are left to main. */
static wt_err from_flags(wt_conf *c, unsigned role, int argc, char *const *argv)
{
        bool flags = true;
        wt_err err;

        for (int i = 0; i < argc; i++) {
                if (flags && strcmp(argv[i], "--") == 0) {
                        flags = false;
                } else if (flags &&
                           (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
                        c->help = true;
                } else if (flags && strncmp(argv[i], "--", 2) == 0) {
                        if ((err = one_flag(c, role, argc, argv, &i)) != WT_OK)
                                return err;
                } else {
                        c->rest[c->n_rest++] = argv[i];
                }
        }
        return WT_OK;
}

/* The setting `config` names the file; it can itself come from a flag or the environment, so the
 * file is read when those are known, and they are put over it again. */
static wt_err from_named_file(wt_conf *c, unsigned role, int argc, char *const *argv,
                              char *const *envp, const char *file)
{
        char path[4097];
        wt_err err;

        if (file != NULL || c->value[WT_SET_config].text[0] == '\0')
                return WT_OK;
        snprintf(path, sizeof path, "%s", c->value[WT_SET_config].text);
        c->n_rest = 0;
        if ((err = wt_conf_file(c, role, path)) != WT_OK ||
            (err = from_env(c, role, envp)) != WT_OK)
                return err;
        return from_flags(c, role, argc, argv);
}

/* "~/" at the start of a path is HOME of envp. */
static wt_err expand_home(wt_conf *c, unsigned role, char *const *envp)
{
        const char *home = NULL;

        for (char *const *e = envp; e && *e; e++)
                if (strncmp(*e, "HOME=/", 6) == 0)
                        home = *e + 5;
        for (int i = 0; i < N_WT_SETTINGS; i++) {
                const struct wt_setting *row = &wt_settings[i];
                struct wt_conf_value *v = &c->value[i];
                char *full = NULL;

                if (!(row->roles & role) || row->type != WT_CONF_PATH ||
                    strncmp(v->text, "~/", 2) != 0)
                        continue;
                if (!home)
                        return wt_fail(WT_EINVAL,
                                       "%s: '%.80s' needs HOME, which is not set; set it or "
                                       "pass --%s",
                                       row->name, v->text, row->name);
                if (asprintf(&full, "%s%s", home, v->text + 1) < 0)
                        return wt_fail(WT_ENOMEM, "no memory for the setting %s", row->name);
                free(v->text);
                v->text = full;
        }
        return WT_OK;
}

wt_err wt_conf_load(wt_conf **out, unsigned role, int argc, char *const *argv, char *const *envp,
                    const char *file)
{
        wt_conf *c = calloc(1, sizeof *c);
        wt_err err;

        argc = argc > 0 ? argc : 0;
        if (c)
                c->rest = calloc((size_t)argc + 1, sizeof *c->rest);
        if (!c || !c->rest) {
                wt_conf_free(c);
                return wt_fail(WT_ENOMEM, "no memory for the settings");
        }
        if ((err = from_defaults(c)) != WT_OK ||
            (file && (err = wt_conf_file(c, role, file)) != WT_OK) ||
            (err = from_env(c, role, envp)) != WT_OK ||
            (err = from_flags(c, role, argc, argv)) != WT_OK ||
            (err = from_named_file(c, role, argc, argv, envp, file)) != WT_OK ||
            (err = expand_home(c, role, envp)) != WT_OK) {
                wt_conf_free(c);
                return err;
        }
        *out = c;
        return WT_OK;
}

void wt_conf_free(wt_conf *c)
{
        if (!c)
                return;
        for (int i = 0; i < N_WT_SETTINGS; i++) {
                free(c->value[i].text);
                free(c->value[i].where);
        }
        free(c->rest);
        free(c);
}

wt_err wt_conf_decide(wt_conf *c, enum wt_set s, const char *value)
{
        return wt_conf_set(c, s, value, strlen(value), WT_FROM_FLAG, "decided at start");
}

wt_err wt_conf_recall(wt_conf *c, enum wt_set s, const char *value, const char *where)
{
        return c->value[s].from != WT_FROM_DEFAULT ? WT_OK
                : wt_conf_set(c, s, value, strlen(value), WT_FROM_STATE, where);
}

const char *wt_conf_str(const wt_conf *c, enum wt_set s) { return c->value[s].text; }
uint64_t wt_conf_u64(const wt_conf *c, enum wt_set s) { return c->value[s].number; }
bool wt_conf_bool(const wt_conf *c, enum wt_set s) { return c->value[s].number != 0; }
const char *wt_conf_where(const wt_conf *c, enum wt_set s) { return c->value[s].where; }
enum wt_conf_from wt_conf_from(const wt_conf *c, enum wt_set s) { return c->value[s].from; }
bool wt_conf_wants_help(const wt_conf *c) { return c->help; }

int wt_conf_rest(const wt_conf *c, char *const **words)
{
        *words = c->rest;
        return c->n_rest;
}
