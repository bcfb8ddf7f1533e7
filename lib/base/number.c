#include "base/number.h"
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/err.h"

static locale_t c_locale;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_locale(void)
{
        c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        WT_ASSERT(c_locale != (locale_t)0);
}

double wt_strtod(const char *s, char **end)
{
        pthread_once(&once, make_locale);
        return strtod_l(s, end, c_locale);
}

int wt_dtoa(double v, char out[32])
{
        locale_t was;
        int n = 0;

        pthread_once(&once, make_locale);
        was = uselocale(c_locale);
        /* %g drops trailing zeros, so 15 digits already give the shortest of up to 15; below the
         * normal range fewer digits carry the value and each length must be tried. */
        for (int digits = fabs(v) < DBL_MIN ? 1 : DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
                n = snprintf(out, 32, "%.*g", digits, v);
                if (strtod_l(out, NULL, c_locale) == v)
                        break;
        }
        uselocale(was);
        return n;
}
