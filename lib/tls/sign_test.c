#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/sha256.h"
#include "tls/sign.h"

enum { MOST = 256 };

static size_t unhex(const char *hex, uint8_t out[MOST])
{
        size_t n = strlen(hex) / 2;

        assert_true(n <= MOST && strlen(hex) % 2 == 0);
        assert_int_equal(wt_unhex(hex, n, out), 0);
        return n;
}

/* ---- Ed25519: RFC 8032, 7.1 ---- */

static const struct { const char *seed, *public_key, *message, *signature; } ed25519[] = {
        { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
          "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
          "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
          "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
        { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
          "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
          "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
          "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
        { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
          "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
          "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
          "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
        { "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
          "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
          "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
          "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704" },
};

static void ed25519_as_rfc_8032(void **state)
{
        uint8_t seed[MOST], expected[MOST], message[MOST], signature[MOST], got[64];

        (void)state;
        for (size_t i = 0; i < sizeof ed25519 / sizeof *ed25519; i++) {
                size_t n = unhex(ed25519[i].message, message);

                unhex(ed25519[i].seed, seed);
                unhex(ed25519[i].public_key, expected);
                unhex(ed25519[i].signature, signature);
                assert_int_equal(wt_ed25519_public(seed, got), WT_OK);
                assert_memory_equal(got, expected, WT_ED25519_PUBLIC);
                assert_int_equal(wt_ed25519_sign(seed, message, n, got), WT_OK);
                assert_memory_equal(got, signature, WT_ED25519_SIGNATURE);
                assert_true(wt_ed25519_good(expected, message, n, signature));
        }
}

/* Every bit of the signature, of the key and of the message counts. */
static void ed25519_refuses_what_was_changed(void **state)
{
        uint8_t seed[32], public_key[32], other_seed[32], other[32], sig[64];
        uint8_t message[3] = { 1, 2, 3 };

        (void)state;
        assert_int_equal(wt_ed25519_new(seed, public_key), WT_OK);
        assert_int_equal(wt_ed25519_new(other_seed, other), WT_OK);
        assert_memory_not_equal(seed, other_seed, 32);
        assert_int_equal(wt_ed25519_sign(seed, message, 3, sig), WT_OK);
        assert_true(wt_ed25519_good(public_key, message, 3, sig));
        assert_false(wt_ed25519_good(other, message, 3, sig));
        assert_false(wt_ed25519_good(public_key, message, 2, sig));
        for (int bit = 0; bit < 512; bit++) {
                sig[bit / 8] ^= 1 << bit % 8;
                assert_false(wt_ed25519_good(public_key, message, 3, sig));
                sig[bit / 8] ^= 1 << bit % 8;
        }
        for (int bit = 0; bit < 256; bit++) {
                public_key[bit / 8] ^= 1 << bit % 8;
                assert_false(wt_ed25519_good(public_key, message, 3, sig));
                public_key[bit / 8] ^= 1 << bit % 8;
        }
        for (int bit = 0; bit < 24; bit++) {
                message[bit / 8] ^= 1 << bit % 8;
                assert_false(wt_ed25519_good(public_key, message, 3, sig));
                message[bit / 8] ^= 1 << bit % 8;
        }
}

/* ---- AES-256-GCM: test cases 13 to 16 of the specification that became NIST SP 800-38D ---- */

#define PLAIN60 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" \
                "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define SEALED60 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" \
                 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
#define ZERO_KEY "0000000000000000000000000000000000000000000000000000000000000000"
#define KEY "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"

static const struct { const char *key, *nonce, *aad, *plain, *sealed; } gcm[] = {
        { ZERO_KEY, "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
        { ZERO_KEY, "000000000000000000000000", "", "00000000000000000000000000000000",
          "cea7403d4d606b6e074ec5d3baf39d18" "d0d1c8a799996bf0265b98b5d48ab919" },
        { KEY, "cafebabefacedbaddecaf888", "", PLAIN60 "1aafd255",
          SEALED60 "898015ad" "b094dac5d93471bdec1a502270e3cc6c" },
        { KEY, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", PLAIN60,
          SEALED60 "76fc6ece0f4e1768cddf8853bb2d551b" },
};

static void gcm_as_nist(void **state)
{
        uint8_t key[MOST], nonce[MOST], aad[MOST], plain[MOST], sealed[MOST], got[MOST];

        (void)state;
        for (size_t i = 0; i < sizeof gcm / sizeof *gcm; i++) {
                size_t n_aad = unhex(gcm[i].aad, aad), n = unhex(gcm[i].plain, plain);

                unhex(gcm[i].key, key);
                unhex(gcm[i].nonce, nonce);
                assert_int_equal(unhex(gcm[i].sealed, sealed), n + WT_GCM_TAG);
                assert_int_equal(wt_gcm_seal(key, nonce, aad, n_aad, plain, n, got), WT_OK);
                assert_memory_equal(got, sealed, n + WT_GCM_TAG);
                memset(got, 0xee, sizeof got);
                assert_int_equal(wt_gcm_open(key, nonce, aad, n_aad, sealed, n + WT_GCM_TAG, got),
                                 WT_OK);
                assert_memory_equal(got, plain, n);
        }
}

/* Opens 60 bytes after one bit of p was turned: WT_EDATA, and nothing comes out. */
static void turned(uint8_t *p, size_t bits, const uint8_t *key, const uint8_t *nonce,
                   const uint8_t *aad, const uint8_t *sealed)
{
        static const uint8_t nothing[60];
        uint8_t out[60];

        for (size_t bit = 0; bit < bits; bit++) {
                p[bit / 8] ^= 1 << bit % 8;
                assert_int_equal(wt_gcm_open(key, nonce, aad, 20, sealed, 76, out), WT_EDATA);
                assert_memory_equal(out, nothing, 60);
                p[bit / 8] ^= 1 << bit % 8;
        }
}

static void gcm_refuses_what_was_changed(void **state)
{
        uint8_t key[MOST], nonce[MOST], aad[MOST], sealed[MOST], out[MOST];

        (void)state;
        unhex(gcm[3].key, key);
        unhex(gcm[3].nonce, nonce);
        unhex(gcm[3].aad, aad);
        unhex(gcm[3].sealed, sealed);
        assert_int_equal(wt_gcm_open(key, nonce, aad, 20, sealed, 76, out), WT_OK);
        turned(key, 256, key, nonce, aad, sealed);
        turned(nonce, 96, key, nonce, aad, sealed);
        turned(aad, 160, key, nonce, aad, sealed);
        turned(sealed, 76 * 8, key, nonce, aad, sealed);
        for (size_t n = 0; n < 76; n++)          /* cut anywhere */
                assert_int_equal(wt_gcm_open(key, nonce, aad, 20, sealed, n, out), WT_EDATA);
        assert_non_null(strstr(wt_words(), "changed"));
        assert_int_equal(wt_gcm_open(key, nonce, aad, 20, sealed, 15, out), WT_EDATA);
        assert_non_null(strstr(wt_words(), "15 sealed bytes"));
}

/* In place: the same memory in and out. */
static void gcm_in_place(void **state)
{
        uint8_t key[32] = { 7 }, nonce[12] = { 9 }, b[100 + WT_GCM_TAG];

        (void)state;
        memset(b, 'x', sizeof b);
        assert_int_equal(wt_gcm_seal(key, nonce, NULL, 0, b, 100, b), WT_OK);
        assert_int_not_equal(b[0], 'x');
        assert_int_equal(wt_gcm_open(key, nonce, NULL, 0, b, sizeof b, b), WT_OK);
        for (int i = 0; i < 100; i++)
                assert_int_equal(b[i], 'x');
}

/* ---- HMAC-SHA-256: RFC 4231, section 4 ---- */

static const struct { int fill; size_t n_key; const char *key, *data, *mac; } hmac[] = {
        { 0x0b, 20, NULL, "Hi There",
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
        { 0, 4, "Jefe", "what do ya want for nothing?",
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
        { 0xaa, 20, NULL, "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
          "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
          "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd",
          "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
        { 0, 25, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13"
          "\x14\x15\x16\x17\x18\x19",
          "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
          "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
          "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd",
          "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
        { 0x0c, 20, NULL, "Test With Truncation", "a3b6167473100ee06e0c796c2955552b" },
        { 0xaa, 131, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
        { 0xaa, 131, NULL, "This is a test using a larger than block-size key and a larger than "
          "block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
          "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
};

static void hmac_as_rfc_4231(void **state)
{
        uint8_t key[MOST], expected[MOST], got[32];

        (void)state;
        for (size_t i = 0; i < sizeof hmac / sizeof *hmac; i++) {
                size_t n = unhex(hmac[i].mac, expected);

                memset(key, hmac[i].fill, sizeof key);
                if (hmac[i].key)
                        memcpy(key, hmac[i].key, hmac[i].n_key);
                wt_hmac_sha256(key, hmac[i].n_key, hmac[i].data, strlen(hmac[i].data), got);
                assert_memory_equal(got, expected, n);
        }
        unhex("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", expected);
        wt_hmac_sha256(NULL, 0, NULL, 0, got);   /* neither key nor data */
        assert_memory_equal(got, expected, 32);
}

static void wipes_and_compares(void **state)
{
        uint8_t a[4] = { 1, 2, 3, 4 }, b[4] = { 1, 2, 3, 5 }, zeros[4] = { 0 };

        (void)state;
        assert_false(wt_same(a, b, 4));
        assert_true(wt_same(a, b, 3));
        wt_wipe(a, 4);
        assert_memory_equal(a, zeros, 4);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ed25519_as_rfc_8032),
                cmocka_unit_test(ed25519_refuses_what_was_changed),
                cmocka_unit_test(gcm_as_nist),
                cmocka_unit_test(gcm_refuses_what_was_changed),
                cmocka_unit_test(gcm_in_place),
                cmocka_unit_test(hmac_as_rfc_4231),
                cmocka_unit_test(wipes_and_compares),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
