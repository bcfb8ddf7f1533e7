#include "base/sha256.h"
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of 64 primes. */
static const _Alignas(16) uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
        0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
        0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
        0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
        0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
        0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
        0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t ror(uint32_t x, int n) { return x >> n | x << (32 - n); }

/* The plain form is the meaning; 6.2.2 of the standard. */
void wt_sha256_blocks_plain(uint32_t h[8], const uint8_t *p, size_t n_blocks)
{
        for (; n_blocks; n_blocks--, p += 64) {
                uint32_t w[64], s[8];

                for (int t = 0; t < 16; t++)
                        w[t] = (uint32_t)p[4 * t] << 24 | (uint32_t)p[4 * t + 1] << 16 |
                               (uint32_t)p[4 * t + 2] << 8 | p[4 * t + 3];
                for (int t = 16; t < 64; t++) {
                        uint32_t a = w[t - 15], b = w[t - 2];

                        w[t] = w[t - 16] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) + w[t - 7] +
                               (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
                }
                memcpy(s, h, sizeof s);
                for (int t = 0; t < 64; t++) {
                        uint32_t t1 = s[7] + (ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25)) +
                                      ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[t] + w[t];
                        uint32_t t2 = (ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22)) +
                                      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));

                        memmove(s + 1, s, 7 * sizeof *s);
                        s[4] += t1;
                        s[0] = t1 + t2;
                }
                for (int i = 0; i < 8; i++)
                        h[i] += s[i];
        }
}

#if defined(__x86_64__)
/* Two rounds of each pair of words w, key words at key; the state is (A,B,E,F), (C,D,G,H), highest
 * lane first. */
#define FOUR_ROUNDS(w, key)                                                                    \
        do {                                                                                   \
                __m128i wk = _mm_add_epi32(w, _mm_load_si128((const __m128i *)(key)));         \
                cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);                                  \
                abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));         \
        } while (0)
/* a, b, c, d: the last sixteen words of the schedule, oldest first; a becomes the next four. */
#define NEXT_WORDS(a, b, c, d)                                                                 \
        (a = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(a, b),                    \
                                                _mm_alignr_epi8(d, c, 4)), d))

__attribute__((target("sha,sse4.1,ssse3")))
static void blocks_sha(uint32_t h[8], const uint8_t *p, size_t n_blocks)
{
        const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
        __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)h), 0xb1);
        __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(h + 4)), 0x1b);
        __m128i abef = _mm_alignr_epi8(badc, efgh, 8);
        __m128i cdgh = _mm_blend_epi16(efgh, badc, 0xf0);

        for (; n_blocks; n_blocks--, p += 64) {
                const __m128i *in = (const __m128i *)p;
                const __m128i abef_in = abef, cdgh_in = cdgh;
                __m128i w0 = _mm_shuffle_epi8(_mm_loadu_si128(in), swap);
                __m128i w1 = _mm_shuffle_epi8(_mm_loadu_si128(in + 1), swap);
                __m128i w2 = _mm_shuffle_epi8(_mm_loadu_si128(in + 2), swap);
                __m128i w3 = _mm_shuffle_epi8(_mm_loadu_si128(in + 3), swap);

                FOUR_ROUNDS(w0, k);
                FOUR_ROUNDS(w1, k + 4);
                FOUR_ROUNDS(w2, k + 8);
                FOUR_ROUNDS(w3, k + 12);
                for (int t = 16; t < 64; t += 16) {
                        NEXT_WORDS(w0, w1, w2, w3);
                        FOUR_ROUNDS(w0, k + t);
                        NEXT_WORDS(w1, w2, w3, w0);
                        FOUR_ROUNDS(w1, k + t + 4);
                        NEXT_WORDS(w2, w3, w0, w1);
                        FOUR_ROUNDS(w2, k + t + 8);
                        NEXT_WORDS(w3, w0, w1, w2);
                        FOUR_ROUNDS(w3, k + t + 12);
                }
                abef = _mm_add_epi32(abef, abef_in);
                cdgh = _mm_add_epi32(cdgh, cdgh_in);
        }
        badc = _mm_shuffle_epi32(cdgh, 0xb1);                    /* (D,C,H,G) from high to low */
        efgh = _mm_shuffle_epi32(abef, 0x1b);
        _mm_storeu_si128((__m128i *)h, _mm_blend_epi16(efgh, badc, 0xf0));
        _mm_storeu_si128((__m128i *)(h + 4), _mm_alignr_epi8(badc, efgh, 8));
}

static int have_sha(void)
{
        unsigned a, b, c, d;

        if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1))
                return 0;
        return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29);    /* CPUID.7.0:EBX.SHA */
}
#endif

static void blocks(uint32_t h[8], const uint8_t *p, size_t n_blocks)
{
#if defined(__x86_64__)
        static int fast = -1;                    /* written more than once with the same value */
        int f = __atomic_load_n(&fast, __ATOMIC_RELAXED);

        if (f < 0) {
                f = have_sha();
                __atomic_store_n(&fast, f, __ATOMIC_RELAXED);
        }
        if (f) {
                blocks_sha(h, p, n_blocks);
                return;
        }
#endif
        wt_sha256_blocks_plain(h, p, n_blocks);
}

void wt_sha256_init(struct wt_sha256 *s)
{
        static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

        memcpy(s->h, start, sizeof start);
        s->bytes = 0;
}

void wt_sha256_add(struct wt_sha256 *s, const void *p, size_t n)
{
        const uint8_t *from = p;
        size_t have = s->bytes % 64;

        if (n == 0)
                return;
        s->bytes += n;
        if (have) {
                size_t take = 64 - have < n ? 64 - have : n;

                memcpy(s->block + have, from, take);
                from += take;
                n -= take;
                if (have + take < 64)
                        return;
                blocks(s->h, s->block, 1);
        }
        blocks(s->h, from, n / 64);
        memcpy(s->block, from + (n & ~(size_t)63), n % 64);
}

void wt_sha256_end(struct wt_sha256 *s, uint8_t out[32])
{
        size_t have = s->bytes % 64;
        uint64_t bits = s->bytes * 8;

        s->block[have++] = 0x80;
        if (have > 56) {
                memset(s->block + have, 0, 64 - have);
                blocks(s->h, s->block, 1);
                have = 0;
        }
        memset(s->block + have, 0, 56 - have);
        for (int i = 0; i < 8; i++)
                s->block[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
        blocks(s->h, s->block, 1);
        for (int i = 0; i < 32; i++)
                out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void wt_sha256_of(const void *p, size_t n, uint8_t out[32])
{
        struct wt_sha256 s;

        wt_sha256_init(&s);
        wt_sha256_add(&s, p, n);
        wt_sha256_end(&s, out);
}

void wt_hex(const uint8_t *p, size_t n, char *out)
{
        static const char hex[] = "0123456789abcdef";

        for (size_t i = 0; i < n; i++) {
                out[2 * i] = hex[p[i] >> 4];
                out[2 * i + 1] = hex[p[i] & 15];
        }
        out[2 * n] = '\0';
}

static int nibble(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

int wt_unhex(const char *hex, size_t n, uint8_t *out)
{
        for (size_t i = 0; i < n; i++) {
                int hi = nibble(hex[2 * i]), lo = hi < 0 ? -1 : nibble(hex[2 * i + 1]);

                if (lo < 0)
                        return -1;
                out[i] = (uint8_t)(hi << 4 | lo);
        }
        return 0;
}
