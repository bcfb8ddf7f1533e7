/* fuzz_jwks.c - a set of keys: what is taken has keys that say what they are for, each kid once. */
#include <stdint.h>
#include <string.h>
#include "tls/jwk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *why = NULL;
        unsigned algs = 0;
        wt_jwks *s = NULL;
        wt_err err = wt_jwks_parse(&s, (const char *)data, size);

        WT_ASSERT(err == WT_OK || err == WT_EDATA || err == WT_EEXHAUSTED);
        if (err != WT_OK) {
                WT_ASSERT(s == NULL && wt_words()[0]);
                return 0;
        }
        for (uint32_t i = 0; i < wt_jwks_count(s); i++) {
                const char *kid = wt_jwks_kid(s, i);

                algs |= wt_jwks_algs(s, i);
                for (uint32_t other = 0; kid && other < i; other++)
                        WT_ASSERT(!wt_jwks_kid(s, other) || strcmp(wt_jwks_kid(s, other), kid));
                WT_ASSERT(!wt_jwks_good(s, i, WT_EDDSA, "", 0, data, size));
        }
        WT_ASSERT(algs != 0 && wt_jwks_secret(s) == ((algs & WT_JWS_SHARED) != 0));
        WT_ASSERT(!((algs & WT_JWS_SHARED) && (algs & WT_JWS_PUBLIC)));
        WT_ASSERT((wt_jwks_skipped(s, &why) > 0) == (why[0] != '\0'));
        wt_jwks_free(s);
        return 0;
}
