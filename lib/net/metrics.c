/* metrics.c - Prometheus text exposition, version 0.0.4. */
#include "net/metrics.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Another thread may add while the owner reads: each number is whole, and none is lost. */
static void add(double *to, double v)
{
        double was, is;

        __atomic_load(to, &was, __ATOMIC_RELAXED);
        do
                is = was + v;
        while (!__atomic_compare_exchange(to, &was, &is, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

static double load(const double *from)
{
        double v;

        __atomic_load(from, &v, __ATOMIC_RELAXED);
        return v;
}

void wt_metric_add(struct wt_metric *m, double v) { add(&m->value, v); }

void wt_metric_set(struct wt_metric *m, double v)
{
        __atomic_store(&m->value, &v, __ATOMIC_RELAXED);
}

void wt_metric_see(struct wt_metric *m, double v)
{
        uint32_t lo = 0, hi = m->n_bounds;

        while (lo < hi) {                        /* the first bound that is >= v; NaN: none */
                uint32_t mid = (lo + hi) / 2;

                if (v <= m->bounds[mid])
                        hi = mid;
                else
                        lo = mid + 1;
        }
        if (lo < m->n_bounds)
                __atomic_fetch_add(&m->buckets[lo], 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&m->count, 1, __ATOMIC_RELAXED);
        add(&m->sum, v);
}

void wt_metric_label(struct wt_buf *out, const char *name, const char *value)
{
        if (out->len > 0 && out->data[out->len - 1] == '"')
                wt_buf_str(out, ",");
        wt_buf_fmt(out, "%s=\"", name);
        for (; *value; value++) {
                if (*value == '\n')
                        wt_buf_str(out, "\\n");
                else if (*value == '"' || *value == '\\')
                        wt_buf_fmt(out, "\\%c", *value);
                else
                        wt_buf_add(out, value, 1);
        }
        wt_buf_str(out, "\"");
}

/* The shortest of 15 and 17 digits that reads back; Go's spelling of what is no number. */
static void number(struct wt_buf *out, double v)
{
        char s[40];

        if (isnan(v)) {
                wt_buf_str(out, "NaN");
        } else if (isinf(v)) {
                wt_buf_str(out, v > 0 ? "+Inf" : "-Inf");
        } else if (fabs(v) < 9e15 && v == (double)(int64_t)v) {
                wt_buf_fmt(out, "%lld", (long long)v);
        } else {
                snprintf(s, sizeof s, "%.15g", v);
                if (strtod(s, NULL) != v)
                        snprintf(s, sizeof s, "%.17g", v);
                wt_buf_str(out, s);
        }
}

static void head(struct wt_buf *out, const struct wt_metric *m)
{
        static const char *const kinds[] = { "counter", "gauge", "histogram" };

        wt_buf_fmt(out, "# HELP %s ", m->name);
        for (const char *h = m->help ? m->help : ""; *h; h++) {
                if (*h == '\n')
                        wt_buf_str(out, "\\n");
                else if (*h == '\\')
                        wt_buf_str(out, "\\\\");
                else
                        wt_buf_add(out, h, 1);
        }
        wt_buf_fmt(out, "\n# TYPE %s %s\n", m->name, kinds[m->kind]);
}

/* name[suffix]{labels[,le="bound"]} value; le NULL: no bound. */
static void line(struct wt_buf *out, const struct wt_metric *m, const char *suffix,
                 const double *le, double value)
{
        const char *labels = m->labels ? m->labels : "";

        wt_buf_fmt(out, "%s%s", m->name, suffix);
        if (*labels || le)
                wt_buf_fmt(out, "{%s", labels);
        if (le) {
                wt_buf_str(out, *labels ? ",le=\"" : "le=\"");
                number(out, *le);
                wt_buf_str(out, "\"");
        }
        wt_buf_str(out, *labels || le ? "} " : " ");
        number(out, value);
        wt_buf_str(out, "\n");
}

static void histogram(struct wt_buf *out, const struct wt_metric *m)
{
        static const double inf = INFINITY;
        uint64_t sum = 0, count = __atomic_load_n(&m->count, __ATOMIC_RELAXED);

        for (uint32_t i = 0; i < m->n_bounds; i++) {
                sum += __atomic_load_n(&m->buckets[i], __ATOMIC_RELAXED);
                line(out, m, "_bucket", &m->bounds[i], (double)sum);
        }
        if (count < sum)                         /* a bucket was counted after count was read */
                count = sum;
        line(out, m, "_bucket", &inf, (double)count);
        line(out, m, "_sum", NULL, load(&m->sum));
        line(out, m, "_count", NULL, (double)count);
}

void wt_metrics_text(struct wt_buf *out, const struct wt_metric *m, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++, m++) {
                if (i == 0 || strcmp(m->name, m[-1].name) != 0)
                        head(out, m);
                if (m->kind == WT_HISTOGRAM)
                        histogram(out, m);
                else
                        line(out, m, "", NULL, load(&m->value));
        }
}
