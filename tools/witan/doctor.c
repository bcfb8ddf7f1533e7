/* doctor.c - witan doctor: looks at all that a cluster on this machine stands on, says what it
 * finds and what to do about it. It changes nothing. */
#include "doctor.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sense.h"
#include "term.h"

void doctor_say(struct doctor *d, enum doctor_level level, const char *look, const char *todo,
                const char *fmt, ...)
{
        static const char *const names[] = { "ok", "warn", "fail" };
        static const enum term_colour colours[] = { TERM_GREEN, TERM_YELLOW, TERM_RED };
        char *words;
        va_list ap;

        va_start(ap, fmt);
        if (vasprintf(&words, fmt, ap) < 0)
                abort();
        va_end(ap);
        d->n[level]++;
        if (!d->c->json) {
                printf("%s%-4s%s  %-10s %s\n", term_begin(d->colour, colours[level]), names[level],
                       term_end(d->colour), look, words);
                if (todo != NULL)
                        printf("%17s-> %s\n", "", todo);
        } else {
                wt_buf_json_sep(&d->json);
                wt_buf_str(&d->json, "{");
                wt_buf_json_kv(&d->json, "look", look);
                wt_buf_json_kv(&d->json, "level", names[level]);
                wt_buf_json_kv(&d->json, "words", words);
                wt_buf_json_kv(&d->json, "todo", todo);
                wt_buf_str(&d->json, "}");
        }
        free(words);
}

static void fault(void *arg, const char *words)
{
        doctor_say(arg, D_FAIL, "settings", "witan config explain KEY says what a setting takes",
                   "%s", words);
}

static void slip(void *arg, const char *words)
{
        doctor_say(arg, D_WARN, "settings", "unset it, or spell it as a setting", "%s", words);
}

void doctor_settings(struct doctor *d)
{
        const char *file = wt_conf_str(d->c->conf, WT_SET_config);
        uint32_t n = sense_each(d->c->conf, fault, d);

        n += sense_environment(d->c->envp, slip, d);
        if (n == 0)
                doctor_say(d, D_OK, "settings", NULL, "flags, environment%s%s agree",
                           *file ? " and " : "", file);
}

static void look(struct doctor *d)
{
        machine_look(&d->m, "");
        if (cluster_read(&d->cl, d->c->state) != WT_OK)
                d->cl.n = 0;
        d->runs = d->cl.n > 0 && d->cl.supervisor > 0 && cluster_lives(d->c->state);
        doctor_machine(d);
        doctor_settings(d);
        doctor_model(d);
        doctor_state(d);
        doctor_ports(d);
        doctor_cluster(d);
}

static int run(struct call *c)
{
        struct doctor *d;
        int rc = verb_words(c, 0);

        if (rc != 0)
                return rc;
        d = calloc(1, sizeof *d);
        WT_ASSERT(d != NULL);
        d->c = c;
        d->colour = !c->json && term_colours(stdout, c->envp);
        look(d);
        if (c->json)
                printf("{\"ok\":%s,\"findings\":[%s]}\n", d->n[D_FAIL] == 0 ? "true" : "false",
                       d->json.data != NULL ? d->json.data : "");
        else
                printf("\n%u well, %u to look at, %u wrong\n", d->n[D_OK], d->n[D_WARN],
                       d->n[D_FAIL]);
        rc = d->n[D_FAIL] == 0 ? EXIT_DONE : EXIT_FAILED;
        if (d->weighed)
                weigh_close(&d->w);
        wt_buf_free(&d->json);
        free(d);
        return rc;
}

const struct verb verb_doctor = {
        .name = "doctor",
        .about = "looks for what is wrong on this machine and says what to do",
        .usage = "witan doctor [--state DIR] [--model DIR] [--http HOST:PORT] [-o json|table]",
        .example = "witan doctor --model /models/deepseek-v3",
        .text = "Looks at the processor, memory and the limits of control groups, the clock, "
                "libraries and programs, "
                "settings, the model, the state folder with its permissions and keys, disk space, "
                "ports, and the "
                "cluster if one runs. Give it the flags that witan up will be given. It changes "
                "nothing. Exit code 1 "
                "when something is wrong; warnings alone are 0.",
        .run = run,
};
