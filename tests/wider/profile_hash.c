/* profile_hash.c - prints the golden hash (tests/golden/hash.h) of this build; fails where it is
 * not the committed one. Usage: profile_hash PACKS [CHUNK...], in the root of the sources; PACKS:
 * a folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"

static int failed(void)
{
        fprintf(stderr, "%s\n", wt_words());
        return 2;
}

int main(int argc, char **argv)
{
        char want[65], got[65];
        int wrong = 0;

        if (argc < 2) {
                fprintf(stderr, "usage: profile_hash PACKS [CHUNK...]\n");
                return 2;
        }
        if (profile_hash_committed(want) != WT_OK)
                return failed();
        for (int i = 2; i < argc || i == 2; i++) {
                uint32_t chunk = i < argc ? (uint32_t)strtoul(argv[i], NULL, 10) : 17;

                if (chunk == 0 || profile_hash(chunk, argv[1], got) != WT_OK)
                        return failed();
                printf("%s\n", got);
                wrong += strcmp(got, want) != 0;
        }
        if (wrong)
                fprintf(stderr, "the committed hash is %s\n", want);
        return wrong != 0;
}
