/* stories.h - stories260K, a trained Llama, and its twin of four experts, for tests that hold a way
 * of computing them against golden.json (tests/golden/stories260K/README.md). Failures of the files
 * stop the test. */
#ifndef WITAN_TESTS_STORIES_H
#define WITAN_TESTS_STORIES_H
#include <stdbool.h>
#include <stdint.h>

enum { STORIES = 4, STORY_IDS = 320, STORY_VOCAB = 512, STORY_AT = 5 };

struct story {
        int32_t ids[STORY_IDS];                  /* the prompt, then what greedy decoding makes */
        uint32_t n_prompt, n_ids;
        uint32_t at[STORY_AT], n_at;             /* positions whose logits are known */
        float want[STORY_AT][STORY_VOCAB];
        float logits[STORY_IDS][STORY_VOCAB];    /* of stories_run: after each id but the last */
};

void stories_load(struct story s[STORIES]);
/* The folder of "stories260K" or "stories260K-moe4", the latter made under TMPDIR out of links to
 * the further test data; false when that is not there (its path is printed: say "skipped"). */
bool stories_folder(const char *name, char folder[256]);
void stories_folder_done(const char *folder);    /* removes what was made */
/* Runs the ids through the processor's stages in this process, in chunks; fills logits. */
void stories_run(struct story s[STORIES], const char *folder, uint32_t chunk);
/* The largest distance of a logit from the golden one. Fails where the largest logit is not that of
 * the next golden id. */
double stories_check(const struct story s[STORIES]);
#endif
