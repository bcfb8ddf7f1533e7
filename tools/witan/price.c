/* price.c - witan price set|list|remove: what a million tokens of a model cost. */
#include <stdio.h>
#include <string.h>
#include "books.h"
#include "identity/form.h"
#include "identity/money.h"
#include "names.h"
#include "page.h"

enum { SET, LIST, REMOVE };
enum { F_PROMPT, F_COMPLETION, F_TENANT, F_PAGE };

static wt_err set_work(void *arg, wt_store *s, struct wt_buf *words)
{
        const struct wt_price *p = arg;

        wt_buf_fmt(words, "model=%.100s tenant=%s", p->model, p->tenant);
        return wt_price_set(s, p);
}

static wt_err remove_work(void *arg, wt_store *s, struct wt_buf *words)
{
        const struct wt_price *p = arg;

        wt_buf_fmt(words, "model=%.100s tenant=%s removed", p->model, p->tenant);
        return wt_price_remove(s, p);
}

static void row(void *arg, const struct wt_price *p)
{
        char prompt[WT_MONEY_TEXT], completion[WT_MONEY_TEXT];

        if (arg != NULL)
                wt_price_json(p, arg);
        else
                printf("%-32s %-16s %16s %16s\n", p->model, p->tenant[0] != '\0' ? p->tenant : "-",
                       wt_price_text(p->prompt_nano, prompt),
                       wt_price_text(p->completion_nano, completion));
}

static int list(struct call *c, wt_store *s, struct wt_page *page)
{
        struct wt_buf b = { 0 }, *json = books_list(c, &b, "%-32s %-16s %16s %16s\n", "MODEL",
                                                    "TENANT", "PROMPT", "COMPLETION");

        return page_end(c, &b, page, wt_price_page(s, page, row, json));
}

static bool read_price(struct call *c, int f, int64_t *out)
{
        if (c->flag[f] != NULL && wt_price_read(c->flag[f], strlen(c->flag[f]), out) == WT_OK)
                return true;
        verb_usage(c, "--%s: %s", c->verb->flags[f].name, c->flag[f] != NULL ? wt_words()
                   : "a price needs both, each of a million tokens");
        return false;
}

static int set(struct call *c, wt_store *s, struct wt_price *p)
{
        struct wt_buf b = { 0 };

        if ((p->tenant[0] != '\0' && names_tenant(s, p->tenant) != WT_OK) ||
            books_change(c, s, "admin.price.set", set_work, p) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        names_models(c, p->model);
        if (c->json)
                wt_price_json(p, &b);
        else
                wt_buf_fmt(&b, "the price of model %s is set%s%s", p->model,
                           p->tenant[0] != '\0' ? " for tenant " : "", p->tenant);
        puts(b.data);
        wt_buf_free(&b);
        return EXIT_DONE;
}

static int take_off(struct call *c, wt_store *s, struct wt_price *p)
{
        struct wt_buf b = { 0 };

        if (books_change(c, s, "admin.price.remove", remove_work, p) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        wt_buf_str(&b, c->json ? "{" : "");
        if (c->json) {
                wt_buf_json_kv(&b, "model", p->model);
                wt_buf_json_kv(&b, "tenant", p->tenant[0] != '\0' ? p->tenant : NULL);
                wt_buf_json_kb(&b, "removed", true);
                wt_buf_str(&b, "}");
        } else {
                wt_buf_fmt(&b, "model %s has no price%s%s any more", p->model,
                           p->tenant[0] != '\0' ? " of its own for tenant " : " for all",
                           p->tenant);
        }
        puts(b.data);
        wt_buf_free(&b);
        return EXIT_DONE;
}

/* The model, the tenant and the amounts; 0, or the exit code of what was said. */
static int read_words(struct call *c, long what, struct wt_price *p)
{
        const char *tenant = c->flag[F_TENANT];

        if (what != LIST && (c->n_words != 2 || strlen(c->words[1]) >= sizeof p->model))
                return verb_usage(c, "%s takes the name of a model", c->words[0]);
        if (what != SET && (c->flag[F_PROMPT] != NULL || c->flag[F_COMPLETION] != NULL ||
                            (what == LIST && tenant != NULL)))
                return verb_usage(c, "flags are for price set");
        if (what == SET && (!read_price(c, F_PROMPT, &p->prompt_nano) ||
                            !read_price(c, F_COMPLETION, &p->completion_nano)))
                return EXIT_USAGE;
        if (tenant != NULL && strlen(tenant) >= sizeof p->tenant)
                return verb_usage(c, "--tenant has at most 64 bytes");
        if (what != LIST)
                strcpy(p->model, c->words[1]);
        if (tenant != NULL)
                strcpy(p->tenant, tenant);
        return 0;
}

static int run(struct call *c)
{
        const struct sub *sub = verb_sub(c);
        struct wt_price p = { .prompt_nano = 0 };
        struct wt_page room, *page;
        wt_store *s;
        long what;
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        what = sub - c->verb->subs;
        if ((rc = verb_words(c, what != LIST ? 2 : 1)) != 0 || (rc = read_words(c, what, &p)) != 0)
                return rc;
        if (!page_flags(c, F_PAGE, what == LIST, &room, &page))
                return EXIT_USAGE;
        if ((what == SET ? books_open(c, &s) : books_read(c, &s)) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        rc = what == SET ? set(c, s, &p) : what == LIST ? list(c, s, page) : take_off(c, s, &p);
        wt_store_close(s);
        return rc;
}

const struct verb verb_price = {
        .name = "price",
        .about = "sets, lists and removes what a million tokens of a model cost",
        .usage = "witan price set MODEL --prompt AMOUNT --completion AMOUNT [--tenant T] | "
                 "remove MODEL [--tenant T] | list [--limit N] [--after PLACE]",
        .example = "witan price set tiny --prompt 0.25 --completion 1.50",
        .text = "Amounts are of whatever currency the deployment counts in, for a million tokens "
                "of the prompt and of the answer, to three digits behind the point. The price of a "
                "tenant goes before that of all. A request costs what the price was when it was "
                "admitted; usage, the audit log and the budgets of cost take it from there.",
        .subs = {{"set", "MODEL", "sets a price, for all or for a tenant"},
                 {"list", "", "shows all prices"},
                 {"remove", "MODEL", "takes a price off; of a tenant, that of all counts then"}},
        .flags = {[F_PROMPT] = {"prompt", "AMOUNT", "of a million tokens of the prompt", 0},
                  [F_COMPLETION] = {"completion", "AMOUNT", "of a million tokens of the answer", 0},
                  [F_TENANT] = {"tenant", "NAME", "only for this tenant [all]", 0},
                  PAGE_FLAGS(F_PAGE)},
        .sets = books_sets,
        .run = run,
};
