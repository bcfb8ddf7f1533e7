/* record.c - the audit events of a request: intent before anything of it leaves for a router,
 * marks while its stream runs, outcome at its end; one that was refused, or that no router is
 * asked for, has one event. Who, what, how much, how long; text never but
 * sealed (seal.c). */
#include "path.h"
#include <math.h>
#include <string.h>
#include "base/log.h"
#include "base/utf8.h"
#include "tls/sign.h"

enum { MARK_TOKENS = 64, MARK_US = 1000 * 1000, SHORTEST_US = 16 };

struct wt_bytes audit_text(const char *s, uint32_t most)
{
        size_t len = strlen(s), at = 0, n;

        while (at < len && (n = wt_utf8(s + at, len - at)) > 0 && at + n <= most)
                at += n;
        return WT_BYTES(s, at);
}

wt_err audit_append(struct gateway *g, const struct wt_audit_event *e, uint64_t *seq)
{
        struct wt_buf *b = &g->audit.event;
        wt_err err;

        wt_buf_clear(b);
        if ((err = wt_audit_encode(e, b)) != WT_OK)
                return err;
        return wt_spool_append(g->conf.spool, b->data, b->len, seq);
}

/* ---- what is known of a request ------------------------------------------------------------ */

/* Two things are the same in the log when they were the same text of the same tenant; what the
 * text was only the key's holder can try out. */
static void keyed(const struct request *r, const char *what, const void *p, size_t n,
                  uint8_t out[32])
{
        struct wt_buf *b = &r->g->audit.scratch;

        wt_buf_clear(b);
        wt_buf_add(b, what, strlen(what) + 1);
        wt_buf_add(b, r->who.key.tenant, strlen(r->who.key.tenant) + 1);
        wt_buf_add(b, p, n);
        wt_hmac_sha256(r->g->conf.audit_key, 32, b->data, b->len, out);
}

/* Ids as 4 bytes each, little-endian, every list behind its length. */
static void put_ids(struct wt_buf *b, const struct wt_ids *ids)
{
        uint32_t n = (uint32_t)ids->len;

        wt_buf_add(b, &n, sizeof n);
        if (n > 0)
                wt_buf_add(b, ids->data, n * sizeof *ids->data);
}

void record_hash(const struct request *r, const char *what, bool prompts, uint8_t out[32])
{
        struct wt_buf *b = &r->g->audit.scratch;

        wt_buf_clear(b);
        wt_buf_add(b, what, strlen(what) + 1);
        wt_buf_add(b, r->who.key.tenant, strlen(r->who.key.tenant) + 1);
        for (uint32_t i = 0; prompts && i < r->n_prompts; i++)
                put_ids(b, &r->prompt[i]);
        for (uint32_t i = 0; !prompts && i < r->n_seqs; i++)
                put_ids(b, &r->seqs[i].made);
        wt_hmac_sha256(r->g->conf.audit_key, 32, b->data, b->len, out);
}

const char *record_action(const struct door *d)
{
        if (d == NULL || d == &door_chat)
                return d == NULL ? "models" : "chat";
        return d->action != NULL ? d->action : d->path + strlen("/v1/");
}

/* What only the call and the routers know: before they are gone. */
static void learn(struct request *r)
{
        struct tally *t = &r->tally;
        const char *peer, *session, *port;
        size_t len;

        if (t->learnt || r->call == NULL)
                return;
        t->learnt = true;
        peer = caller_peer(r->call);
        port = strrchr(peer, ':');
        len = port != NULL ? (size_t)(port - peer) : strlen(peer);
        if (len >= sizeof t->source)
                len = sizeof t->source - 1;
        memcpy(t->source, peer, len);
        session = caller_header(r->call, "x-session-id");
        len = session != NULL ? strlen(session) : 0;
        if (session == NULL && r->body != NULL)
                session = wt_json_str(r->body, wt_json_get(r->body, 0, "user"), &len);
        if ((t->has_session = session != NULL && len > 0))
                keyed(r, "session", session, len, t->session);
}

void record_model(struct request *r, const char *name, bool got)
{
        struct tally *t = &r->tally;
        struct wt_bytes valid = audit_text(name, sizeof t->model - 1);

        if (valid.len > 0)
                memcpy(t->model, valid.data, valid.len);
        t->model[valid.len] = '\0';
        for (uint32_t i = 0; got && i < r->g->conf.n_routers && !t->has_revision; i++)
                if ((t->has_revision = r->g->routers[i].welcome))
                        memcpy(t->revision, r->g->routers[i].revision, 32);
}

static uint64_t tokens_given(const struct request *r)
{
        uint64_t n = 0;

        for (uint32_t i = 0; i < r->n_prompts; i++)
                n += r->prompt[i].len;
        return n;
}

/* What each event of a request says of it. */
void record_describe(struct request *r, uint32_t kind, struct wt_audit_event *e)
{
        const struct gateway *g = r->g;

        learn(r);
        *e = (struct wt_audit_event){ .kind = kind };
        e->request = WT_BYTES(r->id, 16);
        e->time_us = wt_wall_us(g->conf.clock);
        e->gateway = audit_text(g->conf.name, 64);
        e->tenant = audit_text(r->who.key.tenant, 64);
        e->team = audit_text(r->who.key.team, 64);
        e->actor = audit_text(r->who.key.name, 128);
        e->key_id = audit_text(r->who.key.id, 64);
        e->door = audit_text(r->tally.door, 64);
        e->action = WT_STR(record_action(r->door));
        e->model = audit_text(r->tally.model, 256);
        if (r->tally.has_revision)
                e->revision = WT_BYTES(r->tally.revision, 32);
        if (r->tally.has_session)
                e->session = WT_BYTES(r->tally.session, 32);
        e->cause = r->door != NULL && r->door->action != NULL ? WT_STR("admin") : WT_STR("user");
        e->words = audit_text(r->tally.words, WORDS_MOST);
        e->source = audit_text(r->tally.source, 64);
        e->prompt_tokens = tokens_given(r);
}

/* ---- times between tokens ------------------------------------------------------------------ */

static uint32_t itl_bucket(uint64_t us)
{
        double b = us > SHORTEST_US ? 4 * log2((double)us / SHORTEST_US) : 0;

        return b < ITL_BUCKETS - 1 ? (uint32_t)b : ITL_BUCKETS - 1;
}

/* The time below which that part of them lies, to a fifth of its value; 0: there were none. */
static uint64_t itl_quantile(const struct tally *t, double part)
{
        uint64_t rank = (uint64_t)ceil(part * (double)t->n_itl), n = 0;
        uint32_t b = 0;

        if (t->n_itl == 0)
                return 0;
        while (b < ITL_BUCKETS - 1 && (n += t->itl[b]) < rank)
                b++;
        return (uint64_t)(SHORTEST_US * exp2((b + .5) / 4));
}

static void mark(struct request *r, uint64_t now)
{
        struct gateway *g = r->g;
        struct wt_audit_event e;
        uint64_t seq;

        record_describe(r, WT_AUDIT_MARK, &e);
        e.completion_tokens = r->n_made;
        r->tally.marked = e.completion_tokens;
        r->tally.mark_us = now;
        if (audit_append(g, &e, &seq) == WT_OK)  /* else the next one says more */
                g->audit.marks++;
}

void record_tokens(struct sequence *s, uint32_t n)
{
        struct request *r = s->r;
        struct tally *t = &r->tally;
        uint64_t now = wt_now_us(r->g->conf.clock);

        if (s->token_us != 0 && n > 0) {
                t->itl[itl_bucket((now - s->token_us) / n)] += n;
                t->n_itl += n;
        }
        s->token_us = now;
        if (!r->opt.stream || !t->intended)
                return;
        if (t->mark_us == 0)
                t->mark_us = r->start_us;
        if (r->n_made >= t->marked + MARK_TOKENS || now - t->mark_us >= MARK_US)
                mark(r, now);
}

/* ---- intent and outcome -------------------------------------------------------------------- */

static void fill_end(struct request *r, struct wt_audit_event *e)
{
        uint64_t now = wt_now_us(r->g->conf.clock);

        e->outcome = WT_STR(r->tally.outcome);
        e->status = (uint32_t)r->status;
        e->completion_tokens = r->n_made;
        for (uint32_t i = 0; i < r->n_seqs; i++) {
                const struct sequence *s = &r->seqs[i];

                e->attempt = s->attempt > e->attempt ? s->attempt : e->attempt;
                e->queue_us = s->queue_us > e->queue_us ? s->queue_us : e->queue_us;
                e->prefill_us = s->prefill_us > e->prefill_us ? s->prefill_us : e->prefill_us;
                e->decode_us = s->decode_us > e->decode_us ? s->decode_us : e->decode_us;
        }
        if (r->n_seqs > 0 && r->seqs[0].finish != NULL)
                e->finish_reason = WT_STR(r->seqs[0].finish);
        e->total_us = now - r->start_us;
        e->ttft_us = r->first_us != 0 ? r->first_us - r->start_us : 0;
        e->itl_p50_us = itl_quantile(&r->tally, .5);
        e->itl_p95_us = itl_quantile(&r->tally, .95);
        if (r->tally.intended)                   /* else nobody pays: admit_end */
                e->cost_nano = (uint64_t)request_cost(r, e->prompt_tokens, e->completion_tokens);
        if (r->tally.code != NULL)
                e->code = audit_text(r->tally.code, 64);
}

/* True: the spool has it. */
static bool write_outcome(struct request *r)
{
        struct wt_audit_event e;
        uint8_t hash[32];
        wt_err err;

        record_describe(r, r->tally.intended ? WT_AUDIT_OUTCOME : WT_AUDIT_INTENT, &e);
        fill_end(r, &e);
        if (e.completion_tokens > 0) {
                record_hash(r, "answer", false, hash);
                e.answer_hash = WT_BYTES(hash, 32);
        }
        if ((err = seal_event(r, &e)) != WT_OK ||
            (err = audit_append(r->g, &e, &r->hold.gate)) != WT_OK) {
                if (!r->tally.unwritten)
                        wt_log_err(WT_WARN, "GATEWAY-AUDIT-WAITS", err);
                return false;
        }
        r->g->audit.outcomes++;
        r->g->audit.sealed_texts += e.sealed.len > 0;
        r->g->audit.cut_texts += e.sealed.len > 0 && r->seal.cut;
        return true;
}

bool record_again(struct request *r)
{
        r->tally.unwritten = !write_outcome(r);
        return !r->tally.unwritten;
}

void gateway_record(struct request *r, const char *outcome)
{
        struct gateway *g = r->g;
        struct tally *t = &r->tally;

        if (t->recorded)
                return;
        t->recorded = true;
        t->outcome = outcome;
        wt_metric_add(&g->metrics[M_PROMPT_TOKENS], (double)tokens_given(r));
        wt_metric_add(&g->metrics[M_COMPLETION_TOKENS], (double)r->n_made);
        learn(r);
        if (t->shed || (!t->intended && strcmp(outcome, "refused") == 0 && flood_hides(r)))
                return;
        t->unwritten = !write_outcome(r);
}
