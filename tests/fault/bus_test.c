/* bus_test.c - the n-th malloc or send fails on a bus between two peers, over ZeroMQ with its keys
 * and within the process. A message arrives once, whole and in its order, or its send has failed
 * and it is still the sender's; one that there was no memory to receive may be lost, as a broken
 * connection would lose it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "bus/rig.h"
#include "sweep.h"

enum { MESSAGES = 6, LARGE = 20000 /* ids: lent to libzmq */, FEW = 20, PATIENCE_MS = 20000 };

static struct rig rig;

/* 0: a ping, to be known by; else a submit that carries its number in every id of its prompt. */
static wt_msg *message(wt_bus *b, uint32_t peer, uint32_t stamp)
{
        wt_msg *m = wt_msg_new(b);
        uint32_t n = stamp % 2 ? LARGE : FEW, none = 0;
        struct wt_submit *q;
        int32_t *ids;

        m->peer = peer;
        m->env.method = stamp ? WT_M_SUBMIT : WT_M_PING;
        if (stamp == 0) {
                m->env.body = WT_ARENA_NEW(&m->arena, struct wt_ping);
                return m;
        }
        m->env.body = q = WT_ARENA_NEW(&m->arena, struct wt_submit);
        *q = (struct wt_submit){ .request = WT_BYTES("0123456789abcdef", 16), .attempt = stamp,
                                 .max_tokens = 1, .top_p = 1 };
        ids = wt_msg_tensor(m, WT_I32, 1, &n);
        for (uint32_t i = 0; i < n; i++)
                ids[i] = (int32_t)stamp;
        wt_msg_tensor(m, WT_I32, 1, &none);
        return m;
}

static bool right(const wt_msg *m, uint32_t stamp)
{
        const struct wt_submit *q = m->env.body;
        const int32_t *ids = m->frame[0].data;

        if (m->env.method != WT_M_SUBMIT || q->attempt != stamp ||
            m->frame[0].len != (stamp % 2 ? LARGE : FEW) * sizeof *ids)
                return false;
        for (uint32_t i = 0; i < (stamp % 2 ? LARGE : FEW); i++)
                if (ids[i] != (int32_t)stamp)
                        return false;
        return true;
}

/* Sends m, again while that fails; *first: of the failures. */
static void push(wt_bus *b, wt_msg *m, bool connected, wt_err *first)
{
        uint64_t end = rig_now_ms() + PATIENCE_MS;
        wt_err err;

        while ((err = wt_bus_send(b, m)) != WT_OK) {
                CHECK(rig_now_ms() < end);
                /* Not yet connected is no fault; a send that is made to fail is. */
                if (fault_fired() && *first == WT_OK && (connected || err != WT_EUNAVAILABLE))
                        *first = err;
                CHECK(err == WT_EAGAIN || err == WT_EUNAVAILABLE || err == WT_ENOMEM);
                wt_bus_wait(b, -1, 1000);
        }
}

/* The message of this number, past pings. False: it did not come in time. */
static bool pull(wt_bus *b, uint32_t stamp, uint64_t ms)
{
        uint64_t end = rig_now_ms() + ms;
        wt_msg *m;

        for (;;) {
                bool known;

                while (wt_bus_recv(b, &m) != WT_OK) {
                        if (rig_now_ms() >= end)
                                return false;
                        wt_bus_wait(b, -1, 1000);
                }
                known = m->env.method == WT_M_SUBMIT;
                CHECK(!known || right(m, stamp));        /* one that was lost does not come late */
                wt_msg_free(m);
                if (known)
                        return true;
        }
}

/* The number that the connected one has at the other end, once it has said something. */
static uint32_t meet(wt_bus *bound, wt_bus *connected, bool may_lose, wt_err *first)
{
        uint64_t end = rig_now_ms() + PATIENCE_MS;
        uint32_t peer = 0;
        wt_msg *m;

        for (bool known = false; !known;) {
                push(connected, message(connected, 0, 0), !may_lose, first);
                wt_bus_wait(bound, -1, 20000);
                while (wt_bus_recv(bound, &m) == WT_OK) {
                        peer = m->peer;
                        known = true;
                        wt_msg_free(m);
                }
                CHECK(rig_now_ms() < end);
        }
        return peer;
}

static wt_err exchange(wt_bus *bound, wt_bus *connected, bool may_lose)
{
        wt_err first = WT_OK;
        uint32_t peer = meet(bound, connected, may_lose, &first), lost = 0;

        for (uint32_t i = 1; i <= MESSAGES; i++) {
                /* One that is lost is found out by the next that is not. */
                push(connected, message(connected, 0, i), true, &first);
                lost += !pull(bound, i, may_lose && fault_fired() ? 300 : PATIENCE_MS);
                push(bound, message(bound, peer, i), true, &first);
                lost += !pull(connected, i, may_lose && fault_fired() ? 300 : PATIENCE_MS);
        }
        CHECK(lost == 0 || (may_lose && lost == 1 && fault_fired()));
        return lost > 0 ? wt_fail(WT_ENOMEM, "a message was lost") : first;
}

static wt_err work(void *arg)
{
        const char *endpoint = rig_endpoint(&rig, arg);
        struct wt_bus_conf c = { .name = "router", .bind = endpoint,
                .keys = { rig.id[0].public_key, rig.id[0].secret_key, NULL, rig.allow } };
        wt_bus *bound = NULL, *connected = NULL;
        const char *to;
        wt_err err;

        fault_begin();
        if ((err = wt_bus_open(&bound, &c)) == WT_OK) {
                to = wt_bus_endpoint(bound);
                c = (struct wt_bus_conf){ .name = rig.id[1].name, .connect = &to, .n_connect = 1,
                        .keys = { rig.id[1].public_key, rig.id[1].secret_key,
                                  rig.id[0].public_key, NULL } };
                err = wt_bus_open(&connected, &c);
        }
        if (err == WT_OK)
                err = exchange(bound, connected, true);
        fault_end();
        wt_bus_close(connected);
        wt_bus_close(bound);
        return err;
}

static wt_err sent(void *arg)
{
        wt_bus *bound = rig_bind(&rig, rig_endpoint(&rig, arg), 0),
               *connected = rig_connect(&rig, 1, wt_bus_endpoint(bound), 0);
        wt_err err;

        fault_begin();
        err = exchange(bound, connected, false);
        fault_end();
        wt_bus_close(connected);
        wt_bus_close(bound);
        return err;
}

static const wt_err again[] = { WT_EAGAIN, WT_OK }, gone[] = { WT_EUNAVAILABLE, WT_OK };
static const struct sweep rows[] = {
        { "ZeroMQ, malloc", work, .arg = (void *)"tcp",
          .fault = { .kind = FAULT_MEMORY, .ours = true },
          .codes = sweep_enomem, .ok = true, .step = 3 },
        { "ZeroMQ, a send is refused: EAGAIN", sent, .arg = (void *)"tcp",
          .fault = { .kind = FAULT_SEND, .error = EAGAIN }, .codes = again },
        { "ZeroMQ, a send is refused: EHOSTUNREACH", sent, .arg = (void *)"tcp",
          .fault = { .kind = FAULT_SEND, .error = EHOSTUNREACH }, .codes = gone },
        { "within the process, malloc", work, .arg = (void *)"inproc",
          .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem, .ok = true },
};

int main(void)
{
        int failed;

        rig_init(&rig);
        failed = sweep_all(rows, sizeof rows / sizeof *rows);
        rig_fini(&rig);
        return failed;
}
