/* spool_test.c - what is acknowledged is there again, whatever was torn, flipped, refused or
 * forgotten by the disk; and what is damaged is said, not skipped. */
#include "audit/spool_rig.h"
#include <sched.h>
#include "audit/crc32c.h"
#include "base/clock.h"
#include "base/rng.h"

static char root[64], at[96], other[96];
static struct wt_buf got;

static int make_root(void **state)
{
        (void)state;
        snprintf(root, sizeof root, "/tmp/witan-spool-XXXXXX");
        if (mkdtemp(root) == NULL)
                return -1;
        snprintf(at, sizeof at, "%s/a", root);
        snprintf(other, sizeof other, "%s/b", root);
        return 0;
}

static struct rig quiet;                         /* never fails; syncs cost nothing */

static int fresh(void **state)
{
        (void)state;
        empty_folder(at, false);
        empty_folder(other, false);
        rig_init(&quiet, at);
        return 0;
}

static int drop_root(void **state)
{
        (void)state;
        empty_folder(at, true);
        empty_folder(other, true);
        wt_buf_free(&got);
        rmdir(at);
        rmdir(other);
        return rmdir(root);
}

static wt_spool *open_spool(const char *folder, uint64_t segment, uint64_t most, struct rig *r)
{
        struct wt_spool_conf c = { folder, segment, most, &(r != NULL ? r : &quiet)->io };
        wt_spool *s;

        if (wt_spool_open(&s, &c) != WT_OK)
                fail_msg("%s", wt_words());
        return s;
}

/* Record n: its bytes are a function of n. */
static size_t make(uint64_t n, char out[400])
{
        size_t len = 1 + (size_t)(n * 37 % 300);

        for (size_t i = 0; i < len; i++)
                out[i] = (char)(n * 131 + i * 7);
        return len;
}

static uint64_t put(wt_spool *s)
{
        char b[400];
        uint64_t seq, next = wt_spool_appended(s) + 1;

        if (wt_spool_append(s, b, make(next, b), &seq) != WT_OK)
                fail_msg("%s", wt_words());
        assert_int_equal(seq, next);
        return seq;
}

static void settle(wt_spool *s, uint64_t seq)
{
        uint64_t end = wt_now_us(&wt_clock_real) + 60 * 1000000ull;

        while (wt_spool_durable(s) < seq && wt_now_us(&wt_clock_real) < end)
                wt_spool_wait(s, seq - 1, 100000);
        assert_true(wt_spool_durable(s) >= seq);
}

/* Reads all after `after`; the last that was there. Each must be what was put. */
static uint64_t read_all(wt_spool *s, uint64_t after)
{
        char b[400];
        uint64_t seq = after, next;
        wt_err err;

        while (wt_buf_clear(&got), (err = wt_spool_next(s, seq, &got, &next)) == WT_OK) {
                assert_int_equal(next, seq + 1);
                seq = next;
                assert_int_equal(got.len, make(seq, b));
                assert_memory_equal(got.data, b, got.len);
        }
        if (err != WT_EAGAIN)
                fail_msg("%s", wt_words());
        return seq;
}

static void only_segment(const char *folder, char *path, size_t cap)
{
        snprintf(path, cap, "%s/%020d.seg", folder, 1);
}

static void sequences_go_on(void **state)
{
        char id[33];
        wt_spool *s = open_spool(at, 1000, 1 << 20, NULL);

        (void)state;
        snprintf(id, sizeof id, "%s", wt_spool_id(s));
        for (int i = 0; i < 50; i++)
                settle(s, put(s));
        assert_int_equal(read_all(s, 0), 50);
        assert_int_equal(read_all(s, 20), 50);
        wt_spool_close(s);
        for (uint64_t n = 50; n < 54; n++) {
                s = open_spool(at, 1000, 1 << 20, NULL);
                assert_string_equal(wt_spool_id(s), id);
                assert_int_equal(wt_spool_durable(s), n);
                assert_int_equal(put(s), n + 1);
                wt_spool_close(s);               /* syncs */
        }
        s = open_spool(at, 1000, 1 << 20, NULL);
        assert_int_equal(read_all(s, 0), 54);
        wt_spool_close(s);
}

static int count_segments(const char *folder)
{
        DIR *d = opendir(folder);
        struct dirent *e;
        int n = 0;

        while ((e = readdir(d)) != NULL)
                n += strstr(e->d_name, ".seg") != NULL;
        closedir(d);
        return n;
}

static void released_is_deleted(void **state)
{
        wt_spool *s = open_spool(at, 1000, 1 << 20, NULL);
        struct wt_spool_stats st;
        uint64_t seq;

        (void)state;
        for (int i = 0; i < 60; i++)
                settle(s, put(s));
        assert_true(count_segments(at) > 8);
        wt_spool_release(s, 30);
        wt_buf_clear(&got);
        assert_int_equal(wt_spool_next(s, 0, &got, &seq), WT_OK);
        assert_true(seq > 1 && seq <= 31);       /* whole segments go */
        assert_int_equal(read_all(s, seq), 60);
        wt_spool_release(s, 60);
        assert_int_equal(count_segments(at), 1);
        wt_spool_stats(s, &st);
        assert_true(st.bytes <= 1000 && st.records == 60);
        wt_spool_close(s);
        s = open_spool(at, 1000, 1 << 20, NULL);
        assert_int_equal(put(s), 61);            /* the newest kept the count */
        wt_spool_close(s);
}

/* A spool of `groups` groups of three, each durable before the next, in one segment; its bytes. */
static void three_by_three(struct wt_buf *bytes, int groups)
{
        char path[128];
        struct rig *r = calloc(1, sizeof *r);
        wt_spool *s;

        rig_init(r, at);
        s = open_spool(at, 1 << 20, 1 << 20, r);
        for (int i = 0; i < groups; i++) {
                __atomic_store_n(&r->hold, 1, __ATOMIC_RELEASE);
                put(s), put(s), put(s);
                __atomic_store_n(&r->hold, 0, __ATOMIC_RELEASE);
                settle(s, 3 * (uint64_t)i + 3);
        }
        wt_spool_close(s);
        free(r);
        wt_buf_clear(bytes);
        only_segment(at, path, sizeof path);
        assert_int_equal(wt_file_read(path, 1 << 20, bytes), WT_OK);
}

static size_t ends_of(const struct wt_buf *b, size_t end[16])
{
        size_t n = 0, p = 40;

        while (p < b->len) {
                uint32_t len;

                memcpy(&len, b->data + p, 4);
                p += 24 + len;
                end[n++] = p;
        }
        return n;
}

static void write_segment(const struct wt_buf *b, size_t len)
{
        char path[128];

        empty_folder(at, false);
        only_segment(at, path, sizeof path);
        plain_write(path, b->data, len);
}

static void torn_anywhere(void **state)
{
        struct wt_buf all = { 0 };
        size_t end[16], n;

        (void)state;
        three_by_three(&all, 2);
        n = ends_of(&all, end);
        assert_int_equal(n, 6);
        for (size_t cut = 40; cut <= all.len; cut++) {
                uint64_t whole = 0;
                wt_spool *s;

                while (whole < n && end[whole] <= cut)
                        whole++;
                write_segment(&all, cut);
                s = open_spool(at, 1 << 20, 1 << 20, NULL);
                assert_int_equal(wt_spool_durable(s), whole);
                settle(s, put(s));
                assert_int_equal(read_all(s, 0), whole + 1);
                wt_spool_close(s);
                s = open_spool(at, 1 << 20, 1 << 20, NULL);
                assert_int_equal(read_all(s, 0), whole + 1);
                wt_spool_close(s);
        }
        wt_buf_free(&all);
}

/* Every bit of three groups: in the first two it is damage to what the third knew to be durable;
 * in the last it reads as a torn end; nothing wrong is ever read. */
static void flipped_anywhere(void **state)
{
        struct wt_buf all = { 0 };
        size_t end[16];
        struct wt_spool_conf c = { at, 1 << 20, 1 << 20, &quiet.io };

        (void)state;
        three_by_three(&all, 3);
        assert_int_equal(ends_of(&all, end), 9);
        for (size_t i = 0; i < all.len * 8; i++) {
                size_t byte = i / 8;
                wt_spool *s;
                wt_err err;

                all.data[byte] ^= (char)(1 << i % 8);
                write_segment(&all, all.len);
                err = wt_spool_open(&s, &c);
                if (byte < end[5]) {
                        if (err == WT_OK)
                                fail_msg("bit %zu of byte %zu went unseen", i % 8, byte);
                        assert_int_equal(err, WT_EDATA);
                        assert_non_null(strstr(wt_words(), "00000001.seg"));
                } else {
                        assert_int_equal(err, WT_OK);
                        assert_true(wt_spool_durable(s) >= 6 && wt_spool_durable(s) < 9);
                        read_all(s, 0);
                        wt_spool_close(s);
                }
                all.data[byte] ^= (char)(1 << i % 8);
        }
        wt_buf_free(&all);
}

static void a_gap_is_said(void **state)
{
        struct wt_spool_conf c = { at, 1000, 1 << 20, &quiet.io };
        wt_spool *s = open_spool(at, 1000, 1 << 20, NULL);
        struct dirent **list;
        char path[400];
        int n;

        (void)state;
        for (int i = 0; i < 40; i++)
                settle(s, put(s));
        wt_spool_close(s);
        n = scandir(at, &list, NULL, alphasort);
        for (int i = 0, segs = 0; i < n; i++) {
                snprintf(path, sizeof path, "%s/%s", at, list[i]->d_name);
                if (strstr(path, ".seg") != NULL && ++segs == 3)
                        unlink(path);
                free(list[i]);
        }
        free(list);
        assert_int_equal(wt_spool_open(&s, &c), WT_EDATA);
        assert_non_null(strstr(wt_words(), "damaged or gone"));
}

static void one_process(void **state)
{
        struct wt_spool_conf c = { at, 1000, 1 << 20, &quiet.io };
        wt_spool *s = open_spool(at, 1000, 1 << 20, NULL), *t;

        (void)state;
        assert_int_equal(wt_spool_open(&t, &c), WT_EUNAVAILABLE);
        assert_non_null(strstr(wt_words(), "another process"));
        wt_spool_close(s);
        assert_int_equal(wt_spool_open(&t, &c), WT_OK);
        wt_spool_close(t);
}

static void full(void **state)
{
        wt_spool *s = open_spool(at, 1000, 5000, NULL);
        char b[400];
        uint64_t seq = 0, n = 0;

        (void)state;
        memset(b, 7, sizeof b);
        while (wt_spool_append(s, b, sizeof b, &seq) == WT_OK && n++ < 100)
                settle(s, seq);
        assert_true(n >= 5 && n < 13);
        assert_int_equal(wt_spool_append(s, b, sizeof b, &seq), WT_EEXHAUSTED);
        assert_non_null(strstr(wt_words(), "full"));
        assert_int_equal(seq, n);
        wt_spool_release(s, n);
        assert_int_equal(wt_spool_append(s, b, sizeof b, &seq), WT_OK);
        assert_int_equal(wt_spool_append(s, b, 0, &seq), WT_EINVAL);
        wt_spool_close(s);
}

/* The newest segment stays: with the largest group in it there is room all the same. */
static void never_full_for_good(void **state)
{
        struct rig *r = calloc(1, sizeof *r);
        wt_spool *s;
        char b[100] = { 7 };
        uint64_t seq = 0;

        (void)state;
        rig_init(r, at);
        s = open_spool(at, 1 << 20, 8000, r);
        for (int i = 0; i < 4; i++) {
                __atomic_store_n(&r->hold, 1, __ATOMIC_RELEASE);
                while (wt_spool_append(s, b, sizeof b, &seq) == WT_OK)
                        ;
                __atomic_store_n(&r->hold, 0, __ATOMIC_RELEASE);
                settle(s, seq);
                wt_spool_release(s, seq);
        }
        assert_int_equal(wt_spool_append(s, b, sizeof b, &seq), WT_OK);
        wt_spool_close(s);
        free(r);
}

/* Each kind of call fails once, at each of its first times: nothing that was appended is lost or
 * doubled, and a descriptor whose sync failed is not asked again. */
static void one_failure(void **state)
{
        (void)state;
        for (int op = 0; op < N_OPS; op++)
                for (uint64_t nth = 1; nth <= 6; nth++) {
                        struct rig *r = calloc(1, sizeof *r);
                        wt_spool *s;
                        uint64_t failures;
                        struct wt_spool_stats st;

                        fresh(NULL);
                        rig_init(r, at);
                        s = open_spool(at, 600, 1 << 20, r);
                        r->fail_at[op] = r->fail_until[op] = nth;
                        for (int i = 0; i < 20; i++) {
                                char b[400];
                                uint64_t seq, next = wt_spool_appended(s) + 1;

                                while (wt_spool_append(s, b, make(next, b), &seq) == WT_EIO)
                                        sched_yield();
                                settle(s, seq);
                        }
                        wt_spool_stats(s, &st);
                        failures = st.failures;
                        assert_int_equal(read_all(s, 0), 20);
                        wt_spool_close(s);
                        assert_int_equal(failures, 1);
                        assert_false(r->asked_again);
                        s = open_spool(at, 600, 1 << 20, NULL);
                        assert_int_equal(read_all(s, 0), 20);
                        wt_spool_close(s);
                        free(r);
                }
}

static void refused_while_it_fails(void **state)
{
        struct rig *r = calloc(1, sizeof *r);
        wt_spool *s;
        char why[256], b[400];
        uint64_t seq, first;

        (void)state;
        rig_init(r, at);
        s = open_spool(at, 1 << 20, 1 << 20, r);
        settle(s, put(s));
        r->fail_at[WRITE] = r->calls[WRITE] + 1;
        r->fail_until[WRITE] = UINT64_MAX;
        first = put(s);
        while (wt_spool_good(s, why, sizeof why))
                sched_yield();
        assert_non_null(strstr(why, "No space left"));
        assert_int_equal(wt_spool_append(s, b, 10, &seq), WT_EIO);
        assert_int_equal(wt_spool_durable(s), first - 1);        /* and nothing is acknowledged */
        pthread_mutex_lock(&r->lock);
        r->fail_until[WRITE] = 0;
        pthread_mutex_unlock(&r->lock);
        settle(s, first);
        assert_true(wt_spool_good(s, why, sizeof why));
        settle(s, put(s));
        assert_int_equal(read_all(s, 0), 3);
        wt_spool_close(s);
        free(r);
}

static void many_in_one_sync(void **state)
{
        struct rig *r = calloc(1, sizeof *r);
        wt_spool *s;
        struct wt_spool_stats st;

        (void)state;
        rig_init(r, at);
        s = open_spool(at, 1 << 20, 1 << 20, r);
        __atomic_store_n(&r->hold, 1, __ATOMIC_RELEASE);
        for (int i = 0; i < 500; i++)
                put(s);
        __atomic_store_n(&r->hold, 0, __ATOMIC_RELEASE);
        settle(s, 500);
        wt_spool_stats(s, &st);
        assert_true(st.syncs <= 2 && st.waiting_bytes == 0);
        wt_spool_close(s);
        free(r);
}

/* Power cuts at any moment of a run with rotation, releases and failures. Returns how many records
 * that were acknowledged are gone. */
static uint64_t cut_power(bool lies, uint32_t seed)
{
        struct rig *r = calloc(1, sizeof *r);
        wt_spool *s, *t;
        uint64_t lost = 0, released = 0, last = 0;
        struct rig back;

        fresh(NULL);
        rig_init(r, at);
        rig_init(&back, other);
        r->lies = lies;
        s = open_spool(at, 3000, 1 << 20, r);
        for (uint32_t turn = 0; turn < 40; turn++) {
                uint64_t seen, acked;

                for (int i = (int)(wt_philox_unit(seed, turn, 1, 0) * 20); i >= 0; i--)
                        last = put(s);
                if (turn % 3 == 0)
                        settle(s, last);
                if (turn == 20) {
                        wt_spool_release(s, released = wt_spool_durable(s) / 2);
                }
                acked = wt_spool_durable(s);
                rig_power_cut(r, other);
                struct wt_spool_conf c = { other, 3000, 1 << 20, &back.io };
                if (acked == 0)
                        continue;
                if (wt_spool_open(&t, &c) != WT_OK) {
                        lost += lies;
                        if (!lies)
                                fail_msg("%s", wt_words());
                        continue;
                }
                seen = read_all(t, released < 1 ? 0 : released);
                lost += seen < acked ? acked - seen : 0;
                wt_spool_close(t);
        }
        wt_spool_close(s);
        free(r);
        return lost;
}

static void power_cuts(void **state)
{
        (void)state;
        for (uint32_t seed = 0; seed < 10; seed++)
                assert_int_equal(cut_power(false, seed), 0);
        assert_true(cut_power(true, 0) > 0);     /* the same look at a disk that lies */
}

struct feeder { wt_spool *s; uint64_t n; };

static void *feed(void *arg)
{
        struct feeder *f = arg;

        for (uint64_t i = 0; i < f->n; i++)
                put(f->s);
        return NULL;
}

static void fed_and_drained_at_once(void **state)
{
        struct wt_spool_conf c = { at, 20000, 64 << 20, NULL };  /* a disk as it is */
        wt_spool *s;
        struct feeder f = { NULL, 6000 };
        pthread_t t;
        uint64_t seq = 0;

        (void)state;
        assert_int_equal(wt_spool_open(&s, &c), WT_OK);
        f.s = s;
        assert_int_equal(pthread_create(&t, NULL, feed, &f), 0);
        while (seq < f.n) {
                wt_spool_wait(s, seq, 1000000);
                seq = read_all(s, seq);
                wt_spool_release(s, seq);
        }
        pthread_join(t, NULL);
        assert_true(count_segments(at) <= 2);
        wt_spool_close(s);
}

static void put_later(wt_spool *s, uint64_t n_syncs, uint64_t durable)
{
        struct wt_spool_stats st;
        char b[400];
        uint64_t seq = wt_spool_appended(s) + 1;

        assert_int_equal(wt_spool_append_later(s, b, make(seq, b), &seq), WT_OK);
        for (int i = 0; i < 200; i++)
                sched_yield();                   /* a thread that was woken would run now */
        wt_spool_stats(s, &st);
        assert_int_equal(st.syncs, n_syncs);
        assert_int_equal(wt_spool_durable(s), durable);
}

static void later_and_together(void **state)
{
        wt_spool *s = open_spool(at, 1 << 20, 1 << 24, NULL);

        (void)state;
        put_later(s, 0, 0);
        settle(s, put(s));                       /* with the next one */
        put_later(s, 1, 2);
        wt_spool_sync(s);                        /* when asked for */
        settle(s, 3);
        put_later(s, 2, 3);
        wt_spool_close(s);                       /* at the end */
        s = open_spool(at, 1 << 20, 1 << 24, NULL);
        assert_int_equal(read_all(s, 0), 4);
        wt_spool_close(s);
}

static void crc(void **state)
{
        uint8_t b[300];

        (void)state;
        assert_int_equal(wt_crc32c(0, "123456789", 9), 0xe3069283u);
        wt_random_bytes(b, sizeof b);
        for (size_t n = 0; n < 280; n++) {
                assert_int_equal(wt_crc32c(0, b + n % 9, n), wt_crc32c_plain(0, b + n % 9, n));
                assert_int_equal(wt_crc32c(wt_crc32c(0, b, n / 2), b + n / 2, n - n / 2),
                                 wt_crc32c_plain(0, b, n));
        }
}

#define CASE(words, f) { words, f, fresh, NULL, NULL }

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE("CRC-32C, by table and by instruction", crc),
                CASE("sequences go on after open", sequences_go_on),
                CASE("what is released is deleted, but for the newest", released_is_deleted),
                CASE("an end torn at any byte is cut off", torn_anywhere),
                CASE("any flipped bit is seen", flipped_anywhere),
                CASE("a segment that is gone is said", a_gap_is_said),
                CASE("a folder belongs to one process", one_process),
                CASE("a full spool refuses", full),
                CASE("no spool is full for good", never_full_for_good),
                CASE("each call fails once, at each time", one_failure),
                CASE("a disk that fails is not appended to, and comes back",
                     refused_while_it_fails),
                CASE("many appends, one sync", many_in_one_sync),
                CASE("what may wait is synced together with others", later_and_together),
                CASE("power cuts lose nothing that was acknowledged", power_cuts),
                CASE("fed and drained at once", fed_and_drained_at_once),
        };

        return cmocka_run_group_tests(tests, make_root, drop_root);
}
