/* stories.c - see stories.h. */
#include "stories.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/json.h"
#include "forward.h"

#define HOME "tests/golden/stories260K"
static const char *const files[] = { "config.json", "model.safetensors" };

const struct wt_plugin *wt_plugin_compute_cpu(void);

static const char *tmp(void)
{
        const char *dir = getenv("TMPDIR");

        return dir != NULL ? dir : "/tmp";
}

static void add_ids(const wt_json *j, wt_jv list, uint32_t from, struct story *s)
{
        int64_t id;

        s->n_ids = 0;
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                assert_true(s->n_ids < STORY_IDS && wt_json_i64(j, v, &id));
                assert_true(id >= 0 && id < STORY_VOCAB);
                if (s->n_ids < from)             /* ids repeat the prompt */
                        assert_int_equal(s->ids[s->n_ids], id);
                s->ids[s->n_ids++] = (int32_t)id;
        }
}

static void add_logits(const wt_json *j, wt_jv map, struct story *s)
{
        double z;

        for (wt_jv list = wt_json_first(j, map); list != WT_JSON_NONE;
             list = wt_json_next(j, list)) {
                uint32_t i = 0;

                assert_true(s->n_at < STORY_AT);
                s->at[s->n_at] = (uint32_t)strtoul(wt_json_key(j, list, NULL), NULL, 10);
                assert_true(s->at[s->n_at] + 1 < s->n_ids);
                for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                        assert_true(i < STORY_VOCAB && wt_json_f64(j, v, &z));
                        s->want[s->n_at][i++] = (float)z;
                }
                assert_int_equal(i, STORY_VOCAB);
                s->n_at++;
        }
        assert_true(s->n_at > 0);
}

void stories_load(struct story s[STORIES])
{
        struct wt_buf text = { 0 };
        wt_json *j;
        wt_jv list;

        memset(s, 0, STORIES * sizeof *s);
        if (wt_file_read(HOME "/golden.json", 1 << 20, &text) != WT_OK)
                fail_msg("%s", wt_words());
        assert_int_equal(wt_json_parse(&j, text.data, text.len, &wt_json_default), WT_OK);
        list = wt_json_get(j, 0, "greedy");
        assert_int_equal(wt_json_count(j, list), STORIES);
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v), s++) {
                add_ids(j, wt_json_get(j, v, "prompt_ids"), 0, s);
                s->n_prompt = s->n_ids;
                add_ids(j, wt_json_get(j, v, "ids"), s->n_prompt, s);
                assert_true(s->n_prompt > 0 && s->n_ids > s->n_prompt);
                add_logits(j, wt_json_get(j, v, "logits_at_position"), s);
        }
        wt_json_free(j);
        wt_buf_free(&text);
}

bool stories_folder(const char *name, char folder[256])
{
        const char *shared = getenv("WITAN_SHARED");
        char to[512], from[PATH_MAX], data[512];

        if (strcmp(name, "stories260K") == 0) {
                snprintf(folder, 256, "%s", HOME);
                return true;
        }
        snprintf(data, sizeof data, "%s/data/weights", shared != NULL ? shared : "../shared");
        snprintf(to, sizeof to, "%.400s/%.64s.safetensors", data, name);
        if (realpath(to, from) == NULL) {
                print_message("skipped: no %s (WITAN_SHARED names the folder of it)\n", to);
                return false;
        }
        snprintf(folder, 256, "%s/witan-stories-XXXXXX", tmp());
        assert_non_null(mkdtemp(folder));
        snprintf(to, sizeof to, "%s/%s", folder, files[1]);
        assert_int_equal(symlink(from, to), 0);
        snprintf(to, sizeof to, "%.400s/%.64s.config.json", data, name);
        assert_non_null(realpath(to, from));
        snprintf(to, sizeof to, "%s/%s", folder, files[0]);
        assert_int_equal(symlink(from, to), 0);
        return true;
}

void stories_folder_done(const char *folder)
{
        char path[512];

        if (strcmp(folder, HOME) == 0)
                return;
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                snprintf(path, sizeof path, "%s/%s", folder, files[i]);
                unlink(path);
        }
        rmdir(folder);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
        (void)st; (void)flag; (void)ftw;
        return remove(path);
}

void stories_run(struct story s[STORIES], const char *folder, uint32_t chunk)
{
        struct forward f;
        char packs[256];

        snprintf(packs, sizeof packs, "%s/witan-stories-packs-XXXXXX", tmp());
        assert_non_null(mkdtemp(packs));
        if (forward_open(&f, wt_plugin_compute_cpu, folder, packs, STORY_IDS, chunk) != WT_OK)
                fail_msg("%s", wt_words());
        assert_int_equal(f.shape->vocab, STORY_VOCAB);
        for (uint32_t i = 0; i < STORIES; i++)
                if (forward_run(&f, s[i].ids, 0, s[i].n_ids - 1, chunk, s[i].logits[0], NULL) !=
                    WT_OK)
                        fail_msg("%s", wt_words());
        forward_close(&f);
        nftw(packs, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int32_t best_of(const float *z)
{
        int32_t best = 0;

        for (int32_t i = 1; i < STORY_VOCAB; i++)
                if (z[i] > z[best])
                        best = i;
        return best;
}

double stories_check(const struct story s[STORIES])
{
        double worst = 0, d;

        for (const struct story *end = s + STORIES; s < end; s++) {
                for (uint32_t p = s->n_prompt - 1; p + 1 < s->n_ids; p++)
                        assert_int_equal(best_of(s->logits[p]), s->ids[p + 1]);
                for (uint32_t a = 0; a < s->n_at; a++)
                        for (uint32_t i = 0; i < STORY_VOCAB; i++) {
                                d = fabs((double)s->logits[s->at[a]][i] - s->want[a][i]);
                                worst = isnan(d) ? INFINITY : fmax(worst, d);
                        }
        }
        return worst;
}
