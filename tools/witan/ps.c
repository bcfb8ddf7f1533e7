/* ps.c - witan ps: the processes of a cluster, their state, and what each worker holds. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster.h"
#include "net/http.h"
#include "units.h"
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

        for (const char *p = s->metrics.data; p != NULL && *p != '\0';
             p = strchr(p, '\n'), p += p != NULL)
                if (strncmp(p, name, n) == 0 && p[n] == ' ')
                        return strtoull(p + n + 1, NULL, 10);
        return 0;
}

static void put_shard(struct wt_buf *b, const struct process *p, const struct state *s,
                      uint32_t replicas)
{
        wt_buf_json_key(b, "shard");
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "experts", p->shard);
        wt_buf_json_ku(b, "held", metric(s, "witan_expert_held"));
        wt_buf_json_key(b, "revisions");
        wt_buf_str(b, "[");
        if (p->revision[0] != '\0')
                wt_buf_json_str(b, p->revision, strlen(p->revision));
        wt_buf_str(b, "]");
        wt_buf_json_ku(b, "replicas", replicas);
        wt_buf_json_ku(b, "bytes", metric(s, "witan_expert_mapped_bytes"));
        wt_buf_str(b, "}");
        wt_buf_json_key(b, "load");
        wt_buf_str(b, "{");
        wt_buf_json_ku(b, "queued_calls", metric(s, "witan_expert_queued"));
        wt_buf_json_ku(b, "calls", metric(s, "witan_expert_calls_total"));
        wt_buf_json_ku(b, "rows", metric(s, "witan_expert_rows_total"));
        wt_buf_str(b, "}");
}

static bool is_expert(const struct process *p)
{
        return p->shard[0] != '\0';
}

static void put_json(struct wt_buf *b, const struct process *p, const struct state *s,
                     uint32_t replicas)
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
        if (is_expert(p))
                put_shard(b, p, s, replicas);
        wt_buf_str(b, "}");
}

static void put_row(const struct process *p, const struct state *s)
{
        char bytes[32];

        printf("%-8s %-12s %8d %-9s %3u  %-28s", p->role, p->name, (int)p->pid, s->word,
               p->restarts, p->endpoint);
        units_bytes(metric(s, "witan_expert_mapped_bytes"), bytes);
        if (strcmp(p->role, "expert") == 0)
                printf(" %llu experts, %s, %llu calls",
                       (unsigned long long)metric(s, "witan_expert_held"), bytes,
                       (unsigned long long)metric(s, "witan_expert_calls_total"));
        putchar('\n');
}

/* Below the table: how often each role is there, how often each expert, and of which revision. */
static void put_summary(const struct cluster *cl)
{
        uint32_t routers = 0, experts = 0;
        const char *revision = "";

        for (uint32_t i = 0; i < cl->n; i++) {
                routers += strcmp(cl->processes[i].role, "router") == 0;
                experts += strcmp(cl->processes[i].role, "expert") == 0;
                if (is_expert(&cl->processes[i]))
                        revision = cl->processes[i].revision;
        }
        if (routers > 0)
                printf("\n%u router%s, %u worker%s, ", routers, routers == 1 ? "" : "s", experts,
                       experts == 1 ? "" : "s");
        else
                fputs("\none process for all roles, ", stdout);
        if (cl->replicas > 0)
                printf("every expert held by %u of them", cl->replicas);
        else
                fputs("each may hold every expert", stdout);
        printf("; model %s%s%.12s\n", cl->model, revision[0] != '\0' ? ", revision " : "",
               revision);
}

/* All processes; *ready: all of them are. */
static void put_all(const struct call *c, const struct cluster *cl, bool *ready)
{
        struct wt_buf b = { 0 };

        wt_buf_str(&b, "[");
        if (!c->json)
                printf("%-8s %-12s %8s %-9s %3s  %-28s %s\n", "ROLE", "NAME", "PID", "STATE", "RE",
                       "ENDPOINT", "SHARD");
        for (uint32_t i = 0; i < cl->n; i++) {
                struct state s = look(&cl->processes[i]);
                *ready &= strcmp(s.word, "ready") == 0;
                if (c->json)
                        put_json(&b, &cl->processes[i], &s, cl->replicas);
                else
                        put_row(&cl->processes[i], &s);
                wt_buf_free(&s.metrics);
        }
        wt_buf_str(&b, "]");
        if (c->json)
                puts(b.data);
        else
                put_summary(cl);
        wt_buf_free(&b);
}

/* What stands below the table when all is not well, and the exit code. */
static int verdict(const struct call *c, const struct cluster *cl, bool ready)
{
        if (cl->supervisor == 0)
                return verb_fail(c, "nothing runs in %s; witan up starts it again", c->state);
        if (!cluster_lives(c->state))
                return verb_fail(
                        c,
                        "the supervisor (process %d) is gone without witan down; witan up starts "
                        "it again",
                        (int)cl->supervisor);
        if (!ready)
                return verb_fail(
                        c, "not all are ready; witan logs shows why, witan doctor looks for the "
                           "cause");
        return EXIT_DONE;
}

static int run(struct call *c)
{
        struct cluster *cl;
        bool ready = true;
        int rc = verb_words(c, 0);

        if (rc != 0)
                return rc;
        cl = calloc(1, sizeof *cl);
        WT_ASSERT(cl != NULL);
        if (cluster_read(cl, c->state) != WT_OK) {
                rc = verb_fail(c, "%s", wt_words());
        } else {
                put_all(c, cl, &ready);
                rc = verdict(c, cl, ready);
        }
        free(cl);
        return rc;
}

const struct verb verb_ps = {
        .name = "ps",
        .about = "shows the processes of a cluster; exit code 1 when one is not ready",
        .usage = "witan ps [-o json|table] [--state DIR]",
        .example = "witan ps -o json",
        .text = "STATE is down (no process), starting (it does not answer yet), not ready (it says "
                "so) or ready. RE "
                "counts how often the supervisor started it again. For workers: the experts they "
                "hold, the bytes of "
                "weights they map, and the calls they answered.",
        .sets = verb_state_only,
        .run = run,
};
