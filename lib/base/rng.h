/* rng.h - Philox4x32-10 (Salmon et al. 2011): random numbers as a function of a key and a counter,
 * so that a draw depends on what it is for and not on what was drawn before; and the system's own
 * random bytes for secrets. */
#ifndef WITAN_BASE_RNG_H
#define WITAN_BASE_RNG_H
#include <stddef.h>
#include <stdint.h>

void wt_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);
/* A double in [0, 1) of 53 bits for (seed, a, b, c): key = seed (low word first), counter =
 * (a, b, c, 0); the upper 53 bits of out[1]:out[0], over 2^53. */
double wt_philox_unit(uint64_t seed, uint32_t a, uint32_t b, uint32_t c);
/* From getrandom(2); aborts if the system has none. */
void wt_random_bytes(void *out, size_t n);
/* UUIDv7 (RFC 9562) of a wall time; text is 36 characters and a NUL. */
void wt_uuid7(uint64_t wall_us, uint8_t out[16]);
void wt_uuid_text(const uint8_t id[16], char out[37]);
#endif
