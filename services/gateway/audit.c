/* audit.c - the audit log in /metrics. */
#include "path.h"
#include <string.h>

enum { A_INTENTS, A_OUTCOMES, A_MARKS, A_NOTES, A_DURABLE, A_BYTES, A_WAITING, A_HELD, A_SHED,
       A_LATE, A_SEALED, A_CUT, A_UNKEYED, A_SUMMARISED, A_FAILURES, A_SYNCS, N_A };

static const struct wt_metric rows[N_A] = {
        [A_INTENTS] = { .name = "witan_audit_appended_total", .labels = "kind=\"intent\"",
                        .help = "Audit events given to the spool." },
        [A_OUTCOMES] = { .name = "witan_audit_appended_total", .labels = "kind=\"outcome\"",
                         .help = "Audit events given to the spool." },
        [A_MARKS] = { .name = "witan_audit_appended_total", .labels = "kind=\"mark\"",
                      .help = "Audit events given to the spool." },
        [A_NOTES] = { .name = "witan_audit_appended_total", .labels = "kind=\"note\"",
                      .help = "Audit events given to the spool." },
        [A_DURABLE] = { .name = "witan_audit_durable_total",
                        .help = "Last sequence of the spool that is on disk." },
        [A_BYTES] = { .name = "witan_audit_spool_bytes", .kind = WT_GAUGE,
                      .help = "Bytes of the spool, drained segments not counted." },
        [A_WAITING] = { .name = "witan_audit_waiting_bytes", .kind = WT_GAUGE,
                        .help = "Bytes that wait for a sync." },
        [A_HELD] = { .name = "witan_audit_held_answers", .kind = WT_GAUGE,
                     .help = "Answers that wait for a sync." },
        [A_SHED] = { .name = "witan_audit_shed_total",
                     .help = "Requests turned away because nothing could be recorded." },
        [A_LATE] = { .name = "witan_audit_late_total",
                     .help = "Answers given up because their record was not on disk in time." },
        [A_SEALED] = { .name = "witan_audit_sealed_total",
                       .help = "Records that hold prompt and answer, sealed." },
        [A_CUT] = { .name = "witan_audit_cut_total",
                    .help = "Of these, how many hold the beginning of a text alone." },
        [A_UNKEYED] = { .name = "witan_audit_unkeyed_total",
                        .help = "Requests turned away because no key for their texts was to be "
                                "had." },
        [A_SUMMARISED] = { .name = "witan_audit_summarised_total",
                           .help = "Refusals counted in a note instead of a row each." },
        [A_FAILURES] = { .name = "witan_audit_sync_failures_total",
                         .help = "Writes and syncs of the spool that failed." },
        [A_SYNCS] = { .name = "witan_audit_sync_seconds", .kind = WT_HISTOGRAM,
                      .help = "Time of a sync of the spool.", .bounds = wt_spool_bounds,
                      .n_bounds = WT_SPOOL_BUCKETS - 1 },
};

void audit_metrics(struct gateway *g, struct wt_buf *out)
{
        const struct audit *a = &g->audit;
        struct wt_metric m[N_A];
        struct wt_spool_stats st;

        wt_spool_stats(g->conf.spool, &st);
        memcpy(m, rows, sizeof m);
        m[A_INTENTS].value = (double)a->intents;
        m[A_OUTCOMES].value = (double)a->outcomes;
        m[A_MARKS].value = (double)a->marks;
        m[A_NOTES].value = (double)a->notes;
        m[A_DURABLE].value = (double)wt_spool_durable(g->conf.spool);
        m[A_BYTES].value = (double)st.bytes;
        m[A_WAITING].value = (double)st.waiting_bytes;
        m[A_HELD].value = a->n_held;
        m[A_SHED].value = (double)a->shed;
        m[A_LATE].value = (double)a->late;
        m[A_SEALED].value = (double)a->sealed_texts;
        m[A_CUT].value = (double)a->cut_texts;
        m[A_UNKEYED].value = (double)a->unkeyed;
        m[A_SUMMARISED].value = (double)a->summarised;
        m[A_FAILURES].value = (double)st.failures;
        m[A_SYNCS].buckets = st.buckets;
        m[A_SYNCS].count = st.syncs;
        m[A_SYNCS].sum = (double)st.sync_us / 1e6;
        wt_metrics_text(out, m, N_A);
}
