/* hash_test.c - the golden hash of the profile (hash.h): the same for gcc and clang, -O0 and -O3,
 * every processor (tests/wider). A change that moves it must raise the profile's version: then
 * profile_hash.txt gets the new line that this test prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "hash.h"

static char pack_dir[256];

static void golden(void **state)
{
        static const uint32_t chunks[] = { 256, 17, 1 };
        char want[65], got[65];

        (void)state;
        if (profile_hash_committed(want) != WT_OK)
                fail_msg("%s", wt_words());
        for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
                if (profile_hash(chunks[i], pack_dir, got) != WT_OK)
                        fail_msg("%s", wt_words());
                print_message("# chunk %u: %s\n", chunks[i], got);
                assert_string_equal(got, want);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(golden) };
        const char *tmp = getenv("TMPDIR");

        snprintf(pack_dir, sizeof pack_dir, "%s/witan-hash-XXXXXX", tmp != NULL ? tmp : "/tmp");
        if (mkdtemp(pack_dir) == NULL)
                return 1;
        return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
