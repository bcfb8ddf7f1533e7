/* stories_test.c - a trained model against a computation in float64 by others: the greedy tokens of
 * four prompts, and all logits at their golden positions, by the dense model and by its twin of
 * experts, in chunks and token after token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "stories.h"

static struct story stories[STORIES];

static void golden(void **state)
{
        static const uint32_t chunks[] = { 64, 7, 1 };
        const char *name = *state;
        char folder[256];

        stories_load(stories);
        if (!stories_folder(name, folder))
                skip();
        for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
                double worst;

                stories_run(stories, folder, chunks[i]);
                worst = stories_check(stories);
                print_message("# %s, chunks of %u: largest difference of a logit %.2e\n", name,
                              chunks[i], worst);
                assert_true(worst <= 1e-4);
        }
        stories_folder_done(folder);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                { "stories260K", golden, NULL, NULL, "stories260K" },
                { "stories260K-moe4", golden, NULL, NULL, "stories260K-moe4" } };

        return cmocka_run_group_tests_name("stories", tests, NULL, NULL);
}
