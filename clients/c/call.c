/* call.c - one call: its tries, its answer, its end. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "base/rng.h"
#include "client_impl.h"

/* REFUSED_US: a new key is listed by the gateway within a second or two. */
enum { LOOK_US = 20000, REFUSED_US = 3000000, BACKOFF_US = 100000, BACKOFF_MOST_US = 5000000 };

void call_free(struct call *t)
{
        wt_buf_free(&t->request);
        wt_buf_free(&t->pairs);
        free(t);
}

void call_end(witan_client *c, struct call *t, int status, const char *words)
{
        if (t->over)
                return;
        t->over = true;
        snprintf(c->words, sizeof c->words, "%s", words);
        if (t->h.end != NULL)
                t->h.end(t->h.arg, status);
}

/* Credit or cancel; when the connection is gone there is nobody to tell. */
void call_tell(witan_client *c, const struct call *t, uint32_t method, uint32_t credit)
{
        wt_msg *m = wt_msg_new(c->bus);

        m->env.method = method;
        m->env.call_id = t->wire_id;
        if (method == WT_M_RPC_CREDIT) {
                struct wt_rpc_credit *b = WT_ARENA_NEW(&m->arena, struct wt_rpc_credit);

                b->messages = credit;
                m->env.body = b;
        } else {
                m->env.body = WT_ARENA_NEW(&m->arena, struct wt_rpc_cancel);
        }
        if (wt_bus_send(c->bus, m) != WT_OK)
                wt_msg_free(m);
}

static wt_msg *call_message(witan_client *c, struct call *t, uint64_t now)
{
        wt_msg *m = wt_msg_new(c->bus);
        struct wt_rpc_call *b = WT_ARENA_NEW(&m->arena, struct wt_rpc_call);
        const char *p = t->pairs.data;

        b->metadata = WT_ARENA_ARRAY(&m->arena, struct wt_metadata, t->n_pairs + 1);
        b->metadata[b->n_metadata++] =
                (struct wt_metadata){ WT_STR("authorization"), WT_STR(c->bearer) };
        for (uint32_t i = 0; i < t->n_pairs; i++) {
                const char *value = p + strlen(p) + 1;

                b->metadata[b->n_metadata++] = (struct wt_metadata){ WT_STR(p), WT_STR(value) };
                p = value + strlen(value) + 1;
        }
        b->path = WT_STR(t->path);
        b->body = WT_BYTES(t->request.data, t->request.len);
        b->timeout_us = t->deadline_us - now;
        b->credit = t->credit;
        m->env.method = WT_M_RPC_CALL;
        m->env.call_id = t->wire_id;
        m->env.body = b;
        return m;
}

/* It finds no connection: is there no gateway, or does the gateway refuse us? */
static void call_waits(witan_client *c, struct call *t, uint64_t now)
{
        char words[512];
        bool refused = wt_bus_peer_refuses(c->bus, 0);
        uint64_t most = refused && t->connect_us > REFUSED_US ? REFUSED_US : t->connect_us;

        if (t->lost_us == 0)
                t->lost_us = now;
        if (now - t->lost_us < most)
                return;
        if (refused)
                snprintf(words, sizeof words, "the gateway at %s refuses the keys of this client "
                         "file: revoked, or not of this gateway; `witan key list` shows which "
                         "there are, `witan key create --rpc FILE` makes one", c->endpoint);
        else
                snprintf(words, sizeof words, "no connection to %s; is a gateway there (`witan "
                         "ps`)?", c->endpoint);
        call_end(c, t, refused ? WITAN_UNAUTHENTICATED : WITAN_UNAVAILABLE, words);
}

void call_send(witan_client *c, struct call *t, uint64_t now)
{
        wt_msg *m;
        wt_err err;

        t->wire_id = ++c->last_id;               /* an earlier try's answer finds nobody */
        m = call_message(c, t, now);
        if ((err = wt_bus_send(c->bus, m)) == WT_OK) {
                t->sent = true;
                t->taken = 0;
                t->lost_us = 0;
                return;
        }
        wt_msg_free(m);
        t->next_us = now + LOOK_US;
        if (err != WT_EUNAVAILABLE && err != WT_EAGAIN) {
                call_end(c, t, wt_code_outside(err), wt_words());
                return;
        }
        call_waits(c, t, now);
}

/* Once more after wait_us, when the rules allow it; else this is its end. */
static void again(witan_client *c, struct call *t, uint64_t wait_us, const char *words)
{
        uint64_t now = client_now();

        if (t->begun || t->cancelled || t->retries == 0 || now + wait_us >= t->deadline_us) {
                call_end(c, t, WITAN_UNAVAILABLE, words);
                return;
        }
        t->retries--;
        t->sent = false;
        t->next_us = now + wait_us;
}

/* Doubling, and half of it by chance, so that many clients do not come back at once. */
static uint64_t backoff(struct call *t)
{
        uint16_t r;

        t->backoff_us = t->backoff_us == 0 ? BACKOFF_US : 2 * t->backoff_us;
        if (t->backoff_us > BACKOFF_MOST_US)
                t->backoff_us = BACKOFF_MOST_US;
        wt_random_bytes(&r, sizeof r);
        return t->backoff_us / 2 + t->backoff_us / 2 * r / UINT16_MAX;
}

void call_lost(witan_client *c, struct call *t, uint64_t now)
{
        (void)now;
        if (t->sent && !t->over)
                again(c, t, backoff(t), "the connection broke; what came of the answer is not all");
}

static void keep_metadata(witan_client *c, const struct wt_rpc_end *e)
{
        wt_buf_clear(&c->ended);
        for (uint32_t i = 0; i < e->n_metadata; i++) {
                wt_buf_add(&c->ended, e->metadata[i].key.data, e->metadata[i].key.len + 1);
                wt_buf_add(&c->ended, e->metadata[i].value.data, e->metadata[i].value.len + 1);
        }
}

static void hand_on(struct call *t, struct wt_bytes body)
{
        t->seq++;
        t->begun = true;
        if (t->h.message != NULL && !t->cancelled &&
            t->h.message(t->h.arg, body.data, body.len) != 0)
                t->cancelled = true;
}

/* The end may bring the last message. False: that was the end of the call. */
static bool take_last(witan_client *c, struct call *t, const struct wt_rpc_end *e)
{
        if (e->messages == t->seq + 1)
                hand_on(t, e->body);
        if (t->cancelled)
                call_end(c, t, WITAN_CANCELLED, "cancelled");
        else if (e->messages > t->seq)
                call_end(c, t, WITAN_DATA_LOSS, "a message of the answer is missing");
        return !t->over;
}

static void take_end(witan_client *c, struct call *t, const wt_msg *m)
{
        const char *words = (const char *)m->env.message.data, *after, *should;

        keep_metadata(c, m->env.body);
        if (!take_last(c, t, m->env.body))
                return;
        if (m->env.status != WITAN_UNAVAILABLE) {
                call_end(c, t, (int)m->env.status, m->env.status == WITAN_OK ? "" : words);
                return;
        }
        after = witan_metadata(c, "retry-after");        /* seconds */
        should = witan_metadata(c, "x-should-retry");
        if (should != NULL && strcmp(should, "false") == 0)
                t->retries = 0;
        again(c, t, after != NULL && atoi(after) > 0 ? (uint64_t)atoi(after) * 1000000 : backoff(t),
              words);
}

static void take_data(witan_client *c, struct call *t, const struct wt_rpc_data *d)
{
        if (d->seq != t->seq) {
                call_tell(c, t, WT_M_RPC_CANCEL, 0);
                call_end(c, t, WITAN_DATA_LOSS, "a message of the answer is missing");
                return;
        }
        hand_on(t, d->body);
        if (!t->hold && !t->cancelled && ++t->taken >= (t->credit + 1) / 2) {
                call_tell(c, t, WT_M_RPC_CREDIT, t->taken);
                t->taken = 0;
        }
}

void call_take(witan_client *c, struct call *t, const wt_msg *m)
{
        if (m->env.method == WT_M_RPC_DATA)
                take_data(c, t, m->env.body);
        else if (m->env.method == WT_M_RPC_END)
                take_end(c, t, m);
}
