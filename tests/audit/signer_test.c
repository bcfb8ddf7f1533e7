/* signer_test - one signer of several, over a real store, and a witness over real HTTP on a thread
 * of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/checkpoint_signer.h"
#include "audit/seal.h"
#include "base/clock.h"
#include "net/http.h"
#include "rig.h"

static struct rig rig;
static char keys[128], address[64];
static struct wt_log_conf conf;
static wt_witness *witness;                      /* of the key that the signer made */
static wt_loop *loop;
static wt_http *http;
static pthread_t thread;
static atomic_bool stop;

#define GOOD(call)                                                                              \
        do {                                                                                    \
                if ((call) != WT_OK)                                                            \
                        fail_msg("%s: %s", #call, wt_words());                                  \
        } while (0)

static void on_request(void *arg, wt_call *c)
{
        static struct wt_witness_answer a;
        struct wt_buf key = { 0 };
        const char *body;
        size_t len;

        (void)arg;
        body = wt_call_body(c, &len);
        if (strcmp(wt_call_path(c), "/key") == 0) {
                wt_verifier_text(wt_witness_key(witness), &key);
                wt_call_reply(c, 200, "text/plain", NULL, key.data, key.len);
                wt_buf_free(&key);
                return;
        }
        wt_witness_add(witness, body, len, 1700000000, &a);
        wt_call_reply(c, a.status, a.type, NULL, a.body.data, a.body.len);
}

static void on_gone(void *arg, wt_call *c)
{
        (void)arg;
        (void)c;
}

static void *serve(void *arg)
{
        (void)arg;
        while (!stop)
                wt_loop_turn(loop, 20000);
        return NULL;
}

static int build(void **state)
{
        const struct wt_http_handler h = { on_request, on_gone, NULL };
        struct wt_signer key;
        struct stat st;
        char path[160];

        (void)state;
        rig_open(&rig);
        GOOD(wt_lease_give(rig.store, &rig.lease));
        GOOD(wt_subjects_migrate(rig.store));
        snprintf(keys, sizeof keys, "%s/keys", rig.folder);
        GOOD(wt_log_key(keys, &key));
        snprintf(path, sizeof path, "%s/audit-log.key", keys);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        snprintf(path, sizeof path, "%s/w", rig.folder);
        GOOD(wt_witness_open(&witness, path, &key.v));
        GOOD(wt_loop_new(&loop, &wt_clock_real));
        GOOD(wt_http_listen(&http, loop, "127.0.0.1:0", &wt_http_default, &h));
        snprintf(address, sizeof address, "%s", wt_http_address(http));
        conf = (struct wt_log_conf){ .store = rig.url, .timeout_ms = 5000, .keys = keys,
                                     .epochs = "", .holder = "one", .witness = address,
                                     .every_ms = 20 };
        return pthread_create(&thread, NULL, serve, NULL);
}

static int sweep(void **state)
{
        (void)state;
        stop = true;
        pthread_join(thread, NULL);
        wt_http_close(http);
        wt_loop_free(loop);
        wt_witness_close(witness);
        rig_close(&rig);
        return 0;
}

static void one_of_two_signs(void **state)
{
        struct wt_log_turn one = { .renewed_us = 0 }, two = { .renewed_us = 0 };
        struct wt_log_conf other = conf;

        (void)state;
        other.holder = "two";
        rig_rows(&rig, 10, 1);
        GOOD(wt_log_turn(&one, rig.store, &conf));
        GOOD(wt_log_turn(&two, rig.store, &other));
        assert_true(one.state.holds_lease && !two.state.holds_lease);
        assert_int_equal(one.state.signed_rows, 10);
        assert_int_equal(one.state.cosigned_rows, 10);
        assert_int_equal(two.state.signed_rows, 0);
        GOOD(wt_lease_give(rig.store, &one.lease));
        rig_rows(&rig, 10, 1);
        GOOD(wt_log_turn(&two, rig.store, &other));
        assert_int_equal(two.state.cosigned_rows, 20);
        /* The first one slept: it thinks that it holds the lease, and is fenced off. */
        rig_rows(&rig, 10, 1);
        GOOD(wt_log_turn(&one, rig.store, &conf));
        assert_int_equal(one.state.signed_rows, 10);
        GOOD(wt_lease_give(rig.store, &two.lease));
}

/* A gateway that joined the store with a key folder of its own: it would end the log for good. */
static void another_key_signs_nothing(void **state)
{
        struct wt_log_turn one = { .renewed_us = 0 }, two = { .renewed_us = 0 };
        struct wt_log_conf other = conf;
        struct wt_signer made;
        char folder[200], path[240];
        uint64_t before;

        (void)state;
        snprintf(folder, sizeof folder, "%s/elsewhere", keys);
        snprintf(path, sizeof path, "%s/audit-log.key", folder);
        other.holder = "two";
        other.keys = folder;
        rig_rows(&rig, 10, 1);
        GOOD(wt_log_turn(&one, rig.store, &conf));
        before = one.state.cosigned_rows;
        GOOD(wt_lease_give(rig.store, &one.lease));
        rig_rows(&rig, 10, 1);
        assert_int_equal(wt_log_turn(&two, rig.store, &other), WT_EPRECONDITION);
        assert_non_null(strstr(wt_words(), path));
        assert_int_not_equal(access(path, F_OK), 0);     /* and none is made */
        GOOD(wt_log_key(folder, &made));
        assert_int_equal(wt_log_turn(&two, rig.store, &other), WT_EPRECONDITION);
        assert_int_equal(wt_log_turn(&two, rig.store, &other), WT_EPRECONDITION);
        one.renewed_us = 0;
        GOOD(wt_log_turn(&one, rig.store, &conf));
        assert_int_equal(one.state.cosigned_rows, before + 10);
        GOOD(wt_lease_give(rig.store, &one.lease));
}

static void a_witness_that_is_away_is_made_up_for(void **state)
{
        struct wt_log_turn t = { .renewed_us = 0 };
        struct wt_log_conf away = conf;
        uint64_t size;

        (void)state;
        away.witness = "127.0.0.1:1";
        for (int i = 0; i < 3; i++) {
                rig_rows(&rig, 5, 1);
                assert_int_not_equal(wt_log_turn(&t, rig.store, &away), WT_OK);
                assert_non_null(strstr(wt_words(), "127.0.0.1:1"));
                assert_int_equal(t.state.signed_rows, rig.made);
        }
        GOOD(wt_log_turn(&t, rig.store, &conf));
        assert_int_equal(t.state.cosigned_rows, rig.made);
        wt_witness_last(witness, &size);
        assert_int_equal(size, rig.made);
        GOOD(wt_lease_give(rig.store, &t.lease));
}

struct heard { atomic_uint n, rollbacks, over; };

static void said(void *arg, bool rollback, const char *words)
{
        struct heard *h = arg;

        h->n++;
        h->rollbacks += rollback;
        h->over += words[0] == '\0';
}

/* Until the thread has it cosigned; false: not within 20 s. */
static bool cosigned(wt_log_signer *g, uint64_t rows)
{
        uint64_t end = wt_now_us(&wt_clock_real) + 20000000;
        struct wt_log_state st;

        do
                wt_log_signer_state(g, &st);
        while (st.cosigned_rows < rows && wt_now_us(&wt_clock_real) < end);
        return st.cosigned_rows >= rows;
}

static void the_thread_does_it(void **state)
{
        static struct heard h;
        struct wt_log_conf c = conf;
        wt_log_signer *g;
        uint64_t size;

        (void)state;
        c.said = said;
        c.arg = &h;
        GOOD(wt_log_signer_start(&g, &c));
        for (int i = 0; i < 5; i++) {
                rig_rows(&rig, 7, 1);
                assert_true(cosigned(g, rig.made));
        }
        rig_rows(&rig, 7, 1);
        wt_log_signer_stop(g);                   /* its last turn signs what is there */
        wt_witness_last(witness, &size);
        assert_int_equal(size, rig.made);
        assert_int_equal(h.n, 0);
}

/* The store is put back; the witness is not. */
static void a_rollback_is_said(void **state)
{
        struct wt_log_turn t = { .renewed_us = 0 };
        uint64_t size;

        (void)state;
        wt_witness_last(witness, &size);
        rig_sql(&rig, "DELETE FROM audit_tree; DELETE FROM audit_tiles;"
                " DROP TRIGGER witan_seal_delete_audit_events;"
                " DROP TRIGGER witan_seal_delete_audit_checkpoints;"
                " DROP TRIGGER witan_seal_delete_audit_cosignatures;"
                " DELETE FROM audit_events; DELETE FROM audit_checkpoints;"
                " DELETE FROM audit_cosignatures");
        rig.made = 0;
        rig_rows(&rig, 9, 2);
        assert_int_not_equal(wt_log_turn(&t, rig.store, &conf), WT_OK);
        assert_true(t.rollback);
        assert_non_null(strstr(wt_words(), "rolled back"));
        GOOD(wt_lease_give(rig.store, &t.lease));
        rig_rows(&rig, (uint32_t)size, 2);       /* as long as before, and another one */
        t = (struct wt_log_turn){ .renewed_us = 0 };
        assert_int_not_equal(wt_log_turn(&t, rig.store, &conf), WT_OK);
        assert_true(t.rollback);
        assert_non_null(strstr(wt_words(), "fork"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_of_two_signs),
                cmocka_unit_test(another_key_signs_nothing),
                cmocka_unit_test(a_witness_that_is_away_is_made_up_for),
                cmocka_unit_test(the_thread_does_it),
                cmocka_unit_test(a_rollback_is_said),
        };

        return cmocka_run_group_tests(tests, build, sweep);
}
