/* encoder.h - a thread beside the loop for what would hold it up: the tokenizing of long texts.
 * Jobs are done one after the other, in the order in which they were given. */
#ifndef WITAN_GATEWAY_ENCODER_H
#define WITAN_GATEWAY_ENCODER_H
#include "base/err.h"
#include "net/loop.h"

struct encoder;
struct encoder_job {                             /* the beginning of the giver's own struct */
        struct encoder_job *next;
        /* On the thread. What it reads nobody may change before done. */
        wt_err (*work)(struct encoder_job *j);
        wt_err err; char words[400];             /* of work */
};
/* done comes on the loop, or from encoder_close: the job is the giver's again. */
wt_err encoder_open(struct encoder **out, wt_loop *loop,
                    void (*done)(void *arg, struct encoder_job *j), void *arg);
void encoder_give(struct encoder *e, struct encoder_job *j);     /* lent until done */
/* Waits for the job that is being worked on; those behind it are done with WT_ECANCELLED. NULL is
 * fine. */
void encoder_close(struct encoder *e);
#endif
