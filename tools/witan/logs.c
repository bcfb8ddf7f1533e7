/* logs.c - witan logs: what the processes of a cluster wrote, merged by time. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "logs_read.h"
#include "near.h"
#include "term.h"
#include "verb.h"

enum { F_FOLLOW, F_LEVEL, F_SINCE, F_LINES, WAIT_MS = 500 };

struct show {
        const struct call *c;
        bool colour;
        int level;                               /* least level that is shown */
        char since[LOGS_TS];
        char **ring; size_t n_ring, at, held;    /* -n: the last lines, ready to print */
};

static enum term_colour colour_of(int level)
{
        return level == WT_ERROR    ? TERM_RED
               : level == WT_WARN   ? TERM_YELLOW
               : level == WT_NOTICE ? TERM_GREEN
               : level == WT_DEBUG  ? TERM_DIM
                                    : TERM_PLAIN;
}

/* Needs no quotes: no blank, nothing that a terminal would take for a command. */
static bool plain(const char *s, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if ((unsigned char)s[i] <= ' ' || s[i] == '"' || s[i] == '\\' || s[i] == 0x7f)
                        return false;
        return true;
}

/* The fields that are not shown on the left, as key=value. */
static void put_fields(struct wt_buf *b, const wt_json *j, bool colour)
{
        static const char *const left[] = { "ts", "level", "id", "svc" };

        for (wt_jv v = wt_json_first(j, 0); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                size_t n, k_len;
                const char *key = wt_json_key(j, v, &k_len), *s = wt_json_str(j, v, &n);
                bool skip = false;
                for (size_t i = 0; i < sizeof left / sizeof *left; i++)
                        skip |= strcmp(key, left[i]) == 0;
                if (skip)
                        continue;
                wt_buf_fmt(b, " %s%s=%s", term_begin(colour, TERM_DIM), key, term_end(colour));
                if (s != NULL && plain(s, n))
                        wt_buf_add(b, s, n);
                else if (s != NULL)
                        wt_buf_json_str(b, s, n);
                else if ((s = wt_json_raw(j, v, &n)) != NULL)
                        wt_buf_add(b, s, n);
        }
}

static void human(const struct show *w, const struct log_file *f, struct wt_buf *b)
{
        const char *day = w->colour ? term_begin(true, TERM_DIM) : "", *end = term_end(w->colour);
        size_t n;
        wt_json *j;

        if (!f->json || wt_json_parse(&j, f->line, (size_t)f->len, &wt_json_default) != WT_OK) {
                wt_buf_fmt(b, "%s%-24s%s %-12s %-6s ", day, "", end, f->name, "");
                for (const char *s = f->line; *s != '\0'; s++)
                        wt_buf_add(b, (unsigned char)*s < ' ' && *s != '\t' ? "?" : s, 1);
                return;
        }
        const char *id = wt_json_str(j, wt_json_get(j, 0, "id"), &n);
        wt_buf_fmt(b, "%s%.23sZ%s %-12s %s%-6s%s %s", day, f->ts, end, f->name,
                   term_begin(w->colour, colour_of(f->level)),
                   f->level >= 0 ? wt_level_name((enum wt_level)f->level) : "", end,
                   id != NULL ? id : "");
        put_fields(b, j, w->colour);
        wt_json_free(j);
}

static void as_json(const struct log_file *f, struct wt_buf *b)
{
        if (f->json) {
                wt_buf_add(b, f->line, (size_t)f->len);
                return;
        }
        wt_buf_str(b, "{");
        if (f->ts[0] != '\0')
                wt_buf_json_kv(b, "ts", f->ts);
        wt_buf_json_kv(b, "svc", f->name);
        wt_buf_json_kv(b, "text", f->line);
        wt_buf_str(b, "}");
}

static bool wanted(const struct show *w, const struct log_file *f)
{
        return strcmp(f->ts, w->since) >= 0 && f->len > 0 && (f->level < 0 || f->level <= w->level);
}

/* Prints a line, or keeps it while only the last are wanted. */
static void out(struct show *w, char *text)
{
        if (w->n_ring == 0) {
                puts(text);
                free(text);
                return;
        }
        free(w->ring[w->at]);
        w->ring[w->at] = text;
        w->at = (w->at + 1) % w->n_ring;
        w->held += w->held < w->n_ring;
}

static void flush_ring(struct show *w)
{
        for (size_t i = 0; i < w->held; i++) {
                char **line = &w->ring[(w->at + w->n_ring - w->held + i) % w->n_ring];
                puts(*line);
                free(*line);
        }
        free(w->ring);
        w->ring = NULL;
        w->n_ring = w->held = 0;
}

static void drain(struct show *w, struct logs *l)
{
        struct log_file *f;

        while ((f = logs_next(l)) != NULL) {
                if (wanted(w, f)) {
                        struct wt_buf b = { 0 };
                        if (w->c->json)
                                as_json(f, &b);
                        else
                                human(w, f, &b);
                        out(w, b.data);
                }
                logs_taken(f);
        }
        flush_ring(w);
        fflush(stdout);
}

/* Until Ctrl-C, or until nobody reads what is written. */
static void follow(struct show *w, struct logs *l, const char *only)
{
        int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        struct pollfd p = { .fd = watch, .events = POLLIN };
        char events[4096];

        inotify_add_watch(watch, l->dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
        while (!ferror(stdout)) {
                poll(&p, 1, WAIT_MS);
                while (read(watch, events, sizeof events) > 0)
                        ;
                logs_rescan(l, only);
                drain(w, l);
        }
        close(watch);
}

static int no_such_log(struct call *c, const char *dir)
{
        static struct logs all;
        const char *names[LOGS_MOST + 1], *near = NULL;
        char list[600];
        uint32_t n = 0;

        if (c->n_words > 0 && logs_open(&all, dir, NULL) == WT_OK) {
                for (; n < all.n; n++)
                        names[n] = all.file[n].name;
                names[n] = NULL;
                near = near_word(c->words[0], names);
        }
        if (n == 0)
                return verb_fail(c,
                                 "there are no logs in %s; witan up starts a cluster, --state DIR "
                                 "names another "
                                 "folder",
                                 dir);
        near_list(names, list, sizeof list);
        if (near != NULL)
                verb_fail(c, "there is no log of \"%s\"; did you mean %s?", c->words[0], near);
        else
                verb_fail(c, "there is no log of \"%s\"; there are %s", c->words[0], list);
        logs_close(&all);
        return EXIT_FAILED;
}

static int prepare(struct call *c, struct show *w)
{
        double lines = 0;

        w->level = c->flag[F_LEVEL] != NULL ? wt_level_of(c->flag[F_LEVEL]) : WT_DEBUG;
        if (c->flag[F_SINCE] != NULL &&
            !logs_since(c->flag[F_SINCE], (uint64_t)time(NULL), w->since))
                return verb_usage(c,
                                  "--since is \"%s\"; it takes a time such as 90s, 10m, 2h, 1d or "
                                  "2025-01-31T12:00:00Z",
                                  c->flag[F_SINCE]);
        if (!verb_number(c, F_LINES, 1, 1000000, &lines))
                return EXIT_USAGE;
        w->n_ring = (size_t)lines;
        w->ring = w->n_ring > 0 ? calloc(w->n_ring, sizeof *w->ring) : NULL;
        w->colour = !c->json && term_colours(stdout, c->envp);
        return 0;
}

static int run(struct call *c)
{
        struct logs *l;
        struct show w = { .c = c };
        const char *only = c->n_words > 0 ? c->words[0] : NULL;
        char dir[4200];
        int rc = verb_words(c, 1);

        if (rc == 0)
                rc = prepare(c, &w);
        if (rc != 0)
                return rc;
        l = calloc(1, sizeof *l);
        WT_ASSERT(l != NULL);
        snprintf(dir, sizeof dir, "%s/logs", c->state);
        if (logs_open(l, dir, only) != WT_OK) {
                rc = no_such_log(c, dir);
        } else {
                drain(&w, l);
                if (c->flag[F_FOLLOW] != NULL)
                        follow(&w, l, only);
        }
        logs_close(l);
        free(w.ring);
        free(l);
        return rc;
}

const struct verb verb_logs = {
        .name = "logs",
        .about = "shows what the processes of a cluster wrote, merged by time",
        .usage = "witan logs [NAME] [-f] [--level L] [--since TIME] [-n N] [-o json|table]",
        .example = "witan logs expert -f --level warn",
        .text = "NAME is a process (expert-0) or a role (expert). With -o json each line is as it "
                "was written; words "
                "that are no JSON come as {\"svc\", \"text\"}. Logs never hold prompts or answers.",
        .flags = {[F_FOLLOW] = {"follow", NULL, "go on with what comes, until Ctrl-C", 'f'},
                  [F_LEVEL] = {"level", "error|warn|notice|info|debug",
                               "least level that is shown [debug]", 0},
                  [F_SINCE] = {"since", "TIME",
                               "only what is younger: 90s, 10m, 2h, 1d, or a time such as "
                               "2025-01-31T12:00:00Z",
                               0},
                  [F_LINES] = {"lines", "N", "only the last N lines", 'n'}},
        .sets = verb_state_only,
        .run = run,
};
