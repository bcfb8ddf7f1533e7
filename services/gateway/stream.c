/* stream.c - answers: server-sent events while tokens come, or one body when all are there. */
#include "path.h"
#include <stdio.h>
#include <string.h>
#include "base/sha256.h"

enum { KEPT_BYTES = 64 << 10 };                  /* of a sequence, for a slow reader */

/* Words for every answer: request, revision, and the arithmetic as system_fingerprint (N0). */
static void answer_headers(const struct request *r, struct wt_buf *out)
{
        char rev[65] = "";

        for (uint32_t i = 0; i < r->g->conf.n_routers; i++)
                if (r->g->routers[i].welcome) {
                        wt_hex(r->g->routers[i].revision, 32, rev);
                        break;
                }
        wt_buf_fmt(out, "x-request-id: %s\r\nx-witan-revision: %s\r\n", r->id_text, rev);
        admit_headers(r, out);
}

/* The arithmetic that answers (N0): that of a router that has said it. */
static const char *profile_of(const struct request *r)
{
        for (uint32_t i = 0; i < r->g->conf.n_routers; i++)
                if (r->g->routers[i].profile[0] != '\0')
                        return r->g->routers[i].profile;
        return NULL;
}

static void put_common(const struct request *r, struct wt_buf *b, const char *object)
{
        wt_buf_json_key(b, "id");
        wt_buf_fmt(b, "\"%s%s\"", r->door->id_prefix, r->id_text);
        wt_buf_json_kv(b, "object", object);
        wt_buf_json_ki(b, "created", r->created);
        wt_buf_json_kv(b, "model", r->g->conf.model);
        wt_buf_json_kv(b, "system_fingerprint", profile_of(r));
}

static void put_usage(const struct request *r, struct wt_buf *b)
{
        uint64_t prompt = 0;

        for (uint32_t i = 0; i < r->n_prompts; i++)
                prompt += r->prompt[i].len;
        wt_buf_json_key(b, "usage");
        wt_buf_str(b, "{");
        wt_buf_json_ku(b, "prompt_tokens", prompt);
        wt_buf_json_ku(b, "completion_tokens", r->n_made);
        wt_buf_json_ku(b, "total_tokens", prompt + r->n_made);
        wt_buf_str(b, "}");
}

void stream_head(struct request *r)
{
        struct wt_buf headers = { 0 };

        answer_headers(r, &headers);
        wt_buf_str(&headers, "cache-control: no-cache\r\nx-accel-buffering: no\r\n");
        hold_begin(r, 200, "text/event-stream", headers.data);
        wt_buf_free(&headers);
        r->begun = true;
}

static void marks_clear(struct sequence *s)
{
        wt_buf_clear(&s->text);
        wt_buf_clear(&s->marks);
        wt_buf_clear(&s->marks_top);
        wt_buf_clear(&s->marks_offset);
        wt_buf_clear(&s->marks_logprob);
}

static bool write_chunk(struct sequence *s)
{
        struct request *r = s->r;
        struct wt_buf *b = &r->g->line;

        wt_buf_clear(b);
        wt_buf_fmt(b, "%s{", r->caller.ops->before);
        put_common(r, b, r->door->object_chunk);
        wt_buf_json_key(b, r->door->choices != NULL ? r->door->choices : "choices");
        r->door->chunk(s, b);
        if (r->opt.include_usage)
                wt_buf_str(b, ",\"usage\":null");
        wt_buf_fmt(b, "}%s", r->caller.ops->after);
        s->begun = true;
        seal_keep(s);
        marks_clear(s);
        return hold_write(r, b->data, b->len, r->n_open == 0);
}

static void write_end(struct request *r)
{
        struct wt_buf *b = &r->g->line;

        wt_buf_clear(b);
        if (r->opt.include_usage) {
                wt_buf_fmt(b, "%s{", r->caller.ops->before);
                put_common(r, b, r->door->object_chunk);
                wt_buf_str(b, ",\"choices\":[]");
                put_usage(r, b);
                wt_buf_fmt(b, "}%s", r->caller.ops->after);
        }
        wt_buf_str(b, r->caller.ops->last);
        hold_write(r, b->data, b->len, true);
        hold_end(r);
}

static void reply_whole(struct request *r)
{
        struct wt_buf *b = &r->g->line, headers = { 0 };

        wt_buf_clear(b);
        wt_buf_str(b, "{");
        put_common(r, b, r->door->object);
        wt_buf_json_key(b, r->door->choices != NULL ? r->door->choices : "choices");
        wt_buf_str(b, r->door->choices != NULL ? "" : "[");
        request_rank(r);
        for (uint32_t i = 0; i < r->n_prompts * r->opt.n; i++) { /* in the order of their indices */
                struct sequence *s = &r->seqs[i / r->opt.n * r->per_prompt];

                while (s->index != i)            /* it is one of those of its prompt */
                        s++;
                r->door->choice(s, b);
        }
        wt_buf_str(b, r->door->choices != NULL ? "" : "]");
        put_usage(r, b);
        wt_buf_str(b, "}");
        answer_headers(r, &headers);
        hold_reply(r, 200, "application/json", headers.data, b->data, b->len);
        wt_buf_free(&headers);
}

void stream_finish(struct request *r)
{
        if (r->opt.stream)
                write_end(r);
        else
                reply_whole(r);
        request_end(r, "ok");
}

/* What is new of a sequence leaves as one chunk. False: the client is gone, on_gone ends the
 * request. */
static bool speak(struct sequence *s)
{
        const struct request *r = s->r;
        bool news = s->text.len > 0 || s->marks.len > 0 || (s->finish != NULL && !s->told);

        /* The whole prompt's scores are one piece with the echo in front of it. */
        if (!news || (s->finish == NULL && r->opt.echo && r->opt.logprobs &&
                      s->n_scored < r->prompt[s->prompt].len))
                return true;
        s->told = s->finish != NULL;
        return write_chunk(s);
}

/* The reader is slow: what is made waits here, and beyond KEPT_BYTES the making does, too. The
 * sequence record goes on later, as it would after the loss of a router. */
static void wait_for_reader(struct sequence *s)
{
        size_t kept = s->text.len + s->marks.len + s->marks_top.len + s->marks_offset.len +
                      s->marks_logprob.len;

        s->r->behind = true;
        if (s->finish != NULL || s->router < 0 || kept <= KEPT_BYTES)
                return;
        routers_cancel(s);
        s->paused = true;
        wt_metric_add(&s->r->g->metrics[M_PAUSED], 1);
}

/* All sequences in turn, until there is no room again. False: the client is gone. */
static bool catch_up(struct request *r)
{
        r->behind = false;
        for (uint32_t n = 0; n < r->n_seqs && !r->behind; n++) {
                struct sequence *s = &r->seqs[r->turn];

                r->turn = (r->turn + 1) % r->n_seqs;
                if (!speak(s))
                        return false;
                if (s->paused) {
                        s->paused = false;
                        gateway_choose(s);
                        gateway_submit(s);
                }
                r->behind = caller_full(r->call);
        }
        return true;
}

/* Is there more to come? If not, the end leaves. */
static bool go_on(struct request *r)
{
        if (r->n_open > 0 || r->behind)
                return true;
        stream_finish(r);
        return false;
}

bool gateway_stream(struct sequence *s)
{
        struct request *r = s->r;

        if (r->opt.stream) {
                if (!r->begun)
                        stream_head(r);
                if (caller_full(r->call))
                        wait_for_reader(s);
                else if (!(r->behind ? catch_up(r) : speak(s)))
                        return false;
        }
        return go_on(r);
}

void stream_resume(struct request *r)
{
        if (r->behind && catch_up(r))
                go_on(r);
}
