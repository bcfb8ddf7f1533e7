/* door_tokens.c - POST /v1/tokenize and /v1/detokenize: the tokenizer alone; no router is asked.
 * {model, text} -> {model, ids, count}; {model, ids} -> {model, text}. Nothing is put in front. */
#include "path.h"
#include <stdio.h>
#include <string.h>

static void answer(struct request *r)
{
        struct wt_buf *b = &r->g->line;
        char headers[80];

        snprintf(headers, sizeof headers, "x-request-id: %s\r\n", r->id_text);
        hold_reply(r, 200, "application/json", headers, b->data, b->len);
        request_end(r, "ok");
}

static bool tokenize_parse(struct request *r)
{
        wt_jv v = wt_json_get(r->body, 0, "text");

        if (wt_json_type(r->body, v) != WT_JSON_STRING)
                return request_refuse(r, BAD("text"), "text must be a string");
        r->text[r->n_prompts++] = v;
        return true;
}

/* Of a long text there are many: made beside the loop, as the ids are. */
static void tokenize_list(const struct wt_ids *ids, struct wt_buf *out)
{
        wt_buf_str(out, "[");
        for (size_t i = 0; i < ids->len; i++)
                wt_buf_fmt(out, i == 0 ? "%d" : ",%d", ids->data[i]);
        wt_buf_str(out, "]");
}

static bool tokenize(struct request *r)
{
        struct wt_buf *b = &r->g->line;

        wt_buf_clear(b);
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "model", r->g->conf.model);
        wt_buf_json_key(b, "ids");
        wt_buf_add(b, r->listed.data, r->listed.len);
        wt_buf_json_ku(b, "count", r->prompt[0].len);
        wt_buf_str(b, "}");
        r->prompt[0].len = 0;                    /* nothing was prompted: none are counted */
        answer(r);
        return true;
}

enum { IDS_MOST = 1 << 18 };

static bool detokenize_parse(struct request *r)
{
        wt_jv list = wt_json_get(r->body, 0, "ids");
        uint32_t n;

        if (wt_json_type(r->body, list) != WT_JSON_ARRAY)
                return request_refuse(r, BAD("ids"), "ids must be an array of token ids");
        if ((n = wt_json_count(r->body, list)) > IDS_MOST)
                return request_refuse(r, BAD("ids"), "ids has %u ids; this door takes %d at most; "
                                      "send them in pieces", n, IDS_MOST);
        return true;
}

static bool detokenize(struct request *r)
{
        struct wt_buf *b = &r->g->line, text = { 0 };
        wt_jv list = wt_json_get(r->body, 0, "ids");
        struct wt_utf8_stream u = { 0 };
        size_t at = 0, len;
        int64_t id;

        for (wt_jv v = wt_json_first(r->body, list); v != WT_JSON_NONE;
             v = wt_json_next(r->body, v), at++) {
                const char *bytes;
                if (!wt_json_i64(r->body, v, &id) || id < 0 || id >= gateway_vocab(r->g)) {
                        wt_buf_free(&text);
                        return request_refuse(r, BAD("ids"),
                                              "ids[%zu] is no token id; ids of this model are "
                                              "integers from 0 to %u",
                                              at, gateway_vocab(r->g) - 1);
                }
                bytes = wt_tokenizer_bytes(r->g->conf.tokenizer, (int32_t)id, &len, NULL);
                wt_utf8_feed(&u, bytes, len, &text);
        }
        wt_utf8_end(&u, &text);
        wt_buf_clear(b);
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "model", r->g->conf.model);
        wt_buf_json_key(b, "text");
        wt_buf_json_str(b, text.data, text.len);
        wt_buf_str(b, "}");
        wt_buf_free(&text);
        answer(r);
        return true;
}

const struct door door_tokenize = {
        .path = "/v1/tokenize", .any_model = true, .param = "text", .parse = tokenize_parse,
        .list = tokenize_list, .answer = tokenize,
};
const struct door door_detokenize = {
        .path = "/v1/detokenize", .any_model = true, .parse = detokenize_parse,
        .answer = detokenize,
};
