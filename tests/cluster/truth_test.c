/* truth_test.c - what the picture in the README claims, looked at from outside: the router maps no
 * routed expert's bytes, workers map their own and nothing else, every pick is answered by a
 * worker, and the memory for keys and values is what was allowed. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "field.h"

enum { SECOND = 1000 * 1000, MINUTE = 60 * SECOND, MOE_LAYERS = 5, PICKS = 2 };

static struct field f;
static struct field_client c;
static uint32_t router, worker[3];

/* ---- what is mapped ---- */

/* Files that a process maps: those under the state folder's packs/, and the model's own. */
struct maps { char pack[512][96]; uint32_t n_packs, n_model; };

static bool has(const struct maps *m, const char *path)
{
        for (uint32_t i = 0; i < m->n_packs; i++)
                if (strcmp(m->pack[i], path) == 0)
                        return true;
        return false;
}

static void read_maps(struct maps *m, uint32_t process)
{
        char name[64], line[1024], packs[160], perms[8];
        size_t n = (size_t)snprintf(packs, sizeof packs, "%s/packs/", f.dir);
        FILE *in;

        memset(m, 0, sizeof *m);
        snprintf(name, sizeof name, "/proc/%d/maps", (int)f.p[process].pid);
        assert_non_null(in = fopen(name, "r"));
        while (fgets(line, sizeof line, in) != NULL) {
                char *path = strchr(line, '/');

                if (path == NULL)
                        continue;
                path[strcspn(path, "\n")] = '\0';
                m->n_model += strstr(path, ".safetensors") != NULL;
                if (strncmp(path, packs, n) != 0)
                        continue;
                assert_int_equal(sscanf(line, "%*s %7s", perms), 1);
                assert_string_equal(perms, "r--s");      /* read-only and shared */
                assert_true(strlen(path + n) < sizeof m->pack[0]);
                if (!has(m, path + n)) {
                        assert_true(m->n_packs < 512);
                        strcpy(m->pack[m->n_packs++], path + n);
                }
        }
        fclose(in);
}

static uint32_t common(const struct maps *a, const struct maps *b)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < a->n_packs; i++)
                n += has(b, a->pack[i]);
        return n;
}

static void start(const char *shard[3], const char *router_flag[3])
{
        char flag[80], name[16];

        field_open(&f, NULL, "models/tiny");
        router = field_start(&f, NULL, "router", "router-0", "--threads=2", router_flag[0],
                             router_flag[1], router_flag[2], NULL);
        for (uint32_t i = 0; i < 3 && shard[i] != NULL; i++) {
                snprintf(flag, sizeof flag, "--shard=%s", shard[i]);
                snprintf(name, sizeof name, "expert-%u", i);
                worker[i] = field_start(&f, NULL, "expert", name, flag, "--threads=1", NULL);
        }
        for (uint32_t i = 0; i < 3 && shard[i] != NULL; i++)
                field_ready(&f, worker[i]);
        field_ready(&f, router);
        client_open(&c, &f, "gateway-0");
}

static void stop(void)
{
        client_close(&c);
        field_close(&f);
}

static void who_maps_what(void **state)
{
        static struct maps r, w[3];
        static struct seq_want s[MIXED];
        double bytes = 0;

        (void)state;
        start((const char *[]){ "1-5:0-5", "1-5:6-15", "2:3-9" }, (const char *[3]){ NULL });
        seq_mixed(s, 4096);
        for (uint32_t i = 0; i < 10; i++)
                seq_submit(&c, &s[i]);
        assert_int_equal(seq_collect(&c, s, 10, MINUTE), 10);
        read_maps(&r, router);                   /* after work: nothing was mapped on the way */
        for (uint32_t i = 0; i < 3; i++) {
                read_maps(&w[i], worker[i]);
                assert_int_equal(common(&r, &w[i]), 0);
                assert_int_equal(w[i].n_model, 0);
        }
        assert_int_equal(r.n_model, 0);          /* nor the file that all of them came from */
        assert_true(r.n_packs > 0);
        assert_int_equal(w[0].n_packs, MOE_LAYERS * 6);
        assert_int_equal(w[1].n_packs, MOE_LAYERS * 10);
        assert_int_equal(w[2].n_packs, 7);
        assert_int_equal(common(&w[0], &w[1]), 0);
        assert_int_equal(common(&w[2], &w[0]) + common(&w[2], &w[1]), 7); /* shared */
        for (uint32_t i = 0; i < w[1].n_packs; i++) {
                char path[320];
                struct stat st;

                snprintf(path, sizeof path, "%s/packs/%s", f.dir, w[1].pack[i]);
                assert_int_equal(stat(path, &st), 0);
                assert_int_equal(st.st_mode & 0777, 0400);
                bytes += (double)st.st_size;
        }
        assert_true(field_metric(&f, worker[1], "witan_expert_mapped_bytes") <= bytes);
        assert_true(field_metric(&f, worker[1], "witan_expert_mapped_bytes") > bytes / 2);
        print_message("# router: %u packs; workers: %u, %u and %u, none of them the router's\n",
                      r.n_packs, w[0].n_packs, w[1].n_packs, w[2].n_packs);
        stop();
}

/* ---- every pick is answered by a worker ---- */

static void picks_are_counted(void **state)
{
        static struct seq_want s[MIXED];
        double rows, picks = 0, calls = 0;

        (void)state;
        start((const char *[]){ "1-5:0-5", "*", "1-3:2-9" },
              (const char *[3]){ "--hedge-after=60s", "--place=least-loaded" });
        seq_mixed(s, 4096);
        for (uint32_t i = 0; i < MIXED; i++)
                seq_submit(&c, &s[i]);
        assert_int_equal(seq_collect(&c, s, MIXED, MINUTE), MIXED);
        field_until(&f, router, "witan_router_sequences_running", 0, 0);
        for (uint32_t i = 0; i < 3; i++) {
                double p = field_metric(&f, worker[i], "witan_expert_picks_total");

                assert_true(p > 0);
                picks += p;
                calls += field_metric(&f, worker[i], "witan_expert_calls_total");
        }
        rows = field_metric(&f, router, "witan_router_step_rows_total");
        print_message("# %.0f rows, %.0f picks in %.0f calls\n", rows, picks, calls);
        assert_true(rows > 0 && picks == rows * PICKS * MOE_LAYERS);
        assert_true(field_metric(&f, router, "witan_router_worker_picks_total") == picks);
        assert_true(field_metric(&f, router, "witan_router_calls_total") == calls);
        stop();
}

/* ---- memory for keys and values ---- */

static uint64_t number_in(const char *line, const char *name)
{
        const char *at = strstr(line, name);

        assert_non_null(at);
        return strtoull(at + strlen(name), NULL, 10);
}

static void ask_for(struct seq_want *s, uint32_t i, uint32_t n_prompt, uint32_t max_tokens)
{
        memset(s, 0, sizeof *s);
        s->n_prompt = n_prompt;
        for (uint32_t k = 0; k < n_prompt; k++)
                s->prompt[k] = (int32_t)(300 + k);
        s->max_tokens = max_tokens;
        s->temperature = s->top_p = 1;
        s->seed = i;
        s->id[0] = (uint8_t)i;
        s->id[15] = 3;
}

static void refused_with(struct seq_want *s, int status, const char *a, const char *b)
{
        seq_submit(&c, s);
        assert_int_equal(seq_collect(&c, s, 1, MINUTE), 1);
        assert_int_equal(s->finish, WT_FAILED);
        assert_int_equal(s->status, status);
        if (strstr(s->message, a) == NULL || strstr(s->message, b) == NULL)
                fail_msg("it does not name %s and %s: %s", a, b, s->message);
        print_message("# %s\n", s->message);
}

/* A flood against room for a few: all are answered in turn, and the pool is never exceeded. */
static void kv_is_bounded(void **state)
{
        enum { FLOOD = 60, PAGES = 12 };
        static struct seq_want s[FLOOD], big;
        char kv[32], page_bytes[32], need[32];
        double used, most = 0, waited = 0;
        uint64_t end = wt_now_us(&wt_clock_real) + MINUTE, bytes;
        const char *line;

        (void)state;
        start((const char *[3]){ "*" }, (const char *[3]){ "--kv-bytes=64M" });
        line = field_log(&f, "router-0", "ROUTER-KV");
        bytes = number_in(line, "\"page_bytes\":");
        assert_int_equal(number_in(line, "\"kv_bytes\":"), 64 << 20);
        assert_int_equal(number_in(line, "\"pages\":"), (64 << 20) / bytes);
        assert_int_equal(number_in(line, "\"tokens\":"), (64 << 20) / bytes * 64);
        stop();
        snprintf(page_bytes, sizeof page_bytes, "%llu", (unsigned long long)bytes);
        snprintf(kv, sizeof kv, "--kv-bytes=%llu", (unsigned long long)(PAGES * bytes + bytes / 2));
        start((const char *[3]){ "*" }, (const char *[3]){ kv });
        assert_int_equal(number_in(field_log(&f, "router-0", "ROUTER-KV"), "\"pages\":"), PAGES);
        assert_true(field_metric(&f, router, "witan_router_kv_pages") == PAGES);
        for (uint32_t i = 0; i < FLOOD; i++) {
                ask_for(&s[i], i, 40 + 3 * i % 50, 30 + 7 * i % 120);
                seq_submit(&c, &s[i]);
        }
        while (seq_collect(&c, s, FLOOD, 2000) < FLOOD) {
                double w = field_metric(&f, router, "witan_router_sequences_waiting");

                used = field_metric(&f, router, "witan_router_kv_pages_used");
                assert_true(used <= PAGES);
                most = used > most ? used : most;
                waited = w > waited ? w : waited;
                assert_true(wt_now_us(&wt_clock_real) < end);
        }
        for (uint32_t i = 0; i < FLOOD; i++)
                assert_int_equal(s[i].finish, WT_LENGTH);
        print_message("# flood of %d: at most %.0f of %d pages, at most %.0f waited\n", FLOOD, most,
                      PAGES, waited);
        assert_true(most >= PAGES - 4 && waited > 0);
        field_until(&f, router, "witan_router_kv_pages_used", 0, 0);
        ask_for(&big, 99, 500, 500);             /* within the context, never within the pool */
        snprintf(need, sizeof need, "need %d KV pages", (1000 + 63) / 64);
        refused_with(&big, WT_EEXHAUSTED, need, "has 12");
        ask_for(&big, 98, 700, 700);
        refused_with(&big, WT_ERANGE, "1400", "1024");
        ask_for(&big, 97, PAGES * 64 - 10, 10);  /* exactly the pool: it can */
        seq_submit(&c, &big);
        assert_int_equal(seq_collect(&c, &big, 1, MINUTE), 1);
        assert_int_equal(big.finish, WT_LENGTH);
        stop();
}

static void waiting_is_bounded(void **state)
{
        enum { FLOOD = 12 };
        static struct seq_want s[FLOOD];
        uint32_t answered = 0, refused = 0;

        (void)state;
        start((const char *[3]){ "*" }, (const char *[3]){ "--max-waiting=4", "--max-seqs=2" });
        for (uint32_t i = 0; i < FLOOD; i++) {
                ask_for(&s[i], i, 5, 200);
                seq_submit(&c, &s[i]);
        }
        assert_int_equal(seq_collect(&c, s, FLOOD, MINUTE), FLOOD);
        for (uint32_t i = 0; i < FLOOD; i++) {
                if (s[i].finish == WT_LENGTH) {
                        answered++;
                        continue;
                }
                assert_int_equal(s[i].finish, WT_FAILED);
                assert_int_equal(s[i].status, WT_EEXHAUSTED);
                assert_non_null(strstr(s[i].message, "max_waiting"));
                assert_true(i >= 6);             /* first come, first served */
                refused++;
        }
        print_message("# 2 run, 4 wait: %u answered, %u refused\n", answered, refused);
        assert_int_equal(answered, 6);
        assert_int_equal(refused, FLOOD - 6);
        assert_true(field_metric(&f, router, "witan_router_refused_total") == refused);
        stop();
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(who_maps_what), cmocka_unit_test(picks_are_counted),
                cmocka_unit_test(kv_is_bounded), cmocka_unit_test(waiting_is_bounded) };

        return cmocka_run_group_tests_name("truth", tests, NULL, NULL);
}
