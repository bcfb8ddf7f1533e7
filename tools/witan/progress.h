/* progress.h - shows how a cluster comes up: a line per event, and on a terminal below them one
 * line that moves: a bar with rate and time left where bytes are known, else what is waited for.
 * Elsewhere plain lines, one every ten seconds at most. */
#ifndef WITAN_TOOLS_PROGRESS_H
#define WITAN_TOOLS_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct wt_clock;
struct progress {
        FILE *to;
        const struct wt_clock *clock;            /* the real one, but for tests */
        bool terminal, drawn;
        char packs[4200];                        /* folder that grows while a model is packed */
        uint64_t base, total;                    /* bytes at the start that do not count */
        uint64_t began_us, drawn_us, seen_us;    /* seen_us: of `seen` */
        uint64_t seen, first;                    /* bytes at the last look, at the first */
        double rate;                             /* bytes/s, smoothed */
        char waiting[400];
};

/* total: bytes of the model; counted: the packs that are there already are of this model. */
void progress_open(struct progress *p, FILE *to, const char *packs, uint64_t total, bool counted);
void progress_say(struct progress *p, const char *line);         /* something happened */
void progress_wait(struct progress *p, const char *names); /* what is waited for */
void progress_turn(struct progress *p);          /* draws; call it a few times a second */
void progress_close(struct progress *p);         /* the moving line goes */
/* "[====>     ]  40 %" and the like for done of total, n characters of bar. For tests too. */
void progress_bar(char *out, size_t room, uint64_t done, uint64_t total, double rate, int width);
#endif
