/* prompt.c - prompts are taken in: text, which tokenize.c makes ids of, or ids as they are. */
#include "path.h"
#include <string.h>

static bool room_for_prompt(struct request *r)
{
        if (r->n_prompts < MAX_PROMPTS)
                return true;
        return request_refuse(r, BAD("prompt"), "more than %d prompts in one request", MAX_PROMPTS);
}

bool prompt_of_text(struct request *r, wt_jv v)
{
        size_t len;
        const char *s = wt_json_str(r->body, v, &len);

        if (s == NULL)
                return request_refuse(r, BAD("prompt"),
                                      "prompt must be a string, an array of strings, an "
                                      "array of token ids, or an array of such arrays");
        if (!room_for_prompt(r))
                return false;
        r->text[r->n_prompts++] = v;
        if (r->opt.echo)
                wt_buf_add(&r->prompt_text[r->n_prompts - 1], s, len);
        return true;
}

static void ids_to_text(const struct gateway *g, const struct wt_ids *ids, struct wt_buf *out)
{
        struct wt_utf8_stream u = { 0 };

        for (size_t i = 0; i < ids->len; i++) {
                size_t len;
                bool special;
                const char *p = wt_tokenizer_bytes(g->conf.tokenizer, ids->data[i], &len, &special);
                if (!special)
                        wt_utf8_feed(&u, p, len, out);
        }
        wt_utf8_end(&u, out);
}

/* Ids are taken as they are; nothing is put before them. */
bool prompt_of_ids(struct request *r, wt_jv list)
{
        struct wt_ids *ids = &r->prompt[r->n_prompts];
        int64_t id;

        if (!room_for_prompt(r))
                return false;
        r->text[r->n_prompts++] = WT_JSON_NONE;
        for (wt_jv v = wt_json_first(r->body, list); v != WT_JSON_NONE;
             v = wt_json_next(r->body, v)) {
                if (!wt_json_i64(r->body, v, &id) || id < 0 || id >= gateway_vocab(r->g))
                        return request_refuse(r, BAD("prompt"),
                                              "prompt[%zu] is no token id; ids of this "
                                              "model are integers from 0 to %u",
                                              ids->len, gateway_vocab(r->g) - 1);
                wt_ids_add(ids, (int32_t)id);
        }
        if (r->opt.echo)
                ids_to_text(r->g, ids, &r->prompt_text[r->n_prompts - 1]);
        return true;
}

uint32_t gateway_vocab(const struct gateway *g)
{
        uint32_t known = wt_tokenizer_size(g->conf.tokenizer);

        return known < g->conf.shape->vocab ? known : g->conf.shape->vocab;
}
