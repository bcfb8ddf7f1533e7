/* misfits_test.c - what does not fit is refused at the start in a sentence that says what, where
 * and what to do: workers with other bytes or another config, ports that are taken, model folders
 * that are wrong. Exit codes are those of architecture.md section 5; nothing is left running. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "field.h"

enum { SECOND = 1000 * 1000, MINUTE = 60 * SECOND };

static struct field f;

/* ---- copies of models/tiny, and what can be wrong in them ---- */

static void copy_model(const char *to)
{
        static const char *const files[] = {
                "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
                "tokenizer_config.json", "special_tokens_map.json" };

        assert_int_equal(wt_dir_make(to, 0700), WT_OK);
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                struct wt_buf b = { 0 };
                char path[512];

                snprintf(path, sizeof path, "models/tiny/%s", files[i]);
                assert_int_equal(wt_file_read(path, 64 << 20, &b), WT_OK);
                snprintf(path, sizeof path, "%s/%s", to, files[i]);
                assert_int_equal(wt_file_write(path, b.data, b.len, 0600), WT_OK);
                wt_buf_free(&b);
        }
}

struct file { char path[512]; struct wt_buf b; };

static void edit(struct file *e, const char *dir, const char *name)
{
        memset(e, 0, sizeof *e);
        snprintf(e->path, sizeof e->path, "%s/%s", dir, name);
        assert_int_equal(wt_file_read(e->path, 64 << 20, &e->b), WT_OK);
}

static void save(struct file *e)
{
        assert_int_equal(wt_file_write(e->path, e->b.data, e->b.len, 0600), WT_OK);
        wt_buf_free(&e->b);
}

/* Replaces the first `from`, which must be there, by `to` of the same length. */
static void replace(struct file *e, const char *from, const char *to)
{
        char *at = memmem(e->b.data, e->b.len, from, strlen(from));

        assert_non_null(at);
        assert_int_equal(strlen(from), strlen(to));
        memcpy(at, to, strlen(to));
}

/* Where a tensor's bytes lie in model.safetensors. */
static size_t tensor_at(const struct file *e, const char *tensor)
{
        uint64_t header, begin;
        wt_json *j;

        memcpy(&header, e->b.data, 8);
        assert_int_equal(wt_json_parse(&j, e->b.data + 8, header, &wt_json_default), WT_OK);
        assert_true(wt_json_u64(j, wt_json_first(j, wt_json_get(j, wt_json_get(j, 0, tensor),
                                                                "data_offsets")), &begin));
        wt_json_free(j);
        return 8 + header + begin;
}

static void flip_expert(const char *dir)
{
        struct file e;

        edit(&e, dir, "model.safetensors");
        e.b.data[tensor_at(&e, "model.layers.3.mlp.experts.5.up_proj.weight") + 1001] ^= 1;
        save(&e);
}

static void flip_trunk(const char *dir)
{
        struct file e;

        edit(&e, dir, "model.safetensors");
        e.b.data[tensor_at(&e, "model.layers.3.self_attn.o_proj.weight") + 1000] ^= 1;
        save(&e);
}

static void change_config(const char *dir)
{
        struct file e;

        edit(&e, dir, "config.json");
        replace(&e, "\"routed_scaling_factor\": 2.5", "\"routed_scaling_factor\": 2.0");
        save(&e);
}

static void truncate_tensors(const char *dir)
{
        struct file e;

        edit(&e, dir, "model.safetensors");
        e.b.len -= 100000;
        save(&e);
}

static void lengthen_tensors(const char *dir)
{
        struct file e;

        edit(&e, dir, "model.safetensors");
        wt_buf_add(&e.b, "more", 4);
        save(&e);
}

static void lose_tensor(const char *dir)
{
        struct file e;

        edit(&e, dir, "model.safetensors");
        replace(&e, "model.layers.4.mlp.experts.2.gate_proj.weight",
                "model.layers.4.mlp.experts.2.gate_proj.waight");
        save(&e);
}

/* lm_head says that it begins where the biases lie. */
static void overlap_tensors(const char *dir)
{
        struct file e;

        edit(&e, dir, "model.safetensors");
        replace(&e, "[320,2097472]", "[20,2097172 ]");
        save(&e);
}

static void bad_bias(const char *dir)
{
        static const float nan = __builtin_nanf("");
        struct file e;

        edit(&e, dir, "model.safetensors");
        memcpy(e.b.data + tensor_at(&e, "model.layers.2.mlp.gate.e_score_correction_bias") + 12,
               &nan, 4);
        save(&e);
}

static void contradict(const char *dir)
{
        struct file e;

        edit(&e, dir, "config.json");
        replace(&e, "\"n_routed_experts\": 16", "\"n_routed_experts\": 12");
        save(&e);
}

static void unknown_family(const char *dir)
{
        struct file e;

        edit(&e, dir, "config.json");
        replace(&e, "\"deepseek_v3\"", "\"deepseek_v9\"");
        save(&e);
}

static void no_config(const char *dir)
{
        char path[512];

        snprintf(path, sizeof path, "%s/config.json", dir);
        assert_int_equal(unlink(path), 0);
}

/* ---- workers that do not fit a running cluster ---- */

struct misfit { const char *name; void (*spoil)(const char *dir); const char *words[4]; };
static const struct misfit misfits[] = {
        { "a worker with other bytes of one expert", flip_expert,
          { "refuses", "expert 5 of layer 3", "variant", "--model" } },
        { "a worker with another config", change_config,
          { "refuses", "config.json", "expert-1", "--model" } },
};
enum { N_MISFITS = sizeof misfits / sizeof *misfits };

static void misfit(void **state)
{
        static struct seq_want truth, s;
        const struct misfit *row = *state;
        struct field_client c;
        char dir[256], flag[300];
        const char *line;
        uint32_t router, good, bad;

        field_open(&f, NULL, "models/tiny");
        snprintf(dir, sizeof dir, "%s/other/tiny", f.dir);
        snprintf(flag, sizeof flag, "--model=%s", dir);
        copy_model(dir);
        row->spoil(dir);
        router = field_start(&f, NULL, "router", "router-0", "--threads=1", NULL);
        good = field_start(&f, NULL, "expert", "expert-0", "--threads=1", NULL);
        field_ready(&f, good);
        field_ready(&f, router);
        client_open(&c, &f, "gateway-0");
        seq_plain(&truth, 1, 24);
        seq_submit(&c, &truth);
        assert_int_equal(seq_collect(&c, &truth, 1, MINUTE), 1);
        assert_int_equal(truth.finish, WT_LENGTH);
        bad = field_start(&f, NULL, "expert", "expert-1", flag, "--threads=1", NULL);
        assert_int_equal(field_wait(&f, bad), 2);
        line = field_log(&f, "expert-1", "witan-expert: ");
        print_message("# %s\n", line);
        for (int i = 0; i < 4; i++)
                if (strstr(line, row->words[i]) == NULL)
                        fail_msg("\"%s\" is not in: %s", row->words[i], line);
        seq_plain(&s, 2, 24);
        seq_submit(&c, &s);
        assert_int_equal(seq_collect(&c, &s, 1, MINUTE), 1);
        seq_same(&s, &truth);
        assert_true(field_metric(&f, router, "witan_router_worker_live") == 1);
        client_close(&c);
        field_close(&f);
}

/* Other bytes that no expert has: experts cannot know, and are welcome to work for that router. */
static void another_trunk(void **state)
{
        uint32_t router, worker;
        char dir[256], flag[300];

        (void)state;
        field_open(&f, NULL, "models/tiny");
        snprintf(dir, sizeof dir, "%s/other/tiny", f.dir);
        snprintf(flag, sizeof flag, "--model=%s", dir);
        copy_model(dir);
        flip_trunk(dir);
        router = field_start(&f, NULL, "router", "router-0", flag, "--threads=1", NULL);
        worker = field_start(&f, NULL, "expert", "expert-0", "--threads=1", NULL);
        field_ready(&f, worker);
        field_ready(&f, router);
        field_close(&f);
}

/* ---- ports ---- */

static int take_port(int *port)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof a;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
        *port = ntohs(a.sin_port);
        return fd;
}

static void port_in_use(void **state)
{
        static const struct { const char *role, *name, *flag; } rows[] = {
                { "router", "router-0", "--bus=tcp://127.0.0.1:%d" },
                { "router", "router-1", "--metrics=127.0.0.1:%d" },
                { "gateway", "gateway-0", "--http=127.0.0.1:%d" },
                { "gateway", "gateway-1", "--metrics=127.0.0.1:%d" },
                { "expert", "expert-0", "--metrics=127.0.0.1:%d" },
        };
        char number[16], flag[80];
        int port, fd = take_port(&port);

        (void)state;
        field_open(&f, NULL, "models/tiny");
        snprintf(number, sizeof number, "%d", port);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                bool gateway = strcmp(rows[i].role, "gateway") == 0;
                const char *line;
                uint32_t p;

                snprintf(flag, sizeof flag, rows[i].flag, port);
                p = field_start(&f, NULL, rows[i].role, rows[i].name, flag,
                                gateway ? "--open-door" : "--threads=1",
                                strstr(flag, "--metrics") != NULL && gateway ? "--http=127.0.0.1:0"
                                                                             : NULL,
                                NULL);
                assert_int_equal(field_wait(&f, p), 2);
                snprintf(flag, sizeof flag, "witan-%s: ", rows[i].role);
                line = field_log(&f, rows[i].name, flag);
                print_message("# %s\n", line);
                if (strstr(line, number) == NULL || strstr(line, "in use") == NULL)
                        fail_msg("it does not say that port %d is in use: %s", port, line);
        }
        close(fd);
        field_close(&f);
}

/* ---- witan up ---- */

/* Processes with this text in their command line. */
static uint32_t left_running(const char *text)
{
        struct dirent *e;
        DIR *d = opendir("/proc");
        uint32_t n = 0;

        assert_non_null(d);
        while ((e = readdir(d)) != NULL) {
                char path[300], line[4096];
                size_t len;
                FILE *in;

                snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
                if (atoi(e->d_name) == 0 || (in = fopen(path, "r")) == NULL)
                        continue;
                len = fread(line, 1, sizeof line, in);
                n += len > 0 && memmem(line, len, text, strlen(text)) != NULL;
                fclose(in);
        }
        closedir(d);
        return n;
}

static void nothing_left(void)
{
        uint64_t end = wt_now_us(&wt_clock_real) + 120 * SECOND;
        const struct timespec nap = { 0, 20 * 1000 * 1000 };

        while (left_running(f.dir) > 0) {
                if (wt_now_us(&wt_clock_real) > end)
                        fail_msg("%u processes of %s are left", left_running(f.dir), f.dir);
                nanosleep(&nap, NULL);
        }
}

/* witan up with these words; its exit code. What it says lies in DIR/said. */
static int up(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int up(const char *fmt, ...)
{
        char flags[1024], line[2600];
        va_list ap;
        int st;

        va_start(ap, fmt);
        vsnprintf(flags, sizeof flags, fmt, ap);
        va_end(ap);
        snprintf(line, sizeof line,
                 "%s/bin/witan up --state %s --threads 1 %s >%s/said 2>&1 </dev/null", f.build,
                 f.dir, flags, f.dir);
        st = system(line);
        return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void said(const char *a, const char *b, const char *c)
{
        struct wt_buf text = { 0 };
        char path[256];

        snprintf(path, sizeof path, "%s/said", f.dir);
        assert_int_equal(wt_file_read(path, 1 << 20, &text), WT_OK);
        for (const char *p = text.data; p != NULL && *p != '\0';
             p = strchr(p, '\n'), p += p != NULL)
                if (strncmp(p, "witan up: ", 10) == 0)
                        print_message("# %.*s\n", (int)strcspn(p, "\n"), p);
        if (strstr(text.data, a) == NULL || strstr(text.data, b) == NULL ||
            strstr(text.data, c) == NULL)
                fail_msg("it does not say \"%s\", \"%s\" and \"%s\": %s", a, b, c, text.data);
        wt_buf_free(&text);
}

struct folder { const char *name; void (*spoil)(const char *dir); const char *words[3]; };
static const struct folder folders[] = {
        { "truncated tensors", truncate_tensors,
          { "model.safetensors", "ends at byte", "cut short" } },
        { "tensors longer than their header says", lengthen_tensors,
          { "model.safetensors", "20021956 bytes", "20021952" } },
        { "a tensor that is missing", lose_tensor,
          { "model.layers.4.mlp.experts.2.gate_proj.weight", "missing", "" } },
        { "tensors that overlap", overlap_tensors,
          { "model.safetensors", "lm_head.weight", "overlap" } },
        { "NaN in a gate bias", bad_bias,
          { "model.layers.2.mlp.gate.e_score_correction_bias[3]", "NaN", "finite" } },
        { "a config that contradicts the tensors", contradict,
          { "model.layers.1.mlp.gate.weight", "16x256", "12x256" } },
        { "an unknown family", unknown_family, { "config.json", "deepseek_v9", "deepseek_v3" } },
        { "no config", no_config, { "config.json", "", "" } },
};
enum { N_FOLDERS = sizeof folders / sizeof *folders };

static void bad_folder(void **state)
{
        const struct folder *row = *state;
        char dir[256];

        field_open(&f, NULL, "models/tiny");
        snprintf(dir, sizeof dir, "%s/other/tiny", f.dir);
        copy_model(dir);
        row->spoil(dir);
        assert_int_equal(up("--detach --http 127.0.0.1:0 --model %s", dir), 1);
        said(row->words[0], row->words[1], row->words[2]);
        nothing_left();
        field_close(&f);
}

static void no_folder(void **state)
{
        (void)state;
        field_open(&f, NULL, "models/tiny");
        assert_int_equal(up("--http 127.0.0.1:0 --model models/none"), 1);
        said("models/none", "--model", "");
        nothing_left();
        assert_int_equal(up("--htp 127.0.0.1:0"), 2);
        said("--htp", "--http", "");
        nothing_left();
        field_close(&f);
}

static void up_port_in_use(void **state)
{
        char number[16];
        int port, fd = take_port(&port);

        (void)state;
        field_open(&f, NULL, "models/tiny");
        snprintf(number, sizeof number, "%d", port);
        assert_int_equal(up("--http 127.0.0.1:%d", port), 1);            /* in the foreground */
        said(number, "in use", "");
        nothing_left();
        assert_int_equal(up("--detach --http 127.0.0.1:%d", port), 1);
        said(number, "in use", "");
        nothing_left();
        assert_int_equal(up("--detach --http 127.0.0.1:0 --bus tcp://127.0.0.1:%d", port), 1);
        said(number, "in use", "");
        nothing_left();
        close(fd);
        field_close(&f);
}

int main(void)
{
        static const struct CMUnitTest others[] = {
                cmocka_unit_test(another_trunk), cmocka_unit_test(port_in_use),
                cmocka_unit_test(no_folder), cmocka_unit_test(up_port_in_use) };
        enum { N_OTHERS = sizeof others / sizeof *others };
        struct CMUnitTest tests[N_OTHERS + N_MISFITS + N_FOLDERS], *t = tests;

        for (size_t i = 0; i < N_MISFITS; i++)
                *t++ = (struct CMUnitTest){ misfits[i].name, misfit, NULL, NULL,
                                            (void *)&misfits[i] };
        for (size_t i = 0; i < N_FOLDERS; i++)
                *t++ = (struct CMUnitTest){ folders[i].name, bad_folder, NULL, NULL,
                                            (void *)&folders[i] };
        memcpy(t, others, sizeof others);
        return cmocka_run_group_tests_name("misfits", tests, NULL, NULL);
}
