/* bench_report.h - results as JSON, as a table, as curves. */
#ifndef WITAN_TOOLS_BENCH_REPORT_H
#define WITAN_TOOLS_BENCH_REPORT_H
#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"

/* "machine": {...} */
void bench_machine(struct wt_buf *b);

/* Sorts v. p in [0, 1]: the value below which a share p lies (nearest rank); 0 of none. */
double bench_quantile(double *v, size_t n, double p);
double bench_median(double *v, size_t n);

/* Writes DIR/NAME.json (and the like); says where on stderr. */
wt_err bench_write(const char *dir, const char *name, const struct wt_buf *b);

/* A curve of points (x, y) with labelled axes, by itself in a file. */
struct bench_curve { const char *name; const double *x, *y; uint32_t n; };
void bench_svg(struct wt_buf *b, const char *title, const char *x_name, const char *y_name,
               const struct bench_curve *c, uint32_t n);
#endif
