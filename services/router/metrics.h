/* metrics.h - a router's numbers for /metrics. */
#ifndef WITAN_ROUTER_METRICS_H
#define WITAN_ROUTER_METRICS_H
#include "base/buf.h"
#include "router.h"

void router_metrics(const struct router_numbers *n, struct wt_buf *out);
#endif
