/* main.c - finds the verb, sorts flags from settings and words, runs it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "verb.h"

static const struct verb *const verbs[] = { &verb_up, &verb_down, &verb_ps, &verb_chat, &verb_models,
                                            &verb_key };
enum { N_VERBS = sizeof verbs / sizeof *verbs };

static void help_all(FILE *to)
{
        fputs("witan: serves Mixture-of-Experts language models whose experts are services of their own\n\n"
              "usage: witan VERB [flags]\n\n", to);
        for (int i = 0; i < N_VERBS; i++)
                fprintf(to, "  %-8s %s\n", verbs[i]->name, verbs[i]->about);
        fputs("\nwitan VERB --help shows a verb's flags and an example.\n", to);
}

static void help_verb(const struct verb *v)
{
        printf("witan %s: %s\n\nusage: %s\n", v->name, v->about, v->usage);
        for (int i = 0; i < MAX_FLAGS && v->flags[i].name != NULL; i++) {
                if (i == 0)
                        puts("\nflags");
                printf("  --%s%s%s%*s %s\n", v->flags[i].name, v->flags[i].value != NULL ? " " : "",
                       v->flags[i].value != NULL ? v->flags[i].value : "",
                       (int)(22 - strlen(v->flags[i].name) -
                             (v->flags[i].value != NULL ? 1 + strlen(v->flags[i].value) : 0)),
                       "", v->flags[i].help);
        }
        puts("\nsettings (flag, environment WITAN_NAME, default)");
        wt_conf_help(stdout, WT_FOR_WITAN);
        printf("\nexample\n  %s\n", v->example);
}

static int complain(const struct call *c, int rc, const char *fmt, va_list ap)
{
        fprintf(stderr, "witan %s: ", c->verb->name);
        vfprintf(stderr, fmt, ap);
        fputc('\n', stderr);
        if (rc == EXIT_USAGE)
                fprintf(stderr, "usage: %s\n", c->verb->usage);
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

/* Takes argv[i] when it is a flag of the verb (or -o); returns how many words were used, -1 on error. */
static int take_flag(struct call *c, int argc, char **argv, int i)
{
        const char *a = argv[i], *eq = strchr(a, '=');
        size_t len;

        if (strcmp(a, "-o") == 0 || strcmp(a, "--output") == 0) {
                if (i + 1 >= argc || (strcmp(argv[i + 1], "json") != 0 && strcmp(argv[i + 1], "table") != 0))
                        return verb_usage(c, "-o takes json or table"), -1;
                c->json = strcmp(argv[i + 1], "json") == 0;
                return 2;
        }
        if (strncmp(a, "--", 2) != 0)
                return 0;
        len = eq != NULL ? (size_t)(eq - a - 2) : strlen(a + 2);
        for (int k = 0; k < MAX_FLAGS && c->verb->flags[k].name != NULL; k++) {
                const struct flag *f = &c->verb->flags[k];
                if (strlen(f->name) != len || strncmp(f->name, a + 2, len) != 0)
                        continue;
                if (f->value == NULL) {
                        c->flag[k] = "true";
                        return 1;
                }
                if (eq != NULL) {
                        c->flag[k] = eq + 1;
                        return 1;
                }
                if (i + 1 >= argc)
                        return verb_usage(c, "--%s needs a value: %s", f->name, f->value), -1;
                c->flag[k] = argv[i + 1];
                return 2;
        }
        return 0;
}

static int run(const struct verb *v, int argc, char **argv, char **envp)
{
        struct call c = { .verb = v, .envp = envp };
        char **rest = calloc((size_t)argc + 1, sizeof *rest);
        int n = 0, rc;

        for (int i = 0; i < argc;) {
                int used = take_flag(&c, argc, argv, i);
                if (used < 0) {
                        free(rest);
                        return EXIT_USAGE;
                }
                if (used == 0)
                        rest[n++] = argv[i];
                i += used > 0 ? used : 1;
        }
        if (wt_conf_load(&c.conf, WT_FOR_WITAN, n, rest, envp, NULL) != WT_OK) {
                rc = verb_usage(&c, "%s", wt_words());
        } else if (wt_conf_wants_help(c.conf)) {
                help_verb(v);
                rc = EXIT_DONE;
        } else {
                c.state = wt_conf_str(c.conf, WT_SET_state);
                c.n_words = wt_conf_rest(c.conf, &c.words);
                rc = v->run(&c);
        }
        wt_conf_free(c.conf);
        free(rest);
        return rc;
}

static size_t distance(const char *a, const char *b)     /* edits between two short words */
{
        size_t row[32], n = strlen(b);

        if (n > 30)
                return 99;
        for (size_t j = 0; j <= n; j++)
                row[j] = j;
        for (size_t i = 1; *a != '\0'; a++, i++) {
                size_t diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        size_t up = row[j], best = diagonal + (*a != b[j - 1]);
                        best = up + 1 < best ? up + 1 : best;
                        best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
                        diagonal = up;
                        row[j] = best;
                }
        }
        return row[n];
}

int main(int argc, char **argv, char **envp)
{
        const struct verb *near = NULL;
        size_t best = 3;

        if (argc < 2) {
                help_all(stderr);
                return EXIT_USAGE;
        }
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
                help_all(stdout);
                return EXIT_DONE;
        }
        if (strcmp(argv[1], "--version") == 0) {
                puts("witan 0.1.0");
                return EXIT_DONE;
        }
        for (int i = 0; i < N_VERBS; i++) {
                if (strcmp(argv[1], verbs[i]->name) == 0)
                        return run(verbs[i], argc - 2, argv + 2, envp);
                if (distance(argv[1], verbs[i]->name) < best) {
                        best = distance(argv[1], verbs[i]->name);
                        near = verbs[i];
                }
        }
        fprintf(stderr, "witan: there is no verb \"%s\"", argv[1]);
        if (near != NULL)
                fprintf(stderr, "; did you mean \"witan %s\"?", near->name);
        fputs("\nwitan --help lists the verbs\n", stderr);
        return EXIT_USAGE;
}
