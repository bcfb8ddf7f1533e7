/* hash.h - the golden hash of the profile (numbers.md N0): SHA-256 over the raw bytes of all
 * logits of models/tiny and five golden models. Without cmocka, for machines that have none. */
#ifndef WITAN_TESTS_HASH_H
#define WITAN_TESTS_HASH_H
#include <stdint.h>
#include "base/err.h"

/* In chunks of so many rows, which must not matter. Packs are kept in pack_dir. */
wt_err profile_hash(uint32_t chunk, const char *pack_dir, char hex[65]);
/* What tests/golden/profile_hash.txt says of the profile that is compiled here. */
wt_err profile_hash_committed(char hex[65]);
#endif
