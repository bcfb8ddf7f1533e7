/* trace.c - see trace.h. A thread's spans lie in memory of its own, mapped when its first span
 * ends: recording takes no lock, and no memory from the allocator, which debug builds guard. */
#include "base/trace.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
        MOST_SPANS = 4 << 20,
        PATH = 4300
}; /* of a thread: 160 MiB of address space, touched as used */

struct span { uint64_t begin, ns, rows; const char *kind, *name; };
struct track {
        struct track *next;
        uint32_t n, session; uint64_t dropped;
        long tid;
        char thread[16];
        struct span at[MOST_SPANS];
};

bool wt_trace_on;

static struct {
        pthread_mutex_t lock; /* guards all but what a track's own thread writes */
        struct track *tracks;
        uint32_t session;                        /* tracks of an earlier one are gone */
        char path[PATH], process[80];
} trace = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local struct track *mine;
static _Thread_local uint32_t mine_of;           /* session */

uint64_t wt_trace_now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct track *track_new(void)
{
        struct track *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (t == MAP_FAILED)
                return NULL;
        t->tid = syscall(SYS_gettid);
        pthread_getname_np(pthread_self(), t->thread, sizeof t->thread);
        pthread_mutex_lock(&trace.lock);
        t->next = trace.tracks;
        trace.tracks = t;
        mine_of = trace.session;
        pthread_mutex_unlock(&trace.lock);
        return t;
}

void wt_trace_put(const char *kind, const char *name, uint64_t since_ns, uint64_t rows)
{
        uint64_t now = wt_trace_now();

        if (mine == NULL || mine_of != __atomic_load_n(&trace.session, __ATOMIC_RELAXED))
                mine = wt_trace_on ? track_new() : NULL;
        if (mine == NULL)
                return;
        if (mine->n == MOST_SPANS) {
                mine->dropped++;
                return;
        }
        mine->at[mine->n] = (struct span){ since_ns, now - since_ns, rows, kind, name };
        __atomic_store_n(&mine->n, mine->n + 1, __ATOMIC_RELEASE);
}

wt_err wt_trace_open(const char *path, const char *process)
{
        struct stat st;
        FILE *f;

        if (wt_trace_on)
                return wt_fail(WT_EEXIST, "a trace is recorded already, to %s", trace.path);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
                snprintf(trace.path, sizeof trace.path, "%s/%s.trace.json", path, process);
        else
                snprintf(trace.path, sizeof trace.path, "%s", path);
        snprintf(trace.process, sizeof trace.process, "%s", process);
        if ((f = fopen(trace.path, "w")) == NULL)        /* now, not after an hour of recording */
                return wt_fail(WT_EIO, "could not write %s: %s", trace.path, strerror(errno));
        fclose(f);
        pthread_mutex_lock(&trace.lock);
        trace.session++;
        pthread_mutex_unlock(&trace.lock);
        wt_trace_on = true;
        return WT_OK;
}

/* Names are ours and the system's: letters, digits, dashes. Quotes would break the file, so they
 * go. */
static void put_name(FILE *f, const char *s)
{
        for (; *s != '\0'; s++)
                putc(*s == '"' || *s == '\\' || (unsigned char)*s < ' ' ? '_' : *s, f);
}

static void put_track(FILE *f, const struct track *t)
{
        long pid = getpid();
        uint32_t n = __atomic_load_n(&t->n, __ATOMIC_ACQUIRE);

        fprintf(f,
                ",\n{\"ph\":\"M\",\"pid\":%ld,\"tid\":%ld,\"name\":\"thread_name\","
                "\"args\":{\"name\":\"",
                pid, t->tid);
        put_name(f, t->thread);
        fputs("\"}}", f);
        for (uint32_t i = 0; i < n; i++) {
                const struct span *s = &t->at[i];

                fprintf(f,
                        ",\n{\"ph\":\"X\",\"pid\":%ld,\"tid\":%ld,\"ts\":%" PRIu64
                        ".%03u,\"dur\":%" PRIu64
                        ".%03u,\"cat\":\"%s\",\"name\":\"%s\",\"args\":{\"rows\":%" PRIu64 "}}",
                        pid, t->tid, s->begin / 1000, (unsigned)(s->begin % 1000), s->ns / 1000,
                        (unsigned)(s->ns % 1000), s->kind, s->name, s->rows);
        }
}

static wt_err write_all(void)
{
        FILE *f = fopen(trace.path, "w");
        uint64_t dropped = 0;
        bool bad;

        if (f == NULL)
                return wt_fail(WT_EIO, "could not write %s: %s", trace.path, strerror(errno));
        fprintf(f,
                "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":%ld,\"name\":"
                "\"process_name\",\"args\":{\"name\":\"",
                (long)getpid());
        put_name(f, trace.process);
        fputs("\"}}", f);
        for (const struct track *t = trace.tracks; t != NULL; t = t->next) {
                put_track(f, t);
                dropped += t->dropped;
        }
        fprintf(f, "\n],\"otherData\":{\"dropped_spans\":%" PRIu64 "}}\n", dropped);
        bad = ferror(f) != 0;
        if (fclose(f) != 0 || bad)
                return wt_fail(WT_EIO, "could not write %s: %s", trace.path, strerror(errno));
        return WT_OK;
}

wt_err wt_trace_close(void)
{
        wt_err err;

        if (!wt_trace_on)
                return WT_OK;
        wt_trace_on = false;
        pthread_mutex_lock(&trace.lock);
        err = write_all();
        while (trace.tracks != NULL) {
                struct track *t = trace.tracks;

                trace.tracks = t->next;
                munmap(t, sizeof *t);
        }
        __atomic_fetch_add(&trace.session, 1, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&trace.lock);
        return err;
}

static int larger(const void *a, const void *b)
{
        const struct wt_trace_total *x = a, *y = b;

        return (x->ns < y->ns) - (x->ns > y->ns);
}

uint32_t wt_trace_totals(struct wt_trace_total *out, uint32_t most)
{
        uint32_t n = 0;

        pthread_mutex_lock(&trace.lock);
        for (const struct track *t = trace.tracks; t != NULL; t = t->next) {
                uint32_t spans = __atomic_load_n(&t->n, __ATOMIC_ACQUIRE);

                for (uint32_t i = 0, k; i < spans; i++) {
                        const struct span *s = &t->at[i];

                        for (k = 0; k < n; k++)
                                if (strcmp(out[k].name, s->name) == 0 &&
                                    strcmp(out[k].kind, s->kind) == 0)
                                        break;
                        if (k == most)
                                continue;
                        if (k == n)
                                out[n++] = (struct wt_trace_total){ s->kind, s->name, 0, 0 };
                        out[k].count++;
                        out[k].ns += s->ns;
                }
        }
        pthread_mutex_unlock(&trace.lock);
        qsort(out, n, sizeof *out, larger);
        return n;
}
