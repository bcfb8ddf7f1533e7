/* ps.c - witan ps: the processes of a cluster, their state, and what each worker holds. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster.h"
#include "net/http.h"
#include "verb.h"

struct state { const char *word; struct wt_buf metrics; };

static bool fetch(const char *address, const char *path, int *status, struct wt_buf *out)
{
        char url[160];

        snprintf(url, sizeof url, "http://%s%s", address, path);
        return wt_http_fetch("GET", url, NULL, NULL, 0, 2000000, status, out, NULL, NULL) == WT_OK;
}

/* down: no process; starting: it does not answer yet; not ready: it says so; ready. */
static struct state look(const struct process *p)
{
        struct state s = { .word = "down" };
        struct wt_buf words = { 0 };
        int status;

        if (p->pid > 0 && kill(p->pid, 0) == 0) {
                if (!fetch(p->metrics, "/readyz", &status, &words))
                        s.word = "starting";
                else
                        s.word = status == 200 ? "ready" : "not ready";
                fetch(p->metrics, "/metrics", &status, &s.metrics);
        }
        wt_buf_free(&words);
        return s;
}

/* The value of a metric without labels; 0 when it is not there. */
static uint64_t metric(const struct state *s, const char *name)
{
        size_t n = strlen(name);

        for (const char *p = s->metrics.data; p != NULL && *p != '\0'; p = strchr(p, '\n'), p += p != NULL)
                if (strncmp(p, name, n) == 0 && p[n] == ' ')
                        return strtoull(p + n + 1, NULL, 10);
        return 0;
}

/* The value of label in a metric's only row, e.g. revision in witan_expert_info{revision="..."} 1. */
static void label(const struct state *s, const char *name, const char *key, char *out, size_t n)
{
        const char *row = s->metrics.data != NULL ? strstr(s->metrics.data, name) : NULL;
        char want[64];
        const char *at;

        out[0] = '\0';
        snprintf(want, sizeof want, "%s=\"", key);
        while (row != NULL && row != s->metrics.data && row[-1] != '\n')
                row = strstr(row + 1, name);
        if (row != NULL && (at = strstr(row, want)) != NULL)
                snprintf(out, n, "%.*s", (int)strcspn(at + strlen(want), "\""), at + strlen(want));
}

static void put_shard(struct wt_buf *b, const struct process *p, const struct state *s)
{
        char revision[80];

        label(s, "witan_expert_info", "revision", revision, sizeof revision);
        wt_buf_json_key(b, "shard");
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "experts", p->shard);
        wt_buf_json_ku(b, "held", metric(s, "witan_expert_held"));
        wt_buf_json_key(b, "revisions");
        wt_buf_str(b, "[");
        if (revision[0] != '\0')
                wt_buf_json_str(b, revision, strlen(revision));
        wt_buf_str(b, "]");
        wt_buf_json_ku(b, "bytes", metric(s, "witan_expert_mapped_bytes"));
        wt_buf_str(b, "}");
        wt_buf_json_key(b, "load");
        wt_buf_str(b, "{");
        wt_buf_json_ku(b, "queued_calls", metric(s, "witan_expert_queued"));
        wt_buf_json_ku(b, "calls", metric(s, "witan_expert_calls_total"));
        wt_buf_json_ku(b, "rows", metric(s, "witan_expert_rows_total"));
        wt_buf_str(b, "}");
}

static void put_json(struct wt_buf *b, const struct process *p, const struct state *s)
{
        wt_buf_json_sep(b);
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "role", p->role);
        wt_buf_json_kv(b, "name", p->name);
        wt_buf_json_ki(b, "pid", p->pid);
        wt_buf_json_kv(b, "endpoint", p->endpoint);
        wt_buf_json_kv(b, "metrics", p->metrics);
        wt_buf_json_kv(b, "state", s->word);
        wt_buf_json_ku(b, "restarts", p->restarts);
        if (strcmp(p->role, "expert") == 0)
                put_shard(b, p, s);
        wt_buf_str(b, "}");
}

static void put_row(const struct process *p, const struct state *s)
{
        printf("%-8s %-12s %8d %-9s %3u  %-28s", p->role, p->name, (int)p->pid, s->word, p->restarts,
               p->endpoint);
        if (strcmp(p->role, "expert") == 0)
                printf(" %llu experts, %.1f MB, %llu calls",
                       (unsigned long long)metric(s, "witan_expert_held"),
                       (double)metric(s, "witan_expert_mapped_bytes") / 1e6,
                       (unsigned long long)metric(s, "witan_expert_calls_total"));
        putchar('\n');
}

static int run(struct call *c)
{
        struct cluster *cl = calloc(1, sizeof *cl);
        struct wt_buf b = { 0 };
        bool all_ready = true;

        if (cluster_read(cl, c->state) != WT_OK) {
                free(cl);
                return verb_fail(c, "%s", wt_words());
        }
        wt_buf_str(&b, "[");
        if (!c->json)
                printf("%-8s %-12s %8s %-9s %3s  %-28s %s\n", "ROLE", "NAME", "PID", "STATE", "RE",
                       "ENDPOINT", "SHARD");
        for (uint32_t i = 0; i < cl->n; i++) {
                struct state s = look(&cl->processes[i]);
                all_ready &= strcmp(s.word, "ready") == 0;
                if (c->json)
                        put_json(&b, &cl->processes[i], &s);
                else
                        put_row(&cl->processes[i], &s);
                wt_buf_free(&s.metrics);
        }
        wt_buf_str(&b, "]");
        if (c->json)
                puts(b.data);
        wt_buf_free(&b);
        free(cl);
        return all_ready ? EXIT_DONE : EXIT_FAILED;
}

const struct verb verb_ps = {
        .name = "ps", .about = "shows the processes of a cluster; exit code 1 when one is not ready",
        .usage = "witan ps [-o json|table] [--state DIR]", .example = "witan ps -o json", .run = run,
};
