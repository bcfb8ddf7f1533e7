/* hello_test.c - peers that do not fit, and workers that lie. A worker made by hand says what it
 * likes; the router refuses it in words, or asks another one and keeps the bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/err.h"
#include "world.h"

enum { N_HELD = 5 * 16 };

static struct world w;
static wt_bus *bus;                              /* the worker made by hand */
static struct { uint32_t status; uint64_t epoch; char words[512]; bool here; } welcome;
static uint32_t n_calls, n_cancels;

struct say {
        const char *role, *profile;              /* NULL: right */
        bool bad_config;
        uint64_t credit_rows, credit_bytes;      /* 0: plenty; 1: none */
        bool bad_variant, bad_layer, nothing;
};

static void say_hello(const struct say *s)
{
        static const uint8_t other[32];
        wt_msg *m = wt_msg_new(bus);
        struct wt_hello *h = WT_ARENA_NEW(&m->arena, struct wt_hello);
        uint32_t n = s->nothing ? 0 : N_HELD, shape[2] = { n, sizeof(struct wt_held) };
        struct wt_held *p;

        h->role = WT_STR(s->role != NULL ? s->role : "expert");
        h->name = WT_STR("expert-9");
        h->profile = WT_STR(s->profile != NULL ? s->profile : "wn1/f32");
        h->config = WT_BYTES(s->bad_config ? other : wt_model_shape(w.model)->digest, 32);
        h->credit_rows = s->credit_rows == 0 ? 1000 : s->credit_rows - 1;
        h->credit_bytes = s->credit_bytes == 0 ? 1 << 24 : s->credit_bytes - 1;
        h->incarnation = 77;
        p = wt_msg_tensor(m, WT_U8, 2, shape);
        for (uint32_t i = 0; i < n; i++, p++) {
                p->layer = 1 + i / 16 + (s->bad_layer && i == 40 ? 50 : 0);
                p->expert = i % 16;
                assert_int_equal(wt_model_variant(w.model, 1 + i / 16, i % 16, p->variant), WT_OK);
                p->variant[0] ^= s->bad_variant && i == 39;       /* expert 7 of layer 3 */
        }
        m->env.method = WT_M_HELLO;
        m->env.body = h;
        assert_int_equal(wt_bus_send(bus, m), WT_OK);
}

/* How it answers calls. */
enum manner { SILENT, NOT_FOUND, STALE, WRONG_NODES, BAD_ROW, GARBAGE };

static void answer(const wt_msg *call, enum manner how)
{
        wt_msg *m = wt_msg_new(bus);
        struct wt_expert_reply *r = WT_ARENA_NEW(&m->arena, struct wt_expert_reply);
        uint32_t n = call->env.tensors[0].shape[0];
        uint32_t *node;
        float *data;

        m->env.method = WT_M_EXPERT_REPLY;
        m->env.call_id = call->env.call_id + (how == GARBAGE ? 1000 : 0);
        m->env.epoch = call->env.epoch;
        m->env.parts = 1;
        if (how == NOT_FOUND || how == STALE) {
                m->env.status = how == STALE ? WT_EABORTED : WT_ENOTFOUND;
                m->env.message = WT_STR("unknown variant 00ff of layer 1 expert 2 at expert-9");
        } else {
                m->env.body = r;
                r->layer = ((const struct wt_expert_call *)call->env.body)->layer;
                node = wt_msg_tensor(m, WT_U32, 2, (uint32_t[]){ n, 3 });
                data = wt_msg_tensor(m, WT_F32, 2,
                                     (uint32_t[]){ n, call->env.tensors[0].shape[1] });
                memset(data, 0, m->frame[1].len);
                for (uint32_t i = 0; i < n; i++) {
                        node[3 * i] = i + (how == WRONG_NODES);
                        node[3 * i + 1] = node[3 * i + 2] = 0;   /* roots */
                }
                if (how == BAD_ROW) {
                        r->bad_slots = WT_ARENA_NEW(&m->arena, uint32_t);
                        r->n_bad_slots = 1;
                }
        }
        assert_int_equal(wt_bus_send(bus, m), WT_OK);
}

static void hand_turn(enum manner how)
{
        wt_msg *m;

        world_turn(&w);
        while (wt_bus_recv(bus, &m) == WT_OK) {
                if (m->env.method == WT_M_WELCOME) {
                        welcome.here = true;
                        welcome.status = m->env.status;
                        welcome.epoch = ((const struct wt_welcome *)m->env.body)->epoch;
                        snprintf(welcome.words, sizeof welcome.words, "%.*s",
                                 (int)m->env.message.len,
                                 m->env.message.len > 0 ? (const char *)m->env.message.data : "");
                } else if (m->env.method == WT_M_EXPERT_CALL) {
                        n_calls++;
                        if (how != SILENT)
                                answer(m, how);
                } else if (m->env.method == WT_M_EXPERT_CANCEL) {
                        n_cancels++;
                }
                wt_msg_free(m);
        }
}

/* A world whose router the hand-made worker meets before any other. */
static void meet(const struct say *s)
{
        static const struct world_conf none = { .shard = { "1:0" } };
        struct wt_bus_conf c = { .name = "expert-9", .n_connect = 1 };
        const char *at;

        world_open(&w, &none);
        world_worker_kill(&w, 0);                /* nobody else for now */
        at = wt_bus_endpoint(w.router_bus);
        c.connect = &at;
        assert_int_equal(wt_bus_open(&bus, &c), WT_OK);
        memset(&welcome, 0, sizeof welcome);
        n_calls = n_cancels = 0;
        say_hello(s);
        for (int i = 0; i < 10 && !welcome.here; i++)
                hand_turn(SILENT);
}

static void part(void)
{
        wt_bus_close(bus);
        world_close(&w);
}

/* ---- hellos ---- */

static const struct row { const char *name; struct say s; uint32_t status;
                          const char *needle, *other; } rows[] = {
        { "all fits", { 0 }, WT_OK, "", "" },
        { "another profile", { .profile = "wn1/q8" }, WT_EPRECONDITION, "wn1/f32", "wn1/q8" },
        { "another shape", { .bad_config = true }, WT_EPRECONDITION, "config.json", "--model" },
        { "another variant of one expert", { .bad_variant = true }, WT_EPRECONDITION,
          "expert 7 of layer 3", "--model" },
        { "a layer that is not there", { .bad_layer = true }, WT_EPRECONDITION, "layer 53",
          "--model" },
        { "no credit for rows", { .credit_rows = 1 }, WT_EPRECONDITION, "0 rows", "one row" },
        { "credit for less than a row", { .credit_bytes = 501 }, WT_EPRECONDITION, "500 bytes",
          "1056 bytes" },
        { "holds nothing", { .nothing = true }, WT_EPRECONDITION, "holds no experts", "" },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void hello(void **state)
{
        const struct row *r = *state;

        meet(&r->s);
        assert_true(welcome.here);
        assert_int_equal(welcome.status, r->status);
        if (strstr(welcome.words, r->needle) == NULL || strstr(welcome.words, r->other) == NULL)
                fail_msg("'%s' lacks '%s' or '%s'", welcome.words, r->needle, r->other);
        assert_true((welcome.epoch != 0) == (r->status == WT_OK));
        assert_int_equal(world_numbers(&w)->missing, r->status == WT_OK ? 0 : N_HELD);
        part();
}

static void each_hello_is_an_epoch(void **state)
{
        uint64_t first;

        (void)state;
        meet(&(struct say){ 0 });
        first = welcome.epoch;
        world_ask(&w, &(struct ask){ .n = 0, .prompt = (int32_t[]){ 5, 6, 7 }, .n_prompt = 3,
                                     .max_tokens = 1 });
        for (int i = 0; i < 20 && n_calls == 0; i++)
                hand_turn(SILENT);
        assert_int_equal(n_calls, 1);
        say_hello(&(struct say){ 0 });           /* as after a cut connection: the call is void */
        for (int i = 0; i < 20 && n_calls == 1; i++)
                hand_turn(SILENT);
        assert_int_equal(n_calls, 2);
        assert_int_equal(n_cancels, 0);
        assert_int_not_equal(welcome.epoch, first);
        assert_int_equal(world_numbers(&w)->resends, 1);
        part();
}

/* ---- lies ---- */

static const struct lie { const char *name; enum manner how; bool alone; uint32_t status;
                          const char *needle; } lies[] = {
        { "unknown variant, and nobody else", NOT_FOUND, true, WT_ENOTFOUND,
          "unknown variant 00ff" },
        { "unknown variant, another one answers", NOT_FOUND, false, WT_OK, "" },
        { "stale epoch, another one answers", STALE, false, WT_OK, "" },
        { "wrong nodes, and nobody else", WRONG_NODES, true, WT_EINTERNAL, "other nodes" },
        { "wrong nodes, another one answers", WRONG_NODES, false, WT_OK, "" },
        { "a row that is no number", BAD_ROW, true, WT_EDATA, "numeric_error" },
        { "answers to calls that nobody made", GARBAGE, false, WT_OK, "" },
};
enum { N_LIES = sizeof lies / sizeof *lies };

static void lie(void **state)
{
        const struct lie *l = *state;
        const struct ask q =
                { .n = 0, .prompt = (int32_t[]){ 5, 6, 7 }, .n_prompt = 3, .max_tokens = 2,
                               .prompt_logprobs = true };
        uint8_t truth[32];
        struct answer *a = &w.answer[0];

        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        world_ask(&w, &q);
        memcpy(truth, world_answer(&w, 0)->digest, 32);
        world_close(&w);
        meet(&(struct say){ 0 });
        if (!l->alone)
                world_worker_start(&w, 0, "*");
        world_ask(&w, &q);
        for (int i = 0; i < 100000 && a->finish == WT_RUNNING; i++)
                hand_turn(l->how);
        if (a->status != l->status || strstr(a->message, l->needle) == NULL)
                fail_msg("status %u '%s'", a->status, a->message);
        assert_true(n_calls > 0);
        if (l->status == WT_OK)
                assert_memory_equal(a->digest, truth, 32);
        for (int i = 0; i < 3; i++)              /* a failed step ends with the next turn */
                hand_turn(l->how);
        assert_int_equal(world_numbers(&w)->pages_used, 0);
        part();
}

static void submit_before_hello(void **state)
{
        wt_bus *stranger;
        struct wt_bus_conf c = { .name = "gateway-7", .n_connect = 1 };
        const char *at;
        wt_msg *m;
        struct wt_submit *q;
        uint32_t n = 1, status = 0;

        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        at = wt_bus_endpoint(w.router_bus);
        c.connect = &at;
        assert_int_equal(wt_bus_open(&stranger, &c), WT_OK);
        m = wt_msg_new(stranger);
        q = WT_ARENA_NEW(&m->arena, struct wt_submit);
        *q = (struct wt_submit){ .request = WT_STR("0123456789abcdef"), .max_tokens = 1,
                                 .top_p = 1 };
        m->env.method = WT_M_SUBMIT;
        m->env.body = q;
        *(int32_t *)wt_msg_tensor(m, WT_I32, 1, &n) = 5;
        n = 0;
        wt_msg_tensor(m, WT_I32, 1, &n);
        assert_int_equal(wt_bus_send(stranger, m), WT_OK);
        for (int i = 0; i < 10 && status == 0; i++) {
                world_turn(&w);
                while (wt_bus_recv(stranger, &m) == WT_OK) {
                        status = ((const struct wt_events *)m->env.body)->events[0].status;
                        wt_msg_free(m);
                }
        }
        assert_int_equal(status, WT_EPRECONDITION);
        wt_bus_close(stranger);
        world_close(&w);
}

int main(void)
{
        struct CMUnitTest tests[2 + N_ROWS + N_LIES] = { cmocka_unit_test(each_hello_is_an_epoch),
                                                         cmocka_unit_test(submit_before_hello) };

        for (size_t i = 0; i < N_ROWS; i++)
                tests[2 + i] =
                (struct CMUnitTest){ rows[i].name, hello, NULL, NULL, (void *)&rows[i] };
        for (size_t i = 0; i < N_LIES; i++)
                tests[2 + N_ROWS + i] = (struct CMUnitTest){ lies[i].name, lie, NULL, NULL,
                                                             (void *)&lies[i] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
