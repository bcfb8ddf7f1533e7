/* main.c - finds the verb, sorts flags from settings and words, runs it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "args.h"
#include "base/dump.h"
#include "cluster.h"
#include "help.h"
#include "near.h"
#include "room.h"
#include "secure.h"

const struct verb *const witan_verbs[] = {
        &verb_up,     &verb_down,   &verb_ps,         &verb_logs,   &verb_doctor,
        &verb_chat,   &verb_models, &verb_key,        &verb_tenant, &verb_team,
        &verb_quota,  &verb_usage_of, &verb_price,      &verb_audit,  &verb_store,
        &verb_config, &verb_plugin, &verb_control,    &verb_bench,  &verb_completion,
        &verb_man,    NULL };

/* What a verb is called elsewhere. */
static const char *const elsewhere[][2] = {
        {"start", "up"},        {"run", "up"},         {"serve", "up"},
        {"stop", "down"},       {"kill", "down"},      {"status", "ps"},
        {"list", "ps"},         {"ask", "chat"},       {"check", "doctor"},
        {"settings", "config"}, {"inspect", "models"}, {"version", "--version"},
};

/* It looks at what a cluster stands on, not at files that a verb was given. */
static bool doctor_helps(const struct verb *v)
{
        return v == &verb_up || v == &verb_down || v == &verb_ps || v == &verb_chat ||
               v == &verb_logs;
}

static int complain(const struct call *c, int rc, const char *fmt, va_list ap)
{
        char *words;

        if (vasprintf(&words, fmt, ap) < 0)
                abort();
        fprintf(stderr, "witan %s: %s\n", c->verb->name, words);
        if (rc == EXIT_USAGE)
                fprintf(stderr, "usage: %s\nwitan %s --help shows its flags and an example\n",
                        c->verb->usage, c->verb->name);
        else if (doctor_helps(c->verb) && strpbrk(words, ";?") == NULL)
                /* our words say what to do behind one of these */
                fputs("witan doctor looks for the cause: ports, permissions, memory, model and "
                      "keys\n",
                      stderr);
        if (rc == EXIT_FAILED && c->state != NULL)
                room_hint(c->state, words);
        free(words);
        return rc;
}

int verb_fail(const struct call *c, const char *fmt, ...)
{
        va_list ap;
        int rc;

        va_start(ap, fmt);
        rc = complain(c, EXIT_FAILED, fmt, ap);
        va_end(ap);
        return rc;
}

int verb_usage(const struct call *c, const char *fmt, ...)
{
        va_list ap;
        int rc;

        va_start(ap, fmt);
        rc = complain(c, EXIT_USAGE, fmt, ap);
        va_end(ap);
        return rc;
}

/* The store of a cluster is named once, when it is started: the other verbs find it in the state
 * folder. A record that cannot be read is said by whoever reads the rest of it. */
static wt_err recall_store(struct call *c)
{
        char store[4200], where[4300];

        if (!verb_takes(c->verb, WT_SET_store) || cluster_store(c->state, store) != WT_OK ||
            store[0] == '\0')
                return WT_OK;
        snprintf(where, sizeof where, "state %s/witan.json", c->state);
        return wt_conf_recall(c->conf, WT_SET_store, store, where);
}

static int run(const struct verb *v, int argc, char **argv, char **envp)
{
        struct call c = { .verb = v, .envp = envp };
        char **rest = calloc((size_t)argc + 1, sizeof *rest);
        int rc = EXIT_USAGE, n = args_sort(&c, argc, argv, rest);

        if (n < 0) {
                free(rest);
                return EXIT_USAGE;
        }
        if (wt_conf_load(&c.conf, v->role != 0 ? v->role : WT_FOR_WITAN, n, rest, envp, NULL) !=
            WT_OK) {
                c.words = rest;
                c.n_words = n;
                rc = v->broken != NULL ? v->broken(&c) : verb_usage(&c, "%s", wt_words());
        } else if (wt_conf_wants_help(c.conf)) {
                help_verb(stdout, v);
                rc = EXIT_DONE;
        } else if ((!wt_conf_bool(c.conf, WT_SET_core_dumps) && wt_dump_none() != WT_OK) ||
                   secure_settings(c.conf) != WT_OK) {
                rc = verb_fail(&c, "%s", wt_words());
        } else {
                c.state = wt_conf_str(c.conf, WT_SET_state);
                c.n_words = wt_conf_rest(c.conf, &c.words);
                rc = recall_store(&c) == WT_OK ? v->run(&c) : verb_fail(&c, "%s", wt_words());
        }
        wt_conf_free(c.conf);
        free(rest);
        return rc;
}

static const struct verb *find(const char *name)
{
        for (int i = 0; witan_verbs[i] != NULL; i++)
                if (strcmp(name, witan_verbs[i]->name) == 0)
                        return witan_verbs[i];
        return NULL;
}

static int no_verb(const char *typed)
{
        const char *names[64], *near = NULL;
        int n = 0;

        for (; witan_verbs[n] != NULL; n++)
                names[n] = witan_verbs[n]->name;
        names[n] = NULL;
        for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
                if (strcmp(typed, elsewhere[i][0]) == 0)
                        near = elsewhere[i][1];
        if (near == NULL)
                near = near_word(typed, names);
        fprintf(stderr, "witan: there is no verb \"%s\"", typed);
        if (near != NULL)
                fprintf(stderr, "; did you mean \"witan %s\"?", near);
        fputs("\nwitan --help lists the verbs\n", stderr);
        return EXIT_USAGE;
}

static int help(const char *name)                /* witan help [VERB] */
{
        const struct verb *v = name != NULL ? find(name) : NULL;

        if (name != NULL && v == NULL)
                return no_verb(name);
        if (v != NULL)
                help_verb(stdout, v);
        else
                help_all(stdout);
        return EXIT_DONE;
}

int main(int argc, char **argv, char **envp)
{
        const struct verb *v;

        if (argc < 2) {
                help_all(stderr);
                return EXIT_USAGE;
        }
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
            strcmp(argv[1], "help") == 0)
                return help(argc > 2 ? argv[2] : NULL);
        if (strcmp(argv[1], "--version") == 0) {
                puts("witan " WITAN_VERSION);
                return EXIT_DONE;
        }
        if (argv[1][0] == '-') {
                fprintf(stderr,
                        "witan: there is no flag \"%s\" before the verb; write witan VERB %s\n"
                        "witan --help lists the verbs\n",
                        argv[1], argv[1]);
                return EXIT_USAGE;
        }
        v = find(argv[1]);
        return v != NULL ? run(v, argc - 2, argv + 2, envp) : no_verb(argv[1]);
}
