/* http_full_test.c - slow readers of streams: their bytes are bounded together, a writer that asks
 * first waits for room and is never cut for it, and who reads does not wait for who does not. */
#include "net/conn.h"
#include "net/world.h"

#define GET "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"

enum { SLOW = 4, PIECE = 3000, ALL = 1 << 20, ONE = 256 << 10 };

struct reader { int fd; wt_call *call; size_t written; };

/* A stream whose client takes nothing; small buffers, so that the kernel takes little of it. */
static void begin(struct world *w, struct reader *r)
{
        int few = 16 << 10;

        *r = (struct reader){ .fd = dial(w) };
        setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
        w->held = NULL;
        put(w, r->fd, GET);
        WAIT_FOR(w, w->held);
        r->call = w->held;
        setsockopt(r->call->conn->fd, SOL_SOCKET, SO_SNDBUF, &few, sizeof few);
}

/* Writes until it is full. */
static void fill(struct reader *r)
{
        char piece[PIECE];

        memset(piece, '#', sizeof piece);
        while (!wt_call_full(r->call)) {
                assert_true(wt_call_write(r->call, piece, sizeof piece));
                r->written += sizeof piece;
                assert_true(r->written < 64 << 20);
        }
}

static void open_world(struct world *w, struct reader slow[SLOW])
{
        struct wt_http_limits lim = wt_http_default;

        lim.max_unsent = ONE;
        lim.max_unsent_all = ALL;
        world_open(w, &lim);
        for (int i = 0; i < SLOW; i++)
                begin(w, &slow[i]);
}

static size_t unsent_of(const struct reader *r) { return conn_unsent(r->call->conn); }

static void close_all(struct world *w, struct reader slow[SLOW])
{
        for (int i = 0; i < SLOW; i++)
                close(slow[i].fd);
        world_close(w);
}

/* Marks in what is there to read now. */
static size_t take_marks(struct world *w, struct reader *r)
{
        size_t n = 0;

        forget(w);
        take(w, r->fd);
        for (size_t i = 0; i < w->got.len; i++)
                n += w->got.data[i] == '#';
        return n;
}

/* Reads all that was written of r, and not a byte more is there. */
static void read_all(struct world *w, struct reader *r)
{
        size_t n = 0;

        WAIT_FOR(w, (n += take_marks(w, r)) >= r->written);
        for (int t = 0; t < 5; t++, turn(w))
                n += take_marks(w, r);
        assert_int_equal(n, r->written);
}

static void a_full_one_waits(void **state)
{
        struct reader slow[SLOW];
        struct world w;
        size_t sum = 0;

        (void)state;
        open_world(&w, slow);
        fill(&slow[0]);
        assert_true(unsent_of(&slow[0]) > ONE && unsent_of(&slow[0]) <= ONE + PIECE + 32);
        assert_int_equal(w.room, 0);
        for (int i = 1; i < SLOW; i++)
                fill(&slow[i]);
        for (int i = 0; i < SLOW; i++)
                sum += unsent_of(&slow[i]);
        assert_int_equal(wt_http_unsent(w.http), sum);
        w.now += wt_http_default.idle_timeout_us / 2;    /* they wait, and are not cut */
        turn(&w);
        assert_int_equal(w.gone, 0);
        assert_int_equal(w.room, 0);
        sum -= unsent_of(&slow[2]);
        read_all(&w, &slow[2]);
        assert_int_equal(w.room, 1);             /* once, and of the one that was read */
        assert_int_equal(wt_http_unsent(w.http), sum);
        close_all(&w, slow);
}

/* Together they are bounded: the later ones wait although each has little; but one whose client
 * reads can always speak. */
static void all_together_are_bounded(void **state)
{
        struct reader slow[SLOW], many[8], quick;
        struct world w;

        (void)state;
        open_world(&w, slow);
        for (int i = 0; i < SLOW; i++)
                fill(&slow[i]);
        for (int i = 0; i < 8; i++) {
                begin(&w, &many[i]);
                fill(&many[i]);
        }
        assert_true(wt_http_unsent(w.http) > ALL);
        assert_true(wt_http_unsent(w.http) <= ALL + 8 * (PIECE + 32));
        assert_true(unsent_of(&many[7]) <= PIECE + 32);  /* one piece, and only the first */
        begin(&w, &quick);
        for (int i = 0; i < 50; i++) {
                assert_false(wt_call_full(quick.call));
                assert_true(wt_call_write(quick.call, "y", 1));
                forget(&w);
                read_until(&w, quick.fd, "y", 1);
        }
        for (int i = 0; i < 8; i++)
                close(many[i].fd);
        close(quick.fd);
        close_all(&w, slow);
}

/* One that takes nothing for the time allowed is cut, and its bytes are no longer counted. */
static void a_deaf_one_is_cut_in_the_end(void **state)
{
        struct reader slow[SLOW];
        struct world w;

        (void)state;
        open_world(&w, slow);
        for (int i = 0; i < SLOW; i++)
                fill(&slow[i]);
        turn(&w);
        w.now += wt_http_default.idle_timeout_us + 1;
        WAIT_FOR(&w, w.gone == SLOW);
        assert_int_equal(wt_http_unsent(w.http), 0);
        assert_int_equal(w.room, 0);
        close_all(&w, slow);
}

/* A piece of any size goes out on an empty connection: it waits here, and is not cut. */
static void a_large_piece_is_not_cut(void **state)
{
        struct wt_http_limits lim = wt_http_default;
        struct reader r = { .written = 32 << 20 };       /* far more than the kernel takes */
        char *piece = malloc(r.written);
        struct world w;

        (void)state;
        lim.max_unsent = ONE;
        lim.max_unsent_all = ALL;
        world_open(&w, &lim);
        r.fd = dial(&w);
        put(&w, r.fd, GET);
        WAIT_FOR(&w, w.held);
        r.call = w.held;
        memset(piece, '#', r.written);
        assert_false(wt_call_full(r.call));
        assert_true(wt_call_write(r.call, piece, r.written));
        assert_true(wt_call_full(r.call));
        read_all(&w, &r);
        assert_int_equal(w.room, 1);
        wt_call_end(r.call);
        forget(&w);
        read_until(&w, r.fd, "0\r\n\r\n", 1);
        assert_int_equal(w.gone, 0);
        free(piece);
        close(r.fd);
        world_close(&w);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_full_one_waits),
                cmocka_unit_test(all_together_are_bounded),
                cmocka_unit_test(a_deaf_one_is_cut_in_the_end),
                cmocka_unit_test(a_large_piece_is_not_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
