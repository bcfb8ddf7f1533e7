/* api_key.c - api_key STORE: makes a tenant and a key of it, each with limits that are too high to
 * be reached, and prints the key: what a gateway under a benchmark has to check and to count for
 * each request. STORE is sqlite:PATH or postgresql://... */
#include <stdio.h>
#include "identity/identity.h"
#include "plugin/plugin.h"

const struct wt_plugin *wt_plugin_store_sqlite(void);

static const struct wt_limits high = { {
        [WT_REQUESTS_PER_MINUTE] = 100000000, [WT_TOKENS_PER_MINUTE] = 100000000000,
        [WT_CONCURRENCY] = 1000000, [WT_TOKENS_PER_DAY] = 100000000000000,
        [WT_TOKENS_PER_MONTH] = 100000000000000, [WT_COST_PER_DAY] = -1, [WT_COST_PER_MONTH] = -1,
} };

static wt_err make(const char *url, char secret[80])
{
        static const struct wt_plugin *(*const built_in[])(void) = { wt_plugin_store_sqlite, NULL };
        struct wt_tenant tenant = { .id = "bench", .name = "bench", .weight = 1, .limits = high };
        struct wt_key key = { .tenant = "bench", .name = "bench", .limits = high }, made;
        struct wt_tenant out;
        wt_store *s;
        wt_err err = wt_plugin_register(built_in);

        if (err != WT_OK || (err = wt_store_open(&s, url, 10000)) != WT_OK)
                return err;
        if ((err = wt_identity_migrate(s)) == WT_OK &&
            ((err = wt_tenant_create(s, &tenant, &out)) == WT_OK || err == WT_EEXIST))
                err = wt_key_create(s, &key, &made, secret);
        wt_store_close(s);
        return err;
}

int main(int argc, char **argv)
{
        char secret[80];

        if (argc != 2) {
                fputs("api_key: say api_key STORE\n", stderr);
                return 2;
        }
        if (make(argv[1], secret) != WT_OK) {
                fprintf(stderr, "api_key: %s\n", wt_words());
                return 2;
        }
        puts(secret);
        return 0;
}
