/* rpc_slow_test.c - clients of the RPC door that take nothing: their requests are told to wait and
 * go on later, nothing is lost, and only time cuts them. The request behind a call is ours, and so
 * is the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bus/bus_impl.h"
#include "path.h"
#include "rpc.h"

enum { ONE = 4 << 10, ALL = 12 << 10, IDLE_US = 75000000, PIECE = 512, MOST = 8 };

static uint64_t time_us;
static uint64_t turned(void *arg) { (void)arg; return time_us; }
static const struct wt_clock clock_of_test = { turned, turned, NULL };

static wt_loop *loop;
static struct rpc *door;
static struct gateway *g;
static wt_bus *client;

/* ---- the request of each call ---- */

static struct asked { struct caller caller; int resumed, left; } asked[MOST];
static uint32_t n_asked;

/* A call's request is one of these; rpc.c never looks into it. */
static struct asked *of(struct request *r) { return (struct asked *)(void *)r; }

void __wrap_request_serve(struct gateway *gw, struct caller c, const struct door *d);
void __wrap_stream_resume(struct request *r);
void __wrap_request_left(struct request *r);

void __wrap_request_serve(struct gateway *gw, struct caller c, const struct door *d)
{
        assert_ptr_equal(gw, g);
        assert_ptr_equal(d, &door_completions);
        assert_true(n_asked < MOST);
        asked[n_asked].caller = c;
        c.ops->bind(c.end, &asked[n_asked++]);
}

void __wrap_stream_resume(struct request *r) { of(r)->resumed++; }
void __wrap_request_left(struct request *r) { of(r)->left++; }

/* ---- set-up ---- */

static void open_client(uint32_t hwm)
{
        const char *at = rpc_endpoint(door);
        struct wt_bus_conf c = { .name = "client", .connect = &at, .n_connect = 1, .hwm = hwm };

        assert_int_equal(wt_bus_open(&client, &c), WT_OK);
}

static int start(void **state)
{
        struct rpc_conf c = { .endpoint = "inproc://*", .max_open = MOST, .max_unsent = ONE,
                              .max_unsent_all = ALL, .idle_us = IDLE_US };

        (void)state;
        time_us = 1000000;
        n_asked = 0;
        memset(asked, 0, sizeof asked);
        assert_non_null(g = calloc(1, sizeof *g));
        g->conf.clock = &clock_of_test;
        assert_int_equal(wt_loop_new(&loop, &clock_of_test), WT_OK);
        c.loop = loop;
        assert_int_equal(rpc_open(&door, &c), WT_OK);
        rpc_start(door, g);
        open_client(0);
        return 0;
}

static int stop(void **state)
{
        (void)state;
        wt_bus_close(client);
        rpc_close(door);
        wt_loop_free(loop);
        free(g);
        return 0;
}

static void say(uint64_t id, uint32_t method, void *body)
{
        wt_msg *m = wt_msg_new(client);

        m->env.method = method;
        m->env.call_id = id;
        m->env.body = body;
        assert_int_equal(wt_bus_send(client, m), WT_OK);
        rpc_drain(door);
}

static const struct caller *call(uint64_t id, uint32_t credit)
{
        struct wt_rpc_call b = { .path = WT_STR("/witan.v1.Generate/Stream"), .credit = credit };
        const struct caller *c = &asked[n_asked].caller;

        say(id, WT_M_RPC_CALL, &b);
        caller_begin(c, 200, "", "x-request-id: r\r\n");
        return c;
}

static void grant(uint64_t id, uint32_t messages)
{
        struct wt_rpc_credit b = { messages };

        say(id, WT_M_RPC_CREDIT, &b);
}

/* A chunk with a text of PIECE bytes that begins with its number. */
static void write_piece(const struct caller *c, int number)
{
        struct wt_buf b = { 0 };

        wt_buf_fmt(&b, "{\"id\":\"a\",\"choices\":[{\"index\":0,\"text\":\"%06d%0*d\"}]}\n",
                   number, PIECE - 6, 0);
        assert_true(caller_write(c, b.data, b.len));
        wt_buf_free(&b);
}

/* The message with the next number. */
static void read_piece(struct wt_bytes body, int *next)
{
        char text[8];

        snprintf(text, sizeof text, "%06d", (*next)++);
        assert_non_null(memmem(body.data, body.len, text, 6));
}

/* Reads what is there: messages of a call, in order from number *next on. Its end's status and
 * words, or -1. */
static int read_call(uint64_t id, int *next, char words[256])
{
        int status = -1;
        wt_msg *m;

        while (wt_bus_recv(client, &m) == WT_OK) {
                assert_int_equal(m->env.call_id, id);
                assert_int_equal(status, -1);
                if (m->env.method == WT_M_RPC_END) {
                        const struct wt_rpc_end *e = m->env.body;

                        if (e->messages == (uint64_t)*next + 1)
                                read_piece(e->body, next);
                        assert_int_equal(e->messages, *next);
                        assert_int_equal(e->n_metadata, 1);
                        status = (int)m->env.status;
                        snprintf(words, 256, "%s", (const char *)m->env.message.data);
                } else {
                        const struct wt_rpc_data *d = m->env.body;

                        assert_int_equal(m->env.method, WT_M_RPC_DATA);
                        assert_int_equal(d->seq, *next);
                        read_piece(d->body, next);
                }
                wt_msg_free(m);
        }
        return status;
}

/* ---- tests ---- */

/* No credit: full at the bound and not before, and told of room when all has gone, once. */
static void waits_and_goes_on(void **state)
{
        const struct caller *c = call(1, 2);
        int n = 0, next = 0;
        char words[256];

        (void)state;
        while (!caller_full(c))
                write_piece(c, n++);
        assert_in_range(n, ONE / (PIECE + 64), 3 + ONE / PIECE);
        assert_int_equal(read_call(1, &next, words), -1);
        assert_int_equal(next, 2);
        assert_in_range(rpc_unsent(door), ONE, ONE + 2 * PIECE);
        grant(1, 3);
        assert_int_equal(read_call(1, &next, words), -1);
        assert_int_equal(next, 5);
        assert_int_equal(asked[0].resumed, 0);   /* there is something left */
        grant(1, 1000);
        assert_int_equal(asked[0].resumed, 1);
        assert_int_equal(rpc_unsent(door), 0);
        assert_false(caller_full(c));
        write_piece(c, n++);
        caller_finish(c);
        assert_int_equal(read_call(1, &next, words), WT_OK);
        assert_int_equal(next, n);
        assert_int_equal(asked[0].left, 0);
        assert_int_equal(door->cut, 0);
}

/* Many calls with little each: together they are bounded, and who takes is never full. */
static void bounded_together(void **state)
{
        const struct caller *c[MOST];
        int n = 0;

        (void)state;
        for (uint64_t i = 0; i < MOST; i++)
                c[i] = call(i + 1, i == MOST - 1 ? 1000 : 1);
        for (bool all = false; !all; n++) {
                all = true;
                for (int i = 0; i < MOST - 1; i++) {
                        bool waits = caller_full(c[i]);

                        if (!waits)
                                write_piece(c[i], n);
                        all &= waits;
                }
                assert_false(caller_full(c[MOST - 1]));
                write_piece(c[MOST - 1], n);
        }
        assert_in_range(rpc_unsent(door), ALL - PIECE, ALL + MOST * (PIECE + 32));
        for (int i = 0; i < MOST; i++)
                caller_abort(c[i]);
        assert_int_equal(rpc_unsent(door), 0);
}

/* Time alone cuts, in words; taking one message begins it anew. */
static void only_time_cuts(void **state)
{
        const struct caller *c = call(1, 1);
        int n = 0, next = 0;
        char words[256];

        (void)state;
        while (!caller_full(c))
                write_piece(c, n++);
        for (int i = 0; i < 3; i++) {
                time_us += IDLE_US;
                rpc_tick(door);
                assert_int_equal(read_call(1, &next, words), -1);
                assert_int_equal(next, i + 1);
                grant(1, 1);
        }
        assert_int_equal(asked[0].left, 0);
        time_us += IDLE_US + 1;
        rpc_tick(door);
        assert_int_equal(read_call(1, &next, words), WT_EEXHAUSTED);
        assert_int_equal(next, 4);
        assert_non_null(strstr(words, "75 s"));
        assert_int_equal(asked[0].left, 1);
        assert_int_equal(door->cut, 1);
        assert_int_equal(door->n_open, 0);
        assert_int_equal(rpc_unsent(door), 0);
}

/* The request is over long ago, its answer lies here. */
static void whole_answers_too(void **state)
{
        const struct caller *c = call(1, 1);
        int next = 0;
        char words[256];

        (void)state;
        write_piece(c, 0);
        write_piece(c, 1);
        caller_finish(c);
        time_us += IDLE_US;
        rpc_tick(door);
        assert_int_equal(read_call(1, &next, words), -1);
        time_us += 1;
        rpc_tick(door);
        assert_int_equal(read_call(1, &next, words), WT_EEXHAUSTED);
        assert_int_equal(next, 1);
        assert_int_equal(asked[0].left, 0);
}

/* One that has taken all and waits for more is no slow one. */
static void silence_is_no_slowness(void **state)
{
        const struct caller *c = call(1, 1);
        int next = 0;
        char words[256];

        (void)state;
        write_piece(c, 0);
        time_us += 100 * (uint64_t)IDLE_US;
        rpc_tick(door);
        grant(1, 1);
        write_piece(c, 1);
        time_us += 100 * (uint64_t)IDLE_US;
        rpc_tick(door);
        caller_finish(c);
        assert_int_equal(read_call(1, &next, words), WT_OK);
        assert_int_equal(next, 2);
}

/* It grants more than it reads: its queue is full, and the rest goes when there is room. */
static void grants_and_does_not_read(void **state)
{
        const struct caller *c;
        int next = 0, status = -1;
        char words[256];

        (void)state;
        wt_bus_close(client);
        open_client(2);
        c = call(1, 1000);
        for (int i = 0; i < 5; i++)
                write_piece(c, i);
        caller_finish(c);
        assert_true(rpc_unsent(door) > 0);
        for (int i = 0; i < 10 && status < 0; i++) {
                rpc_tick(door);
                status = read_call(1, &next, words);
        }
        assert_int_equal(status, WT_OK);
        assert_int_equal(next, 5);
        assert_int_equal(door->n_open, 0);
        c = call(2, 1000);
        for (int i = 0; i < 5; i++)
                write_piece(c, i);
        time_us += IDLE_US + 1;
        rpc_tick(door);                          /* it is told nothing, its queue being full */
        assert_int_equal(asked[1].left, 1);
        assert_int_equal(door->n_open, 0);
}

/* A unary answer is one message, the end with its body; and so is what came too late for credit. */
static void the_last_comes_with_the_end(void **state)
{
        static const char whole[] = "{\"id\":\"a\",\"choices\":[{\"text\":\"000000\"}]}";
        const struct caller *c = call(1, 1);
        uint64_t sent = door->bus->sent;
        int next = 0;
        char words[256];

        (void)state;
        caller_reply(c, 200, "", "x-request-id: r\r\n", whole, sizeof whole - 1);
        assert_int_equal(door->bus->sent, sent + 1);
        assert_int_equal(read_call(1, &next, words), WT_OK);
        assert_int_equal(next, 1);
        c = call(2, 1);
        for (next = 0; next < 3; next++)
                write_piece(c, next);
        caller_finish(c);
        next = 0;
        assert_int_equal(read_call(2, &next, words), -1);
        grant(2, 1);
        assert_int_equal(read_call(2, &next, words), -1);
        assert_int_equal(next, 2);
        grant(2, 1);
        assert_int_equal(read_call(2, &next, words), WT_OK);
        assert_int_equal(next, 3);
}

int main(void)
{
        const struct { const char *name; void (*run)(void **); } cases[] = {
                { "without credit a request waits and goes on", waits_and_goes_on },
                { "what waits is bounded together", bounded_together },
                { "only time cuts, in words", only_time_cuts },
                { "answers that are complete, too", whole_answers_too },
                { "who has taken all may be silent", silence_is_no_slowness },
                { "one that grants and does not read", grants_and_does_not_read },
                { "the last message comes with the end", the_last_comes_with_the_end },
        };
        enum { N = sizeof cases / sizeof *cases };
        struct CMUnitTest tests[N];

        for (size_t i = 0; i < N; i++)
                tests[i] = (struct CMUnitTest){ cases[i].name, cases[i].run, start, stop, NULL };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
