/* control.c - witan control push|assign|unassign: what an operator tells routers and workers while
 * they serve. The keys control-0 and planner-0 of the state folder say who may. */
#include "control.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "books.h"
#include "cluster.h"
#include "model/pack.h"
#include "names.h"
#include "near.h"

enum { F_POLICY, F_REVOKED, MOST_ID = 64 };

/* ---- both: the cluster, and what each process said ------------------------------------------ */

struct report { const struct call *c; struct wt_buf json; uint32_t n_failed; };

static void tell(struct report *r, const char *name, const char *what, wt_err err)
{
        r->n_failed += err != WT_OK;
        wt_buf_json_sep(&r->json);
        wt_buf_str(&r->json, "{");
        wt_buf_json_kv(&r->json, "process", name);
        wt_buf_json_kv(&r->json, "what", what);
        wt_buf_json_kb(&r->json, "done", err == WT_OK);
        wt_buf_json_kv(&r->json, "words", err == WT_OK ? "" : wt_words());
        wt_buf_str(&r->json, "}");
        if (err != WT_OK)
                verb_fail(r->c, "%s: %s", name, wt_words());
        else if (!r->c->json)
                printf("%s: %s\n", name, what);
}

static int told(struct report *r)
{
        if (r->c->json)
                printf("[%s]\n", r->json.data != NULL ? r->json.data : "");
        wt_buf_free(&r->json);
        return r->n_failed == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* A running cluster whose processes can be spoken to from here. */
static wt_err find_cluster(const struct call *c, struct cluster *cl)
{
        wt_err err = cluster_read(cl, c->state);

        if (err != WT_OK)
                return err;
        if (cl->supervisor == 0 || !cluster_lives(c->state))
                return wt_fail(WT_EPRECONDITION, "the cluster in %s is stopped; witan up starts it "
                               "again", c->state);
        for (uint32_t i = 0; i < cl->n; i++)
                if (strncmp(cl->processes[i].endpoint, "inproc://", 9) == 0)
                        return wt_fail(WT_EUNSUPPORTED, "the cluster in %s is one process "
                                       "(--inproc), whose bus nobody else can reach; witan key "
                                       "revoke is heard by it all the same", c->state);
        return WT_OK;
}

/* ---- push ----------------------------------------------------------------------------------- */

struct news { uint64_t policy; const char *revoked; };

static int read_news(const struct call *c, struct news *w)
{
        const char *text = c->flag[F_POLICY];
        char *end;

        w->revoked = c->flag[F_REVOKED];
        if (text == NULL && w->revoked == NULL)
                return verb_usage(c, "push says what to tell: --policy-version N, --key-revoked "
                                  "ID");
        if (w->revoked != NULL && (*w->revoked == '\0' || strlen(w->revoked) > MOST_ID))
                return verb_usage(c, "--key-revoked takes the id of a key, at most %d characters; "
                                  "witan key list shows them", MOST_ID);
        errno = 0;
        w->policy = text != NULL ? strtoull(text, &end, 10) : 0;
        if (text != NULL && (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
                             w->policy == 0))
                return verb_usage(c, "--policy-version is \"%s\"; it takes a whole number from 1",
                                  text);
        return 0;
}

static wt_err push_to(const struct call *c, const struct process *router, const struct news *w)
{
        struct control_line l;
        struct wt_push *p;
        wt_msg *m;
        wt_err err = control_open(&l, c->state, "control-0", router->endpoint, "router");

        if (err != WT_OK)
                return err;
        m = wt_msg_new(l.bus);
        p = WT_ARENA_NEW(&m->arena, struct wt_push);
        p->policy_version = w->policy;
        if (w->revoked != NULL)
                p->key_revoked = WT_STR(w->revoked);
        m->env.method = WT_M_PUSH;
        m->env.body = p;
        err = control_ask(&l, m);
        control_close(&l);
        return err;
}

/* It is told all the same: the store may be away just when a key must be shut out. */
static void look_up(const struct call *c, const char *id)
{
        wt_store *s;

        if (books_read(c, &s) != WT_OK)
                return;
        if (names_key(s, id) == WT_ENOTFOUND)
                fprintf(stderr, "note: %s\n", wt_words());
        wt_store_close(s);
}

static int push(struct call *c, struct cluster *cl)
{
        struct report r = { .c = c };
        struct news w;
        int rc = read_news(c, &w);

        if (rc != 0)
                return rc;
        if (find_cluster(c, cl) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (w.revoked != NULL)
                look_up(c, w.revoked);
        for (uint32_t i = 0; i < cl->n; i++)
                if (strcmp(cl->processes[i].role, "router") == 0)
                        tell(&r, cl->processes[i].name, "its gateways are told",
                             push_to(c, &cl->processes[i], &w));
        return told(&r);
}

/* ---- assign, unassign ----------------------------------------------------------------------- */

static const struct process *find_worker(const struct call *c, const struct cluster *cl)
{
        const char *names[MAX_PROCESSES + 1], *near, *word = c->words[1];
        int n = 0;

        for (uint32_t i = 0; i < cl->n; i++) {
                const struct process *p = &cl->processes[i];

                if (strcmp(p->role, "expert") != 0)
                        continue;
                if (strcmp(p->name, word) == 0)
                        return p;
                names[n++] = p->name;
        }
        names[n] = NULL;
        near = near_word(word, names);
        wt_fail(WT_ENOTFOUND, "there is no worker \"%s\"; %s%s%s", word,
                near != NULL ? "did you mean " : "witan ps lists them", near != NULL ? near : "",
                near != NULL ? "?" : "");
        return NULL;
}

static wt_err move_one(struct control_line *l, wt_model *m, uint32_t method,
                       const struct control_item *it)
{
        uint8_t variant[32];
        wt_err err = wt_model_variant(m, it->layer, it->expert, variant);
        struct wt_assign *a;
        wt_msg *msg;

        if (err != WT_OK)
                return err;
        msg = wt_msg_new(l->bus);
        a = WT_ARENA_NEW(&msg->arena, struct wt_assign);
        *a = (struct wt_assign){ it->layer, it->expert, WT_BYTES(variant, sizeof variant) };
        msg->env.method = method;
        msg->env.body = a;
        return control_ask(l, msg);
}

/* One after the other; the first that fails ends it, since the next would, too. */
static int move_all(struct call *c, const struct process *p, wt_model *m, uint32_t method,
                    const struct control_item *item, uint32_t n)
{
        struct report r = { .c = c };
        struct control_line l;
        wt_err err = control_open(&l, c->state, "planner-0", p->planner, p->name);
        char what[80];

        if (err != WT_OK) {
                control_close(&l);
                return verb_fail(c, "%s", wt_words());
        }
        for (uint32_t i = 0; i < n && err == WT_OK; i++) {
                snprintf(what, sizeof what, "%s expert %u of layer %u",
                         method == WT_M_ASSIGN ? "holds" : "lets go of", item[i].expert,
                         item[i].layer);
                tell(&r, p->name, what, err = move_one(&l, m, method, &item[i]));
        }
        control_close(&l);
        return told(&r);
}

static int move(struct call *c, struct cluster *cl, uint32_t method)
{
        const struct process *p = NULL;
        struct control_item *item = NULL;
        char packs[4200];
        wt_model *m = NULL;
        uint32_t n = 0;
        int rc;

        if (c->n_words != 3)
                return verb_usage(c, "%s takes a worker and its experts, such as expert-0 2:9 or "
                                  "expert-0 1-5:0-7", c->words[0]);
        snprintf(packs, sizeof packs, "%s/packs", c->state);
        if (find_cluster(c, cl) != WT_OK || (p = find_worker(c, cl)) == NULL)
                return verb_fail(c, "%s", wt_words());
        if (p->planner[0] == '\0')
                return verb_fail(c, "%s was started by a witan that gave workers no ear for this; "
                                 "witan down, then witan up starts it anew", p->name);
        if (wt_model_open(&m, cl->model, packs, NULL) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (control_items(wt_model_shape(m), c->words[2], &item, &n) != WT_OK)
                rc = verb_usage(c, "%s", wt_words());
        else
                rc = move_all(c, p, m, method, item, n);
        free(item);
        wt_model_close(m);
        return rc;
}

static int run(struct call *c)
{
        const struct sub *sub = verb_sub(c);
        struct cluster *cl;
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        for (int i = F_POLICY; i <= F_REVOKED; i++)
                if (c->flag[i] != NULL && strcmp(sub->name, "push") != 0)
                        return verb_usage(c, "--%s is for control push", c->verb->flags[i].name);
        if ((rc = verb_words(c, strcmp(sub->name, "push") == 0 ? 1 : 3)) != 0)
                return rc;
        cl = calloc(1, sizeof *cl);
        WT_ASSERT(cl != NULL);
        rc = strcmp(sub->name, "push") == 0 ? push(c, cl)
             : move(c, cl, strcmp(sub->name, "assign") == 0 ? WT_M_ASSIGN : WT_M_UNASSIGN);
        free(cl);
        return rc;
}

const struct verb verb_control = {
        .name = "control",
        .about = "tells routers news, and workers which experts to hold, while they serve",
        .usage = "witan control push [--policy-version N] [--key-revoked ID] | assign WORKER "
                 "LAYERS:EXPERTS | unassign WORKER LAYERS:EXPERTS  [-o json|table]",
        .example = "witan control assign expert-1 1-5:0-7",
        .text = "push tells every gateway, by the routers, that there is a newer policy, or that a "
                "key is revoked, before the gateways look by themselves; witan key revoke is what "
                "revokes it.\n\n"
                "assign has a worker hold more experts, unassign fewer; sequences go on with the "
                "same tokens. It holds until the worker is started again, which then has its own "
                "share anew. Before unassign see to it that another worker holds the expert: "
                "witan_router_experts_missing must stay 0.",
        .subs = { { "push", "", "news to all gateways: a policy's version, a revoked key" },
                  { "assign", "WORKER LAYERS:EXPERTS", "the worker holds these experts, too" },
                  { "unassign", "WORKER LAYERS:EXPERTS", "the worker lets these experts go" } },
        .flags = { [F_POLICY] = { "policy-version", "N", "push: the version of the policy; older "
                                                         "ones are passed over", 0 },
                   [F_REVOKED] = { "key-revoked", "ID", "push: the id of a key, as witan key list "
                                                        "shows it", 0 } },
        .sets = books_sets,
        .run = run,
};
