/* api_test.c - the RPC door's messages against protobuf-c: the table says what the .proto says, and
 * both forms hold the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/rng.h"
#include "wire/api.h"
#include "witan/v1/api.pb-c.h"

/* ---- the table ---- */

static void same_field(const struct api_message *m, const struct api_field *f,
                       const ProtobufCMessageDescriptor *d)
{
        static const int types[] = {
                [API_STR] = PROTOBUF_C_TYPE_STRING, [API_BOOL] = PROTOBUF_C_TYPE_BOOL,
                [API_INT] = PROTOBUF_C_TYPE_INT64, [API_DOUBLE] = PROTOBUF_C_TYPE_DOUBLE,
                [API_MSG] = PROTOBUF_C_TYPE_MESSAGE,
        };
        const ProtobufCFieldDescriptor *p = protobuf_c_message_descriptor_get_field(d, f->number);

        if (p == NULL || (int)p->type != types[f->type] ||
            (p->label == PROTOBUF_C_LABEL_REPEATED) != (f->how != API_ONE))
                fail_msg("%s field %u (%s) is not that of %s", m->name, f->number, f->name,
                         d->name);
        if (strcmp(p->name, f->name) != 0 && f->how != API_BARE)
                fail_msg("%s field %u is %s there, %s here", d->name, f->number, p->name, f->name);
}

static void same_message(const struct api_message *m, const ProtobufCMessageDescriptor *d, int deep)
{
        if (deep > 6)
                return;
        /* the innermost TokenLogprob has one field fewer: it does not nest again */
        if (m->n != d->n_fields && !(deep > 3 && m->n + 1 == d->n_fields))
                fail_msg("%s has %u fields, %s has %u", m->name, m->n, d->name, d->n_fields);
        for (uint32_t i = 0; i < m->n; i++) {
                const struct api_field *f = &m->field[i];

                same_field(m, f, d);
                if (f->type == API_MSG)
                        same_message(f->of,
                                     protobuf_c_message_descriptor_get_field(d, f->number)
                                             ->descriptor, deep + 1);
        }
}

static void as_in_the_proto(void **state)
{
        static const ProtobufCServiceDescriptor *const services[] = {
                &witan__v1__models__descriptor, &witan__v1__chat__descriptor,
                &witan__v1__generate__descriptor, &witan__v1__score__descriptor,
                &witan__v1__tokens__descriptor, &witan__v1__admin__descriptor,
        };
        size_t n = 0;

        (void)state;
        for (size_t s = 0; s < sizeof services / sizeof *services; s++)
                for (unsigned k = 0; k < services[s]->n_methods; k++, n++) {
                        const ProtobufCMethodDescriptor *d = &services[s]->methods[k];
                        char path[128];

                        snprintf(path, sizeof path, "/%s/%s", services[s]->name, d->name);
                        if (api_method(path) == NULL)
                                fail_msg("%s is not served", path);
                        same_message(api_method(path)->request, d->input, 0);
                        same_message(api_method(path)->response, d->output, 0);
                }
        assert_null(api_methods[n].path);
        assert_null(api_method("/witan.v1.Chat/Nothing"));
}

/* ---- there ---- */

static void to_json(const struct api_message *m, const ProtobufCMessage *p, const char *extra,
                    const char *want)
{
        uint8_t bytes[4096];
        size_t n = protobuf_c_message_pack(p, bytes);
        struct wt_buf out = { 0 };

        if (api_to_json(m, bytes, n, extra, &out) != WT_OK)
                fail_msg("%s", wt_words());
        assert_string_equal(out.data, want);
        wt_buf_free(&out);
}

static void requests(void **state)
{
        Witan__V1__ChatRequest c = WITAN__V1__CHAT_REQUEST__INIT;
        Witan__V1__Message a = WITAN__V1__MESSAGE__INIT, b = a, *messages[] = { &a, &b };
        Witan__V1__LogitBias bias = WITAN__V1__LOGIT_BIAS__INIT, *biases[] = { &bias };
        Witan__V1__GenerateRequest g = WITAN__V1__GENERATE_REQUEST__INIT;
        Witan__V1__Ids i1 = WITAN__V1__IDS__INIT, i2 = i1, *lists[] = { &i1, &i2 };
        int64_t ids[] = { 5, 0, 4095 };
        char *stops[] = { "a\"b", "\xe2\x82\xac" };

        (void)state;
        to_json(api_method("/witan.v1.Chat/Complete")->request, &c.base, "", "{}");
        a.role = "user";
        a.content = "Who are you?\n";
        b.role = "assistant";
        b.content = "";
        c.n_messages = 2;
        c.messages = messages;
        c.model = "tiny";
        c.has_temperature = c.has_seed = c.has_ignore_eos = 1;
        c.temperature = 0;
        c.seed = -7;
        c.ignore_eos = 1;
        c.n_stop = 2;
        c.stop = stops;
        bias.key = "17";
        bias.has_value = 1;
        bias.value = -2.5;
        c.n_logit_bias = 1;
        c.logit_bias = biases;
        to_json(api_method("/witan.v1.Chat/Stream")->request, &c.base, "\"stream\":true",
                "{\"model\":\"tiny\",\"messages\":["
                "{\"role\":\"user\",\"content\":\"Who are you?\\n\"},"
                "{\"role\":\"assistant\",\"content\":\"\"}],\"temperature\":0,"
                "\"stop\":[\"a\\\"b\",\"\xe2\x82\xac\"],\"seed\":-7,\"ignore_eos\":true,"
                "\"logit_bias\":{\"17\":-2.5},\"stream\":true}");
        i1.n_ids = 3;
        i1.ids = ids;
        g.n_prompt_ids = 2;
        g.prompt_ids = lists;
        to_json(api_method("/witan.v1.Generate/Complete")->request, &g.base, "\"x\":1",
                "{\"prompt\":[[5,0,4095],[]],\"x\":1}");
        to_json(api_method("/witan.v1.Models/List")->request, &g.base, "", "{}");
}

/* Numbers in one field, as newer writers send them. */
static void packed(void **state)
{
        static const uint8_t bytes[] = { 0x12, 4, 1, 0xac, 2, 7, 0x10, 9, 0x12, 0 };
        struct wt_buf out = { 0 };

        (void)state;
        assert_int_equal(api_to_json(api_method("/witan.v1.Tokens/Decode")->request, bytes,
                                     sizeof bytes, "", &out), WT_OK);
        assert_string_equal(out.data, "{\"ids\":[1,300,7,9]}");
        wt_buf_free(&out);
}

static void refused(void **state)
{
        static const struct { const char *bytes; size_t n; } bad[] = {
                { "\x0a\x05tin", 5 },            /* shorter than it says */
                { "\x0a", 1 }, { "\x00\x01", 2 },/* no length; field 0 */
                { "\x0b\x0c", 2 },               /* a group */
                { "\x08\x01", 2 },               /* a number where text belongs */
                { "\x22\x01\x00", 3 },           /* text where a number belongs, not packed */
                { "\x21\x00\x00\x00\x00\x00\x00\xf0\x7f", 9 },   /* infinite */
                { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
        };
        const struct api_message *m = api_method("/witan.v1.Chat/Complete")->request;
        struct wt_buf out = { 0 };

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                wt_buf_clear(&out);
                if (api_to_json(m, bad[i].bytes, bad[i].n, "", &out) == WT_OK)
                        fail_msg("case %zu was taken: %s", i, out.data);
        }
        wt_buf_free(&out);
}

/* ---- and back ---- */

static void *of_json(const char *path, const char *text, const ProtobufCMessageDescriptor *d)
{
        struct wt_buf out = { 0 };
        wt_json *j;
        void *p;

        assert_int_equal(wt_json_parse(&j, text, strlen(text), &wt_json_default), WT_OK);
        if (api_of_json(api_method(path)->response, j, 0, &out) != WT_OK)
                fail_msg("%s", wt_words());
        p = protobuf_c_message_unpack(d, NULL, out.len, (const uint8_t *)out.data);
        assert_non_null(p);
        wt_buf_free(&out);
        wt_json_free(j);
        return p;
}

static void answers(void **state)
{
        Witan__V1__ChatResponse *c = of_json("/witan.v1.Chat/Complete",
                "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,"
                "\"model\":\"tiny\",\"system_fingerprint\":null,\"choices\":[{\"index\":0,"
                "\"message\":{\"role\":\"assistant\",\"content\":\"I am\\u20ac\",\"refusal\":null},"
                "\"logprobs\":{\"content\":[{\"token\":\"I\",\"logprob\":-0.5,\"bytes\":[73],"
                "\"top_logprobs\":[{\"token\":\"I\",\"logprob\":-0.5,\"bytes\":[73]}]}]},"
                "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,"
                "\"completion_tokens\":9,\"total_tokens\":16}}",
                &witan__v1__chat_response__descriptor);

        (void)state;
        assert_string_equal(c->id, "chatcmpl-1");
        assert_int_equal(c->created, 1700000000);
        assert_null(c->system_fingerprint);
        assert_int_equal(c->n_choices, 1);
        assert_true(c->choices[0]->has_index);
        assert_string_equal(c->choices[0]->message->content, "I am\xe2\x82\xac");
        assert_string_equal(c->choices[0]->finish_reason, "stop");
        assert_int_equal(c->choices[0]->logprobs->content[0]->bytes[0], 73);
        assert_true(c->choices[0]->logprobs->content[0]->top_logprobs[0]->logprob == -0.5);
        assert_int_equal(c->usage->total_tokens, 16);
        protobuf_c_message_free_unpacked(&c->base, NULL);
}

static void completions(void **state)
{
        Witan__V1__GenerateResponse *g = of_json("/witan.v1.Score/Score",
                "{\"choices\":[{\"index\":1,\"text\":\"ab\",\"logprobs\":{\"tokens\":[\"a\",\"b\"],"
                "\"token_logprobs\":[null,-1.25],\"top_logprobs\":[null,{\"b\":-1.25,\"c\":-3}],"
                "\"text_offset\":[0,1]},\"finish_reason\":null}]}",
                &witan__v1__generate_response__descriptor);
        const Witan__V1__Logprobs *l = g->choices[0]->logprobs;

        (void)state;
        assert_int_equal(l->n_tokens, 2);
        assert_true(isnan(l->token_logprobs[0]) && l->token_logprobs[1] == -1.25);
        assert_int_equal(l->n_top_logprobs, 2);
        assert_int_equal(l->top_logprobs[0]->n_top, 0);
        assert_string_equal(l->top_logprobs[1]->top[1]->key, "c");
        assert_true(l->top_logprobs[1]->top[1]->value == -3);
        assert_null(g->choices[0]->finish_reason);
        protobuf_c_message_free_unpacked(&g->base, NULL);
}

static void other_shapes(void **state)
{
        static const char *const bad[] = {
                "{\"id\":7}", "{\"created\":\"now\"}", "{\"choices\":[{\"index\":1.5}]}",
                "{\"choices\":[{\"logprobs\":{\"content\":[{\"logprob\":\"x\"}]}}]}",
        };

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct wt_buf out = { 0 };
                wt_json *j;

                assert_int_equal(wt_json_parse(&j, bad[i], strlen(bad[i]), &wt_json_default),
                                 WT_OK);
                assert_int_equal(api_of_json(api_method("/witan.v1.Chat/Complete")->response, j, 0,
                                             &out), WT_EDATA);
                wt_buf_free(&out);
                wt_json_free(j);
        }
}

/* What a client of ours writes: a prompt in each of its four forms, one text for a list of one. */
static void prompts(void **state)
{
        static const struct { const char *from, *to; } t[] = {
                { "{\"prompt\":\"a\",\"stop\":\"b\"}", "{\"prompt\":[\"a\"],\"stop\":[\"b\"]}" },
                { "{\"prompt\":[\"a\",\"b\"]}", "{\"prompt\":[\"a\",\"b\"]}" },
                { "{\"prompt\":[1,2]}", "{\"prompt\":[[1,2]]}" },
                { "{\"prompt\":[[1],[2,3]]}", "{\"prompt\":[[1],[2,3]]}" },
        };
        const struct api_message *m = api_method("/witan.v1.Generate/Complete")->request;

        (void)state;
        for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
                struct wt_buf bytes = { 0 }, out = { 0 };
                wt_json *j;

                assert_int_equal(wt_json_parse(&j, t[i].from, strlen(t[i].from), &wt_json_default),
                                 WT_OK);
                assert_int_equal(api_of_json(m, j, 0, &bytes), WT_OK);
                assert_int_equal(api_to_json(m, bytes.data, bytes.len, "", &out), WT_OK);
                assert_string_equal(out.data, t[i].to);
                wt_json_free(j);
                wt_buf_free(&bytes);
                wt_buf_free(&out);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(as_in_the_proto), cmocka_unit_test(requests),
                cmocka_unit_test(packed), cmocka_unit_test(refused), cmocka_unit_test(answers),
                cmocka_unit_test(completions), cmocka_unit_test(other_shapes),
                cmocka_unit_test(prompts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
