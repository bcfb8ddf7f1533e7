/* logs_read.h - the log files of a state folder as one stream of lines in order of time. Each file
 * is read once from its front, so memory does not grow with the logs. */
#ifndef WITAN_TOOLS_LOGS_READ_H
#define WITAN_TOOLS_LOGS_READ_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

enum { LOGS_MOST = 320, LOGS_TS = 32 };
struct log_file {
        char name[64];                           /* expert-0 */
        char path[4300];
        FILE *f;
        char *line; size_t cap; ssize_t len;     /* the next line; len < 0: none yet */
        char ts[LOGS_TS];                        /* of that line, or of the one before */
        int level;                               /* enum wt_level; of text that is no JSON: -1 */
        bool json;
        uint64_t ino; int64_t at;                /* which file, how far: to see that it was cut */
};
struct logs { struct log_file file[LOGS_MOST]; uint32_t n; char dir[4200]; };

/* only: NULL, a process ("expert-0"), or a role ("expert"). WT_ENOTFOUND when no file is of that
 * name. */
wt_err logs_open(struct logs *l, const char *dir, const char *only);
void logs_close(struct logs *l);
/* Takes in files that came since. */
void logs_rescan(struct logs *l, const char *only);
/* The file whose next line is the oldest; NULL: all have been read to their ends. */
struct log_file *logs_next(struct logs *l);
void logs_taken(struct log_file *f);             /* that line has been used */
/* "10m", "90s", "2h", "1d", or a time "2025-01-31T12:00:00Z" or a part of it, as a ts that
 * compares with those of lines. False: it is neither. */
bool logs_since(const char *text, uint64_t now_s, char out[LOGS_TS]);
#endif
