/* value.c - a column of a binary result as a value of the store. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include "db.h"

/* Object ids of pg_type, which never change. */
enum { BOOL = 16, BYTEA = 17, CHAR = 18, NAMETYPE = 19, INT8 = 20, INT2 = 21, INT4 = 23, TEXT = 25,
       OID = 26, FLOAT4 = 700, FLOAT8 = 701, UNKNOWN = 705, BPCHAR = 1042, VARCHAR = 1043,
       NUMERIC = 1700 };

static uint64_t big(const char *p, int n)
{
        uint64_t v = 0;

        for (int i = 0; i < n; i++)
                v = v << 8 | (unsigned char)p[i];
        return v;
}

static double real_of(uint64_t bits)
{
        double d;

        memcpy(&d, &bits, sizeof d);
        return d;
}

static double real4_of(uint32_t bits)
{
        float f;

        memcpy(&f, &bits, sizeof f);
        return (double)f;
}

/* sum() of BIGINT is a numeric: four 16-bit words (digits, weight, sign, scale), then digits in
 * base 10,000. Whole and within 64 bits: INT, else REAL. */
static bool numeric(const char *p, int len, struct wt_value *out)
{
        int n = len >= 8 ? (int)big(p, 2) : -1, weight = len >= 8 ? (int16_t)big(p + 2, 2) : 0;
        uint64_t sign = len >= 8 ? big(p + 4, 2) : 0;
        bool whole = weight < 5 && n - 1 <= weight;
        __int128 all = 0;
        double d = 0;

        if (n < 0 || len < 8 + 2 * n || (sign != 0 && sign != 0x4000))
                return false;                    /* NaN and infinities are none of ours */
        for (int i = 0; i < n || (whole && i <= weight); i++) {
                int digit = i < n ? (int)big(p + 8 + 2 * i, 2) : 0;

                all = whole ? all * 10000 + digit : 0;
                d = d * 10000 + digit;
        }
        if (sign != 0) {
                all = -all;
                d = -d;
        }
        if (whole && all >= INT64_MIN && all <= INT64_MAX) {
                *out = (struct wt_value){ .type = WT_INT, .as.i = (int64_t)all };
                return true;
        }
        for (int i = n - 1; i < weight; i++)
                d *= 10000;
        for (int i = weight; i < n - 1; i++)
                d /= 10000;
        *out = (struct wt_value){ .type = WT_REAL, .as.d = d };
        return true;
}

bool pg_column(const PGresult *res, int row, int column, struct wt_value *out)
{
        const char *p = PQgetvalue(res, row, column);
        int len = PQgetlength(res, row, column);

        *out = (struct wt_value){ .type = WT_NULL };
        if (PQgetisnull(res, row, column))
                return true;
        switch (PQftype(res, column)) {
        case BOOL: case CHAR:
                *out = (struct wt_value){ .type = WT_INT, .as.i = len > 0 ? p[0] : 0 };
                return true;
        case INT2:
                *out = (struct wt_value){ .type = WT_INT, .as.i = (int16_t)big(p, 2) };
                return true;
        case INT4:
                *out = (struct wt_value){ .type = WT_INT, .as.i = (int32_t)big(p, 4) };
                return true;
        case OID:
                *out = (struct wt_value){ .type = WT_INT, .as.i = (int64_t)big(p, 4) };
                return true;
        case INT8:
                *out = (struct wt_value){ .type = WT_INT, .as.i = (int64_t)big(p, 8) };
                return true;
        case FLOAT4:
                *out = (struct wt_value){ .type = WT_REAL, .as.d = real4_of((uint32_t)big(p, 4)) };
                return true;
        case FLOAT8:
                *out = (struct wt_value){ .type = WT_REAL, .as.d = real_of(big(p, 8)) };
                return true;
        case TEXT: case NAMETYPE: case UNKNOWN: case BPCHAR: case VARCHAR:
                *out = (struct wt_value){ .type = WT_TEXT, .len = (uint32_t)len, .as.data = p };
                return true;
        case BYTEA:
                *out = (struct wt_value){ .type = WT_BLOB, .len = (uint32_t)len, .as.data = p };
                return true;
        case NUMERIC:
                return numeric(p, len, out);
        default:
                return false;
        }
}
