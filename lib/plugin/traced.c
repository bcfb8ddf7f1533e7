/* traced.c - a compute table that leaves a span for each stage and lets another table do the work.
 * The clock is the host's: where a plugin queues its work, a span is the queueing and sync has the
 * rest. */
#include <pthread.h>
#include "base/trace.h"
#include "plugin/plugin.h"

static const struct wt_compute_ops *to;          /* written before the first call, never again */

#define STAGE(op, args, rows)                                                             \
        static int op(wt_compute *c, const struct args *a)                                \
        {                                                                                 \
                uint64_t t = wt_trace_begin();                                            \
                int err = to->op(c, a);                                                   \
                                                                                          \
                wt_trace_end(t, "stage", #op, rows);                                      \
                return err;                                                               \
        }
STAGE(embed, wt_embed_args, a->n_rows)
STAGE(attend, wt_attend_args, a->n_rows)
STAGE(gate, wt_gate_args, a->n_rows)
STAGE(ffn, wt_ffn_args, a->n_rows)
STAGE(expert_ffn, wt_expert_args, a->n_groups > 0 ? a->first[a->n_groups] : 0)
STAGE(fold, wt_fold_args, a->n_out)
STAGE(combine, wt_combine_args, a->n_rows)
STAGE(head, wt_head_args, a->n)

static int sync(wt_compute *c)
{
        uint64_t t = wt_trace_begin();
        int err = to->sync(c);

        wt_trace_end(t, "stage", "sync", 0);
        return err;
}

const struct wt_compute_ops *wt_compute_traced(const struct wt_compute_ops *ops)
{
        static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        static struct wt_compute_ops table;

        pthread_mutex_lock(&lock);
        if (to == NULL && ops->attend != attend) {
                to = ops;
                table = *ops;
                table.embed = embed;
                table.attend = attend;
                table.gate = gate;
                table.ffn = ffn;
                table.expert_ffn = expert_ffn;
                table.fold = fold;
                table.combine = combine;
                table.head = head;
                table.sync = sync;
        }
        ops = to == ops ? &table : ops;
        pthread_mutex_unlock(&lock);
        return ops;
}
