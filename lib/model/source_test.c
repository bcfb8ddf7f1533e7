/* source_test.c - safetensors files and folders: what is legal loads, what is not is named. */
#include "model/test_model.h"
#include <inttypes.h>
#include "base/base64.h"
#include "base/sha256.h"
#include "model/tensors.h"

/* ---- one file ---- */

#define T(name, dtype, shape, begin, end)                                                          \
        "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],"                             \
        "\"data_offsets\":[" #begin "," #end "]}"

/* data: bytes after the header. want: NULL loads, else words of the message. */
static const struct file_row {
        const char *name, *header; size_t data; const char *want;
} file_rows[] = {
        { "one tensor", "{" T("a", "F32", "2,3", 0, 24) "}", 24, NULL },
        { "no tensor", "{}", 0, NULL },
        { "the header padded with blanks", "{" T("a", "F32", "1", 0, 4) "}     ", 4, NULL },
        { "metadata, rank 0 and a zero dimension",
          "{\"__metadata__\":{\"k\":\"v\"}," T("s", "F32", "", 0, 4) "," T("e", "F32", "7,0", 4,
          4) "}", 4,
          NULL },
        { "a zero dimension beside one that overflows",
          "{" T("e", "F32", "9223372036854775807,9,0", 0, 0) "}", 0, NULL },
        { "a foreign dtype is no error until it is asked for",
          "{" T("q", "F8_E4M3", "4", 0, 4) "," T("x", "WAT", "9", 4, 6) "}", 6, NULL },
        { "keys of a tensor in another order",
          "{\"a\":{\"data_offsets\":[0,2],\"shape\":[1],\"dtype\":\"BF16\"}}", 2, NULL },
        { "two that overlap", "{" T("a", "F32", "2", 0, 8) "," T("b", "F32", "2", 4, 12) "}", 12,
          "\"a\" and \"b\" overlap" },
        { "two at one place", "{" T("a", "F32", "2", 0, 8) "," T("b", "F32", "2", 0, 8) "}", 8,
          "overlap" },
        { "an empty one inside another",
          "{" T("a", "F32", "2", 0, 8) "," T("b", "F32", "0", 4, 4) "}", 8,
          "overlap" },
        { "a hole between two", "{" T("a", "F32", "1", 0, 4) "," T("b", "F32", "1", 8, 12) "}", 12,
          "bytes 4 to 8" },
        { "a hole at the start", "{" T("a", "F32", "1", 4, 8) "}", 8, "bytes 0 to 4" },
        { "bytes after the last", "{" T("a", "F32", "1", 0, 4) "}", 8, "has 8 bytes of data" },
        { "data cut short", "{" T("a", "F32", "4", 0, 16) "}", 8, "cut short" },
        { "an end far beyond", "{" T("a", "F32", "1", 0, 18446744073709551615) "}", 4,
          "cut short" },
        { "an end before the begin", "{" T("a", "F32", "0", 4, 0) "}", 4, "ends before it begins" },
        { "too few bytes for the shape", "{" T("a", "F32", "2", 0, 4) "}", 4,
          "has 4 bytes of data, its dtype and shape want 8" },
        { "a shape that overflows",
          "{" T("a", "F32", "4294967296,4294967296,4294967296", 0, 4) "}", 4,
          "more elements than 64 bits" },
        { "bits that overflow", "{" T("a", "F64", "2305843009213693952", 0, 8) "}", 8,
          "more elements" },
        { "half a byte", "{" T("a", "F4", "3", 0, 2) "}", 2, "a part of a byte" },
        { "a negative dimension", "{" T("a", "F32", "-1", 0, 4) "}", 4, "no whole number" },
        { "a dimension with a point", "{" T("a", "F32", "1.0", 0, 4) "}", 4, "no whole number" },
        { "nine dimensions", "{" T("a", "F32", "1,1,1,1,1,1,1,1,1", 0, 4) "}", 4, "more than 8" },
        { "a name that occurs twice",
          "{" T("a", "F32", "1", 0, 4) "," T("b", "F32", "1", 0, 4) "," T("a", "F32", "1", 4,
          8) "}", 8,
          "\"a\" occurs twice in the header" },
        { "a key of a tensor twice",
          "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
          "header" },
        { "no dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "\"a\" has no dtype" },
        { "no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no shape" },
        { "no offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "no data_offsets" },
        { "three offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4,
          "no data_offsets" },
        { "a tensor that is a list", "{\"a\":[]}", 0, "\"a\" is no object" },
        { "metadata that is a list", "{\"__metadata__\":[]}", 0, "__metadata__ is no object" },
        { "metadata of numbers", "{\"__metadata__\":{\"a\":1}}", 0, "no string" },
        { "an empty name", "{" T("", "F32", "1", 0, 4) "}", 4, "name is empty" },
        { "a name with a NUL", "{" T("a\\u0000b", "F32", "1", 0, 4) "}", 4, "a NUL" },
        { "a blank before the header", " {}", 0, "must begin with '{'" },
        { "a header that is a list", "[]", 0, "must begin with '{'" },
        { "half a header", "{\"a\":{\"dtype\":\"F32\"", 0, "the header" },
        { "deeper than any header", "{\"a\":{\"dtype\":[[[[[1]]]]]}}", 0, "the header" },
};

static void one_file(void **state)
{
        const struct file_row *r = *state;
        char dir[TEST_PATH], path[2 * TEST_PATH], zeros[64] = { 0 };
        wt_source *s = NULL;
        wt_err err;

        tmp_dir(dir);
        put_safetensors(dir, "x.safetensors", r->header, zeros, r->data);
        snprintf(path, sizeof path, "%s/x.safetensors", dir);
        err = wt_source_open(&s, path);
        if (r->want) {
                assert_int_not_equal(err, WT_OK);
                assert_null(s);
                if (!strstr(wt_words(), r->want) || !strstr(wt_words(), "x.safetensors"))
                        fail_msg("\"%s\" lacks \"%s\"", wt_words(), r->want);
        } else if (err != WT_OK) {
                fail_msg("%s", wt_words());
        }
        wt_source_close(s);
        rm_tree(dir);
}

/* Every prefix of a good file is refused, none crashes. */
static void every_prefix(void **state)
{
        static const char header[] = "{" T("a", "F32", "2", 0, 8) "}";
        char dir[TEST_PATH], path[2 * TEST_PATH];
        uint8_t bytes[8 + sizeof header - 1 + 8] = { sizeof header - 1 };
        wt_source *s = NULL;

        (void)state;
        memcpy(bytes + 8, header, sizeof header - 1);
        tmp_dir(dir);
        snprintf(path, sizeof path, "%s/model.safetensors", dir);
        for (size_t n = 0; n < sizeof bytes; n++) {
                put_file(dir, "model.safetensors", bytes, n);
                assert_int_not_equal(wt_source_open(&s, dir), WT_OK);
                assert_non_null(strstr(wt_words(), path));
        }
        put_file(dir, "model.safetensors", bytes, sizeof bytes);
        assert_int_equal(wt_source_open(&s, dir), WT_OK);
        wt_source_close(s);
        bytes[7] = 0xff;                         /* a header of 2^63 bytes */
        put_file(dir, "model.safetensors", bytes, sizeof bytes);
        assert_int_not_equal(wt_source_open(&s, dir), WT_OK);
        assert_non_null(strstr(wt_words(), "says that its header has"));
        rm_tree(dir);
}

/* A case of the shared data, a base64 file; true when it opened. */
static bool open_case(const char *id, char dir[TEST_PATH], wt_source **s, wt_json **j)
{
        struct wt_buf bytes = { 0 };
        const char *text;
        size_t len;

        *j = shared_case(id);
        if (!*j)
                skip();
        text = wt_json_str(*j, wt_json_get(*j, 0, "input"), &len);
        assert_true(wt_base64_read(&bytes, text, len));
        tmp_dir(dir);
        put_file(dir, "model.safetensors", bytes.data, bytes.len);
        wt_buf_free(&bytes);
        return wt_source_open(s, dir) == WT_OK;
}

static void case_l02(void **state)
{
        char dir[TEST_PATH];
        wt_source *s = NULL;
        wt_json *j;

        (void)state;
        assert_false(open_case("L02", dir, &s, &j));
        assert_non_null(strstr(wt_words(), "the name \"a\" occurs twice in the header"));
        wt_json_free(j);
        rm_tree(dir);
}

static void case_l03(void **state)
{
        static const float want_a[] = { 2.0f, -0.25f, 3.0f };
        char dir[TEST_PATH];
        float got[3] = { 0 };
        const struct wt_tensor_at *a, *e, *n;
        wt_source *s = NULL;
        wt_json *j;

        (void)state;
        if (!open_case("L03", dir, &s, &j))
                fail_msg("%s", wt_words());
        assert_int_equal(wt_source_count(s), 3);
        assert_string_equal(wt_source_at(s, 0)->name, "a");
        assert_string_equal(wt_source_at(s, 2)->name, "s");
        a = wt_source_find(s, "a");
        e = wt_source_find(s, "empty");
        n = wt_source_find(s, "s");
        assert_int_equal(wt_source_read(s, a, got), WT_OK);
        assert_memory_equal(got, want_a, sizeof want_a);
        assert_int_equal(a->n_dim, 2);
        assert_int_equal(wt_source_read(s, n, got), WT_OK);
        assert_true(got[0] == 1.5f && n->n_dim == 0 && n->bytes == 4);
        assert_int_equal(e->bytes, 0);
        assert_int_equal(wt_source_read(s, e, got), WT_OK);
        assert_null(wt_source_find(s, "b"));
        wt_source_close(s);
        wt_json_free(j);
        rm_tree(dir);
}

/* ---- shards ---- */

static const char x1[] = "{" T("x", "F32", "1", 0, 4) "}";
static const char xy[] = "{" T("x", "F32", "1", 0, 4) "," T("y", "F32", "1", 4, 8) "}";
static const char z1[] = "{" T("z", "F32", "1", 0, 4) "}";

/* A and C of case L07 have one shard m-1; B has two. single: a model.safetensors lies there too. */
static const struct shard_row {
        const char *name, *map, *m1, *m2; bool single; const char *want, *note;
} shard_rows[] = {
        { "L07 A: a shard that is missing",
          "{\"x\":\"m-1.safetensors\",\"y\":\"m-2.safetensors\"}", x1, NULL,
          false, "m-2.safetensors is missing; the index says that it holds \"y\"", NULL },
        { "L07 B: a shard that lacks a tensor",
          "{\"x\":\"m-1.safetensors\",\"y\":\"m-2.safetensors\"}", xy, z1,
          false, "maps \"y\" to m-2.safetensors, which does not hold it", NULL },
        { "L07 C: a stray file is not read", "{\"x\":\"m-1.safetensors\"}", x1, NULL, true, NULL,
          "model.safetensors" },
        { "a tensor in two shards is its owner's",
          "{\"y\":\"m-1.safetensors\",\"x\":\"m-2.safetensors\"}", xy, x1, false, NULL, "" },
        { "a path out of the folder", "{\"x\":\"../m-1.safetensors\"}", x1, NULL, false,
          "same folder", NULL },
        { "a path into a folder", "{\"x\":\"a/m-1.safetensors\"}", x1, NULL, false, "same folder",
          NULL },
        { "a hidden file", "{\"x\":\"..safetensors\"}", x1, NULL, false, "same folder", NULL },
        { "another kind of file", "{\"x\":\"config.json\"}", x1, NULL, false, "same folder", NULL },
        { "a number for a file", "{\"x\":1}", x1, NULL, false, "same folder", NULL },
        { "an empty map", "{}", x1, NULL, false, "weight_map", NULL },
        { "a map that is a list", "[]", x1, NULL, false, "weight_map", NULL },
        { "a name twice in the map", "{\"x\":\"m-1.safetensors\",\"x\":\"m-2.safetensors\"}", x1,
          x1, false,
          "index.json", NULL },
        { "a bad shard", "{\"x\":\"m-1.safetensors\"}", "{", NULL, false, "m-1.safetensors", NULL },
};

static void shards(void **state)
{
        const struct shard_row *r = *state;
        static const float one[] = { 1, 1.5f }, two[] = { 2, 2.5f };
        char dir[TEST_PATH], index[512];
        wt_source *s = NULL;
        float x = 0;

        tmp_dir(dir);
        snprintf(index, sizeof index, "{\"metadata\":{},\"weight_map\":%s}", r->map);
        put_text(dir, "model.safetensors.index.json", index);
        put_safetensors(dir, "m-1.safetensors", r->m1, one, r->m1 == xy ? 8 : 4);
        if (r->m2)
                put_safetensors(dir, "m-2.safetensors", r->m2, two, 4);
        if (r->single)
                put_safetensors(dir, "model.safetensors", x1, two, 4);
        if (r->want) {
                assert_int_not_equal(wt_source_open(&s, dir), WT_OK);
                if (!strstr(wt_words(), r->want))
                        fail_msg("\"%s\" lacks \"%s\"", wt_words(), r->want);
        } else {
                if (wt_source_open(&s, dir) != WT_OK)
                        fail_msg("%s", wt_words());
                assert_non_null(strstr(wt_source_notes(s), r->note));
                assert_true(r->note[0] || !wt_source_notes(s)[0]);
                assert_int_equal(wt_source_read(s, wt_source_find(s, "x"), &x), WT_OK);
                assert_true(x == (r->m2 ? 2.0f : 1.0f));
        }
        wt_source_close(s);
        rm_tree(dir);
}

/* The folders of case L07 as the shared data has them: each file holds its tensors, one number
 * each. */
static wt_err open_l07(const wt_json *j, const char *which, wt_source **s, char dir[TEST_PATH])
{
        wt_jv c = wt_json_get(j, wt_json_get(j, 0, "input"), which),
              files = wt_json_get(j, c, "files");
        const char *raw;
        size_t len;

        tmp_dir(dir);
        raw = wt_json_raw(j, wt_json_get(j, c, "index"), &len);
        put_file(dir, "model.safetensors.index.json", raw, len);
        for (wt_jv f = wt_json_first(j, files); f != WT_JSON_NONE; f = wt_json_next(j, f)) {
                static const float numbers[4] = { 1, 2, 3, 4 };
                struct wt_buf h = { 0 };
                uint32_t n = 0;

                wt_buf_str(&h, "{");
                for (wt_jv t = wt_json_first(j, f); t != WT_JSON_NONE; t = wt_json_next(j, t), n++)
                        wt_buf_fmt(&h,
                                   "%s\"%.1s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%"
                                   "u,%u]}",
                                   n ? "," : "", wt_json_str(j, t, NULL), 4 * n, 4 * n + 4);
                wt_buf_str(&h, "}");
                put_safetensors(dir, wt_json_key(j, f, NULL), h.data, numbers, 4 * n);
                wt_buf_free(&h);
        }
        return wt_source_open(s, dir);
}

static void case_l07(void **state)
{
        wt_json *j = shared_case("L07");
        char dir[TEST_PATH];
        wt_source *s = NULL;

        (void)state;
        if (!j)
                skip();
        assert_int_not_equal(open_l07(j, "A", &s, dir), WT_OK);
        assert_non_null(strstr(wt_words(),
                               "m-2.safetensors is missing; the index says that it holds \"y\""));
        rm_tree(dir);
        assert_int_not_equal(open_l07(j, "B", &s, dir), WT_OK);
        assert_non_null(strstr(wt_words(), "\"y\" to m-2.safetensors, which does not hold it"));
        rm_tree(dir);
        assert_int_equal(open_l07(j, "C", &s, dir), WT_OK);
        assert_int_equal(wt_source_count(s), 1);
        assert_non_null(strstr(wt_source_file(s, wt_source_at(s, 0)->file), "m-1.safetensors"));
        assert_non_null(strstr(wt_source_notes(s), "model.safetensors"));
        wt_source_close(s);
        rm_tree(dir);
        wt_json_free(j);
}

static void nothing_there(void **state)
{
        char dir[TEST_PATH], path[2 * TEST_PATH];
        wt_source *s = NULL;

        (void)state;
        tmp_dir(dir);
        assert_int_equal(wt_source_open(&s, dir), WT_ENOTFOUND);
        assert_non_null(strstr(wt_words(), "model.safetensors"));
        snprintf(path, sizeof path, "%s/model.safetensors", dir);
        assert_int_equal(mkfifo(path, 0600), 0);         /* no file: must neither open nor hang */
        assert_int_not_equal(wt_source_open(&s, dir), WT_OK);
        snprintf(path, sizeof path, "%s/none", dir);
        assert_int_equal(wt_source_open(&s, path), WT_ENOTFOUND);
        rm_tree(dir);
}

/* ---- digests ---- */

static void write_line(const char *path, const char *key, const char *sha, bool sound)
{
        char line[512], tail[9];
        uint8_t sum[32];
        int n = snprintf(line, sizeof line, "%s %s", key, sha);

        wt_sha256_of(line, (size_t)n, sum);
        wt_hex(sum, 4, tail);
        tail[0] = sound ? tail[0] : '!';
        snprintf(line + n, sizeof line - (size_t)n, " %s\n", tail);
        put_text(path, "", line);
}

static void digest_of_x(const char *dir, uint8_t out[32])
{
        wt_source *s = NULL;

        assert_int_equal(wt_source_open(&s, dir), WT_OK);
        assert_int_equal(wt_source_digest(s, wt_source_find(s, "x"), dir, out), WT_OK);
        wt_source_close(s);
}

static void digest_is_kept(void **state)
{
        static const float one[] = { 1, 2 };
        uint8_t got[32], want[32];
        char dir[TEST_PATH], cache[2 * TEST_PATH], path[2 * TEST_PATH], hex[65], *sep;
        struct wt_buf b = { 0 };
        struct stat st;

        (void)state;
        tmp_dir(dir);
        put_safetensors(dir, "model.safetensors", xy, one, sizeof one);
        make_old(dir, "model.safetensors");
        wt_sha256_of(one, 4, want);
        digest_of_x(dir, got);
        assert_memory_equal(got, want, 32);
        snprintf(path, sizeof path, "%s/model.safetensors", dir);
        assert_int_equal(stat(path, &st), 0);
        snprintf(cache, sizeof cache, "%s/%lx-%lx.digests", dir, (unsigned long)st.st_dev,
                 (unsigned long)st.st_ino);
        assert_int_equal(wt_file_read(cache, 4096, &b), WT_OK);
        sep = strchr(b.data, ' ');
        *sep = '\0';                             /* b.data is the key now */

        memset(hex, 'a', 64);
        hex[64] = '\0';
        write_line(cache, b.data, hex, true);    /* believed, so it was not hashed again */
        digest_of_x(dir, got);
        assert_int_equal(got[0], 0xaa);
        write_line(cache, b.data, hex, false);   /* torn: hashed again */
        digest_of_x(dir, got);
        assert_memory_equal(got, want, 32);
        wt_buf_free(&b);
        rm_tree(dir);
}

/* A file of this second is hashed each time: it may still change under the same time stamp. */
static void fresh_is_not_kept(void **state)
{
        float one[] = { 1, 2 };
        uint8_t a[32], b[32];
        char dir[TEST_PATH], cache[2 * TEST_PATH];
        wt_source *s = NULL;

        (void)state;
        tmp_dir(dir);
        put_safetensors(dir, "model.safetensors", xy, one, sizeof one);
        assert_int_equal(wt_source_open(&s, dir), WT_OK);
        assert_int_equal(wt_source_digest(s, wt_source_find(s, "x"), dir, a), WT_OK);
        snprintf(cache, sizeof cache, "%s/%" PRIx64 "-%" PRIx64 ".digests", dir, s->files[0].dev,
                 s->files[0].ino);
        assert_int_not_equal(access(cache, F_OK), 0);
        wt_source_close(s);
        one[0] = 3;
        put_safetensors(dir, "model.safetensors", xy, one, sizeof one);
        assert_int_equal(wt_source_open(&s, dir), WT_OK);
        assert_int_equal(wt_source_digest(s, wt_source_find(s, "x"), dir, b), WT_OK);
        assert_memory_not_equal(a, b, 32);
        wt_source_close(s);
        rm_tree(dir);
}

static void change_while_open(void **state)
{
        static const float one[] = { 1, 2 };
        uint8_t sha[32];
        char dir[TEST_PATH], path[2 * TEST_PATH];
        float x;
        wt_source *s = NULL;

        (void)state;
        tmp_dir(dir);
        put_safetensors(dir, "model.safetensors", xy, one, sizeof one);
        assert_int_equal(wt_source_open(&s, dir), WT_OK);
        make_old(dir, "model.safetensors");      /* a time stamp that moved is a change */
        assert_int_equal(wt_source_digest(s, wt_source_find(s, "x"), NULL, sha), WT_EABORTED);
        assert_int_equal(wt_source_read(s, wt_source_find(s, "x"), &x), WT_EABORTED);
        assert_non_null(strstr(wt_words(), "was changed"));
        snprintf(path, sizeof path, "%s/model.safetensors", dir);
        assert_int_equal(truncate(path, 20), 0);
        assert_int_equal(wt_source_read(s, wt_source_find(s, "y"), &x), WT_EDATA);
        assert_non_null(strstr(wt_words(), "shorter"));
        wt_source_close(s);
        rm_tree(dir);
}

static void foreign_dtype(void **state)
{
        char dir[TEST_PATH];
        uint8_t x[8];
        wt_source *s = NULL;

        (void)state;
        tmp_dir(dir);
        put_safetensors(dir, "model.safetensors", "{" T("q", "F8_E4M3", "4", 0, 4) "}", "abcd", 4);
        assert_int_equal(wt_source_open(&s, dir), WT_OK);
        assert_int_equal(wt_source_read(s, wt_source_find(s, "q"), x), WT_EUNSUPPORTED);
        assert_non_null(strstr(wt_words(), "q is F8_E4M3"));
        assert_int_equal(wt_source_digest(s, wt_source_find(s, "q"), NULL, (uint8_t[32]){0}),
                         WT_OK);
        wt_source_close(s);
        rm_tree(dir);
}

int main(void)
{
        enum {
                FILES = sizeof file_rows / sizeof *file_rows,
                SHARDS = sizeof shard_rows / sizeof *shard_rows
        };
        static const struct CMUnitTest rest[] = {
                cmocka_unit_test(every_prefix), cmocka_unit_test(case_l02),
                cmocka_unit_test(case_l03), cmocka_unit_test(case_l07),
                cmocka_unit_test(nothing_there), cmocka_unit_test(digest_is_kept),
                cmocka_unit_test(fresh_is_not_kept), cmocka_unit_test(change_while_open),
                cmocka_unit_test(foreign_dtype),
        };
        struct CMUnitTest tests[FILES + SHARDS + sizeof rest / sizeof *rest];
        size_t n = 0;

        for (size_t i = 0; i < FILES; i++)
                tests[n++] = (struct CMUnitTest){ file_rows[i].name, one_file, NULL, NULL,
                                                  (void *)&file_rows[i] };
        for (size_t i = 0; i < SHARDS; i++)
                tests[n++] = (struct CMUnitTest){ shard_rows[i].name, shards, NULL, NULL,
                                                  (void *)&shard_rows[i] };
        memcpy(tests + n, rest, sizeof rest);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
