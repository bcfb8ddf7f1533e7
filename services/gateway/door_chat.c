/* door_chat.c - POST /v1/chat/completions. */
#include "path.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_MESSAGES = 1024 };

/* content as one string; parts of type "text" are joined into join. Refuses by index. */
static bool message_content(struct request *r, wt_jv m, size_t at, struct wt_buf *join,
                            struct wt_message *out)
{
        wt_jv c = wt_json_get(r->body, m, "content");
        const char *s;
        size_t len;

        if ((s = wt_json_str(r->body, c, &len)) != NULL || c == WT_JSON_NONE ||
            wt_json_type(r->body, c) == WT_JSON_NULL) {
                out->content = s != NULL ? s : "";
                out->len = s != NULL ? len : 0;
                if (s == NULL && strcmp(out->role, "assistant") != 0)
                        return request_refuse(r, BAD("messages"), "messages[%zu] has no content",
                                              at);
                return true;
        }
        if (wt_json_type(r->body, c) != WT_JSON_ARRAY)
                return request_refuse(r, BAD("messages"),
                        "messages[%zu].content must be a string or an array of parts", at);
        for (wt_jv p = wt_json_first(r->body, c); p != WT_JSON_NONE; p = wt_json_next(r->body, p)) {
                const char *type = wt_json_str(r->body, wt_json_get(r->body, p, "type"), &len);
                if (type == NULL || strcmp(type, "text") != 0)
                        return request_refuse(r, BAD("messages"),
                                              "messages[%zu].content holds a part of "
                                              "type \"%s\"; this model reads text only",
                                              at, type ? type : "?");
                if ((s = wt_json_str(r->body, wt_json_get(r->body, p, "text"), &len)) == NULL)
                        return request_refuse(r, BAD("messages"),
                                "messages[%zu].content: a text part has no text", at);
                wt_buf_add(join, s, len);
        }
        out->content = join->len > 0 ? join->data : "";
        out->len = join->len;
        return true;
}

static bool render(struct request *r, const struct wt_message *m, size_t n)
{
        if (wt_chat_render(r->g->chat, r->g->conf.tokenizer, m, n, &r->prompt[0]) != WT_OK)
                return request_refuse(r, BAD("messages"), "%s", wt_words());
        r->n_prompts = 1;
        return true;
}

static bool parse_messages(struct request *r, wt_jv list)
{
        size_t n = wt_json_count(r->body, list), i = 0, len;
        struct wt_message *m = calloc(n, sizeof *m);
        struct wt_buf *joins = calloc(n, sizeof *joins);
        bool ok = true;

        WT_ASSERT(m != NULL && joins != NULL);
        for (wt_jv v = wt_json_first(r->body, list); v != WT_JSON_NONE && ok;
             v = wt_json_next(r->body, v), i++) {
                m[i].role = wt_json_str(r->body, wt_json_get(r->body, v, "role"), &len);
                if (m[i].role == NULL)
                        ok = request_refuse(r, BAD("messages"), "messages[%zu] has no role", i);
                else
                        ok = message_content(r, v, i, &joins[i], &m[i]);
        }
        if (ok)
                ok = render(r, m, n);
        for (i = 0; i < n; i++)
                wt_buf_free(&joins[i]);
        free(joins);
        free(m);
        return ok;
}

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

static bool chat_parse(struct request *r)
{
        wt_jv list = wt_json_get(r->body, 0, "messages");
        size_t n = wt_json_count(r->body, list);

        if (r->g->chat == NULL)
                return request_refuse(
                        r, (struct refusal){400, "invalid_request_error", "no_chat_format", NULL},
                        "the tokenizer of model \"%s\" has no chat format; use "
                        "/v1/completions",
                        r->g->conf.model);
        if (wt_json_type(r->body, list) != WT_JSON_ARRAY || n == 0)
                return request_refuse(r, BAD("messages"),
                                      "messages must be an array with at least one "
                                      "{\"role\": \"user\", \"content\": \"...\"}");
        if (n > MAX_MESSAGES)
                return request_refuse(r, BAD("messages"), "%zu messages; at most %d are taken", n,
                                      MAX_MESSAGES);
        if (r->opt.max_tokens_named && r->opt.max_tokens == 0)
                return request_refuse(r, BAD("max_tokens"),
                                      "max_tokens is 0; it must be at least 1, or be left out");
        return parse_logprobs(r) && parse_messages(r, list);
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
        wt_buf_json_ku(b, "index", request_index(s));
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
        wt_buf_json_ku(b, "index", request_index(s));
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
        .object_chunk = "chat.completion.chunk", .id_prefix = "chatcmpl-",
        .parse = chat_parse, .mark = chat_mark, .chunk = chat_chunk, .choice = chat_choice,
};
