/* crc32c.c - see crc32c.h: the processor's instruction where there is one, else a table. */
#include "audit/crc32c.h"
#include <pthread.h>
#include <string.h>

static uint32_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill(void)
{
        for (uint32_t i = 0; i < 256; i++) {
                uint32_t c = i;

                for (int k = 0; k < 8; k++)
                        c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
                table[i] = c;
        }
}

uint32_t wt_crc32c_plain(uint32_t crc, const void *data, size_t len)
{
        const uint8_t *p = data;

        pthread_once(&once, fill);
        crc = ~crc;
        for (size_t i = 0; i < len; i++)
                crc = crc >> 8 ^ table[(crc ^ p[i]) & 255];
        return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t len)
{
        uint64_t c = (uint32_t)~crc, eight;

        for (; len >= 8; p += 8, len -= 8) {
                memcpy(&eight, p, 8);
                c = __builtin_ia32_crc32di(c, eight);
        }
        for (; len > 0; p++, len--)
                c = __builtin_ia32_crc32qi((uint32_t)c, *p);
        return ~(uint32_t)c;
}

uint32_t wt_crc32c(uint32_t crc, const void *data, size_t len)
{
        return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, data, len)
                                                : wt_crc32c_plain(crc, data, len);
}
#else
uint32_t wt_crc32c(uint32_t crc, const void *data, size_t len)
{
        return wt_crc32c_plain(crc, data, len);
}
#endif
