/* plugin.c - witan plugin list|check: which plugins there are, and whether one keeps the promises
 * of its kind. check loads FILE as a service would and runs the conformance test of its kind. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "compute_cpu/conform.h"
#include "place/conform.h"
#include "plugin/plugin.h"
#include "sample/conform.h"
#include "store_sqlite/conform.h"
#include "verb.h"

const struct wt_plugin *wt_plugin_compute_cpu(void), *wt_plugin_contiguous(void),
                       *wt_plugin_least_loaded(void), *wt_plugin_sample(void),
                       *wt_plugin_store_sqlite(void);

static const struct wt_plugin *(*const built_in[])(void) = {
        wt_plugin_compute_cpu, wt_plugin_contiguous, wt_plugin_least_loaded, wt_plugin_sample,
        wt_plugin_store_sqlite, NULL };

enum { F_QUICK, F_URL };

static void put_plugin(struct wt_buf *b, const struct wt_plugin *p)
{
        wt_buf_json_kv(b, "kind", wt_kind_name(p->kind));
        wt_buf_json_kv(b, "name", p->name);
        wt_buf_json_kv(b, "version", p->version);
        wt_buf_json_kv(b, "about", p->about);
}

/* The stores of the build's own folder, which every program finds there when a URL asks for one. */
static wt_err load_stores(void)
{
        char folder[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
        const struct wt_plugin *p;
        struct dirent *e;
        wt_err err = wt_plugin_own(folder);
        DIR *d = err == WT_OK ? opendir(folder) : NULL;

        while (d != NULL && err == WT_OK && (e = readdir(d)) != NULL) {
                size_t n = strlen(e->d_name);

                if (strncmp(e->d_name, "store_", 6) != 0 || n < 3 ||
                    strcmp(e->d_name + n - 3, ".so") != 0)
                        continue;
                snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
                err = wt_plugin_load(path, &p);
        }
        if (d != NULL)
                closedir(d);
        return err;
}

static int list(struct call *c)
{
        const char *folder = wt_conf_str(c->conf, WT_SET_plugins);
        struct wt_buf b = { 0 };
        const struct wt_plugin *p;

        if (wt_plugin_register(built_in) != WT_OK || load_stores() != WT_OK ||
            (folder[0] != '\0' && wt_plugin_load_dir(folder) != WT_OK))
                return verb_fail(c, "%s", wt_words());
        wt_buf_str(&b, "[");
        if (!c->json)
                printf("%-10s %-14s %-8s %s\n", "KIND", "NAME", "VERSION", "ABOUT");
        for (size_t i = 0; (p = wt_plugin_at(i)) != NULL; i++) {
                wt_buf_json_sep(&b);
                wt_buf_str(&b, "{");
                put_plugin(&b, p);
                wt_buf_str(&b, "}");
                if (!c->json)
                        printf("%-10s %-14s %-8s %s\n", wt_kind_name(p->kind), p->name, p->version,
                               p->about);
        }
        wt_buf_str(&b, "]");
        if (c->json)
                puts(b.data);
        wt_buf_free(&b);
        return EXIT_DONE;
}

struct report { bool json; struct wt_buf findings; };

static void note(void *arg, const char *what, bool ok, const char *words)
{
        struct report *r = arg;

        wt_buf_json_sep(&r->findings);
        wt_buf_str(&r->findings, "{");
        wt_buf_json_kv(&r->findings, "what", what);
        wt_buf_json_kb(&r->findings, "holds", ok);
        wt_buf_json_kv(&r->findings, "words", words != NULL ? words : "");
        wt_buf_str(&r->findings, "}");
        if (!r->json)
                printf("%s %s%s%s\n", ok ? "ok  " : "FAIL", what, ok || !words || !*words ? "" :
                       ": ", ok || words == NULL ? "" : words);
}

static uint32_t conform(const struct wt_plugin *p, struct report *r, bool quick, const char *url)
{
        struct wt_host host;
        const struct wt_conform_stores stores = { .note = note, .arg = r, .host = &host,
                                                  .words = wt_words, .url = url, .quick = quick };
        const struct wt_conform compute = { .note = note, .arg = r, .quick = quick };
        const struct wt_conform_draws draws = { .note = note, .arg = r };
        const struct wt_conform_places places = { .note = note, .arg = r };

        wt_host_init(&host, NULL);
        switch (p->kind) {
        case WT_COMPUTE: return wt_conform_compute(p, &compute);
        case WT_SAMPLE:  return wt_conform_sample(p, &draws);
        case WT_PLACE:   return wt_conform_place(p, &places);
        case WT_STORE:   return wt_conform_store(p, &stores);
        default:         return 0;
        }
}

static int check(struct call *c)
{
        struct report r = { .json = c->json };
        const struct wt_plugin *p;
        uint32_t faults;

        if (c->n_words != 2)
                return verb_usage(c, "check takes one file, such as build/plugins/first-holder.so");
        if (wt_plugin_load(c->words[1], &p) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (p->kind == WT_STORE && c->flag[F_URL] == NULL)
                return verb_usage(c, "a store is checked on a database that holds nothing; name "
                                  "it: --url %s:...",
                                  ((const struct wt_store_ops *)p->ops)->scheme);
        wt_buf_str(&r.findings, "[");
        faults = conform(p, &r, c->flag[F_QUICK] != NULL, c->flag[F_URL]);
        wt_buf_str(&r.findings, "]");
        if (c->json) {
                struct wt_buf b = { 0 };
                wt_buf_str(&b, "{");
                put_plugin(&b, p);
                wt_buf_json_ku(&b, "faults", faults);
                wt_buf_json_key(&b, "findings");
                wt_buf_add(&b, r.findings.data, r.findings.len);
                wt_buf_str(&b, "}");
                puts(b.data);
                wt_buf_free(&b);
        } else {
                printf("%s plugin %s %s: %s\n", wt_kind_name(p->kind), p->name, p->version,
                       faults == 0 ? "conforms" : "does not conform");
        }
        wt_buf_free(&r.findings);
        return faults == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int run(struct call *c)
{
        const struct sub *s = verb_sub(c);

        if (s == NULL)
                return EXIT_USAGE;
        return strcmp(s->name, "list") == 0 ? list(c) : check(c);
}

const struct verb verb_plugin = {
        .name = "plugin",
        .about = "lists plugins, and checks whether one keeps the promises of its kind",
        .usage = "witan plugin list [--plugins DIR] | check FILE [--quick] [--url URL]",
        .example = "witan plugin check build/plugins/first-holder.so",
        .flags = { [F_QUICK] = { "quick", NULL, "compute: fewer threads and chunk lengths; store: "
                                               "fewer rounds", 0 },
                   [F_URL] = { "url", "URL", "store: a database that holds nothing", 0 } },
        .subs = { { "list", "", "the built-in ones and those of the plugins' folder" },
                  { "check", "FILE", "loads FILE and runs the conformance test of its kind" } },
        .run = run,
};
