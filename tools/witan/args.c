/* args.c - see args.h. A flag that no verb knows never reaches the settings, so that its nearest
 * neighbour is looked for among both. */
#include "args.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "near.h"

enum { MAX_NAMES = MAX_FLAGS + N_WT_SETTINGS + 4 };
const enum wt_set verb_state_only[] = { WT_SET_state, WT_SET_config, N_WT_SETTINGS };
const enum wt_set verb_asks[] = { WT_SET_state, WT_SET_config, WT_SET_cacert, WT_SET_tls_name,
                                  N_WT_SETTINGS };

static unsigned role_of(const struct verb *v)
{
        return v->role != 0 ? v->role : WT_FOR_WITAN;
}

bool verb_takes(const struct verb *v, enum wt_set s)
{
        if (!(wt_settings[s].roles & role_of(v)))
                return false;
        for (const enum wt_set *k = v->sets; k != NULL; k++) {
                if (*k == s)
                        return true;
                if (*k == N_WT_SETTINGS)
                        return false;
        }
        return true;
}

/* What a setting is called elsewhere; NULL when this verb has none such. */
static const char *called_elsewhere(const struct verb *v, const char *typed)
{
        static const struct { const char *word, *flag; enum wt_set set; } words[] = {
                { "port", "http", WT_SET_http }, { "listen", "http", WT_SET_http },
                { "bind", "http", WT_SET_http }, { "host", "http", WT_SET_http },
                { "model-path", "model", WT_SET_model }, { "workers", "experts", WT_SET_experts } };

        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (strcmp(typed, words[i].word) == 0 && verb_takes(v, words[i].set))
                        return words[i].flag;
        return NULL;
}

static int unknown(const struct call *c, const char *flag, int len)
{
        static char spelled[N_WT_SETTINGS][64];
        const char *names[MAX_NAMES], *near;
        char typed[64];
        int n = 0;

        for (int k = 0; k < MAX_FLAGS && c->verb->flags[k].name != NULL; k++)
                names[n++] = c->verb->flags[k].name;
        for (int s = 0; s < N_WT_SETTINGS; s++) {
                if (!verb_takes(c->verb, (enum wt_set)s))
                        continue;
                wt_conf_flag_name(&wt_settings[s], spelled[s]);
                names[n++] = spelled[s] + 2;
        }
        names[n++] = "help";
        if (!c->verb->plain)
                names[n++] = "output";
        names[n] = NULL;
        snprintf(typed, sizeof typed, "%.*s", len, flag);
        near = called_elsewhere(c->verb, typed);
        near = near != NULL ? near : near_word(typed, names);
        verb_usage(c,
                   near != NULL ? "there is no flag --%s; did you mean --%s?"
                                : "there is no flag --%s%s",
                   typed, near != NULL ? near : "");
        return -1;
}

static int not_of_this_verb(const struct call *c, enum wt_set s, const char *flag, int len)
{
        for (int i = 0; witan_verbs[i] != NULL; i++)
                if (witan_verbs[i]->role == 0 && verb_takes(witan_verbs[i], s)) {
                        verb_usage(c, "--%.*s is no flag of this verb; it belongs to witan %s", len,
                                   flag, witan_verbs[i]->name);
                        return -1;
                }
        verb_usage(c, "--%.*s is a setting of %s, not of witan; witan config explain %s says more",
                   len, flag, wt_settings[s].roles & WT_FOR_EXPERT ? "a service" : "the gateway",
                   wt_settings[s].name);
        return -1;
}

/* A value against "a|b|c". */
static bool one_of(const struct call *c, const char *flag, const char *words, const char *value)
{
        char copy[128], all[160];
        const char *list[16], *near;
        int n = 0;

        if (strchr(words, '|') == NULL)
                return true;
        snprintf(copy, sizeof copy, "%s", words);
        for (char *w = strtok(copy, "|"); w != NULL && n < 15; w = strtok(NULL, "|")) {
                if (strcmp(w, value) == 0)
                        return true;
                list[n++] = w;
        }
        list[n] = NULL;
        near = near_word(value, list);
        near_list(list, all, sizeof all);
        if (near != NULL)
                verb_usage(c, "%s takes %s, not \"%s\"; did you mean %s?", flag, all, value, near);
        else
                verb_usage(c, "%s takes %s, not \"%s\"", flag, all, value);
        return false;
}

/* Takes a flag with a value; eq: behind '=', or NULL: the next word. Returns words used, -1. */
static int take_value(struct call *c, const char *flag, const char *kind, const char *eq,
                      const char *next, const char **value)
{
        if (eq == NULL && next == NULL) {
                verb_usage(c, "%s needs a value: %s", flag, kind);
                return -1;
        }
        if (!one_of(c, flag, kind, eq != NULL ? eq : next))
                return -1;
        *value = eq != NULL ? eq : next;
        return eq != NULL ? 1 : 2;
}

static int take_output(struct call *c, const char *a, const char *eq, const char *next)
{
        const char *value;
        int used;

        if (c->verb->plain) {
                verb_usage(c, "%.8s: this verb prints no table; leave -o out", a);
                return -1;
        }
        used = take_value(c, "-o", "json|table", eq, next, &value);
        if (used > 0)
                c->json = strcmp(value, "json") == 0;
        return used;
}

/* Takes the flag of the verb that a is, if it is one: words used, 0 when it is none, -1. */
static int take_own(struct call *c, const char *a, size_t len, const char *eq, const char *next)
{
        char name[80];

        for (int k = 0; k < MAX_FLAGS && c->verb->flags[k].name != NULL; k++) {
                const struct flag *f = &c->verb->flags[k];
                bool is = a[1] == '-' ? strlen(f->name) == len - 2 &&
                                                strncmp(f->name, a + 2, len - 2) == 0
                                      : f->letter != 0 && f->letter == a[1] && len == 2;
                if (!is)
                        continue;
                snprintf(name, sizeof name, "%.*s", (int)len, a);
                if (f->value != NULL)
                        return take_value(c, name, f->value, eq, next, &c->flag[k]);
                if (eq != NULL) {
                        verb_usage(c, "%s takes no value", name);
                        return -1;
                }
                c->flag[k] = "true";
                return 1;
        }
        return 0;
}

/* A word that begins with '-': how many words are left in rest (1 or 2), 0 when taken into c;
 * -1. */
static int dash(struct call *c, const char *a, const char *next, int *used)
{
        const char *eq = a[1] == '-' ? strchr(a, '=') : NULL;
        size_t len = eq != NULL ? (size_t)(eq - a) : strlen(a);
        enum wt_set s;

        eq = eq != NULL ? eq + 1 : NULL;
        *used = 1;
        if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)
                return 1;
        *used = len == 2 && strcmp(a, "-o") == 0 ? take_output(c, a, eq, next)
                : len == 8 && strncmp(a, "--output", 8) == 0 ? take_output(c, a, eq, next)
                : take_own(c, a, len, eq, next);
        if (*used != 0)
                return *used < 0 ? -1 : 0;
        *used = 1;
        if (a[1] != '-') {
                verb_usage(c, "there is no flag %s; put -- before words that begin with a dash", a);
                return -1;
        }
        s = wt_conf_row(a + 2, len - 2);
        if (s == N_WT_SETTINGS)
                return unknown(c, a + 2, (int)len - 2);
        if (!verb_takes(c->verb, s))
                return not_of_this_verb(c, s, a + 2, (int)len - 2);
        if (eq == NULL && wt_settings[s].type != WT_CONF_BOOL && next != NULL &&
            strncmp(next, "--", 2) != 0)
                *used = 2;
        return *used;
}

int args_sort(struct call *c, int argc, char **argv, char **rest)
{
        int n = 0, used, keep;

        for (int i = 0; i < argc; i += used) {
                used = keep = 1;
                if (strcmp(argv[i], "--") == 0)
                        used = keep = argc - i;
                else if (argv[i][0] == '-' && argv[i][1] != '\0')
                        keep = dash(c, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used);
                if (keep < 0)
                        return -1;
                for (int k = 0; k < keep; k++)
                        rest[n++] = argv[i + k];
        }
        return n;
}

const struct sub *verb_sub(const struct call *c)
{
        const struct sub *subs = c->verb->subs;
        const char *names[MAX_SUBS + 1], *near;
        char all[200];
        int n = 0;

        for (; n < MAX_SUBS && subs[n].name != NULL; n++) {
                if (c->n_words > 0 && strcmp(c->words[0], subs[n].name) == 0)
                        return &subs[n];
                names[n] = subs[n].name;
        }
        names[n] = NULL;
        near_list(names, all, sizeof all);
        if (c->n_words == 0) {
                verb_usage(c, "a word is missing; say %s", all);
                return NULL;
        }
        near = near_word(c->words[0], names);
        if (near != NULL)
                verb_usage(c, "there is no \"%s %s\"; did you mean \"witan %s %s\"?", c->verb->name,
                           c->words[0], c->verb->name, near);
        else
                verb_usage(c, "there is no \"%s %s\"; say %s", c->verb->name, c->words[0], all);
        return NULL;
}

int verb_words(const struct call *c, int most)
{
        return c->n_words <= most ? 0
                                  : verb_usage(c, "\"%s\" is one word too many", c->words[most]);
}

bool verb_number(const struct call *c, int i, double min, double max, double *out)
{
        const struct flag *f = &c->verb->flags[i];
        char *end;
        double v;

        if (c->flag[i] == NULL)
                return true;
        errno = 0;
        v = strtod(c->flag[i], &end);
        if (end == c->flag[i] || *end != '\0' || errno != 0 || !isfinite(v) || v < min || v > max) {
                verb_usage(c, "--%s is \"%s\"; it takes a number from %g to %.15g", f->name,
                           c->flag[i], min, max);
                return false;
        }
        *out = v;
        return true;
}
