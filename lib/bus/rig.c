/* rig.c - for tests: keys, lists, buses, deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bus/rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"

static const char *const names[RIG_NAMES] = {
        "router", "expert-0", "expert-1", "expert-2", "expert-3",
        "gateway-0", "gateway-1", "gateway-2",
};

/* libzmq and libsodium are not built with TSan, so their ordering is invisible: what they write
 * is not judged. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
        return "called_from_lib:libzmq.so\ncalled_from_lib:libsodium.so\nrace:libzmq.so\n";
}

uint64_t rig_now_ms(void) { return wt_now_us(&wt_clock_real) / 1000; }

void rig_allow(struct rig *r, const uint32_t *which)
{
        struct wt_buf text = { 0 };

        wt_buf_str(&text, "# of a test\n\n");
        for (; *which; which++)
                wt_buf_fmt(&text, "%s %s %s\n", r->id[*which].name, r->id[*which].role,
                           r->id[*which].public_key);
        assert_int_equal(wt_file_write(r->allow, text.data, text.len, 0600), WT_OK);
        wt_buf_free(&text);
}

void rig_allow_all(struct rig *r)
{
        rig_allow(r, (const uint32_t[]){ 1, 2, 3, 4, 5, 6, 7, 0 });
}

void rig_init(struct rig *r)
{
        const char *tmp = getenv("TMPDIR");

        memset(r, 0, sizeof *r);
        snprintf(r->dir, sizeof r->dir, "%s/witan-bus-XXXXXX",
                 tmp && strlen(tmp) < 64 ? tmp : P_tmpdir);
        assert_non_null(mkdtemp(r->dir));
        snprintf(r->allow, sizeof r->allow, "%s/allowed", r->dir);
        for (int i = 0; i < RIG_NAMES; i++) {
                r->id[i].name = names[i];
                r->id[i].role = i == 0 ? "router" : i < 5 ? "expert" : "gateway";
                assert_int_equal(wt_bus_keypair(r->id[i].public_key, r->id[i].secret_key), WT_OK);
        }
        rig_allow_all(r);
}

void rig_fini(struct rig *r)
{
        char path[192];

        for (uint32_t i = 0; i <= r->serial; i++) {
                snprintf(path, sizeof path, "%s/bus-%u", r->dir, i);
                unlink(path);
        }
        unlink(r->allow);
        rmdir(r->dir);
}

const char *rig_endpoint(struct rig *r, const char *scheme)
{
        static char text[256];

        r->serial++;
        if (strcmp(scheme, "tcp") == 0)
                return "tcp://127.0.0.1:*";
        if (strcmp(scheme, "ipc") == 0)
                snprintf(text, sizeof text, "ipc://%s/bus-%u", r->dir, r->serial);
        else if (strcmp(scheme, "both") == 0)
                snprintf(text, sizeof text, "inproc://test-%u,tcp://127.0.0.1:*", r->serial);
        else
                snprintf(text, sizeof text, "inproc://test-%u", r->serial);
        return text;
}

const char *rig_part(const struct rig *r, const char *endpoint, char out[256])
{
        const char *comma = strchr(endpoint, ',');

        if (comma == NULL || r->outside)
                snprintf(out, 256, "%s", comma != NULL ? comma + 1 : endpoint);
        else
                snprintf(out, 256, "%.*s", (int)(comma - endpoint), endpoint);
        return out;
}

wt_bus *rig_bind(struct rig *r, const char *endpoint, uint32_t hwm)
{
        struct wt_bus_conf c = { .name = "router", .bind = endpoint, .hwm = hwm,
                .keys = { r->id[0].public_key, r->id[0].secret_key, NULL, r->allow } };
        wt_bus *b = NULL;

        if (wt_bus_open(&b, &c) != WT_OK)
                fail_msg("%s", wt_words());
        return b;
}

wt_bus *rig_connect(struct rig *r, uint32_t who, const char *endpoint, uint32_t hwm)
{
        char part[256];
        struct wt_bus_conf c = { .name = r->id[who].name, .connect = &endpoint, .n_connect = 1,
                .hwm = hwm, .keys = { r->id[who].public_key, r->id[who].secret_key,
                                      r->id[0].public_key, NULL } };
        wt_bus *b = NULL;

        endpoint = rig_part(r, endpoint, part);
        if (wt_bus_open(&b, &c) != WT_OK)
                fail_msg("%s", wt_words());
        return b;
}

wt_msg *rig_recv(wt_bus *b)
{
        uint64_t end = rig_now_ms() + RIG_DEADLINE_MS;
        wt_msg *m;

        while (wt_bus_recv(b, &m) == WT_EAGAIN) {
                if (rig_now_ms() > end)
                        fail_msg("no message within %d ms", RIG_DEADLINE_MS);
                wt_bus_wait(b, -1, 100000);
        }
        return m;
}

void rig_send(wt_bus *b, wt_msg *m)
{
        uint64_t end = rig_now_ms() + RIG_DEADLINE_MS;
        wt_err err;

        while ((err = wt_bus_send(b, m)) != WT_OK) {
                if ((err != WT_EUNAVAILABLE && err != WT_EAGAIN) || rig_now_ms() > end)
                        fail_msg("not sent: %s", wt_words());
                wt_bus_wait(b, -1, 2000);
        }
}

wt_msg *rig_ping(wt_bus *b, uint32_t peer, uint64_t stamp)
{
        wt_msg *m = wt_msg_new(b);
        struct wt_ping *p = WT_ARENA_NEW(&m->arena, struct wt_ping);

        p->stamp = stamp;
        m->peer = peer;
        m->env.method = WT_M_PING;
        m->env.body = p;
        return m;
}

uint64_t rig_stamp(const wt_msg *m)
{
        assert_int_equal(m->env.method, WT_M_PING);
        return ((const struct wt_ping *)m->env.body)->stamp;
}

uint32_t rig_meet(wt_bus *bound, wt_bus *connected)
{
        static uint64_t stamp = 1u << 30;
        uint64_t mine = ++stamp;
        uint32_t peer;
        wt_msg *m;

        rig_send(connected, rig_ping(connected, 0, mine));
        for (;;) {
                m = rig_recv(bound);
                peer = m->peer;
                if (m->env.method == WT_M_PING && rig_stamp(m) == mine)
                        break;
                wt_msg_free(m);
        }
        wt_msg_free(m);
        return peer;
}

void rig_turn(wt_bus *b)
{
        wt_msg *m;

        if (!b)
                return;
        while (wt_bus_recv(b, &m) == WT_OK)
                wt_msg_free(m);
        wt_bus_wait(b, -1, 2000);
}
