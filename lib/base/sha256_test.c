#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "base/sha256.h"

/* FIPS 180-4 examples and NIST's long message. */
static const struct vector { const char *name, *text; size_t times; const char *hex;
} vectors[] = {
        {"empty", "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"one block", "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"a million a", "aaaaaaaaaa", 100000,
         "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};
enum { N_VECTORS = sizeof vectors / sizeof *vectors };

static void vector(void **state)
{
        const struct vector *v = *state;
        struct wt_sha256 s;
        uint8_t out[32];
        char hex[65];

        wt_sha256_init(&s);
        for (size_t i = 0; i < v->times; i++)
                wt_sha256_add(&s, v->text, strlen(v->text));
        wt_sha256_end(&s, out);
        wt_hex(out, 32, hex);
        assert_string_equal(hex, v->hex);
}

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
        for (size_t i = 0; i < n; i++)
                p[i] = (uint8_t)(wt_philox_unit(seed, (uint32_t)i, 0, 0) * 256);
}

/* Every length around the padding's edges, in pieces of every size, against OpenSSL. */
static void equals_openssl(void **state)
{
        uint8_t data[400], ours[32], theirs[32];

        (void)state;
        fill(data, sizeof data, 1);
        for (size_t n = 0; n <= sizeof data; n++) {
                struct wt_sha256 s;

                SHA256(data, n, theirs);
                wt_sha256_of(data, n, ours);
                assert_memory_equal(ours, theirs, 32);
                wt_sha256_init(&s);
                for (size_t at = 0, step = 1 + n % 97; at < n; at += step)
                        wt_sha256_add(&s, data + at, n - at < step ? n - at : step);
                wt_sha256_end(&s, ours);
                assert_memory_equal(ours, theirs, 32);
        }
}

/* The plain rounds, whatever this processor has: padding by hand. */
static void plain_rounds_equal_openssl(void **state)
{
        enum { LEN = 119, BLOCKS = 2 };
        uint8_t data[64 * BLOCKS] = { 0 }, theirs[32];

        (void)state;
        for (uint32_t seed = 0; seed < 50; seed++) {
                uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

                fill(data, LEN, seed);
                SHA256(data, LEN, theirs);
                data[LEN] = 0x80;
                data[126] = LEN * 8 >> 8;
                data[127] = LEN * 8 & 255;
                wt_sha256_blocks_plain(h, data, BLOCKS);
                for (int i = 0; i < 32; i++)
                        assert_int_equal(theirs[i], (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4))));
        }
}

static void hex_there_and_back(void **state)
{
        uint8_t bytes[3] = { 0x00, 0x9a, 0xff }, back[3];
        char text[7];

        (void)state;
        wt_hex(bytes, 3, text);
        assert_string_equal(text, "009aff");
        assert_int_equal(wt_unhex("009aFF", 3, back), 0);
        assert_memory_equal(bytes, back, 3);
        assert_int_equal(wt_unhex("009afg", 3, back), -1);
        assert_int_equal(wt_unhex("00", 3, back), -1);   /* stops at the NUL */
}

int main(void)
{
        struct CMUnitTest tests[N_VECTORS + 3] = {
                cmocka_unit_test(equals_openssl),
                cmocka_unit_test(plain_rounds_equal_openssl),
                cmocka_unit_test(hex_there_and_back),
        };

        for (size_t i = 0; i < N_VECTORS; i++)
                tests[3 + i] = (struct CMUnitTest){ vectors[i].name, vector, NULL, NULL,
                                                    (void *)&vectors[i] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
