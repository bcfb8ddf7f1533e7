/* door_completions.c - POST /v1/completions: prompts as text or ids, echo, log-probabilities. */
#include "path.h"
#include <stdio.h>
#include <string.h>

static bool parse_prompt(struct request *r)
{
        wt_jv p = wt_json_get(r->body, 0, "prompt"), first = wt_json_first(r->body, p);

        if (p == WT_JSON_NONE)
                return request_refuse(r, BAD("prompt"), "prompt is missing");
        if (wt_json_type(r->body, p) != WT_JSON_ARRAY)
                return prompt_of_text(r, p);
        if (first == WT_JSON_NONE)
                return request_refuse(r, BAD("prompt"), "prompt is an empty array");
        if (wt_json_type(r->body, first) == WT_JSON_NUMBER)
                return prompt_of_ids(r, p);
        for (wt_jv v = first; v != WT_JSON_NONE; v = wt_json_next(r->body, v)) {
                bool ok = wt_json_type(r->body, v) == WT_JSON_ARRAY ? prompt_of_ids(r, v)
                                                                    : prompt_of_text(r, v);
                if (!ok)
                        return false;
        }
        return true;
}

static bool completions_parse(struct request *r)
{
        struct options *o = &r->opt;
        wt_jv v = wt_json_get(r->body, 0, "logprobs"), e = wt_json_get(r->body, 0, "echo");
        int64_t n;

        if (e != WT_JSON_NONE && wt_json_type(r->body, e) != WT_JSON_NULL &&
            !wt_json_bool(r->body, e, &o->echo))
                return request_refuse(r, BAD("echo"), "echo must be true or false");
        if (v != WT_JSON_NONE && wt_json_type(r->body, v) != WT_JSON_NULL) {
                if (!wt_json_i64(r->body, v, &n) || n < 0 || n > MAX_TOP)
                        return request_refuse(r, BAD("logprobs"), "logprobs must be from 0 to %d",
                                              MAX_TOP);
                o->logprobs = true;
                o->n_top = (uint32_t)n;
        }
        if (!o->max_tokens_named) {
                o->max_tokens = 16;              /* OpenAI's default at this door */
                o->max_tokens_named = true;
        }
        if (o->max_tokens == 0 && !o->echo)
                return request_refuse(r, BAD("max_tokens"),
                                      "max_tokens is 0; it must be at least 1 (0 is "
                                      "only allowed with \"echo\": true)");
        return parse_prompt(r);
}

/* A token's name in logprobs: its text, or "bytes:\xNN..." where it is not whole UTF-8. */
static void token_name(struct wt_buf *b, const struct gateway *g, int32_t id)
{
        struct wt_buf text = { 0 };
        struct wt_utf8_stream u = { 0 };
        size_t len;
        const char *bytes = wt_tokenizer_bytes(g->conf.tokenizer, id, &len, NULL);

        wt_utf8_feed(&u, bytes, len, &text);
        wt_utf8_end(&u, &text);
        if (text.len == len && (len == 0 || memcmp(text.data, bytes, len) == 0)) {
                wt_buf_json_str(b, bytes, len);
        } else {
                wt_buf_str(b, "\"bytes:");
                for (size_t i = 0; i < len; i++)
                        wt_buf_fmt(b, "\\\\x%02x", (unsigned char)bytes[i]);
                wt_buf_str(b, "\"");
        }
        wt_buf_free(&text);
}

static size_t characters(const char *s, size_t len)
{
        size_t n = 0;

        for (size_t i = 0; i < len; i++)
                n += ((unsigned char)s[i] & 0xC0) != 0x80;
        return n;
}

/* Four arrays grow side by side: tokens (marks), token_logprobs, top_logprobs, text_offset. */
static void completions_mark(struct sequence *s, int32_t id, double logprob, const int32_t *top,
                             const double *top_logprob, uint32_t n_top, bool first_of_prompt)
{
        const struct gateway *g = s->r->g;
        size_t len;
        bool special;
        const char *bytes = wt_tokenizer_bytes(g->conf.tokenizer, id, &len, &special);
        const char *sep = s->marks.len > 0 ? "," : "";

        wt_buf_str(&s->marks, sep);
        token_name(&s->marks, g, id);
        wt_buf_fmt(&s->marks_offset, "%s%zu", sep, s->offset);
        if (!special)
                s->offset += characters(bytes, len);
        wt_buf_str(&s->marks_logprob, sep);
        wt_buf_str(&s->marks_top, sep);
        if (first_of_prompt) {
                wt_buf_str(&s->marks_logprob, "null");
                wt_buf_str(&s->marks_top, "null");
                return;
        }
        wt_buf_fmt(&s->marks_logprob, "%.17g", logprob);
        wt_buf_str(&s->marks_top, "{");
        for (uint32_t i = 0; i < n_top && top[i] >= 0; i++) {    /* -1: fewer ids than asked for */
                wt_buf_str(&s->marks_top, i > 0 ? "," : "");
                token_name(&s->marks_top, g, top[i]);
                wt_buf_fmt(&s->marks_top, ":%.17g", top_logprob[i]);
        }
        wt_buf_str(&s->marks_top, "}");
}

static void put_body(struct sequence *s, struct wt_buf *b)
{
        const struct request *r = s->r;

        wt_buf_str(b, "{");
        wt_buf_json_ku(b, "index", s->index);
        wt_buf_json_key(b, "text");
        wt_buf_json_str(b, s->text.data, s->text.len);
        wt_buf_json_key(b, "logprobs");
        if (r->opt.logprobs) {
                wt_buf_str(b, "{\"tokens\":[");
                wt_buf_add(b, s->marks.data, s->marks.len);
                wt_buf_str(b, "],\"token_logprobs\":[");
                wt_buf_add(b, s->marks_logprob.data, s->marks_logprob.len);
                wt_buf_str(b, "],\"top_logprobs\":[");
                wt_buf_add(b, s->marks_top.data, s->marks_top.len);
                wt_buf_str(b, "],\"text_offset\":[");
                wt_buf_add(b, s->marks_offset.data, s->marks_offset.len);
                wt_buf_str(b, "]}");
        } else {
                wt_buf_str(b, "null");
        }
        wt_buf_json_kv(b, "finish_reason", s->finish);
        wt_buf_str(b, "}");
}

static void completions_chunk(struct sequence *s, struct wt_buf *b)
{
        wt_buf_str(b, "[");
        put_body(s, b);
        wt_buf_str(b, "]");
}

static void completions_choice(struct sequence *s, struct wt_buf *b)
{
        wt_buf_json_sep(b);
        put_body(s, b);
}

const struct door door_completions = {
        .path = "/v1/completions", .object = "text_completion", .object_chunk = "text_completion",
        .id_prefix = "cmpl-", .param = "prompt", .parse = completions_parse,
        .mark = completions_mark, .chunk = completions_chunk, .choice = completions_choice,
};
