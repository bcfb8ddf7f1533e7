/* packfile_test.c - packs on the disk: whole, shared, sealed, built once. */
#include "model/test_plain.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void first_pack(const char *dir, char path[4 * TEST_PATH], struct stat *st)
{
        DIR *d = opendir(dir);

        path[0] = '\0';
        for (struct dirent *e; (e = readdir(d));)
                if (strstr(e->d_name, ".pack") && strlen(e->d_name) == 69)
                        snprintf(path, 4 * TEST_PATH, "%s/%s", dir, e->d_name);
        closedir(d);
        assert_int_equal(stat(path, st), 0);
}

static void pack_again(const struct place *p)
{
        wt_model *m = open_model(p);
        struct wt_trunk *t = trunk_of(m);
        struct wt_expert_weights w;

        for (uint32_t e = 0; e < 4; e++) {
                if (wt_model_expert(m, NULL, 1, e, &w, NULL) != WT_OK)
                        fail_msg("%s", wt_words());
                same(w.down, p->model,
                     (const char *[]){"model.layers.1.mlp.experts.0.down_proj.weight",
                                      "model.layers.1.mlp.experts.1.down_proj.weight",
                                      "model.layers.1.mlp.experts.2.down_proj.weight",
                                      "model.layers.1.mlp.experts.3.down_proj.weight"}[e],
                     24, 6);
                wt_model_drop_expert(m, NULL, 1, e, &w);
        }
        wt_model_drop_trunk(m, NULL, t);
        wt_model_close(m);
}

static void packs_are_kept(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);
        char path[4 * TEST_PATH];
        struct stat a, b;
        uint32_t n;

        (void)state;
        pack_again(&p);
        n = count_files(p.packs, ".pack");
        assert_true(n > 30);
        assert_int_equal(count_files(p.packs, ".tmp."), 0);
        first_pack(p.packs, path, &a);
        assert_int_equal(a.st_mode & 0777, 0400);
        pack_again(&p);
        assert_int_equal(stat(path, &b), 0);
        assert_true(a.st_ino == b.st_ino && count_files(p.packs, ".pack") == n);
        assert_int_equal(stat(p.packs, &b), 0);
        assert_int_equal(b.st_mode & 0777, 0700);
        rm_tree(p.model);
}

/* A pack that was cut, grown or changed is built again: its size and its digest are sealed. */
static void damage(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);
        char path[4 * TEST_PATH];

        (void)state;
        pack_again(&p);
        for (int how = 0; how < 4; how++) {
                struct wt_buf before = { 0 }, after = { 0 };
                struct stat st;
                int fd;

                first_pack(p.packs, path, &st);
                assert_int_equal(wt_file_read(path, 1 << 20, &before), WT_OK);
                assert_int_equal(chmod(path, 0600), 0);
                fd = open(path, O_RDWR);
                if (how < 2)
                        assert_int_equal(ftruncate(fd, how ? st.st_size + 64 : st.st_size / 2), 0);
                else
                        assert_int_equal(pwrite(fd, "!", 1, how == 2 ? 0 : st.st_size - 1), 1);
                close(fd);
                pack_again(&p);
                assert_int_equal(wt_file_read(path, 1 << 20, &after), WT_OK);
                assert_int_equal(before.len, after.len);
                assert_memory_equal(before.data, after.data, after.len);
                wt_buf_free(&before);
                wt_buf_free(&after);
        }
        rm_tree(p.model);
}

/* The limit of a file's size stands for a disk that is full. */
static void disk_full(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);
        wt_model *m = open_model(&p);
        struct rlimit old, small;
        struct wt_trunk *t = NULL;
        wt_err err;

        (void)state;
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        small = (struct rlimit){ .rlim_cur = 1000, .rlim_max = old.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        err = wt_model_trunk(m, NULL, 16, &t);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(err, WT_EEXHAUSTED);
        assert_non_null(strstr(wt_words(), "free space"));
        assert_int_equal(count_files(p.packs, ".pack"), 0);
        t = trunk_of(m);
        wt_model_drop_trunk(m, NULL, t);
        wt_model_close(m);
        rm_tree(p.model);
}

/* Four processes want every pack at once: each is built once and all read the same. */
static void many_at_once(void **state)
{
        enum { N = 4 };
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL), q;
        pid_t pid[N];

        (void)state;
        q = p;
        snprintf(q.packs, sizeof q.packs, "%s/alone", p.model);
        pack_again(&q);
        for (int i = 0; i < N; i++) {
                pid[i] = fork();
                assert_true(pid[i] >= 0);
                if (pid[i] == 0) {
                        wt_model *m = NULL;
                        struct wt_trunk *t = NULL;
                        struct wt_expert_weights w;
                        wt_err err = wt_model_open(&m, p.model, p.packs, &plain);

                        if (err == WT_OK)
                                err = wt_model_trunk(m, NULL, 16, &t);
                        for (uint32_t e = 0; e < 4 && err == WT_OK; e++)
                                err = wt_model_expert(m, NULL, 1, e, &w, NULL);
                        _exit(err == WT_OK ? 0 : 1);
                }
        }
        for (int i = 0; i < N; i++) {
                int status = 1;

                assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
                assert_int_equal(status, 0);
        }
        assert_int_equal(count_files(p.packs, ".pack"), count_files(q.packs, ".pack"));
        assert_int_equal(count_files(p.packs, ".tmp."), 0);
        pack_again(&p);
        rm_tree(p.model);
}

static void stale_files_go(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);

        (void)state;
        assert_int_equal(mkdir(p.packs, 0700), 0);
        put_text(p.packs, "00.pack.tmp.1.0", "half");
        put_text(p.packs, "11.pack.tmp.1.0", "another's, just now");
        make_old(p.packs, "00.pack.tmp.1.0");
        wt_model_close(open_model(&p));
        assert_int_equal(count_files(p.packs, "00.pack"), 0);
        assert_int_equal(count_files(p.packs, "11.pack"), 1);
        rm_tree(p.model);
}

static void upload_fails(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);
        wt_model *m = open_model(&p);
        struct wt_trunk *t = NULL;
        struct wt_expert_weights w;

        (void)state;
        for (int n = 1; n <= 40; n++) {
                refuse_upload = n;
                if (wt_model_trunk(m, NULL, 16, &t) == WT_OK) {
                        assert_true(n > 20);
                        wt_model_drop_trunk(m, NULL, t);
                        break;
                }
                assert_int_equal(n_live, 0);
        }
        refuse_upload = 3;
        assert_int_equal(wt_model_expert(m, NULL, 1, 0, &w, NULL), WT_EEXHAUSTED);
        assert_non_null(strstr(wt_words(), "experts.0.down_proj.weight: the device is full"));
        refuse_upload = 0;
        assert_int_equal(n_live, 0);
        wt_model_close(m);
        rm_tree(p.model);
}

/* A router never maps an expert, nor any file of the model. */
static void experts_are_not_mapped(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);
        wt_model *m = open_model(&p);
        struct wt_trunk *t = trunk_of(m);
        struct wt_expert_weights w;
        struct wt_buf maps = { 0 };
        uint8_t sha[32];
        uint32_t n;

        (void)state;
        for (uint32_t e = 0; e < 4; e++)
                assert_int_equal(wt_model_variant(m, 1, e, sha), WT_OK);
        assert_int_equal(wt_model_revision(m, sha), WT_OK);
        n = count_files(p.packs, ".pack");
        assert_int_equal(wt_file_read("/proc/self/maps", 16 << 20, &maps), WT_OK);
        assert_null(strstr(maps.data, "model.safetensors"));
        assert_non_null(strstr(maps.data, ".pack"));
        assert_int_equal(wt_model_expert(m, NULL, 1, 0, &w, NULL), WT_OK);
        assert_int_equal(count_files(p.packs, ".pack"), n + 1);  /* none was built before */
        wt_buf_free(&maps);
        wt_model_drop_expert(m, NULL, 1, 0, &w);
        wt_model_drop_trunk(m, NULL, t);
        wt_model_close(m);
        rm_tree(p.model);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(packs_are_kept), cmocka_unit_test(damage),
                cmocka_unit_test(disk_full),      cmocka_unit_test(many_at_once),
                cmocka_unit_test(stale_files_go), cmocka_unit_test(upload_fails),
                cmocka_unit_test(experts_are_not_mapped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
