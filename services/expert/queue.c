/* queue.c - the calls that are here: collected part by part, then multiplied one at a time. */
#include "inside.h"

enum { NO_DEADLINE_US = 60000000 };              /* of a call that names none */

struct job *expert_job_find(struct expert *e, uint32_t peer, uint64_t call_id)
{
        for (uint32_t i = 0; i < MAX_JOBS; i++)
                if (e->jobs[i].state != JOB_FREE && e->jobs[i].call_id == call_id &&
                    e->jobs[i].peer == peer)
                        return &e->jobs[i];
        return NULL;
}

struct job *expert_job_new(struct expert *e, const wt_msg *m)
{
        const struct wt_expert_call *c = m->env.body;

        for (uint32_t i = 0; i < MAX_JOBS; i++) {
                if (e->jobs[i].state != JOB_FREE)
                        continue;
                e->jobs[i] = (struct job){
                        .state = JOB_PARTS, .peer = m->peer, .layer = c->layer,
                        .parts = m->env.parts > 0 ? m->env.parts : 1,
                        .call_id = m->env.call_id, .epoch = m->env.epoch, .since = e->now,
                        .deadline = e->now +
                        (m->env.deadline_us > 0 ? m->env.deadline_us : NO_DEADLINE_US),
                        .turn = e->arrivals++,
                };
                e->link[m->peer].n_jobs++;
                return &e->jobs[i];
        }
        return NULL;
}

void expert_job_free(struct expert *e, struct job *j)
{
        while (j->part != NULL) {
                wt_msg *next = j->part->next;

                wt_msg_free(j->part);
                j->part = next;
        }
        e->link[j->peer].rows -= j->rows;
        e->link[j->peer].n_jobs--;
        j->state = JOB_FREE;
}

/* Short calls first: they are decode steps of somebody who reads along, and cost one reading of the
 * weights either way. A long one is never passed by more than DECODE_STREAK of them. */
struct job *expert_job_next(struct expert *e)
{
        struct job *brief = NULL, *rest = NULL;

        for (uint32_t i = 0; i < MAX_JOBS; i++) {
                struct job *j = &e->jobs[i], **best = j->rows <= DECODE_ROWS ? &brief : &rest;

                if (j->state == JOB_READY && (*best == NULL || j->turn < (*best)->turn))
                        *best = j;
                if (j->state == JOB_PARTS && e->now > j->deadline) {
                        expert_job_free(e, j);   /* its other parts were lost or refused */
                        e->n.dropped++;
                }
        }
        if (brief != NULL && (rest == NULL || e->streak < DECODE_STREAK)) {
                e->streak++;
                return brief;
        }
        e->streak = 0;
        return rest;
}

void expert_jobs_drop(struct expert *e, uint32_t peer)
{
        for (uint32_t i = 0; i < MAX_JOBS; i++) {
                if (e->jobs[i].state == JOB_FREE || e->jobs[i].peer != peer)
                        continue;
                expert_job_free(e, &e->jobs[i]);
                e->n.dropped++;
        }
}

/* The caller no longer wants it. Answered like every call, so that its credit comes home; unknown
 * ones have been answered already. */
void expert_cancel(struct expert *e, const wt_msg *m)
{
        const struct wt_expert_cancel *c = m->env.body;
        struct job *j = c != NULL ? expert_job_find(e, m->peer, c->call_id) : NULL;

        if (j == NULL)
                return;
        expert_refuse(e, j->peer, j->call_id, j->epoch, WT_ECANCELLED);
        expert_job_free(e, j);
        e->n.cancelled++;
}
