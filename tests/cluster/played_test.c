/* played_test.c - a gateway whose router is played by hand: what it does about events of an older
 * attempt, messages that were lost, and texts that take long to read. */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include "base/file.h"
#include "base/json.h"
#include "net/http.h"
#include "played.h"

enum { N_IDS = 6, LONG_BYTES = 8000000, LONGEST_BYTES = 64000000 };

static struct wt_keyring ring;
static uint32_t gateway;

/* A stream of max_tokens; the router has it then. */
static void begin(struct client *c, uint32_t max_tokens)
{
        char body[200];
        uint32_t before = router.n_subs;

        snprintf(body, sizeof body, "{\"model\":\"tiny\",\"prompt\":[5,6,7],\"stream\":true,"
                 "\"ignore_eos\":true,\"max_tokens\":%u}", max_tokens);
        post(c, "/v1/completions", body);
        UNTIL(c, router.n_subs > before);
}

static int chunks(const struct client *c)
{
        int n = 0;

        for (const char *at = c->got.data; at && (at = strstr(at, "data: {")); at++)
                n++;
        return n;
}

/* What its chunks say together, and the last reason to end. */
static void joined(const struct client *c, struct wt_buf *text, char finish[16])
{
        finish[0] = '\0';
        for (const char *at = c->got.data; (at = strstr(at, "data: {")) != NULL; at++) {
                const char *end = strstr(at, "\n\n"), *s;
                size_t n;
                wt_json *j;
                wt_jv choice;

                assert_int_equal(wt_json_parse(&j, at + 6, (size_t)(end - at - 6),
                                               &wt_json_default), WT_OK);
                choice = wt_json_first(j, wt_json_get(j, 0, "choices"));
                s = wt_json_str(j, wt_json_get(j, choice, "text"), &n);
                assert_non_null(s);
                wt_buf_add(text, s, n);
                if ((s = wt_json_str(j, wt_json_get(j, choice, "finish_reason"), &n)) != NULL)
                        snprintf(finish, 16, "%s", s);
                wt_json_free(j);
        }
}

static const int32_t right[N_IDS] = { 301, 402, 503, 604, 705, 806 }, wrong[2] = { 900, 901 };

/* The stream has ended, and its text is that of `right`. */
static void is_right(struct client *c)
{
        struct wt_buf text = { 0 }, body = { 0 }, answer = { 0 };
        char url[100], finish[16], who[120];
        const char *want;
        size_t len;
        wt_json *j;
        int status;

        UNTIL(c, c->got.len > 0 && strstr(c->got.data, "data: [DONE]") != NULL);
        joined(c, &text, finish);
        assert_string_equal(finish, "length");
        wt_buf_str(&body, "{\"ids\":[");
        for (int i = 0; i < N_IDS; i++)
                wt_buf_fmt(&body, i > 0 ? ",%d" : "%d", right[i]);
        wt_buf_str(&body, "]}");
        snprintf(url, sizeof url, "http://%s/v1/detokenize", address);
        snprintf(who, sizeof who, "Authorization: Bearer %s\r\n", key);
        assert_int_equal(wt_http_fetch("POST", url, who, body.data, body.len, DEADLINE, &status,
                                       &answer, NULL, NULL), WT_OK);
        assert_int_equal(wt_json_parse(&j, answer.data, answer.len, &wt_json_default), WT_OK);
        want = wt_json_str(j, wt_json_get(j, 0, "text"), &len);
        assert_true(len > 0);
        assert_int_equal(text.len, len);
        assert_memory_equal(text.data, want, len);
        wt_json_free(j);
        wt_buf_free(&text);
        wt_buf_free(&body);
        wt_buf_free(&answer);
        hang_up(c);
}

/* ---- tests ---- */

static void run(const char *fmt, const char *more)
{
        char line[600];

        snprintf(line, sizeof line, fmt, f.build, f.dir, more);
        if (system(line) != 0)
                fail_msg("%s", line);
}

/* A key that is held to six requests in a minute. */
static void make_key(void)
{
        struct wt_buf b = { 0 };
        char path[200];

        run("%s/bin/witan key create --state %s --name u --requests-per-minute 6 >%s/key.txt "
            "2>/dev/null", f.dir);
        snprintf(path, sizeof path, "%s/key.txt", f.dir);
        assert_int_equal(wt_file_read(path, 4096, &b), WT_OK);
        snprintf(key, sizeof key, "%.*s", (int)strcspn(b.data, "\n"), b.data);
        wt_buf_free(&b);
}

#define PATIENT "--router-wait=600s"
#define A_TURN_COMES "--admit-wait=600s"

/* Both waits are long, unless it is about silence, or about a turn that does not come. */
static void start(const char *door, const char *router_wait, const char *admit_wait)
{
        struct wt_bus_conf c = { .name = "router-0" };
        char dir[256], http[80];
        struct client none = { .fd = -1, .ended = true };

        field_open(&f, NULL, "models/tiny");
        if (door[0] == '\0')
                make_key();
        memset(&router, 0, sizeof router);
        snprintf(dir, sizeof dir, "%s/keys", f.dir);
        assert_int_equal(wt_keyring_load(&ring, dir, "router-0"), WT_OK);
        c.keys = wt_keyring_bus(&ring);
        c.bind = f.bus;
        assert_int_equal(wt_bus_open(&bus, &c), WT_OK);
        snprintf(address, sizeof address, "127.0.0.1:%d", field_port());
        snprintf(http, sizeof http, "--http=%s", address);
        gateway = field_start(&f, NULL, "gateway", "gateway-0", http, router_wait,
                              "--drain=0", "--admit-at-once=1", admit_wait, "--rpc=",
                              "--max-body=64M", door[0] != '\0' ? door : NULL, NULL);
        UNTIL(&none, router.met);
        field_ready(&f, gateway);
}

static int open_all(void **state)
{
        (void)state;
        start("--open-door", PATIENT, A_TURN_COMES);
        return 0;
}

static int open_impatient(void **state)
{
        (void)state;
        start("--open-door", "--router-wait=400ms", A_TURN_COMES);
        return 0;
}

static int close_all(void **state)
{
        (void)state;
        wt_bus_close(bus);
        field_close(&f);
        return 0;
}

/* A gap: the record leaves again with the ids that are here, as another attempt, and what the first
 * one still says is not taken, though it fits. */
static void a_gap_and_an_older_attempt(void **state)
{
        struct client c;
        struct submitted *s = router.sub;

        (void)state;
        begin(&c, N_IDS);
        assert_int_equal(s[0].attempt, 1);
        say(&s[0], 0, right, 2, WT_RUNNING, WT_OK);
        say(&s[0], 4, right + 4, 1, WT_RUNNING, WT_OK);  /* 2 and 3 were lost */
        UNTIL(&c, router.n_subs == 2);
        assert_int_equal(router.n_cancels, 1);
        assert_int_equal(s[1].attempt, 2);
        assert_int_equal(s[1].n_made, 2);
        assert_memory_equal(s[1].made, right, 2 * sizeof *right);
        say(&s[0], 2, wrong, 2, WT_RUNNING, WT_OK);
        say(&s[1], 2, right + 2, 2, WT_RUNNING, WT_OK);
        say(&s[0], 4, wrong, 2, WT_LENGTH, WT_OK);
        say(&s[1], 4, right + 4, 2, WT_LENGTH, WT_OK);
        is_right(&c);
        field_until(&f, gateway, "witan_gateway_resubmitted_total", 1, 1);
}

/* The same position twice is taken once, also in the middle of an event. */
static void the_same_again(void **state)
{
        struct client c;
        const struct submitted *s = router.sub;

        (void)state;
        begin(&c, N_IDS);
        say(s, 0, right, 3, WT_RUNNING, WT_OK);
        say(s, 0, right, 3, WT_RUNNING, WT_OK);
        say(s, 1, right + 1, 4, WT_RUNNING, WT_OK);
        say(s, 5, right + 5, 1, WT_LENGTH, WT_OK);
        is_right(&c);
        assert_int_equal(router.n_subs, 1);
}

static void a_submit_that_was_lost(void **state)
{
        struct client c;
        const struct submitted *s = router.sub;

        (void)state;
        begin(&c, N_IDS);
        UNTIL(&c, router.n_subs >= 2);           /* as if the first had not come */
        for (int i = 0; i < 2; i++) {            /* it has it, and much to do */
                uint32_t before = router.n_subs;

                say(&s[1], 0, NULL, 0, WT_FAILED, WT_EEXIST);
                UNTIL(&c, router.n_subs > before);
        }
        for (uint32_t i = 0; i < router.n_subs; i++) {
                assert_int_equal(s[i].attempt, 1);
                assert_int_equal(s[i].n_made, 0);
                assert_memory_equal(s[i].request, s[0].request, 16);
        }
        assert_int_equal(router.n_cancels, 0);
        say(&s[1], 0, right, N_IDS, WT_LENGTH, WT_OK);
        is_right(&c);
        field_until(&f, gateway, "witan_gateway_submits_repeated_total", 3, 1e9);
}

/* Nothing follows the last event, so no gap shows that it was lost. */
static void the_last_event_is_lost(void **state)
{
        struct client c;
        const struct submitted *s = router.sub, *last;

        (void)state;
        begin(&c, N_IDS);
        say(&s[0], 0, right, 4, WT_RUNNING, WT_OK);
        UNTIL(&c, s[router.n_subs - 1].n_made == 4);     /* 4 and 5, and the end, were lost */
        last = &s[router.n_subs - 1];
        assert_int_equal(last->attempt, 1);
        assert_memory_equal(last->made, right, 4 * sizeof *right);
        say(last, 4, right + 4, 2, WT_LENGTH, WT_OK);
        is_right(&c);
}

static void long_text(struct wt_buf *body, size_t bytes)
{
        wt_buf_clear(body);
        wt_buf_str(body, "{\"text\":\"");
        for (uint32_t i = 0; body->len < bytes; i++)
                wt_buf_fmt(body, "word%u ", i * 2654435761u);
        wt_buf_str(body, "\"}");
}

static void begin_long(struct client *c, struct wt_buf *body, size_t bytes)
{
        char head[120];

        long_text(body, bytes);
        snprintf(head, sizeof head, "POST /v1/tokenize HTTP/1.1\r\nHost: a\r\nContent-Length: %zu"
                 "\r\n\r\n", body->len);
        dial(c);
        put(c, head, strlen(head));
        put(c, body->data, body->len - 1);
}

/* One more token of the stream: said by the router, read by the client. */
static void step(struct client *c, uint32_t *at)
{
        int before = chunks(c);

        say(&router.sub[0], *at, &right[*at % N_IDS], 1, WT_RUNNING, WT_OK);
        ++*at;
        UNTIL(c, chunks(c) > before);
        wt_buf_clear(&c->got);
}

/* While megabytes become tokens the others are served: how often is counted, and how long that took
 * does not matter. All of the text but its last byte is here before it begins. */
static void a_long_text_holds_up_nobody(void **state)
{
        struct client reader, writer;
        struct wt_buf body = { 0 };
        uint32_t at = 0, before;

        (void)state;
        begin(&reader, 1000);
        step(&reader, &at);
        begin_long(&writer, &body, LONG_BYTES);
        for (int i = 0; i < 300; i++)
                step(&reader, &at);
        look(&writer);
        assert_int_equal(writer.got.len, 0);
        before = at;
        put(&writer, "}", 1);
        while (writer.got.len == 0 && at < before + 500) {
                step(&reader, &at);
                look(&writer);
        }
        if (at - before < 20)
                fail_msg("only %u tokens came through meanwhile", at - before);
        UNTIL(&writer, strstr(writer.got.len > 0 ? writer.got.data : "", "\"count\":") != NULL);
        assert_true(strncmp(writer.got.data, "HTTP/1.1 200 ", 13) == 0);
        assert_int_equal((int)field_metric(&f, gateway, "witan_gateway_long_texts_total"), 1);
        hang_up(&reader);
        hang_up(&writer);
        wt_buf_free(&body);
}

/* A text that is being read when this returns: the gateway has begun with it, and its answer is not
 * there. A machine that is done by then gets one twice as long. */
static void is_being_read(struct client *c, struct wt_buf *body)
{
        static const char name[] = "witan_gateway_long_texts_total";

        for (size_t bytes = LONG_BYTES; bytes <= LONGEST_BYTES; bytes *= 2) {
                double before = field_until(&f, gateway, name, 0, 1e9);

                begin_long(c, body, bytes);
                put(c, "}", 1);
                field_until(&f, gateway, name, before + 1, before + 1);
                look(c);
                if (c->got.len == 0)
                        return;
                hang_up(c);
        }
        fail_msg("%d bytes are read before anybody can leave", LONGEST_BYTES);
}

/* Whose text is read leaves, more than once, and then the gateway does. */
static void who_leaves_while_his_text_is_read(void **state)
{
        struct client c;
        struct wt_buf body = { 0 };

        (void)state;
        for (int i = 0; i < 3; i++) {
                is_being_read(&c, &body);
                if (i < 2)
                        hang_up(&c);
        }
        field_kill(&f, gateway, SIGTERM);
        assert_in_range(field_wait(&f, gateway), 0, 1);
        hang_up(&c);
        wt_buf_free(&body);
}

/* One that was not answered because its turn did not come has used nothing: its key may ask as
 * often as if it had not been there: three times, each with a look at what the tokens say. */
static void a_place_in_the_queue_is_no_debt(void **state)
{
        struct client first, waits;

        start("", PATIENT, "--admit-wait=300ms");
        begin(&first, N_IDS);
        post(&waits, "/v1/completions", "{\"model\":\"tiny\",\"prompt\":[5],\"max_tokens\":9}");
        UNTIL(&waits, waits.got.len > 0 && strstr(waits.got.data, "not this request's turn"));
        assert_true(strncmp(waits.got.data, "HTTP/1.1 503 ", 13) == 0);
        hang_up(&waits);
        assert_int_equal(router.n_subs, 1);
        for (uint32_t i = 0; i < 3; i++) {       /* begin: else it is refused, 429 */
                if (i > 0)
                        begin(&first, N_IDS);
                say(&router.sub[i], 0, right, N_IDS, WT_LENGTH, WT_OK);
                is_right(&first);
        }
        close_all(state);
        snprintf(key, sizeof key, "none");
}

static void paths_that_are_none_have_rows(void **state)
{
        uint64_t end = wt_now_us(&wt_clock_real) + DEADLINE;
        struct wt_buf b = { 0 };
        struct client c;
        char path[200];

        start("", PATIENT, A_TURN_COMES);
        post(&c, "/v1/nowhere", "{}");
        UNTIL(&c, c.got.len > 0 && strstr(c.got.data, "there is nothing at POST /v1/nowhere"));
        assert_non_null(strcasestr(c.got.data, "x-request-id: 0"));      /* an id, and no "-" */
        snprintf(path, sizeof path, "%s/rows.txt", f.dir);
        do {                                     /* the drain takes it to the store */
                run("%s/bin/witan audit query --state %s --outcome refused -o json >%s/rows.txt",
                    f.dir);
                wt_buf_clear(&b);
                assert_int_equal(wt_file_read(path, 1 << 20, &b), WT_OK);
                assert_true(wt_now_us(&wt_clock_real) < end);
        } while (b.len == 0 || strstr(b.data, "/v1/nowhere") == NULL);
        assert_non_null(strstr(b.data, "unknown_url"));
        wt_buf_free(&b);
        hang_up(&c);
        close_all(state);
        snprintf(key, sizeof key, "none");
}

/* The last one here: the limit stays. What it leaves is taken, said, and no more is accepted. */
static void few_open_files(void **state)
{
        enum { FILES = 400, MANY = 120 };
        const struct rlimit limit = { FILES, FILES };
        static struct client c[MANY];
        uint32_t refused = 0;
        struct client one;

        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
                fail_msg("no limit of open files can be set");
        open_all(state);
        assert_non_null(strstr(field_log_until(&f, "gateway-0", "GATEWAY-CONNECTIONS"),
                               "lowered_to"));
        for (int i = 0; i < MANY; i++) {
                post(&c[i], "/v1/detokenize", "{\"ids\":[300]}");
                UNTIL(&c[i], c[i].got.len > 0);
                refused += strncmp(c[i].got.data, "HTTP/1.1 503 ", 13) == 0;
        }
        assert_in_range(refused, 1, MANY - 10);
        assert_true(field_is_ready(&f, gateway, NULL));
        for (int i = 0; i < MANY; i++)
                hang_up(&c[i]);
        do {                                     /* until it has seen that they left */
                post(&one, "/v1/detokenize", "{\"ids\":[300]}");
                UNTIL(&one, one.got.len > 0);
                refused = strncmp(one.got.data, "HTTP/1.1 503 ", 13) == 0;
                hang_up(&one);
        } while (refused);
        close_all(state);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_gap_and_an_older_attempt, open_all, close_all),
                cmocka_unit_test_setup_teardown(the_same_again, open_all, close_all),
                cmocka_unit_test_setup_teardown(a_submit_that_was_lost, open_impatient, close_all),
                cmocka_unit_test_setup_teardown(the_last_event_is_lost, open_impatient, close_all),
                cmocka_unit_test_setup_teardown(a_long_text_holds_up_nobody, open_all, close_all),
                cmocka_unit_test_setup_teardown(who_leaves_while_his_text_is_read, open_all,
                                                close_all),
                cmocka_unit_test(a_place_in_the_queue_is_no_debt),
                cmocka_unit_test(paths_that_are_none_have_rows),
                cmocka_unit_test(few_open_files),
        };

        setenv("WITAN_TEXTS_WAITING", "1G", 1);  /* a text that is read counts when its client left */
        return cmocka_run_group_tests_name("a router played by hand", tests, NULL, NULL);
}
