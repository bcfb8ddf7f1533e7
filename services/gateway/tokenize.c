/* tokenize.c - the texts of a request become ids. What cannot fit whatever its tokens are is
 * refused by its bytes; a long text is tokenized beside the loop, which serves the others meanwhile. The
 * request lives until that is done, also when its client has left. */
#include "encoder.h"
#include "messages.h"
#include "path.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE_BYTES = 16 << 10 };               /* about a millisecond */

struct texts {
        struct encoder_job job;                  /* first */
        struct request *r;
        struct wt_ids ids[MAX_PROMPTS];
        struct wt_buf list;
};

/* One prompt to ids: text with the begin token in front, when the model wants one and the text does
 * not begin with it. */
static wt_err one(const struct request *r, uint32_t i, struct wt_ids *ids)
{
        const struct gateway *g = r->g;
        int32_t bos = r->door->list != NULL ? -1
                    : g->chat != NULL ? wt_chat_bos(g->chat, g->conf.tokenizer)
                                      : g->conf.shape->bos;
        size_t len;
        const char *s = wt_json_str(r->body, r->text[i], &len);
        wt_err err = wt_tokenizer_encode(g->conf.tokenizer, s, len, true, ids);

        if (err == WT_OK && bos >= 0 && (ids->len == 0 || ids->data[0] != bos) &&
            (err = wt_ids_room(ids, 1)) == WT_OK) {
                wt_ids_add(ids, bos);
                memmove(ids->data + 1, ids->data, (ids->len - 1) * sizeof *ids->data);
                ids->data[0] = bos;
        }
        return err;
}

/* Reads the request and changes nothing of it: it may run beside the loop. */
static wt_err all(const struct request *r, struct wt_ids *ids, struct wt_buf *list)
{
        wt_err err = WT_OK;

        if (r->messages != NULL)
                return messages_render(r->messages, r->g->chat, r->g->conf.tokenizer, &ids[0]);
        for (uint32_t i = 0; i < r->n_prompts && err == WT_OK; i++)
                if (r->text[i] != WT_JSON_NONE)
                        err = one(r, i, &ids[i]);
        if (err == WT_OK && r->door->list != NULL)
                r->door->list(&ids[0], list);
        return err;
}

static bool failed(struct request *r, wt_err err, const char *words)
{
        return request_refuse(r, err == WT_ENOMEM ? refusal_of(WT_EEXHAUSTED) : BAD(r->door->param),
                              "%s", words);
}

static wt_err work(struct encoder_job *j)
{
        struct texts *t = (struct texts *)j;

        return all(t->r, t->ids, &t->list);
}

static void texts_free(struct texts *t)
{
        for (uint32_t i = 0; i < MAX_PROMPTS; i++)
                wt_ids_free(&t->ids[i]);
        wt_buf_free(&t->list);
        free(t);
}

void tokenize_done(void *arg, struct encoder_job *j)
{
        struct texts *t = (struct texts *)j;
        struct request *r = t->r;
        wt_err err = j->err;
        char words[sizeof j->words];

        (void)arg;
        memcpy(words, j->words, sizeof words);
        r->encoding = false;                     /* may be freed, if it is over */
        if (!r->tally.recorded && err == WT_OK) {
                for (uint32_t i = 0; i < r->n_prompts; i++)
                        if (t->ids[i].len > 0) {
                                r->prompt[i] = t->ids[i];
                                t->ids[i] = (struct wt_ids){ 0 };
                        }
                r->listed = t->list;
                t->list = (struct wt_buf){ 0 };
        }
        texts_free(t);
        if (r->tally.recorded)
                return;
        if (err != WT_OK)
                failed(r, err, words);
        else
                request_encoded(r);
}

/* Bytes of the texts of a prompt, and (or NULL) of those that certainly become tokens of it. */
static size_t bytes_of(const struct request *r, uint32_t i, size_t *certain)
{
        size_t len = 0;

        if (r->messages != NULL)
                return messages_bytes(r->messages, certain);
        if (r->text[i] != WT_JSON_NONE)
                wt_json_str(r->body, r->text[i], &len);
        *certain = len;
        return len;
}

static bool too_long(struct request *r, size_t bytes)
{
        size_t longest = wt_tokenizer_longest(r->g->conf.tokenizer);
        uint32_t most = gateway_context(r->g);

        if (longest == 0 || bytes / longest <= most)
                return false;
        request_refuse(r, (struct refusal){ 400, "invalid_request_error", "context_length_exceeded",
                                            r->door->param },
                       "the prompt has %zu bytes, which are %zu tokens or more (none of this model "
                       "has more than %zu bytes); this model's context is %u tokens for prompt and "
                       "answer together; shorten the prompt", bytes, bytes / longest, longest,
                       most);
        return true;
}

static bool beside(struct request *r)
{
        struct texts *t = calloc(1, sizeof *t);

        if (t == NULL)
                return failed(r, WT_ENOMEM, "no memory for the tokens of this request; try again "
                              "later");
        t->job.work = work;
        t->r = r;
        r->encoding = true;
        wt_metric_add(&r->g->metrics[M_LONG_TEXTS], 1);
        encoder_give(r->g->encoder, &t->job);
        return false;
}

bool gateway_tokenize(struct request *r)
{
        size_t sum = 0;
        wt_err err;

        for (uint32_t i = 0; i < r->n_prompts; i++) {
                size_t certain;

                sum += bytes_of(r, i, &certain);
                if (r->door->answer == NULL && too_long(r, certain))
                        return false;
        }
        if (sum > AT_ONCE_BYTES)
                return beside(r);
        if ((err = all(r, r->prompt, &r->listed)) != WT_OK)
                return failed(r, err, wt_words());
        return true;
}
