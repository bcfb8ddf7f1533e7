#include "base/rng.h"
#include <errno.h>
#include <sys/random.h>
#include "base/err.h"

/* Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011), section
 * 4.3. */
enum { ROUNDS = 10 };
static const uint32_t mul_0 = 0xd2511f53u, mul_1 = 0xcd9e8d57u;
static const uint32_t weyl_0 = 0x9e3779b9u, weyl_1 = 0xbb67ae85u;

void wt_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
        uint32_t k0 = key[0], k1 = key[1];
        uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];

        for (int r = 0; r < ROUNDS; r++, k0 += weyl_0, k1 += weyl_1) {
                uint64_t a = (uint64_t)mul_0 * c0, b = (uint64_t)mul_1 * c2;

                c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
                c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
                c1 = (uint32_t)b;
                c3 = (uint32_t)a;
        }
        out[0] = c0;
        out[1] = c1;
        out[2] = c2;
        out[3] = c3;
}

double wt_philox_unit(uint64_t seed, uint32_t a, uint32_t b, uint32_t c)
{
        const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
        const uint32_t counter[4] = { a, b, c, 0 };
        uint32_t r[4];

        wt_philox(key, counter, r);
        return (double)(((uint64_t)r[1] << 32 | r[0]) >> 11) * 0x1p-53;
}

void wt_random_bytes(void *out, size_t n)
{
        unsigned char *p = out;

        while (n) {
                ssize_t got = getrandom(p, n, 0);

                if (got < 0) {
                        WT_ASSERT(errno == EINTR);
                        continue;
                }
                p += got;
                n -= (size_t)got;
        }
}

void wt_uuid7(uint64_t wall_us, uint8_t out[16])
{
        uint64_t ms = wall_us / 1000;
        uint32_t part = (uint32_t)(wall_us % 1000 * 4096 / 1000);   /* RFC 9562, 6.2, method 3 */

        wt_random_bytes(out + 8, 8);
        for (int i = 0; i < 6; i++)
                out[i] = (uint8_t)(ms >> (40 - 8 * i));
        out[6] = (uint8_t)(0x70 | part >> 8);
        out[7] = (uint8_t)part;
        out[8] = (uint8_t)(0x80 | (out[8] & 0x3f));
}

void wt_uuid_text(const uint8_t id[16], char out[37])
{
        static const char hex[] = "0123456789abcdef";

        for (int i = 0; i < 16; i++) {
                if (i == 4 || i == 6 || i == 8 || i == 10)
                        *out++ = '-';
                *out++ = hex[id[i] >> 4];
                *out++ = hex[id[i] & 15];
        }
        *out = '\0';
}
