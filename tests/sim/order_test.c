/* order_test.c - replies in any order, twice, or never: a transport that shuffles, repeats and
 * drops what the router receives and sends, by seed. The bits stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "world.h"

enum { N_PROMPT = 300, N_TOKENS = 3, MAX_KEPT = 4096 };

/* ---- the transport ---- */

static struct chaos { uint64_t seed; uint32_t draws, drop_percent; } chaos;

struct shuffled { void *inner; wt_bus *bus; wt_msg *kept[MAX_KEPT]; uint32_t n; };

static uint32_t draw(uint32_t below)
{
        return (uint32_t)(wt_philox_unit(chaos.seed, chaos.draws++, 0, 0) * below);
}

static wt_msg *twin(wt_bus *b, const wt_msg *m)
{
        wt_msg *c = wt_msg_new(b);
        struct wt_buf text = { 0 };

        assert_int_equal(wt_wire_encode(&m->env, &text), WT_OK);
        assert_int_equal(wt_wire_decode(&c->env, text.data, text.len, &c->arena), WT_OK);
        wt_buf_free(&text);
        c->env.n_tensors = 0;
        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                memcpy(wt_msg_tensor(c, m->env.tensors[i].dtype, m->env.tensors[i].n_dim,
                                     m->env.tensors[i].shape), m->frame[i].data, m->frame[i].len);
        c->peer = m->peer;
        return c;
}

static wt_err chaos_open(void **impl, wt_bus *b, const struct wt_bus_conf *c)
{
        struct shuffled *s = calloc(1, sizeof *s);

        s->bus = b;
        *impl = s;
        return wt_bus_inproc.open(&s->inner, b, c);
}

static void chaos_close(void *impl)
{
        struct shuffled *s = impl;

        for (uint32_t i = 0; i < s->n; i++)
                wt_msg_free(s->kept[i]);
        wt_bus_inproc.close(s->inner);
        free(s);
}

/* Everything that is there; replies are kept, half of them twice, and come out in a drawn order. */
static wt_err chaos_recv(void *impl, wt_msg **out)
{
        struct shuffled *s = impl;
        wt_msg *m;
        uint32_t i;

        while (wt_bus_inproc.recv(s->inner, &m) == WT_OK) {
                if (m->env.method != WT_M_EXPERT_REPLY) {
                        *out = m;
                        return WT_OK;
                }
                if (draw(100) < chaos.drop_percent) {
                        wt_msg_free(m);
                        continue;
                }
                assert_true(s->n + 2 <= MAX_KEPT);
                s->kept[s->n++] = m;
                if (draw(2) == 0)
                        s->kept[s->n++] = twin(s->bus, m);
        }
        if (s->n == 0 || draw(3) == 0)           /* some stay for a later turn */
                return WT_EAGAIN;
        i = draw(s->n);
        *out = s->kept[i];
        s->kept[i] = s->kept[--s->n];
        return WT_OK;
}

static wt_err chaos_send(void *impl, wt_msg *m)
{
        if (m->env.method == WT_M_EXPERT_CALL && draw(100) < chaos.drop_percent) {
                wt_msg_free(m);
                return WT_OK;
        }
        return wt_bus_inproc.send(((struct shuffled *)impl)->inner, m);
}

static void *inner(void *impl) { return ((struct shuffled *)impl)->inner; }
static int chaos_fd(void *i) { return wt_bus_inproc.fd(inner(i)); }
static bool chaos_ready(void *i) { return wt_bus_inproc.ready(inner(i)); }
static void chaos_wait(void *i, int fd, uint64_t us) { wt_bus_inproc.wait(inner(i), fd, us); }
static const char *chaos_endpoint(void *i) { return wt_bus_inproc.endpoint(inner(i)); }
static uint32_t chaos_peers(void *i) { return wt_bus_inproc.peers(inner(i)); }
static const char *chaos_name(void *i, uint32_t p) { return wt_bus_inproc.peer_name(inner(i), p); }
static const char *chaos_role(void *i, uint32_t p) { return wt_bus_inproc.peer_role(inner(i), p); }
static bool chaos_lost(void *i) { return wt_bus_inproc.lost(inner(i)); }

static const struct wt_bus_ops chaos_bus = {
        .scheme = "inproc", .open = chaos_open, .close = chaos_close, .fd = chaos_fd,
        .ready = chaos_ready, .send = chaos_send, .recv = chaos_recv, .wait = chaos_wait,
        .endpoint = chaos_endpoint, .peers = chaos_peers, .peer_name = chaos_name,
        .peer_role = chaos_role, .lost = chaos_lost,
};

/* ---- the tests ---- */

static struct world w;
static int32_t prompt[N_PROMPT];
static uint8_t truth[32];

static void ask(uint32_t n)
{
        world_ask(&w, &(struct ask){ .n = n, .prompt = prompt, .n_prompt = N_PROMPT,
                                     .max_tokens = N_TOKENS, .prompt_logprobs = true });
}

static int learn_truth(void **state)
{
        (void)state;
        for (uint32_t i = 0; i < N_PROMPT; i++)
                prompt[i] = (int32_t)(i * 37 % 4000);
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        ask(0);
        memcpy(truth, world_answer(&w, 0)->digest, sizeof truth);
        world_close(&w);
        return 0;
}

static const struct row { const char *name; struct world_conf conf; uint32_t drop_percent;
                          } rows[] = {
        { "shuffled and repeated, calls of several parts", { .shard = {
                "*:0,*:2,*:4,*:6,*:8,*:10,*:12,*:14", "*:1,*:3,*:5,*:7,*:9,*:11,*:13,*:15" } }, 0 },
        { "shuffled, three holders of everything", { .shard = { "*", "*", "*" } }, 0 },
        { "small credits", { .shard = { "*", "*" }, .credit_rows = 20 }, 0 },
        { "one of fifty parts lost", { .shard = { "*", "*" } }, 2 },
        { "one of twenty lost, disjoint shards", { .shard = { "*:0-7", "*:8-15" }, .chunk = 60 },
          5 },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void same_bits(void **state)
{
        const struct row *r = *state;
        struct world_conf c = r->conf;

        c.step_rows = 512;
        c.chunk = c.chunk > 0 ? c.chunk : 512;
        c.transport = &chaos_bus;
        for (uint64_t seed = 1; seed <= 2; seed++) {
                struct answer *a;

                chaos = (struct chaos){ .seed = seed, .drop_percent = r->drop_percent };
                world_open(&w, &c);
                ask(0);
                ask(1);
                for (uint32_t n = 0; n < 2; n++) {
                        a = world_answer(&w, n);
                        if (a->finish != 2)
                                fail_msg("finish %u: %s", a->finish, a->message);
                        assert_memory_equal(a->digest, truth, sizeof truth);
                }
                assert_true(world_numbers(&w)->replies_late > 0);
                if (r->drop_percent > 0)
                        assert_true(world_numbers(&w)->resends + world_numbers(&w)->hedges > 0);
                world_close(&w);
        }
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] =
                        (struct CMUnitTest){ rows[i].name, same_bits, NULL, NULL,
                                             (void *)&rows[i] };
        return cmocka_run_group_tests(tests, learn_truth, NULL);
}
