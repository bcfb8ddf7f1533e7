/* sha256.h - SHA-256 (FIPS 180-4), in libc alone so that every build has it; the test holds it
 * against OpenSSL. Uses the SHA instructions where the processor has them. */
#ifndef WITAN_BASE_SHA256_H
#define WITAN_BASE_SHA256_H
#include <stddef.h>
#include <stdint.h>

struct wt_sha256 { uint32_t h[8]; uint64_t bytes; uint8_t block[64]; };
void wt_sha256_init(struct wt_sha256 *s);
void wt_sha256_add(struct wt_sha256 *s, const void *p, size_t n);
void wt_sha256_end(struct wt_sha256 *s, uint8_t out[32]);
void wt_sha256_of(const void *p, size_t n, uint8_t out[32]);
/* The portable rounds, for the test that holds the fast ones against them. h (8), p (n_blocks *
 * 64). */
void wt_sha256_blocks_plain(uint32_t h[8], const uint8_t *p, size_t n_blocks);
void wt_hex(const uint8_t *p, size_t n, char *out);      /* 2n characters and a NUL */
int wt_unhex(const char *hex, size_t n, uint8_t *out);   /* reads 2n; 0, or -1 when no hex */
#endif
