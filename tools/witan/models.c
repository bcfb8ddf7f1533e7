/* models.c - witan models: what the running cluster serves. */
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "cluster.h"
#include "net/http.h"
#include "verb.h"

static int run(struct call *c)
{
        struct cluster cl;
        struct wt_buf b = { 0 };
        char url[400], headers[160];
        int status;
        wt_json *j;
        size_t len;

        if (cluster_read(&cl, c->state) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        snprintf(url, sizeof url, "%s/v1/models", cl.http);
        snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", cl.admin_key);
        if (wt_http_fetch("GET", url, headers, NULL, 0, 5000000, &status, &b, NULL, NULL) != WT_OK)
                return verb_fail(c, "%s; is the cluster running? witan ps shows it", wt_words());
        if (status != 200)
                return verb_fail(c, "%s answered %d: %s", url, status, b.data);
        if (c->json) {
                puts(b.data);
        } else if (wt_json_parse(&j, b.data, b.len, &wt_json_default) == WT_OK) {
                wt_jv list = wt_json_get(j, 0, "data");
                printf("%-24s %s\n", "MODEL", "CONTEXT");
                for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                        uint64_t context = 0;
                        wt_json_u64(j, wt_json_get(j, v, "max_model_len"), &context);
                        printf("%-24s %llu\n", wt_json_str(j, wt_json_get(j, v, "id"), &len),
                               (unsigned long long)context);
                }
                wt_json_free(j);
        }
        wt_buf_free(&b);
        return EXIT_DONE;
}

const struct verb verb_models = {
        .name = "models", .about = "lists the models of the running cluster",
        .usage = "witan models [-o json|table]", .example = "witan models -o json", .run = run,
};
