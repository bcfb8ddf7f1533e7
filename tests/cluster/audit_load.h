/* audit_load.h - clients of a gateway that is killed under them: each asks, streams and whole
 * answers in turn, until it is told to stop. What one of them read to its end is written down as a
 * line "finished UUID" (audit_check.py). A client that finds nobody asks again. */
#ifndef WITAN_TESTS_AUDIT_LOAD_H
#define WITAN_TESTS_AUDIT_LOAD_H
#include <pthread.h>
#include <stdio.h>
#include "field.h"

enum { LOAD_CLIENTS = 4 };
struct load {
        struct field *f;                         /* for the words of a failure: logs of gateway-0 */
        char http[64], key[80];                  /* HOST:PORT; the bearer key, "": none */
        pthread_mutex_t lock;
        FILE *log;
        bool stop;
        uint32_t finished, refused;              /* refused: a status from 400 on */
        pthread_t thread[LOAD_CLIENTS];
};
/* A completion of that many tokens. HTTP status; 0: broken off. id: of the answer, "" when it has
 * none. body is cleared first. */
int load_ask(const struct load *l, bool stream, uint32_t tokens, char id[40], struct wt_buf *body);
void load_begin(struct load *l, const char *log);        /* path; the file is begun anew */
void load_until(struct load *l, uint32_t more);  /* that many more are finished; at most 60 s */
void load_end(struct load *l);
#endif
