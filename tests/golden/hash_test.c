/* hash_test.c - the golden hash of the profile (numbers.md N0): SHA-256 over the raw bytes of all logits
 * of models/tiny and the five golden models. The same for gcc and clang, -O0 and -O3, every processor. A
 * change that moves it must raise the profile's version: then profile_hash.txt gets the new line that
 * this test prints. Run in chunks of 1, 17 and 256, which must not matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "forward.h"

const struct wt_plugin *wt_plugin_compute_cpu(void);

enum { T = 200 };
static const char *const folders[] = { "models/tiny", "tests/golden/models/v2lite",
        "tests/golden/models/v2", "tests/golden/models/v3", "tests/golden/models/mixtral",
        "tests/golden/models/llama" };
static char pack_dir[256];

/* T ids drawn by Philox, the same everywhere. */
static void draw(int32_t ids[T], uint32_t vocab)
{
        for (uint32_t i = 0; i < T; i++)
                ids[i] = (int32_t)(wt_philox_unit(20261126, i, 0, 0) * vocab);
}

static void hash_of(uint32_t chunk, char hex[65])
{
        struct wt_sha256 s;
        uint8_t digest[32];

        wt_sha256_init(&s);
        for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
                struct forward f;
                int32_t ids[T];
                float *logits;
                size_t n;

                if (forward_open(&f, wt_plugin_compute_cpu, folders[i], pack_dir, 256, 256) != WT_OK)
                        fail_msg("%s", wt_words());
                n = (size_t)T * f.shape->vocab;
                logits = malloc(n * sizeof *logits);
                draw(ids, f.shape->vocab);
                assert_int_equal(forward_run(&f, ids, 0, T, chunk, logits, NULL), WT_OK);
                wt_sha256_add(&s, logits, n * sizeof *logits);
                free(logits);
                forward_close(&f);
        }
        wt_sha256_end(&s, digest);
        wt_hex(digest, 32, hex);
}

static void committed(char want[65])
{
        const char *profile = ((const struct wt_compute_ops *)wt_plugin_compute_cpu()->ops)->profile;
        struct wt_buf text = { 0 };
        char name[64], hex[65];
        const char *p;

        assert_int_equal(wt_file_read("tests/golden/profile_hash.txt", 4096, &text), WT_OK);
        want[0] = '\0';
        for (p = text.data; p != NULL && *p != '\0'; p = strchr(p, '\n'), p += p != NULL)
                if (sscanf(p, "%63s %64s", name, hex) == 2 && strcmp(name, profile) == 0)
                        memcpy(want, hex, 65);
        wt_buf_free(&text);
}

static void golden(void **state)
{
        static const uint32_t chunks[] = { 256, 17, 1 };
        char want[65], got[65];

        (void)state;
        committed(want);
        for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
                hash_of(chunks[i], got);
                print_message("# chunk %u: %s\n", chunks[i], got);
                assert_string_equal(got, want);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(golden) };
        const char *tmp = getenv("TMPDIR");

        snprintf(pack_dir, sizeof pack_dir, "%s/witan-hash-XXXXXX", tmp != NULL ? tmp : "/tmp");
        if (mkdtemp(pack_dir) == NULL)
                return 1;
        return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
