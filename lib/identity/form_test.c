/* form_test.c - what the admin API's bodies may say, and amounts of money. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "identity/form.h"
#include "identity/money.h"

static void amounts(void **state)
{
        static const struct { const char *text; int64_t nano; const char *back; } good[] = {
                { "0", 0, "0" }, { "12", 12000000000, "12" }, { "0.1", 100000000, "0.1" },
                { "007.50", 7500000000, "7.5" }, { "0.000000001", 1, "0.000000001" },
                { "1000000000", 1000000000000000000, "1000000000" } };
        static const char *const bad[] = { "", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1",
                                           "0.0000000001", "2000000000", "99999999999999999999999",
                                           "NaN" };
        char text[WT_MONEY_TEXT];
        int64_t n = 77;

        (void)state;
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                assert_int_equal(wt_money_read(good[i].text, strlen(good[i].text), &n), WT_OK);
                assert_int_equal(n, good[i].nano);
                assert_string_equal(wt_money_text(n, text), good[i].back);
        }
        n = 77;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(wt_money_read(bad[i], strlen(bad[i]), &n), WT_EINVAL);
        assert_int_equal(wt_price_read("0.0001", 6, &n), WT_EINVAL);
        assert_int_equal(n, 77);
        assert_int_equal(wt_price_read("0.25", 4, &n), WT_OK);
        assert_int_equal(n, 250);                /* 1e-9 a token: a million of them cost 0.25 */
        assert_string_equal(wt_price_text(250, text), "0.25");
        assert_string_equal(wt_money_text(INT64_MIN, text), "-9223372036.854775808");
}

static wt_err read_key(const char *text, struct wt_key *k, const char **field)
{
        wt_json *j;
        wt_err err;

        *field = NULL;
        if (wt_json_parse(&j, text, strlen(text), &wt_form_limits) != WT_OK)
                fail_msg("%s", wt_words());
        err = wt_key_read(j, k, field);
        wt_json_free(j);
        return err;
}

static void a_key_there_and_back(void **state)
{
        struct wt_key k = { .limits = wt_no_limits }, again = { .limits = wt_no_limits };
        struct wt_buf b = { 0 };
        const char *field;

        (void)state;
        assert_int_equal(read_key("{\"tenant\":\"bank\",\"team\":\"risk\",\"name\":\"anna\","
                                  "\"role\":\"user\",\"models\":[\"tiny\",\"big\"],"
                                  "\"sources\":\"10.0.0.0/8,::1\",\"expires_at\":4102444800,"
                                  "\"limits\":{\"requests_per_minute\":5,\"cost_per_day\":2.5,"
                                  "\"concurrency\":null}}", &k, &field), WT_OK);
        assert_string_equal(k.models, "tiny,big");
        assert_string_equal(k.sources, "10.0.0.0/8,::1");
        assert_int_equal(k.limits.most[WT_REQUESTS_PER_MINUTE], 5);
        assert_int_equal(k.limits.most[WT_COST_PER_DAY], 2500000000);
        assert_int_equal(k.limits.most[WT_CONCURRENCY], -1);
        wt_key_json(&k, false, &b);
        assert_non_null(strstr(b.data, "\"limits\":{\"requests_per_minute\":5,"
                               "\"cost_per_day\":2.5}"));
        assert_non_null(strstr(b.data, "\"models\":[\"tiny\",\"big\"]"));
        assert_non_null(strstr(b.data, "\"revoked_at\":null"));
        assert_int_equal(read_key(b.data, &again, &field), WT_EINVAL);   /* "id" is not asked for */
        wt_buf_free(&b);
}

static void wrong(void **state)
{
        static const struct { const char *name, *text, *field, *words; } rows[] = {
                { "no object", "[]", NULL, "object" },
                { "a typo", "{\"tenat\":\"x\"}", NULL, "there is no field \"tenat\"" },
                { "a number as name", "{\"name\":5}", "name", "string" },
                { "a control character", "{\"name\":\"a\\u0001\"}", "name", "control" },
                { "a NUL", "{\"name\":\"a\\u0000\"}", "name", "control" },
                { "models of numbers", "{\"models\":[1]}", "models", "array of strings" },
                { "a model with a comma", "{\"models\":[\"a,b\"]}", "models", "comma" },
                { "an empty model", "{\"models\":[\"\"]}", "models", "empty" },
                { "a time as words", "{\"expires_at\":\"tomorrow\"}", "expires_at", "1970" },
                { "a time below 0", "{\"expires_at\":-1}", "expires_at", "1970" },
                { "limits as a number", "{\"limits\":5}", "limits", "object" },
                { "an unknown limit", "{\"limits\":{\"tokens\":5}}", "limits", "tokens_per_day" },
                { "a limit as text", "{\"limits\":{\"concurrency\":\"5\"}}", "limits", "number" },
                { "a limit below 0", "{\"limits\":{\"concurrency\":-5}}", "limits", "whole" },
                { "half a request", "{\"limits\":{\"concurrency\":0.5}}", "limits", "whole" },
                { "a cost with an exponent", "{\"limits\":{\"cost_per_day\":1e3}}", "limits",
                  "amount" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct wt_key k = { .limits = wt_no_limits };
                const char *field;

                if (read_key(rows[i].text, &k, &field) != WT_EINVAL)
                        fail_msg("%s: taken", rows[i].name);
                if ((field == NULL) != (rows[i].field == NULL) ||
                    (field != NULL && strcmp(field, rows[i].field) != 0))
                        fail_msg("%s: the field is %s", rows[i].name, field ? field : "none");
                if (strstr(wt_words(), rows[i].words) == NULL)
                        fail_msg("%s: %s", rows[i].name, wt_words());
        }
}

static void too_long(void **state)
{
        struct wt_key k = { .limits = wt_no_limits };
        struct wt_buf b = { 0 };
        const char *field;

        (void)state;
        wt_buf_fmt(&b, "{\"name\":\"%065d\"}", 0);
        assert_int_equal(read_key(b.data, &k, &field), WT_EINVAL);
        wt_buf_clear(&b);
        wt_buf_fmt(&b, "{\"name\":\"%064d\"}", 0);
        assert_int_equal(read_key(b.data, &k, &field), WT_OK);
        wt_buf_clear(&b);
        wt_buf_fmt(&b, "{\"models\":[\"%0512d\",\"%0512d\"]}", 0, 0);   /* 1,025 with the comma */
        assert_int_equal(read_key(b.data, &k, &field), WT_EINVAL);
        assert_string_equal(field, "models");
        wt_buf_free(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(amounts), cmocka_unit_test(a_key_there_and_back),
                cmocka_unit_test(wrong), cmocka_unit_test(too_long),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
