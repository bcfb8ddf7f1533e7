/* metrics.h - a worker's numbers for /metrics. */
#ifndef WITAN_EXPERT_METRICS_H
#define WITAN_EXPERT_METRICS_H
#include "base/buf.h"
#include "expert.h"

void expert_metrics(const struct expert_numbers *n, struct wt_buf *out);
#endif
