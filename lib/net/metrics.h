/* metrics.h - counters, gauges and histograms of one process, as Prometheus text. A metric's name
 * is an API (prefix witan_). Owned by one thread; atomics where another thread adds. */
#ifndef WITAN_NET_METRICS_H
#define WITAN_NET_METRICS_H
#include "base/buf.h"

enum wt_metric_kind { WT_COUNTER, WT_GAUGE, WT_HISTOGRAM };
struct wt_metric {
        const char *name, *help;
        enum wt_metric_kind kind;
        const char *labels;                      /* 'role="x"' or NULL */
        const double *bounds;                    /* histograms: ascending */
        uint32_t n_bounds;
        double value, sum;
        uint64_t *buckets, count;
};
void wt_metric_add(struct wt_metric *m, double v);               /* counters */
void wt_metric_set(struct wt_metric *m, double v);               /* gauges */
void wt_metric_see(struct wt_metric *m, double v);       /* histograms; buckets must be set */
/* Appends name="value" to labels under construction, after a comma where one is needed; escapes. */
void wt_metric_label(struct wt_buf *out, const char *name, const char *value);
/* Rows with the same name must be neighbours: HELP and TYPE are written once. */
void wt_metrics_text(struct wt_buf *out, const struct wt_metric *m, uint32_t n);
#endif
