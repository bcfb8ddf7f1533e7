/* liars_test.c - peers with a good key that do not tell the truth: a worker that holds calls back,
 * answers old ones again and answers those of others; a router that sends calls of another epoch,
 * of variants and adapters that nobody has. Real processes on the other side of the socket keep
 * their bits. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "field.h"
#include "model/pack.h"

enum { SECOND = 1000 * 1000, MINUTE = 60 * SECOND, MOE_LAYERS = 5, EXPERTS = 16,
       HELD = MOE_LAYERS * EXPERTS, WIDTH = 256, MAX_OLD = 4096 };

static struct field f;
static wt_model *model;                          /* only looked at, for the variants */
static uint8_t variant[MOE_LAYERS][EXPERTS][32];

static uint64_t now(void) { return wt_now_us(&wt_clock_real); }

static int open_model(void **state)
{
        (void)state;
        if (wt_model_open(&model, "models/tiny", NULL, NULL) != WT_OK)
                return -1;
        for (uint32_t l = 0; l < MOE_LAYERS; l++)
                for (uint32_t x = 0; x < EXPERTS; x++)
                        if (wt_model_variant(model, 1 + l, x, variant[l][x]) != WT_OK)
                                return -1;
        return 0;
}

static int close_model(void **state)
{
        (void)state;
        wt_model_close(model);
        return 0;
}

static void keys_of(struct wt_keyring *k, const char *name)
{
        char dir[256];

        snprintf(dir, sizeof dir, "%s/keys", f.dir);
        assert_int_equal(wt_keyring_load(k, dir, name), WT_OK);
}

/* ---- a worker that lies ---- */

static struct field_client liar;
static uint64_t old[MAX_OLD], epoch;             /* ids of calls that it was sent */
static uint32_t n_old, n_calls, n_cancels, n_lies;
static struct { char words[512]; uint32_t status; bool here; } welcome;

static void say_hello(const char *profile)
{
        wt_msg *m = wt_msg_new(liar.bus);
        struct wt_hello *h = WT_ARENA_NEW(&m->arena, struct wt_hello);
        struct wt_held *p = wt_msg_tensor(m, WT_U8, 2, (uint32_t[]){ HELD, sizeof *p });

        *h = (struct wt_hello){
                .role = WT_STR("expert"), .name = WT_STR("expert-3"), .profile = WT_STR(profile),
                .config = WT_BYTES(wt_model_shape(model)->digest, 32), .credit_rows = 1024,
                .credit_bytes = 16 << 20, .incarnation = 5 };
        for (uint32_t i = 0; i < HELD; i++, p++) {
                p->layer = 1 + i / EXPERTS;
                p->expert = i % EXPERTS;
                memcpy(p->variant, variant[i / EXPERTS][i % EXPERTS], sizeof p->variant);
        }
        m->env.method = WT_M_HELLO;
        m->env.body = h;
        if (wt_bus_send(liar.bus, m) != WT_OK)
                wt_msg_free(m);
}

/* A reply that decodes, about a call that is over or another's: one node of ones. */
static void lie_about(uint64_t id, uint64_t of_epoch, uint32_t layer)
{
        wt_msg *m = wt_msg_new(liar.bus);
        struct wt_expert_reply *r = WT_ARENA_NEW(&m->arena, struct wt_expert_reply);
        uint32_t *node = wt_msg_tensor(m, WT_U32, 2, (uint32_t[]){ 1, 3 });
        float *data = wt_msg_tensor(m, WT_F32, 2, (uint32_t[]){ 1, WIDTH });

        memset(node, 0, 3 * sizeof *node);
        for (uint32_t i = 0; i < WIDTH; i++)
                data[i] = 1;
        r->layer = layer;
        m->env.method = WT_M_EXPERT_REPLY;
        m->env.call_id = id;
        m->env.epoch = of_epoch;
        m->env.parts = 1;
        m->env.body = r;
        if (wt_bus_send(liar.bus, m) != WT_OK)
                wt_msg_free(m);
        else
                n_lies++;
}

/* The router has asked another one: now it says that the call is ended, as an honest worker would,
 * so that it is asked again. */
static void take_cancel(const wt_msg *cancel)
{
        wt_msg *m = wt_msg_new(liar.bus);

        n_cancels++;
        m->env.method = WT_M_EXPERT_REPLY;
        m->env.call_id = ((const struct wt_expert_cancel *)cancel->env.body)->call_id;
        m->env.epoch = cancel->env.epoch;
        m->env.parts = 1;
        m->env.status = WT_ECANCELLED;
        m->env.message = WT_STR("cancelled");
        if (wt_bus_send(liar.bus, m) != WT_OK)
                wt_msg_free(m);
}

/* Its own call is held back; calls of before are answered again, and the neighbours' in number,
 * which another worker has. */
static void take_call(const wt_msg *m)
{
        const struct wt_expert_call *c = m->env.body;
        uint64_t id = m->env.call_id;

        n_calls++;
        for (uint32_t i = 0; i < n_old; i++)
                lie_about(old[i], m->env.epoch, c->layer);
        for (uint64_t k = id - 3; k <= id + 3; k++)
                if (k != id)
                        lie_about(k, m->env.epoch, c->layer);
        if (n_old < MAX_OLD)
                old[n_old++] = id;
}

static void liar_turn(void)
{
        wt_msg *m;

        while ((m = client_next(&liar, 1000)) != NULL) {
                if (m->env.method == WT_M_WELCOME) {
                        welcome.here = true;
                        welcome.status = m->env.status;
                        epoch = ((const struct wt_welcome *)m->env.body)->epoch;
                        snprintf(welcome.words, sizeof welcome.words, "%.*s",
                                 (int)m->env.message.len, (const char *)m->env.message.data);
                } else if (m->env.method == WT_M_EXPERT_CALL) {
                        take_call(m);
                } else if (m->env.method == WT_M_EXPERT_CANCEL) {
                        take_cancel(m);
                } else if (m->env.method == WT_M_PING && wt_bus_send(liar.bus, m) == WT_OK) {
                        continue;                /* it lives: only its answers are missing */
                }
                wt_msg_free(m);
        }
}

static void meet(const char *profile)
{
        struct wt_bus_conf conf = { .name = "expert-3", .connect = (const char *[]){ f.bus },
                                    .n_connect = 1 };
        uint64_t end = now() + MINUTE;

        n_old = n_calls = n_cancels = n_lies = 0;
        memset(&welcome, 0, sizeof welcome);
        keys_of(&liar.ring, "expert-3");
        conf.keys = wt_keyring_bus(&liar.ring);
        assert_int_equal(wt_bus_open(&liar.bus, &conf), WT_OK);
        while (!welcome.here) {
                assert_true(now() < end);
                say_hello(profile);
                for (int i = 0; i < 100 && !welcome.here; i++)
                        liar_turn();
        }
}

static void old_replies_change_nothing(void **state)
{
        static struct seq_want truth, s;
        struct field_client c;
        uint64_t end = now() + MINUTE;
        uint32_t router, worker;

        (void)state;
        field_open(&f, NULL, "models/tiny");
        router = field_start(&f, NULL, "router", "router-0", "--threads=1", "--hedge-after=50ms",
                             NULL);
        worker = field_start(&f, NULL, "expert", "expert-0", "--threads=1", NULL);
        field_ready(&f, worker);
        field_ready(&f, router);
        client_open(&c, &f, "gateway-0");
        seq_plain(&truth, 1, 6);
        seq_submit(&c, &truth);
        assert_int_equal(seq_collect(&c, &truth, 1, MINUTE), 1);
        assert_int_equal(truth.finish, WT_LENGTH);
        meet("wn1/f32");
        assert_int_equal(welcome.status, WT_OK);
        seq_plain(&s, 2, 6);
        seq_submit(&c, &s);
        while (seq_collect(&c, &s, 1, 1000) == 0) {
                assert_true(now() < end);
                liar_turn();
        }
        seq_same(&s, &truth);
        print_message("# %u calls held back, %u cancelled by the router, %u false replies, %.0f "
                      "dropped\n",
                      n_calls, n_cancels, n_lies,
                      field_metric(&f, router, "witan_router_replies_late_total"));
        assert_true(n_calls >= 6 && n_lies > n_calls);
        field_until(&f, router, "witan_router_replies_late_total", n_lies, n_lies);
        assert_true(field_metric(&f, router, "witan_router_call_hedges_won_total") >= 1);
        assert_true(field_metric(&f, router, "witan_router_failed_total") == 0);
        wt_bus_close(liar.bus);
        client_close(&c);
        field_close(&f);
}

static void another_profile(void **state)
{
        uint32_t router;

        (void)state;
        field_open(&f, NULL, "models/tiny");
        router = field_start(&f, NULL, "router", "router-0", "--threads=1", NULL);
        meet("wn1/bf16");
        assert_int_equal(welcome.status, WT_EPRECONDITION);
        print_message("# %s\n", welcome.words);
        assert_non_null(strstr(welcome.words, "wn1/bf16"));
        assert_non_null(strstr(welcome.words, "wn1/f32"));
        assert_non_null(strstr(welcome.words, "same build"));
        assert_true(field_metric(&f, router, "witan_router_experts_missing") == HELD);
        wt_bus_close(liar.bus);
        field_close(&f);
}

/* ---- a router that lies ---- */

static struct field_client trunk;                /* our side: bound, the routers' key */
static uint32_t peer;

static void send_welcome(uint64_t e)
{
        wt_msg *m = wt_msg_new(trunk.bus);
        struct wt_welcome *w = WT_ARENA_NEW(&m->arena, struct wt_welcome);

        w->epoch = e;
        w->profile = WT_STR("wn1/f32");
        m->peer = peer;
        m->env.epoch = e;
        m->env.method = WT_M_WELCOME;
        m->env.body = w;
        assert_int_equal(wt_bus_send(trunk.bus, m), WT_OK);
}

static wt_msg *next_of(uint32_t method)
{
        uint64_t end = now() + MINUTE;

        for (;;) {
                wt_msg *m = client_next(&trunk, SECOND);

                assert_true(now() < end);
                if (m != NULL && m->env.method == method)
                        return m;
                wt_msg_free(m);
        }
}

struct lie {
        const char *name;
        uint64_t epoch; const char *profile; uint32_t layer, expert;
        bool variant, adapter, picks_cut;        /* wrong, unknown, out of range */
        uint32_t status; const char *needle;     /* what comes back */
};
static const struct lie lies[] = {
        { .name = "the truth", .epoch = 50, .layer = 2, .expert = 7, .status = WT_OK },
        { .name = "an epoch of before", .epoch = 49, .layer = 2, .expert = 7,
          .status = WT_EABORTED, .needle = "epoch 49" },
        { .name = "another profile", .epoch = 50, .profile = "wn1/q8", .layer = 2, .expert = 7,
          .status = WT_EPRECONDITION, .needle = "wn1/q8" },
        { .name = "a dense layer", .epoch = 50, .layer = 0, .expert = 7, .status = WT_ENOTFOUND,
          .needle = "layer 0" },
        { .name = "a layer beyond the model", .epoch = 50, .layer = 60, .expert = 7,
          .status = WT_ENOTFOUND, .needle = "layer 60" },
        { .name = "an expert that it does not hold", .epoch = 50, .layer = 2, .expert = 12,
          .status = WT_ENOTFOUND, .needle = "expert 12 of layer 2" },
        { .name = "an unknown variant", .epoch = 50, .layer = 2, .expert = 7, .variant = true,
          .status = WT_ENOTFOUND, .needle = "unknown variant" },
        { .name = "an unknown adapter", .epoch = 50, .layer = 2, .expert = 7, .adapter = true,
          .status = WT_ENOTFOUND, .needle = "unknown adapter" },
};
enum { N_LIES = sizeof lies / sizeof *lies };

static void send_call(const struct lie *l, uint64_t id)
{
        static const uint8_t adapter[32] = { 1, 2, 3 };
        wt_msg *m = wt_msg_new(trunk.bus);
        struct wt_expert_call *b = WT_ARENA_NEW(&m->arena, struct wt_expert_call);
        float *rows = wt_msg_tensor(m, WT_F32, 2, (uint32_t[]){ 1, WIDTH });
        struct wt_pick *pick = wt_msg_tensor(m, WT_U32, 2, (uint32_t[]){ 1, 4 });
        uint8_t *v = WT_ARENA_ARRAY(&m->arena, uint8_t, 32);

        for (uint32_t i = 0; i < WIDTH; i++)
                rows[i] = 0.01f * (float)i;
        *pick = (struct wt_pick){ 0, l->expert, l->picks_cut ? 21 : 0, 0.5f };
        memcpy(v, variant[l->layer >= 1 && l->layer <= MOE_LAYERS ? l->layer - 1 : 0][l->expert],
               32);
        v[0] ^= l->variant;
        b->profile = WT_STR(l->profile != NULL ? l->profile : "wn1/f32");
        b->layer = l->layer;
        b->experts = WT_ARENA_NEW(&m->arena, struct wt_expert_ref);
        b->experts[0] = (struct wt_expert_ref){ l->expert, WT_BYTES(v, 32) };
        b->n_experts = 1;
        if (l->adapter) {
                b->adapters = WT_ARENA_NEW(&m->arena, struct wt_bytes);
                b->adapters[0] = WT_BYTES(adapter, 32);
                b->n_adapters = 1;
                *(int32_t *)wt_msg_tensor(m, WT_I32, 1, (uint32_t[]){ 1 }) = 0;
        }
        m->peer = peer;
        m->env.method = WT_M_EXPERT_CALL;
        m->env.call_id = id;
        m->env.epoch = l->epoch;
        m->env.deadline_us = 5 * SECOND;
        m->env.parts = 1;
        m->env.body = b;
        assert_int_equal(wt_bus_send(trunk.bus, m), WT_OK);
}

/* A call's answer; the data of its one node into out when there is one. */
static void check_answer(const struct lie *l, uint64_t id, float out[WIDTH])
{
        wt_msg *m = next_of(WT_M_EXPERT_REPLY);
        char words[512];

        assert_int_equal(m->env.call_id, id);
        assert_int_equal(m->env.status, l->status);
        snprintf(words, sizeof words, "%.*s", (int)m->env.message.len,
                 (const char *)m->env.message.data);
        if (l->status == WT_OK) {
                assert_int_equal(m->env.n_tensors, 2);
                assert_int_equal(m->frame[1].len, WIDTH * sizeof(float));
                memcpy(out, m->frame[1].data, m->frame[1].len);
        } else if (strstr(words, l->needle) == NULL) {
                fail_msg("\"%s\" is not in: %s", l->needle, words);
        }
        wt_msg_free(m);
}

static void open_trunk(const char *key)
{
        struct wt_bus_conf conf = { .name = key, .bind = f.bus };

        keys_of(&trunk.ring, key);
        conf.keys = wt_keyring_bus(&trunk.ring);
        if (wt_bus_open(&trunk.bus, &conf) != WT_OK)
                fail_msg("%s", wt_words());
}

static void stale_and_unknown_calls(void **state)
{
        float first[WIDTH], again[WIDTH];
        uint32_t worker;
        double before;
        uint64_t id = 1000;
        wt_msg *m;

        (void)state;
        field_open(&f, NULL, "models/tiny");
        open_trunk("router-0");
        worker = field_start(&f, NULL, "expert", "expert-0", "--shard=1-5:0-9", "--threads=1",
                             NULL);
        m = next_of(WT_M_HELLO);
        peer = m->peer;
        assert_int_equal(m->env.tensors[0].shape[0], MOE_LAYERS * 10);
        assert_memory_equal((uint8_t *)m->frame[0].data + 8, variant[0][0], 32);
        wt_msg_free(m);
        send_welcome(50);
        field_ready(&f, worker);
        for (uint32_t i = 0; i < N_LIES; i++) {
                send_call(&lies[i], ++id);
                check_answer(&lies[i], id, first);
                send_call(&lies[0], ++id);       /* and goes on */
                check_answer(&lies[0], id, again);
                assert_memory_equal(first, again, sizeof first);
        }
        send_call(&lies[0], id);                 /* the same call again: a pure function */
        check_answer(&lies[0], id, again);
        assert_memory_equal(first, again, sizeof first);
        before = field_metric(&f, worker, "witan_expert_messages_malformed_total");
        send_call(&(struct lie){ .epoch = 50, .layer = 2, .expert = 7, .picks_cut = true }, ++id);
        field_until(&f, worker, "witan_expert_messages_malformed_total", before + 1, before + 1);
        send_welcome(51);                        /* a new life of the router: epoch 50 is void */
        send_call(&lies[0], ++id);
        check_answer(&(struct lie){ .status = WT_EABORTED, .needle = "epoch 50" }, id, again);
        send_call(&(struct lie){ .epoch = 51, .layer = 2, .expert = 7 }, ++id);
        check_answer(&lies[0], id, again);
        assert_memory_equal(first, again, sizeof first);
        wt_bus_close(trunk.bus);
        field_close(&f);
}

/* A trunk that has not the routers' key: a worker says nothing to it. */
static void false_router(void **state)
{
        uint32_t worker;
        char words[256];
        wt_msg *m;

        (void)state;
        field_open(&f, NULL, "models/tiny");
        open_trunk("gateway-1");
        worker = field_start(&f, NULL, "expert", "expert-0", "--threads=1", NULL);
        field_log_until(&f, "expert-0", "EXPERT-READY");
        m = client_next(&trunk, 2 * SECOND);
        assert_null(m);
        assert_false(field_is_ready(&f, worker, words));
        assert_non_null(strstr(words, "router"));
        wt_bus_close(trunk.bus);
        field_close(&f);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(old_replies_change_nothing), cmocka_unit_test(another_profile),
                cmocka_unit_test(stale_and_unknown_calls), cmocka_unit_test(false_router) };

        return cmocka_run_group_tests_name("liars", tests, open_model, close_model);
}
