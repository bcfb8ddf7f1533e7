/* check_test.c - a true message passes; each lie about it is caught, in words that name it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "wire/samples.h"

static struct wt_arena arena;

static struct wt_expert_call *call(struct sample *s) { return s->e.body; }
static struct wt_submit *submit(struct sample *s) { return s->e.body; }
static struct wt_hello *hello(struct sample *s) { return s->e.body; }
static struct wt_events *events(struct sample *s) { return s->e.body; }
static struct wt_event_msg *event(struct sample *s) { return events(s)->events; }
static struct wt_pick *pick(struct sample *s) { return s->frame[1]; }
static struct wt_node *node(struct sample *s) { return s->frame[0]; }

static void shape(struct sample *s, uint32_t i, uint32_t n, uint32_t width)
{
        s->e.tensors[i].shape[0] = n;
        s->e.tensors[i].shape[1] = width;
        s->e.tensors[i].n_dim = width ? 2 : 1;
        wt_tensor_bytes(&s->e.tensors[i], &s->len[i]);
        s->frame[i] = wt_arena_take(&arena, s->len[i] + 1);
}

static void no_lie(struct sample *s) { (void)s; }
static void no_body(struct sample *s) { s->e.body = NULL; }
static void bare(struct sample *s)
{
        s->e.body = NULL;
        s->e.n_tensors = 0;
        s->e.status = WT_EUNAVAILABLE;
}
static void frame_short(struct sample *s) { s->len[0]--; }
static void frame_missing(struct sample *s) { s->e.n_tensors--; }
static void frame_extra(struct sample *s) { shape(s, s->e.n_tensors++, 1, 0); }
static void wrong_dtype(struct sample *s) { s->e.tensors[0].dtype = WT_U32; }
static void unknown_dtype(struct sample *s) { s->e.tensors[0].dtype = 99; }

static void role_router(struct sample *s) { hello(s)->role = WT_STR("router"); }
static void role_gateway(struct sample *s)
{
        ((struct wt_hello *)s->e.body)->role = WT_STR("gateway");
        s->e.n_tensors = 0;
}
static void gateway_holds(struct sample *s) { hello(s)->role = WT_STR("gateway"); }
static void nameless(struct sample *s) { ((struct wt_hello *)s->e.body)->name.len = 0; }
static void config_31(struct sample *s) { ((struct wt_hello *)s->e.body)->config.len = 31; }
static void held_39(struct sample *s) { shape(s, 0, 2, 39); }
static void held_none(struct sample *s) { shape(s, 0, 0, 40); }
static void revision_31(struct sample *s) { ((struct wt_welcome *)s->e.body)->revision.len = 31; }
static void no_variant(struct sample *s) { ((struct wt_assign *)s->e.body)->variant.len = 0; }
static void no_request(struct sample *s) { ((struct wt_cancel *)s->e.body)->request.len = 0; }

static void row_beyond(struct sample *s) { pick(s)[4].row = 3; }
static void row_back(struct sample *s) { pick(s)[2].row = 0; pick(s)[1].row = 1; }
static void expert_back(struct sample *s) { pick(s)[0].expert = 5; pick(s)[1].expert = 2; }
static void expert_twice(struct sample *s) { pick(s)[1].expert = 2; }
static void expert_unlisted(struct sample *s) { pick(s)[4].expert = 8; }
static void expert_above(struct sample *s) { pick(s)[4].expert = 10; }
static void depth_20(struct sample *s) { pick(s)[0].depth = 20; }
static void depth_21(struct sample *s) { pick(s)[0].depth = 21; }
static void weight_nan(struct sample *s) { pick(s)[3].weight = NAN; }
static void weight_inf(struct sample *s) { pick(s)[3].weight = -INFINITY; }
static void experts_equal(struct sample *s) { call(s)->experts[1].expert = 2; }
static void experts_back(struct sample *s) { call(s)->experts[2].expert = 4; }
static void variant_31(struct sample *s) { call(s)->experts[2].variant.len = 31; }
static void adapter_0(struct sample *s) { call(s)->adapters[1].len = 0; }
static void adapter_beyond(struct sample *s) { ((int32_t *)s->frame[2])[0] = 2; }
static void adapter_minus_2(struct sample *s) { ((int32_t *)s->frame[2])[0] = -2; }
static void adapter_rows(struct sample *s) { shape(s, 2, 2, 0); }
static void adapters_without(struct sample *s) { call(s)->n_adapters = 0; }
static void plain_call(struct sample *s) { call(s)->n_adapters = 0; s->e.n_tensors = 2; }
static void slots_overflow(struct sample *s) { call(s)->slot_base = UINT32_MAX - 2; }
static void slots_at_end(struct sample *s) { call(s)->slot_base = UINT32_MAX - 3; }
static void no_width(struct sample *s) { shape(s, 0, 3, 0); }
static void picks_of_3(struct sample *s) { shape(s, 1, 5, 3); }
static void empty_part(struct sample *s) { shape(s, 0, 0, 4); shape(s, 1, 0, 4); plain_call(s); }
static void one_huge_row(struct sample *s)
{
        plain_call(s);
        shape(s, 0, 1, 1 << 17);
        shape(s, 1, 0, 4);
}
static void full_part(struct sample *s) { plain_call(s); shape(s, 0, 16, 4096); shape(s, 1, 0, 4); }
static void over_part(struct sample *s) { plain_call(s); shape(s, 0, 17, 4096); shape(s, 1, 0, 4); }

static void failed_reply(struct sample *s) { s->e.status = WT_EINTERNAL; s->e.n_tensors = 0; }
static void empty_reply(struct sample *s) { s->e.n_tensors = 0; }
static void rows_differ(struct sample *s) { shape(s, 1, 2, 4); }
static void node_deep(struct sample *s) { node(s)[0].depth = 21; }
static void node_wide(struct sample *s) { node(s)[0].prefix = 8; }
static void node_order(struct sample *s) { node(s)[0].prefix = 5; }
static void node_inside(struct sample *s) { node(s)[1] = (struct wt_node){ 40, 2, 0 }; }
static void node_twice(struct sample *s) { node(s)[1] = node(s)[0]; }
static void slot_back(struct sample *s) { node(s)[2].slot = 39; }
static void last_leaf(struct sample *s) { node(s)[1] = (struct wt_node){ 40, 20, (1 << 20) - 1 }; }

static void negative_id(struct sample *s) { ((int32_t *)s->frame[0])[4] = -1; }
static void negative_made(struct sample *s) { shape(s, 1, 1, 0); *(int32_t *)s->frame[1] = -7; }
static void no_prompt(struct sample *s) { shape(s, 0, 0, 0); }
static void long_prompt(struct sample *s) { shape(s, 0, 1 << 20, 0); }
static void longer_prompt(struct sample *s) { shape(s, 0, (1 << 20) + 1, 0); }
static void hot(struct sample *s) { submit(s)->temperature = 100.5f; }
static void hundred(struct sample *s) { submit(s)->temperature = 100.0f; }
static void cold(struct sample *s) { submit(s)->temperature = -0.1f; }
static void nan_heat(struct sample *s) { submit(s)->temperature = NAN; }
static void top_p_0(struct sample *s) { submit(s)->top_p = 0; }
static void top_p_1(struct sample *s) { submit(s)->top_p = 1; }
static void top_p_more(struct sample *s) { submit(s)->top_p = 1.01f; }
static void top_p_nan(struct sample *s) { submit(s)->top_p = NAN; }
static void request_15(struct sample *s) { submit(s)->request.len = 15; }
static void own_revision(struct sample *s) { submit(s)->revision.len = 0; }
static void min_p_2(struct sample *s) { submit(s)->min_p = 1.5f; }
static void repetition_inf(struct sample *s) { submit(s)->repetition_penalty = INFINITY; }
static void frequency_nan(struct sample *s) { submit(s)->frequency_penalty = NAN; }
static void presence_3(struct sample *s) { submit(s)->presence_penalty = -2.5f; }
static void bias_id(struct sample *s) { submit(s)->bias[1].id = 0x80000000u; }
static void bias_nan(struct sample *s) { submit(s)->bias[0].value = NAN; }
static void eos_negative(struct sample *s) { submit(s)->eos[0] = 0x80000000u; }

static void logprob_missing(struct sample *s) { event(s)->n_logprobs = 1; }
static void logprobs_none(struct sample *s) { event(s)->n_logprobs = 0; }
static void top_uneven(struct sample *s) { event(s)->n_top_ids = event(s)->n_top_logprobs = 3; }
static void top_differ(struct sample *s) { event(s)->n_top_logprobs = 2; }
static void top_alone(struct sample *s) { event(s)->n_ids = event(s)->n_logprobs = 0; }
static void top_21(struct sample *s)
{
        event(s)->n_ids = event(s)->n_logprobs = 1;
        event(s)->top_ids = WT_ARENA_ARRAY(&arena, int32_t, 21);
        event(s)->top_logprobs = WT_ARENA_ARRAY(&arena, double, 21);
        event(s)->n_top_ids = event(s)->n_top_logprobs = 21;
}
static void id_negative(struct sample *s) { event(s)->ids[0] = -1; }
static void top_negative(struct sample *s) { event(s)->top_ids[3] = -1; }
static void logprob_nan(struct sample *s) { event(s)->logprobs[1] = NAN; }
static void logprob_inf(struct sample *s) { event(s)->logprobs[1] = -INFINITY; }
static void position_end(struct sample *s) { event(s)->position = UINT32_MAX - 1; }
static void digest_31(struct sample *s) { event(s)[1].logits_digest.len = 31; }

static const struct row { const char *name; uint32_t method; void (*lie)(struct sample *s);
                          const char *words; } rows[] = {          /* words NULL: it passes */
        { "hello without a body", WT_M_HELLO, no_body, "without its body" },
        { "hello as a bare status", WT_M_HELLO, bare, "without its body" },
        { "hello of a router", WT_M_HELLO, role_router, "neither" },
        { "hello of a gateway", WT_M_HELLO, role_gateway, NULL },
        { "gateway that holds experts", WT_M_HELLO, gateway_holds, "1 tensors" },
        { "hello without a name", WT_M_HELLO, nameless, "no name" },
        { "config digest of 31 bytes", WT_M_HELLO, config_31, "config" },
        { "held rows of 39 bytes", WT_M_HELLO, held_39, "tensor 0" },
        { "worker that holds nothing", WT_M_HELLO, held_none, NULL },
        { "worker without a table", WT_M_HELLO, frame_missing, "0 tensors" },
        { "welcome as a bare status", WT_M_WELCOME, bare, NULL },
        { "revision of 31 bytes", WT_M_WELCOME, revision_31, "revision" },
        { "assign without a variant", WT_M_ASSIGN, no_variant, "variant" },
        { "unassign without a variant", WT_M_UNASSIGN, no_variant, "variant" },
        { "ping with a tensor", WT_M_PING, frame_extra, "1 tensors" },
        { "cancel without a request", WT_M_CANCEL, no_request, "request" },

        { "frame a byte short", WT_M_EXPERT_CALL, frame_short, "frame 0" },
        { "unknown dtype", WT_M_EXPERT_CALL, unknown_dtype, "frame 0" },
        { "rows that are integers", WT_M_EXPERT_CALL, wrong_dtype, "not F32" },
        { "call as a bare status", WT_M_EXPERT_CALL, bare, "without its body" },
        { "call without adapters", WT_M_EXPERT_CALL, plain_call, NULL },
        { "call without rows", WT_M_EXPERT_CALL, empty_part, NULL },
        { "rows without a width", WT_M_EXPERT_CALL, no_width, "not F32" },
        { "one row larger than a part", WT_M_EXPERT_CALL, one_huge_row, NULL },
        { "rows that fill a part", WT_M_EXPERT_CALL, full_part, NULL },
        { "rows beyond a part", WT_M_EXPERT_CALL, over_part, "more than a part" },
        { "picks of three columns", WT_M_EXPERT_CALL, picks_of_3, "tensor 1" },
        { "pick of a row beyond", WT_M_EXPERT_CALL, row_beyond, "pick 4" },
        { "picks back a row", WT_M_EXPERT_CALL, row_back, "pick 2" },
        { "picks back an expert", WT_M_EXPERT_CALL, expert_back, "pick 1" },
        { "the same pick twice", WT_M_EXPERT_CALL, expert_twice, "pick 1" },
        { "pick of an expert not listed", WT_M_EXPERT_CALL, expert_unlisted, "pick 4" },
        { "pick of an expert above all", WT_M_EXPERT_CALL, expert_above, "pick 4" },
        { "depth 20", WT_M_EXPERT_CALL, depth_20, NULL },
        { "depth 21", WT_M_EXPERT_CALL, depth_21, "pick 0" },
        { "weight NaN", WT_M_EXPERT_CALL, weight_nan, "pick 3" },
        { "weight infinite", WT_M_EXPERT_CALL, weight_inf, "pick 3" },
        { "expert listed twice", WT_M_EXPERT_CALL, experts_equal, "ascend at 1" },
        { "experts that descend", WT_M_EXPERT_CALL, experts_back, "ascend at 2" },
        { "variant of 31 bytes", WT_M_EXPERT_CALL, variant_31, "variant" },
        { "adapter without a digest", WT_M_EXPERT_CALL, adapter_0, "adapter" },
        { "adapter beyond the list", WT_M_EXPERT_CALL, adapter_beyond, "row 0" },
        { "adapter -2", WT_M_EXPERT_CALL, adapter_minus_2, "row 0" },
        { "adapters of fewer rows", WT_M_EXPERT_CALL, adapter_rows, "2 adapter" },
        { "adapter numbers without a list", WT_M_EXPERT_CALL, adapters_without, "3 tensors" },
        { "slots that overflow", WT_M_EXPERT_CALL, slots_overflow, "overflow" },
        { "slots up to the last", WT_M_EXPERT_CALL, slots_at_end, NULL },

        { "reply as a bare status", WT_M_EXPERT_REPLY, bare, NULL },
        { "reply without a body nor a status", WT_M_EXPERT_REPLY, no_body, "without its body" },
        { "failed reply with its body", WT_M_EXPERT_REPLY, failed_reply, NULL },
        { "reply without tensors", WT_M_EXPERT_REPLY, empty_reply, "0 tensors" },
        { "fewer rows than nodes", WT_M_EXPERT_REPLY, rows_differ, "3 nodes" },
        { "node of depth 21", WT_M_EXPERT_REPLY, node_deep, "node 0" },
        { "prefix wider than its depth", WT_M_EXPERT_REPLY, node_wide, "node 0" },
        { "nodes out of order", WT_M_EXPERT_REPLY, node_order, "node 1" },
        { "node around the one before", WT_M_EXPERT_REPLY, node_inside, "node 1" },
        { "the same node twice", WT_M_EXPERT_REPLY, node_twice, "node 1" },
        { "slots that descend", WT_M_EXPERT_REPLY, slot_back, "node 2" },
        { "the last leaf of all", WT_M_EXPERT_REPLY, last_leaf, NULL },

        { "submit as a bare status", WT_M_SUBMIT, bare, "without its body" },
        { "submit without made", WT_M_SUBMIT, frame_missing, "1 tensors" },
        { "negative id in the prompt", WT_M_SUBMIT, negative_id, "at 4" },
        { "negative id made", WT_M_SUBMIT, negative_made, "tensor 1" },
        { "empty prompt", WT_M_SUBMIT, no_prompt, "0 ids" },
        { "prompt of 1,048,576", WT_M_SUBMIT, long_prompt, NULL },
        { "prompt of 1,048,577", WT_M_SUBMIT, longer_prompt, "1048577 ids" },
        { "temperature 100", WT_M_SUBMIT, hundred, NULL },
        { "temperature above 100", WT_M_SUBMIT, hot, "temperature" },
        { "temperature below 0", WT_M_SUBMIT, cold, "temperature" },
        { "temperature NaN", WT_M_SUBMIT, nan_heat, "temperature" },
        { "top_p 0", WT_M_SUBMIT, top_p_0, "top_p" },
        { "top_p 1", WT_M_SUBMIT, top_p_1, NULL },
        { "top_p above 1", WT_M_SUBMIT, top_p_more, "top_p" },
        { "top_p NaN", WT_M_SUBMIT, top_p_nan, "top_p" },
        { "request of 15 bytes", WT_M_SUBMIT, request_15, "request" },
        { "the router's own revision", WT_M_SUBMIT, own_revision, NULL },
        { "min_p above 1", WT_M_SUBMIT, min_p_2, "min_p" },
        { "infinite repetition penalty", WT_M_SUBMIT, repetition_inf, "repetition_penalty" },
        { "frequency penalty NaN", WT_M_SUBMIT, frequency_nan, "frequency_penalty" },
        { "presence penalty below -2", WT_M_SUBMIT, presence_3, "presence_penalty" },
        { "bias of a negative id", WT_M_SUBMIT, bias_id, "bias[1]" },
        { "bias NaN", WT_M_SUBMIT, bias_nan, "bias[0]" },
        { "end token below 0", WT_M_SUBMIT, eos_negative, "eos[0]" },

        { "events as a bare status", WT_M_EVENTS, bare, NULL },
        { "one log-probability for two ids", WT_M_EVENTS, logprob_missing, "log-probabilities" },
        { "no log-probabilities", WT_M_EVENTS, logprobs_none, NULL },
        { "best ids that do not divide", WT_M_EVENTS, top_uneven, "3 best" },
        { "best ids without their numbers", WT_M_EVENTS, top_differ, "4 best" },
        { "best ids without ids", WT_M_EVENTS, top_alone, "4 best" },
        { "21 best ids", WT_M_EVENTS, top_21, "21 best" },
        { "negative id", WT_M_EVENTS, id_negative, "negative" },
        { "negative best id", WT_M_EVENTS, top_negative, "negative" },
        { "log-probability NaN", WT_M_EVENTS, logprob_nan, "NaN" },
        { "log-probability of nothing", WT_M_EVENTS, logprob_inf, NULL },
        { "positions that overflow", WT_M_EVENTS, position_end, "overflow" },
        { "digest of 31 bytes", WT_M_EVENTS, digest_31, "digest" },
        { "an unknown method", 60, no_lie, NULL },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

/* Frames go in at odd addresses on heap copies: check must not mind, and ASan sees overreads. */
static wt_err check(const struct sample *s)
{
        void *copy[WT_MAX_TENSORS];
        const void *at[WT_MAX_TENSORS];
        wt_err err;

        for (uint32_t i = 0; i < s->e.n_tensors; i++) {
                copy[i] = test_malloc(s->len[i] + 1);
                memcpy((char *)copy[i] + 1, s->frame[i], s->len[i]);
                at[i] = (char *)copy[i] + 1;
        }
        err = wt_wire_check(&s->e, at, s->len, s->e.n_tensors);
        for (uint32_t i = 0; i < s->e.n_tensors; i++)
                test_free(copy[i]);
        return err;
}

static void lies(void **state)
{
        const struct row *r = *state;
        struct sample s;

        wt_arena_reset(&arena);
        sample_true(&s, r->method == 60 ? WT_M_PING : r->method, &arena);
        if (r->method == 60)
                s.e.method = 60;
        assert_int_equal(check(&s), WT_OK);
        r->lie(&s);
        if (!r->words) {
                if (check(&s) != WT_OK)
                        fail_msg("refused: %s", wt_words());
                return;
        }
        assert_int_equal(check(&s), WT_EDATA);
        if (!strstr(wt_words(), r->words))
                fail_msg("\"%s\" does not say \"%s\"", wt_words(), r->words);
}

static void all_true(void **state)
{
        struct sample s;

        (void)state;
        for (const uint32_t *m = sample_methods; *m; m++) {
                wt_arena_reset(&arena);
                sample_true(&s, *m, &arena);
                assert_int_equal(check(&s), WT_OK);
                assert_int_equal(wt_wire_check(&s.e, NULL, NULL, s.e.n_tensors + 1), WT_EDATA);
        }
}

/* bits 4; nodes as (expert >> (4 - depth)). */
static void depths(void **state)
{
        static const struct { const char *name; struct wt_pick p[3]; uint32_t n, bits;
                              wt_err want; } t[] = {
                { "apart", { { 0, 1, 4, 1 }, { 0, 5, 2, 1 }, { 0, 12, 1, 1 } }, 3, 4, WT_OK },
                { "one for all", { { 0, 1, 0, 1 }, { 0, 5, 0, 1 }, { 0, 12, 0, 1 } }, 3, 4, WT_OK },
                { "leaf in a node",     { { 0, 4, 2, 1 }, { 0, 5, 4, 1 } }, 2, 4, WT_EDATA },
                { "node around a leaf", { { 0, 4, 4, 1 }, { 0, 5, 2, 1 } }, 2, 4, WT_EDATA },
                { "another row's",      { { 0, 4, 2, 1 }, { 1, 5, 4, 1 } }, 2, 4, WT_OK },
                { "depth beyond bits",  { { 0, 4, 5, 1 } }, 1, 4, WT_EDATA },
                { "expert beyond bits", { { 0, 16, 4, 1 } }, 1, 4, WT_EDATA },
                { "one expert, no bits", { { 0, 0, 0, 1 }, { 1, 0, 0, 1 } }, 2, 0, WT_OK },
                { "root over others", { { 0, 1, 3, 1 }, { 0, 9, 3, 1 }, { 0, 12, 0, 1 } }, 3, 4,
                  WT_EDATA },
        };

        (void)state;
        for (size_t i = 0; i < sizeof t / sizeof *t; i++)
                if (wt_wire_check_depths(t[i].p, t[i].n, t[i].bits) != t[i].want)
                        fail_msg("%s: %s", t[i].name, wt_words());
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS + 2];
        int rc;

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, lies, NULL, NULL, (void *)&rows[i] };
        tests[N_ROWS] = (struct CMUnitTest){ "every method, true", all_true, NULL, NULL, NULL };
        tests[N_ROWS + 1] = (struct CMUnitTest){ "depths that nest", depths, NULL, NULL, NULL };
        rc = cmocka_run_group_tests(tests, NULL, NULL);
        wt_arena_fini(&arena);
        return rc;
}
