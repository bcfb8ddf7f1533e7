/* door_generate.c - POST /v1/generate: text in, text out, without OpenAI's ceremony.
 * {prompt, max_tokens, temperature, top_p, repetition_penalty, stream, ...} -> {id, model, text,
 * finish_reason, usage}; streamed: events {text, finish_reason}, the last one with usage. */
#include "path.h"
#include <string.h>

static bool generate_parse(struct request *r)
{
        size_t len;
        wt_jv v = wt_json_get(r->body, 0, "prompt");

        if (wt_json_str(r->body, v, &len) == NULL)
                return request_refuse(r, BAD("prompt"),
                                      v == WT_JSON_NONE ? "prompt is missing"
                                                        : "prompt must be a string");
        if (r->opt.n != 1)
                return request_refuse(r, BAD("n"),
                                      "this door makes one answer; /v1/completions makes n");
        if (r->opt.max_tokens_named && r->opt.max_tokens == 0)
                return request_refuse(r, BAD("max_tokens"),
                                      "max_tokens is 0; it must be at least 1");
        return prompt_of_text(r, v);
}

static void no_mark(struct sequence *s, int32_t id, double logprob, const int32_t *top,
                    const double *top_logprob, uint32_t n_top, bool first_of_prompt)
{
        (void)s; (void)id; (void)logprob; (void)top; (void)top_logprob; (void)n_top;
        (void)first_of_prompt;
}

/* Both shapes have the text beside the common fields, not in a list of choices. */
static void put_text(struct sequence *s, struct wt_buf *b)
{
        wt_buf_json_str(b, s->text.data, s->text.len);
        wt_buf_json_kv(b, "finish_reason", s->finish);
}

const struct door door_generate = {
        .path = "/v1/generate", .object = "generation", .object_chunk = "generation.chunk",
        .id_prefix = "gen-", .param = "prompt", .choices = "text", .any_model = true,
        .parse = generate_parse, .mark = no_mark, .chunk = put_text, .choice = put_text,
};
