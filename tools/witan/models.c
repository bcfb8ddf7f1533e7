/* models.c - witan models: what the running cluster serves; inspect.c looks into folders. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "cluster.h"
#include "inspect.h"
#include "net/http.h"

static void print(const struct wt_buf *b)
{
        wt_json *j;
        size_t len;

        if (wt_json_parse(&j, b->data, b->len, &wt_json_default) != WT_OK)
                return;
        printf("%-24s %s\n", "MODEL", "CONTEXT");
        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "data")); v != WT_JSON_NONE;
             v = wt_json_next(j, v)) {
                uint64_t context = 0;
                wt_json_u64(j, wt_json_get(j, v, "max_model_len"), &context);
                printf("%-24s %llu\n", wt_json_str(j, wt_json_get(j, v, "id"), &len),
                       (unsigned long long)context);
        }
        wt_json_free(j);
}

static int list(struct call *c)
{
        struct cluster *cl = calloc(1, sizeof *cl);
        struct wt_buf b = { 0 };
        char url[400], headers[160];
        int status, rc = EXIT_DONE;

        WT_ASSERT(cl != NULL);
        if (cluster_read(cl, c->state) != WT_OK) {
                free(cl);
                return verb_fail(c, "%s", wt_words());
        }
        snprintf(url, sizeof url, "%s/v1/models", cl->http);
        snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", cl->admin_key);
        free(cl);
        if (wt_http_fetch("GET", url, headers, NULL, 0, 5000000, &status, &b, NULL, NULL) != WT_OK)
                rc = verb_fail(c, "%s; is the cluster running? witan ps shows it", wt_words());
        else if (status == 401)
                rc = verb_fail(c,
                               "the gateway refuses the key in %s/witan.json; start the cluster "
                               "again and witan up "
                               "makes a new one",
                               c->state);
        else if (status != 200)
                rc = verb_fail(c, "%s answered %d: %s; witan logs shows why", url, status, b.data);
        else if (c->json)
                puts(b.data);
        else
                print(&b);
        wt_buf_free(&b);
        return rc;
}

static int run(struct call *c)
{
        const struct sub *sub = c->n_words == 0 ? c->verb->subs : verb_sub(c);
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        if ((rc = verb_words(c, sub == c->verb->subs ? 1 : 2)) != 0)
                return rc;
        return sub == c->verb->subs ? list(c) : inspect_run(c);
}

static const enum wt_set sets[] = { WT_SET_state, WT_SET_config, WT_SET_kv_bytes,
                                   WT_SET_cacert, WT_SET_tls_name, N_WT_SETTINGS };
const struct verb verb_models = {
        .name = "models",
        .about = "lists the models that are served, or looks into a model folder",
        .usage = "witan models [list] | inspect FOLDER  [-o json|table]",
        .example = "witan models inspect models/tiny",
        .text = "inspect reads config.json and the headers of the weights, not the weights. Of a "
                "folder with a "
                "config.json alone, or of such a file, it says what BF16 weights would need. A "
                "token uses all of the "
                "model but the routed experts that it does not pick and the embeddings of other "
                "tokens.",
        .subs = {{"list", "", "models of the running cluster"},
                 {"inspect", "FOLDER",
                  "family, layers, parameters in all and per token, bytes by kind, KV bytes per "
                  "token, whether it fits this machine, how many workers would hold it"}},
        .sets = sets,
        .run = run,
};
