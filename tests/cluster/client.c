/* client.c - the bus client of field.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "field.h"

wt_msg *client_next(struct field_client *c, uint64_t timeout_us)
{
        uint64_t end = wt_now_us(&wt_clock_real) + timeout_us, now;
        wt_msg *m;

        while (wt_bus_recv(c->bus, &m) != WT_OK) {
                if ((now = wt_now_us(&wt_clock_real)) >= end)
                        return NULL;
                wt_bus_wait(c->bus, -1, end - now < 50000 ? end - now : 50000);
        }
        return m;
}

static void hello(struct field_client *c, const char *name)
{
        wt_msg *m = wt_msg_new(c->bus);
        struct wt_hello *h = WT_ARENA_NEW(&m->arena, struct wt_hello);

        h->role = WT_STR("gateway");
        h->name = WT_STR(name);
        h->incarnation = 7;
        m->env.method = WT_M_HELLO;
        m->env.body = h;
        if (wt_bus_send(c->bus, m) != WT_OK)
                wt_msg_free(m);
}

void client_open(struct field_client *c, struct field *f, const char *name)
{
        client_open_at(c, f, name, f->bus);
}

void client_open_at(struct field_client *c, struct field *f, const char *name, const char *endpoint)
{
        struct wt_bus_conf conf = { .name = name, .connect = &endpoint, .n_connect = 1 };
        uint64_t end = wt_now_us(&wt_clock_real) + 120 * 1000000ull;
        char dir[256];

        snprintf(dir, sizeof dir, "%s/keys", f->dir);
        if (wt_keyring_load(&c->ring, dir, name) != WT_OK)
                fail_msg("%s", wt_words());
        conf.keys = wt_keyring_bus(&c->ring);
        if (wt_bus_open(&c->bus, &conf) != WT_OK)
                fail_msg("%s", wt_words());
        for (;;) {
                wt_msg *m;
                hello(c, name);
                m = client_next(c, 200000);
                if (m != NULL && m->env.method == WT_M_WELCOME) {
                        if (m->env.status != WT_OK)
                                fail_msg("%s", m->env.message.data);
                        c->welcome = *(struct wt_welcome *)m->env.body;
                        wt_msg_free(m);
                        return;
                }
                wt_msg_free(m);
                if (wt_now_us(&wt_clock_real) > end)
                        fail_msg("no router at %s says welcome", endpoint);
        }
}

void client_close(struct field_client *c)
{
        wt_bus_close(c->bus);
}

void seq_plain(struct seq_want *s, uint8_t id, uint32_t max_tokens)
{
        memset(s, 0, sizeof *s);
        s->n_prompt = 30;
        for (uint32_t k = 0; k < s->n_prompt; k++)
                s->prompt[k] = (int32_t)(500 + 13 * k);
        s->max_tokens = max_tokens;
        s->temperature = s->top_p = 1;
        s->id[0] = id;
}

void seq_submit(struct field_client *c, struct seq_want *s)
{
        wt_msg *m = wt_msg_new(c->bus);
        struct wt_submit *b = WT_ARENA_NEW(&m->arena, struct wt_submit);

        s->attempt++;
        s->finish = WT_RUNNING;
        b->request = WT_BYTES(s->id, 16);
        b->attempt = s->attempt;
        b->max_tokens = s->max_tokens;
        b->temperature = s->temperature;
        b->top_p = s->top_p;
        b->top_k = s->top_k;
        b->seed = s->seed;
        b->ignore_eos = true;
        b->eos = WT_ARENA_ARRAY(&m->arena, uint32_t, 1);
        b->eos[0] = 1;
        b->n_eos = 1;
        b->logits_digest = true;
        m->env.method = WT_M_SUBMIT;
        m->env.body = b;
        memcpy(wt_msg_tensor(m, WT_I32, 1, &s->n_prompt), s->prompt,
               s->n_prompt * sizeof *s->prompt);
        memcpy(wt_msg_tensor(m, WT_I32, 1, &s->n_made), s->made, s->n_made * sizeof *s->made);
        if (wt_bus_send(c->bus, m) != WT_OK)
                fail_msg("%s", wt_words());
}

void seq_cancel(struct field_client *c, const struct seq_want *s)
{
        wt_msg *m = wt_msg_new(c->bus);
        struct wt_cancel *b = WT_ARENA_NEW(&m->arena, struct wt_cancel);

        b->request = WT_BYTES(s->id, 16);
        b->attempt = s->attempt;
        m->env.method = WT_M_CANCEL;
        m->env.body = b;
        if (wt_bus_send(c->bus, m) != WT_OK)
                fail_msg("%s", wt_words());
}

static void take(struct seq_want *s, const struct wt_event_msg *e, uint32_t *over)
{
        if (s->finish != WT_RUNNING || e->attempt != s->attempt)
                return;
        for (uint32_t i = 0; i < e->n_ids && !e->of_prompt; i++) {
                assert_int_equal(e->position + i, s->n_prompt + s->n_made);
                s->made[s->n_made++] = e->ids[i];
        }
        if (e->logits_digest.len == 32) {
                memcpy(s->digest, e->logits_digest.data, 32);
                s->has_digest = true;
        }
        if (e->finish == WT_RUNNING)
                return;
        s->finish = e->finish;
        s->status = e->status;
        snprintf(s->message, sizeof s->message, "%.*s", (int)e->message.len,
                 (const char *)e->message.data);
        ++*over;
}

uint32_t seq_collect(struct field_client *c, struct seq_want *s, uint32_t n, uint64_t timeout_us)
{
        uint64_t end = wt_now_us(&wt_clock_real) + timeout_us, now;
        uint32_t over = 0;

        for (uint32_t i = 0; i < n; i++)
                over += s[i].finish != WT_RUNNING;
        while (over < n && (now = wt_now_us(&wt_clock_real)) < end) {
                wt_msg *m = client_next(c, end - now);
                const struct wt_events *list;
                if (m == NULL)
                        break;
                list = m->env.body;
                for (uint32_t k = 0; m->env.method == WT_M_EVENTS && k < list->n_events; k++)
                        for (uint32_t i = 0; i < n; i++)
                                if (memcmp(s[i].id, list->events[k].request.data, 16) == 0)
                                        take(&s[i], &list->events[k], &over);
                wt_msg_free(m);
        }
        return over;
}

void seq_mixed(struct seq_want s[MIXED], uint32_t vocab)
{
        static const uint32_t lengths[] = { 1, 2, 17, 63, 64, 65, 100, 128, 200, 300 };

        memset(s, 0, MIXED * sizeof *s);
        for (uint32_t i = 0; i < MIXED; i++) {
                s[i].n_prompt = lengths[i % 10];
                for (uint32_t k = 0; k < s[i].n_prompt; k++)
                        s[i].prompt[k] = (int32_t)(2 + wt_philox_unit(5, i, k, 0) * (vocab - 2));
                s[i].max_tokens = 1 + i * 7 % 48;
                s[i].temperature = i % 3 == 0 ? 0 : 1;
                s[i].top_p = i % 5 == 1 ? 0.9f : 1;
                s[i].top_k = i % 4 == 1 ? 20 : 0;
                s[i].seed = 1000 + i;
                s[i].id[0] = (uint8_t)i;
                s[i].id[15] = 1;
        }
}

void seq_hash(const struct seq_want *s, uint32_t n, char hex[65])
{
        struct wt_sha256 h;
        uint8_t out[32];

        wt_sha256_init(&h);
        for (uint32_t i = 0; i < n; i++) {
                assert_true(s[i].has_digest);
                wt_sha256_add(&h, s[i].digest, 32);
                wt_sha256_add(&h, s[i].made, s[i].n_made * sizeof *s[i].made);
        }
        wt_sha256_end(&h, out);
        wt_hex(out, 32, hex);
}

void seq_same(const struct seq_want *a, const struct seq_want *b)
{
        if (a->finish != b->finish)
                fail_msg("sequence %u ended with %u (%s), not %u", a->id[0], a->finish, a->message,
                         b->finish);
        assert_int_equal(a->n_made, b->n_made);
        assert_memory_equal(a->made, b->made, a->n_made * sizeof *a->made);
        assert_true(a->has_digest && b->has_digest);
        assert_memory_equal(a->digest, b->digest, 32);
}
