/* both_test.c - peers of this process and of others on one bus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "bus/rig.h"

static struct rig rig;

static void inside_and_outside(void **state)
{
        wt_bus *s = rig_bind(&rig, rig_endpoint(&rig, "both"), 0), *c[4];
        uint32_t peer[4];
        wt_msg *m;

        (void)state;
        for (uint32_t i = 0; i < 4; i++) {
                rig.outside = i % 2 == 1;
                c[i] = rig_connect(&rig, 1 + i, wt_bus_endpoint(s), 0);
                peer[i] = rig_meet(s, c[i]);
                assert_int_equal(peer[i], i);
                assert_string_equal(wt_bus_peer_name(s, i), rig.id[1 + i].name);
                assert_string_equal(wt_bus_peer_role(s, i), i % 2 ? rig.id[1 + i].role : "");
        }
        for (uint64_t n = 0; n < 400; n++)       /* each hears its own, and nothing else */
                rig_send(s, rig_ping(s, n % 4, n));
        for (uint64_t n = 0; n < 400; n++) {
                m = rig_recv(c[n % 4]);
                assert_int_equal(rig_stamp(m), n);
                rig_send(c[n % 4], m);
        }
        for (uint64_t n = 0; n < 400; n++) {
                m = rig_recv(s);
                assert_int_equal(m->peer, rig_stamp(m) % 4);
                wt_msg_free(m);
        }
        for (uint32_t i = 0; i < 4; i++) {       /* one goes: news of it, whichever side it is on */
                RIG_UNTIL(s, NULL, !wt_bus_lost(s));
                wt_bus_close(c[i]);
                RIG_UNTIL(s, NULL, wt_bus_lost(s));
        }
        wt_bus_close(s);
}

static void two_of_a_kind(void **state)
{
        static const char *const lists[] = { "inproc://a,inproc://b", "tcp://127.0.0.1:*,ipc://x",
                "inproc://a,", ",tcp://127.0.0.1:*", "inproc://a,tcp://127.0.0.1:*,ipc://x" };
        wt_bus *b = NULL;

        (void)state;
        for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
                struct wt_bus_conf c = { .name = "router", .bind = lists[i],
                        .keys = { rig.id[0].public_key, rig.id[0].secret_key, NULL, rig.allow } };

                assert_int_equal(wt_bus_open(&b, &c), WT_EINVAL);
                assert_non_null(strstr(wt_words(), lists[i]));
                assert_null(b);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = { cmocka_unit_test(inside_and_outside),
                                                   cmocka_unit_test(two_of_a_kind) };
        int rc;

        rig_init(&rig);
        rc = cmocka_run_group_tests(tests, NULL, NULL);
        rig_fini(&rig);
        return rc;
}
