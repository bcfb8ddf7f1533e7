/* tokenize.c - the texts of a request become ids. What cannot fit whatever its tokens are is
 * refused by its bytes; a long text is tokenized beside the loop, which serves the others
 * meanwhile, one at a time: those that wait do so here, where turns are fair by bytes, where there
 * is a bound, and where a client that leaves takes its text with it. A request whose text is being
 * read lives until that is done. */
#include "encoder.h"
#include "messages.h"
#include "path.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        AT_ONCE_BYTES = 16 << 10,                /* about a millisecond */
        COST_BYTES = 64,                         /* the shortest text that waits costs a quantum */
        BYTES_A_SECOND = 2 << 20                 /* for retry-after: what a slow core makes */
};

struct texts {
        struct encoder_job job;                  /* first */
        struct request *r;
        struct wt_place place;                   /* while it waits */
        uint64_t bytes;
        atomic_bool stop;                        /* its client left while it was being read */
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

/* Reads the request and changes nothing of it: it may run beside the loop. stop (or NULL) is looked
 * at between texts. */
static wt_err all(const struct request *r, struct wt_ids *ids, struct wt_buf *list,
                  const atomic_bool *stop)
{
        wt_err err = WT_OK;

        if (r->messages != NULL)
                return messages_render(r->messages, r->g->chat, r->g->conf.tokenizer, &ids[0]);
        for (uint32_t i = 0; i < r->n_prompts && err == WT_OK; i++)
                if (stop != NULL && atomic_load(stop))
                        err = WT_ECANCELLED;
                else if (r->text[i] != WT_JSON_NONE)
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

        return all(t->r, t->ids, &t->list, &t->stop);
}

static void texts_free(struct texts *t)
{
        for (uint32_t i = 0; i < MAX_PROMPTS; i++)
                wt_ids_free(&t->ids[i]);
        wt_buf_free(&t->list);
        free(t);
}

/* ---- those that wait ----------------------------------------------------------------------- */

static void count(struct gateway *g, struct texts *t, bool in)
{
        g->text_bytes += in ? t->bytes : -t->bytes;
        wt_metric_set(&g->metrics[M_TEXT_BYTES], (double)g->text_bytes);
}

/* The thread has one text at a time, so that whose turn is next is decided when it is free. */
static void next_text(struct gateway *g)
{
        struct wt_place *p;
        struct texts *t;

        if (g->text_at != NULL || (p = wt_fair_take(&g->texts)) == NULL)
                return;
        t = (struct texts *)((char *)p - offsetof(struct texts, place));
        g->text_at = t;
        t->r->encoding = true;
        encoder_give(g->encoder, &t->job);
}

void tokenize_leave(struct request *r)
{
        struct texts *t = r->texts;

        if (t == NULL)
                return;
        wt_metric_add(&r->g->metrics[M_TEXTS_DROPPED], 1);
        if (r->encoding) {                       /* tokenize_done frees it */
                atomic_store(&t->stop, true);
                return;
        }
        r->texts = NULL;
        wt_fair_remove(&r->g->texts, &t->place);
        count(r->g, t, false);
        texts_free(t);
}

void tokenize_done(void *arg, struct encoder_job *j)
{
        struct gateway *g = arg;
        struct texts *t = (struct texts *)j;
        struct request *r = t->r;
        wt_err err = j->err;
        char words[sizeof j->words];

        memcpy(words, j->words, sizeof words);
        g->text_at = NULL;
        count(g, t, false);
        next_text(g);                            /* the thread does not wait for what follows */
        r->texts = NULL;
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

/* Of its tenant, waiting or being read. */
static uint64_t bytes_waiting(const struct gateway *g, const char *tenant)
{
        uint64_t n = 0;

        for (const struct request *r = g->open; r != NULL; r = r->next)
                if (r->texts != NULL && strcmp(r->who.tenant.id, tenant) == 0)
                        n += r->texts->bytes;
        return n;
}

/* All texts that wait have a bound, and one tenant's half of it, so that others find room. One text
 * alone is always taken: max_body bounds it. */
static bool no_room(struct request *r, uint64_t bytes)
{
        static const struct refusal slower = { 429, "rate_limit_error", "rate_limit_exceeded",
                                               NULL };
        const struct gateway *g = r->g;
        uint64_t most = g->conf.texts_waiting, mine = bytes_waiting(g, r->who.tenant.id);
        bool full = g->text_bytes > 0 && g->text_bytes + bytes > most;

        if (!full && (mine == 0 || mine + bytes <= most / 2))
                return false;
        wt_metric_add(&g->metrics[M_TEXTS_REFUSED], 1);
        r->retry_s = 1 + g->text_bytes / BYTES_A_SECOND;
        if (full)
                request_refuse(r, refusal_of(WT_EEXHAUSTED), "long texts of %llu bytes wait to "
                               "become tokens; with the %llu bytes of this one they would be more "
                               "than this gateway holds (texts_waiting, %llu); try again in %llu "
                               "s", (unsigned long long)g->text_bytes, (unsigned long long)bytes,
                               (unsigned long long)most, (unsigned long long)r->retry_s);
        else
                request_refuse(r, slower, "long texts of this tenant of %llu bytes wait to become "
                               "tokens; with the %llu bytes of this one they would be more than "
                               "half of what this gateway holds of all (texts_waiting, %llu); wait "
                               "for their answers, or try again in %llu s",
                               (unsigned long long)mine, (unsigned long long)bytes,
                               (unsigned long long)most, (unsigned long long)r->retry_s);
        return true;
}

static bool beside(struct request *r, uint64_t bytes)
{
        struct gateway *g = r->g;
        struct texts *t;

        if (no_room(r, bytes))
                return false;
        if ((t = calloc(1, sizeof *t)) == NULL)
                return failed(r, WT_ENOMEM, "no memory for the tokens of this request; try again "
                              "later");
        t->job.work = work;
        t->r = r;
        t->bytes = bytes;
        r->texts = t;
        count(g, t, true);
        wt_metric_add(&g->metrics[M_LONG_TEXTS], 1);
        wt_fair_put(&g->texts, &t->place, r->who.tenant.id, r->who.tenant.weight,
                    bytes / COST_BYTES);
        next_text(g);
        return false;
}

bool gateway_tokenize(struct request *r)
{
        size_t sum = 0;
        wt_err err;

        for (uint32_t i = 0; i < r->n_prompts; i++) {
                size_t certain;

                sum += bytes_of(r, i, &certain);
                if (r->door->list != NULL && certain > r->g->conf.tokenize_bytes)
                        return request_refuse(r, BAD(r->door->param), "the text has %zu bytes; "
                                              "%s takes %llu at most (tokenize_bytes); send it in "
                                              "pieces", certain, r->door->path,
                                              (unsigned long long)r->g->conf.tokenize_bytes);
                if (r->door->answer == NULL && too_long(r, certain))
                        return false;
        }
        if (sum > AT_ONCE_BYTES)
                return beside(r, sum);
        if ((err = all(r, r->prompt, &r->listed, NULL)) != WT_OK)
                return failed(r, err, wt_words());
        return true;
}
