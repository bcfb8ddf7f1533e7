/* metrics.c - a worker's numbers as Prometheus text. Names are an API. */
#include "metrics.h"
#include "net/metrics.h"

void expert_metrics(const struct expert_numbers *n, struct wt_buf *out)
{
        const struct wt_metric rows[] = {
#define ROW(n_, h_, k_, v_) \
        { .name = "witan_expert_" n_, .help = h_, .kind = k_, .value = (double)(v_) }
                ROW("turns_total", "Turns of the loop.", WT_COUNTER, n->turns),
                ROW("calls_total", "Calls multiplied.", WT_COUNTER, n->calls),
                ROW("rows_total", "Rows received in them.", WT_COUNTER, n->rows),
                ROW("picks_total", "Products of a row with an expert.", WT_COUNTER, n->picks),
                ROW("nodes_total", "Trie nodes returned.", WT_COUNTER, n->nodes),
                ROW("refused_total", "Calls refused or failed.", WT_COUNTER, n->refused),
                ROW("cancelled_total", "Queued calls cancelled by their router.", WT_COUNTER,
                    n->cancelled),
                ROW("dropped_total", "Calls dropped: their router is gone or said hello anew.",
                    WT_COUNTER, n->dropped),
                ROW("messages_malformed_total",
                    "Messages dropped: they do not decode or contradict themselves.", WT_COUNTER,
                    n->malformed),
                ROW("messages_too_long_total", "Messages dropped: above a limit of length.",
                    WT_COUNTER, n->too_long),
                ROW("compute_seconds_total", "Time spent on calls.", WT_COUNTER,
                    (double)n->compute_us / 1e6),
                ROW("received_bytes_total", "Tensor bytes received.", WT_COUNTER, n->bytes_in),
                ROW("sent_bytes_total", "Tensor bytes sent.", WT_COUNTER, n->bytes_out),
                ROW("mapped_bytes", "Bytes of packs mapped.", WT_GAUGE, n->bytes_mapped),
                ROW("held", "Experts held, over all layers.", WT_GAUGE, n->held),
                ROW("queued", "Calls that are here and not answered.", WT_GAUGE, n->queued),
                ROW("routers", "Routers that it is told of.", WT_GAUGE, n->routers),
                ROW("routers_known", "Routers that gave it an epoch.", WT_GAUGE, n->routers_known),
                ROW("draining", "1 while it drains.", WT_GAUGE, n->draining),
#undef ROW
        };

        wt_metrics_text(out, rows, sizeof rows / sizeof *rows);
}
