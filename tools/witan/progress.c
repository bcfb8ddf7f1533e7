/* progress.c - see progress.h. */
#include "progress.h"
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "units.h"

enum { REDRAW_US = 200 * 1000, PLAIN_US = 10 * 1000 * 1000, LOOK_US = 500 * 1000, COLUMNS = 80,
       BAR_LEAST = 8, BAR_MOST = 40, BESIDE_BAR = 71 };

/* Bytes of all packs, those in the making included. */
static uint64_t folder_bytes(const char *path)
{
        DIR *d = opendir(path);
        struct dirent *e;
        struct stat st;
        uint64_t sum = 0;

        while (d != NULL && (e = readdir(d)) != NULL)
                if (strstr(e->d_name, ".pack") != NULL &&
                    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                        sum += (uint64_t)st.st_size;
        if (d != NULL)
                closedir(d);
        return sum;
}

void progress_open(struct progress *p, FILE *to, const char *packs, uint64_t total, bool counted)
{
        *p = (struct progress){ .to = to, .terminal = isatty(fileno(to)) == 1, .total = total };
        snprintf(p->packs, sizeof p->packs, "%s", packs);
        p->first = p->seen = folder_bytes(packs);
        p->base = counted && p->first <= total ? 0 : p->first;
        p->clock = &wt_clock_real;
        p->began_us = p->seen_us = p->drawn_us = wt_now_us(p->clock);
}

static void wipe(struct progress *p)
{
        if (p->drawn)
                fputs("\r\033[K", p->to);
        p->drawn = false;
}

void progress_say(struct progress *p, const char *line)
{
        wipe(p);
        fprintf(p->to, "%s\n", line);
        fflush(p->to);
}

void progress_wait(struct progress *p, const char *names)
{
        snprintf(p->waiting, sizeof p->waiting, "%s", names);
        p->drawn_us -= p->terminal ? REDRAW_US : 0;
}

void progress_bar(char *out, size_t room, uint64_t done, uint64_t total, double rate, int width)
{
        char have[32], all[32], speed[40] = "", left[48] = "";
        int full = total > 0 ? (int)((double)width * (double)done / (double)total) : width;

        full = full > width ? width : full;
        units_bytes(done, have);
        units_bytes(total, all);
        if (rate > 0) {
                char r[32], t[32];
                units_bytes((uint64_t)rate, r);
                units_seconds(done < total ? (double)(total - done) / rate : 0, t);
                snprintf(speed, sizeof speed, ", %s/s", r);
                snprintf(left, sizeof left, ", %s left", t);
        }
        snprintf(out, room, "[%.*s%s%*s] %3d %%, %s of %s%s%s", full,
                 "========================================", full < width ? ">" : "",
                 full < width ? width - full - 1 : 0, "",
                 total > 0 ? (int)(100.0 * (double)done / (double)total) : 100, have, all, speed,
                 left);
}

/* Looks at the folder now and then; smooths the rate over some seconds. */
static void look(struct progress *p, uint64_t now)
{
        uint64_t bytes;
        double s = (double)(now - p->seen_us) / 1e6;

        if (now - p->seen_us < LOOK_US)
                return;
        bytes = folder_bytes(p->packs);
        if (bytes >= p->seen) {
                double r = (double)(bytes - p->seen) / s;
                p->rate = p->rate > 0 ? 0.8 * p->rate + 0.2 * r : r;
        }
        p->seen = bytes;
        p->seen_us = now;
}

static int columns(const struct progress *p)
{
        struct winsize size = { 0 };

        ioctl(fileno(p->to), TIOCGWINSZ, &size);
        return size.ws_col > 1 ? size.ws_col : COLUMNS;
}

static void text(const struct progress *p, uint64_t now, int cols, char *out, size_t n)
{
        int width = cols - BESIDE_BAR;
        uint64_t done = p->seen - (p->seen > p->base ? p->base : p->seen);
        char bar[200], time[32];

        if (p->seen > p->first && done <= p->total) {
                width = width < BAR_LEAST ? BAR_LEAST : width > BAR_MOST ? BAR_MOST : width;
                progress_bar(bar, sizeof bar, done, p->total, p->rate, width);
                snprintf(out, n, "  packing %s", bar);
        } else if (p->seen > p->first) {
                units_bytes(p->seen - p->first, bar);
                snprintf(out, n, "  packing: %s so far", bar);
        } else {
                units_seconds((double)(now - p->began_us) / 1e6, time);
                snprintf(out, n, "  loading, %s; waiting for %s", time, p->waiting);
        }
}

void progress_turn(struct progress *p)
{
        uint64_t now = wt_now_us(p->clock);
        char line[700];
        int cols = columns(p);

        look(p, now);
        if (now - p->drawn_us < (uint64_t)(p->terminal ? REDRAW_US : PLAIN_US) ||
            p->waiting[0] == '\0')
                return;
        p->drawn_us = now;
        text(p, now, cols, line, sizeof line);
        if (!p->terminal) {
                fprintf(p->to, "%s\n", line);
                return;
        }
        wipe(p);
        fprintf(p->to, "%.*s", cols - 1, line);
        fflush(p->to);
        p->drawn = true;
}

void progress_close(struct progress *p)
{
        wipe(p);
        fflush(p->to);
}
