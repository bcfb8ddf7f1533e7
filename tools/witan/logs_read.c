/* logs_read.c - see logs_read.h. */
#include "logs_read.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "base/json.h"
#include "base/log.h"

static void take(struct logs *l, const char *name, size_t n)
{
        struct log_file *f;

        for (uint32_t i = 0; i < l->n; i++)
                if (strncmp(l->file[i].name, name, n) == 0 && l->file[i].name[n] == '\0')
                        return;
        if (l->n == LOGS_MOST || n >= sizeof l->file[0].name)
                return;
        f = &l->file[l->n];
        memset(f, 0, sizeof *f);
        snprintf(f->name, sizeof f->name, "%.*s", (int)n, name);
        snprintf(f->path, sizeof f->path, "%s/%.*s.log", l->dir, (int)n, name);
        f->f = fopen(f->path, "re");
        f->len = -1;
        if (f->f != NULL)
                l->n++;
}

/* The process itself, or one of its role: "expert" takes expert-0 and expert-1. */
static bool wanted(const char *name, size_t n, const char *only)
{
        size_t m = only != NULL ? strlen(only) : 0;

        return only == NULL ||
               (n >= m && strncmp(name, only, m) == 0 && (n == m || name[m] == '-'));
}

void logs_rescan(struct logs *l, const char *only)
{
        DIR *d = opendir(l->dir);
        struct dirent *e;

        while (d != NULL && (e = readdir(d)) != NULL) {
                size_t n = strlen(e->d_name);
                if (n > 4 && strcmp(e->d_name + n - 4, ".log") == 0 &&
                    wanted(e->d_name, n - 4, only))
                        take(l, e->d_name, n - 4);
        }
        if (d != NULL)
                closedir(d);
}

wt_err logs_open(struct logs *l, const char *dir, const char *only)
{
        l->n = 0;
        snprintf(l->dir, sizeof l->dir, "%s", dir);
        logs_rescan(l, only);
        return l->n > 0 ? WT_OK
                        : wt_fail(WT_ENOTFOUND, "there is no log%s%s in %s",
                                  only != NULL ? " of " : "", only != NULL ? only : "", dir);
}

void logs_close(struct logs *l)
{
        for (uint32_t i = 0; i < l->n; i++) {
                fclose(l->file[i].f);
                free(l->file[i].line);
        }
        l->n = 0;
}

/* Time and level of a line. Words that are no JSON (of a library, of a sanitizer) stay behind the
 * line that they follow. */
static void classify(struct log_file *f)
{
        const char *s;
        size_t n;
        wt_json *j;

        f->json = false;
        f->level = -1;
        if (f->line[0] != '{' ||
            wt_json_parse(&j, f->line, (size_t)f->len, &wt_json_default) != WT_OK)
                return;
        f->json = true;
        if ((s = wt_json_str(j, wt_json_get(j, 0, "ts"), &n)) != NULL)
                snprintf(f->ts, sizeof f->ts, "%s", s);
        if ((s = wt_json_str(j, wt_json_get(j, 0, "level"), &n)) != NULL)
                f->level = wt_level_of(s);
        wt_json_free(j);
}

/* A file that became shorter, or is another one under the same name, is read from its front. */
static void look_for_cut(struct log_file *f)
{
        struct stat st;
        FILE *again;

        if (stat(f->path, &st) != 0)
                return;
        if (f->ino == 0)
                f->ino = (uint64_t)st.st_ino;
        if ((uint64_t)st.st_ino == f->ino && st.st_size >= f->at)
                return;
        again = fopen(f->path, "re");
        if (again == NULL)
                return;
        fclose(f->f);
        f->f = again;
        f->ino = (uint64_t)st.st_ino;
        f->at = 0;
}

/* Reads the next whole line; one that is not ended yet is left for later. */
static void fill(struct log_file *f)
{
        ssize_t n;

        if (f->len >= 0)
                return;
        clearerr(f->f);
        n = getline(&f->line, &f->cap, f->f);
        if (n <= 0) {
                look_for_cut(f);
                return;
        }
        if (f->line[n - 1] != '\n') {
                fseek(f->f, (long)f->at, SEEK_SET);
                return;
        }
        f->at += n;
        f->line[--n] = '\0';
        f->len = n;
        classify(f);
}

struct log_file *logs_next(struct logs *l)
{
        struct log_file *best = NULL;

        for (uint32_t i = 0; i < l->n; i++) {
                struct log_file *f = &l->file[i];
                fill(f);
                if (f->len >= 0 && (best == NULL || strcmp(f->ts, best->ts) < 0))
                        best = f;
        }
        return best;
}

void logs_taken(struct log_file *f)
{
        f->len = -1;
}

bool logs_since(const char *text, uint64_t now_s, char out[LOGS_TS])
{
        static const struct {
                char unit;
                uint64_t s;
        } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
        unsigned year;
        char *end;
        uint64_t n = strtoull(text, &end, 10);
        struct tm utc;
        time_t at;

        if (text[0] < '0' || text[0] > '9')
                return false;
        if (sscanf(text, "%4u-", &year) == 1 && strlen(text) >= 10 && text[4] == '-' &&
            text[strspn(text, "0123456789-:.TZ")] == '\0') {
                snprintf(out, LOGS_TS, "%s", text);
                return true;
        }
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
                if (*end == units[i].unit && end[1] == '\0' && n < UINT64_MAX / 86400) {
                        at = (time_t)(n * units[i].s < now_s ? now_s - n * units[i].s : 0);
                        strftime(out, LOGS_TS, "%Y-%m-%dT%H:%M:%S", gmtime_r(&at, &utc));
                        return true;
                }
        return false;
}
