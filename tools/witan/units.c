/* units.c - see units.h. Three digits that matter. */
#include "units.h"
#include <stdio.h>

static void scaled(double v, double step, const char *const *names, int n, char out[32])
{
        int i = 0;

        for (; i + 1 < n && v >= step * 0.9995; i++)     /* 1,023.9 of a unit is 1.00 of the next */
                v /= step;
        snprintf(out, 32,
                 i == 0 || v >= 99.95 ? "%.0f%s"
                 : v >= 9.995         ? "%.1f%s"
                                      : "%.2f%s",
                 v, names[i]);
}

void units_bytes(uint64_t bytes, char out[32])
{
        static const char *const names[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB" };

        scaled((double)bytes, 1024, names, 6, out);
}

void units_count(double n, char out[32])
{
        static const char *const names[] = { "", " K", " M", " B", " T" };

        scaled(n, 1000, names, 5, out);
}

void units_seconds(double s, char out[32])
{
        long whole = s < 1e9 ? (long)s : 1000000000;

        if (s < 60)
                snprintf(out, 32, s < 10 ? "%.1f s" : "%.0f s", s);
        else if (whole < 3600)
                snprintf(out, 32, "%ld min %ld s", whole / 60, whole % 60);
        else
                snprintf(out, 32, "%ld h %ld min", whole / 3600, whole % 3600 / 60);
}
