/* schedule.c - the rows of the next step: first the next token of every sequence that has begun,
 * then pieces of prompts, oldest sequence first, up to step_rows. */
#include "path.h"

static void add(struct router *r, struct seq *s, uint32_t n)
{
        struct batch *b = &r->batch;

        b->runs[b->n_runs] = (struct wt_run){ .row = b->n_rows, .n_rows = n, .pos = s->n_cached,
                                              .pages = s->pages };
        b->seq[b->n_runs] = s;
        b->back[b->n_runs] = 0;
        for (uint32_t i = 0; i < n; i++) {
                b->ids[b->n_rows + i] = s->ids[s->n_cached + i];
                b->run_of[b->n_rows + i] = b->n_runs;
                b->bad[b->n_rows + i] = b->dead[b->n_rows + i] = 0;
        }
        b->n_rows += n;
        b->n_runs++;
}

/* One row is missing: the token that was drawn last. */
static bool decodes(const struct seq *s)
{
        return s->n_ids > s->n_prompt && s->n_ids - s->n_cached == 1;
}

bool router_schedule(struct router *r)
{
        struct batch *b = &r->batch;
        uint32_t n = r->n_running, start = r->next_decode < n ? r->next_decode : 0;

        b->n_rows = b->n_runs = 0;
        for (uint32_t i = 0; i < n; i++) {
                struct seq *s = r->running[(start + i) % n];

                if (s->over || s->blocked || !decodes(s))
                        continue;
                if (b->n_rows == r->conf.step_rows) {    /* the next step begins with it */
                        r->next_decode = (start + i) % n;
                        break;
                }
                add(r, s, 1);
        }
        for (uint32_t i = 0; i < n && b->n_rows < r->conf.step_rows; i++) {
                struct seq *s = r->running[i];
                uint32_t rows = s->n_ids - s->n_cached, room = r->conf.step_rows - b->n_rows;

                if (s->over || s->blocked || decodes(s))
                        continue;
                rows = rows < r->conf.chunk ? rows : r->conf.chunk;
                add(r, s, rows < room ? rows : room);
        }
        return b->n_rows > 0;
}
