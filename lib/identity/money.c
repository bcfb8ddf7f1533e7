#include "identity/money.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NANO = 1000000000, MOST = 1000000000, MILLION = 1000000 };

static bool digit(char c) { return c >= '0' && c <= '9'; }

wt_err wt_money_read(const char *text, size_t len, int64_t *nano)
{
        int64_t whole = 0, part = 0, unit = NANO;
        size_t i = 0;

        for (; i < len && digit(text[i]) && whole <= MOST; i++)
                whole = whole * 10 + (text[i] - '0');
        if (i > 0 && i + 1 < len && text[i] == '.')
                for (i++; i < len && digit(text[i]) && unit > 1; i++)
                        part += (text[i] - '0') * (unit /= 10);
        if (i == 0 || i < len || whole > MOST)
                return wt_fail(WT_EINVAL, "\"%.*s\" is no amount; write 12 or 12.50, with at most "
                               "nine digits behind the point, up to %d", len < 40 ? (int)len : 40,
                               text, MOST);
        *nano = whole * NANO + part;
        return WT_OK;
}

const char *wt_money_text(int64_t nano, char out[WT_MONEY_TEXT])
{
        uint64_t n = nano < 0 ? -(uint64_t)nano : (uint64_t)nano;
        int len = snprintf(out, WT_MONEY_TEXT, "%s%" PRIu64 ".%09" PRIu64, nano < 0 ? "-" : "",
                           n / NANO, n % NANO);

        while (out[len - 1] == '0')
                out[--len] = '\0';
        if (out[len - 1] == '.')
                out[--len] = '\0';
        return out;
}

wt_err wt_price_read(const char *text, size_t len, int64_t *nano_per_token)
{
        int64_t nano;
        wt_err err = wt_money_read(text, len, &nano);

        if (err != WT_OK)
                return err;
        if (nano % MILLION != 0)
                return wt_fail(WT_EINVAL, "\"%.*s\" is no price of a million tokens; three digits "
                               "behind the point are what a single token can be priced by",
                               len < 40 ? (int)len : 40, text);
        *nano_per_token = nano / MILLION;
        return WT_OK;
}

const char *wt_price_text(int64_t nano_per_token, char out[WT_MONEY_TEXT])
{
        if (nano_per_token > INT64_MAX / MILLION)
                nano_per_token = INT64_MAX / MILLION;
        return wt_money_text(nano_per_token * MILLION, out);
}
