/* door_chat.c - POST /v1/chat/completions. */
#include "messages.h"
#include "path.h"

static bool parse_logprobs(struct request *r)
{
        wt_jv v = wt_json_get(r->body, 0, "logprobs"), t = wt_json_get(r->body, 0, "top_logprobs");
        int64_t n;

        if (v != WT_JSON_NONE && wt_json_type(r->body, v) != WT_JSON_NULL &&
            !wt_json_bool(r->body, v, &r->opt.logprobs))
                return request_refuse(r, BAD("logprobs"), "logprobs must be true or false");
        if (t == WT_JSON_NONE || wt_json_type(r->body, t) == WT_JSON_NULL)
                return true;
        if (!wt_json_i64(r->body, t, &n) || n < 0 || n > MAX_TOP)
                return request_refuse(r, BAD("top_logprobs"), "top_logprobs must be from 0 to %d",
                                      MAX_TOP);
        if (!r->opt.logprobs)
                return request_refuse(r, BAD("top_logprobs"),
                                      "top_logprobs needs \"logprobs\": true");
        r->opt.n_top = (uint32_t)n;
        return true;
}

static bool parse_messages(struct request *r)
{
        wt_err err = messages_read(&r->messages, r->body, wt_json_get(r->body, 0, "messages"));

        if (err != WT_OK)
                return request_refuse(r, err == WT_ENOMEM ? refusal_of(WT_EEXHAUSTED)
                                                          : BAD("messages"), "%s", wt_words());
        r->n_prompts = 1;
        return true;
}

static bool chat_parse(struct request *r)
{
        if (r->g->chat == NULL)
                return request_refuse(
                        r, (struct refusal){400, "invalid_request_error", "no_chat_format", NULL},
                        "the tokenizer of model \"%s\" has no chat format; use "
                        "/v1/completions",
                        r->g->conf.model);
        if (r->opt.max_tokens_named && r->opt.max_tokens == 0)
                return request_refuse(r, BAD("max_tokens"),
                                      "max_tokens is 0; it must be at least 1, or be left out");
        return parse_logprobs(r) && parse_messages(r);
}

static void token_json(struct wt_buf *b, const struct gateway *g, int32_t id, double logprob)
{
        size_t len;
        const char *bytes = wt_tokenizer_bytes(g->conf.tokenizer, id, &len, NULL);

        wt_buf_json_sep(b);
        wt_buf_str(b, "{");
        wt_buf_json_key(b, "token");
        wt_buf_json_str(b, bytes, len);
        wt_buf_json_kf(b, "logprob", logprob);
        wt_buf_json_key(b, "bytes");
        wt_buf_str(b, "[");
        for (size_t i = 0; i < len; i++)
                wt_buf_fmt(b, i == 0 ? "%u" : ",%u", (unsigned char)bytes[i]);
        wt_buf_str(b, "]");
}

static void chat_mark(struct sequence *s, int32_t id, double logprob, const int32_t *top,
                      const double *top_logprob, uint32_t n_top, bool first_of_prompt)
{
        struct wt_buf *b = &s->marks;

        (void)first_of_prompt;
        token_json(b, s->r->g, id, logprob);
        wt_buf_json_key(b, "top_logprobs");
        wt_buf_str(b, "[");
        for (uint32_t i = 0; i < n_top && top[i] >= 0; i++) {    /* -1: fewer ids than asked for */
                token_json(b, s->r->g, top[i], top_logprob[i]);
                wt_buf_str(b, "}");
        }
        wt_buf_str(b, "]}");
}

static void put_logprobs(struct sequence *s, struct wt_buf *b)
{
        wt_buf_json_key(b, "logprobs");
        if (!s->r->opt.logprobs) {
                wt_buf_str(b, "null");
                return;
        }
        wt_buf_str(b, "{\"content\":[");
        wt_buf_add(b, s->marks.data, s->marks.len);
        wt_buf_str(b, "],\"refusal\":null}");
}

static void chat_chunk(struct sequence *s, struct wt_buf *b)
{
        wt_buf_str(b, "[{");
        wt_buf_json_ku(b, "index", s->index);
        wt_buf_json_key(b, "delta");
        wt_buf_str(b, "{");
        if (!s->begun)
                wt_buf_json_kv(b, "role", "assistant");
        if (!s->begun || s->text.len > 0) {
                wt_buf_json_key(b, "content");
                wt_buf_json_str(b, s->text.data, s->text.len);
        }
        wt_buf_str(b, "}");
        put_logprobs(s, b);
        wt_buf_json_kv(b, "finish_reason", s->finish);
        wt_buf_str(b, "}]");
}

static void chat_choice(struct sequence *s, struct wt_buf *b)
{
        wt_buf_json_sep(b);
        wt_buf_str(b, "{");
        wt_buf_json_ku(b, "index", s->index);
        wt_buf_json_key(b, "message");
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "role", "assistant");
        wt_buf_json_key(b, "content");
        wt_buf_json_str(b, s->text.data, s->text.len);
        wt_buf_json_kv(b, "refusal", NULL);
        wt_buf_str(b, "}");
        put_logprobs(s, b);
        wt_buf_json_kv(b, "finish_reason", s->finish);
        wt_buf_str(b, "}");
}

const struct door door_chat = {
        .path = "/v1/chat/completions", .object = "chat.completion",
        .object_chunk = "chat.completion.chunk", .id_prefix = "chatcmpl-", .param = "messages",
        .parse = chat_parse, .mark = chat_mark, .chunk = chat_chunk, .choice = chat_choice,
};
