/* near.h - what somebody meant who mistyped. */
#ifndef WITAN_TOOLS_NEAR_H
#define WITAN_TOOLS_NEAR_H
#include <stddef.h>

/* The word of a NULL-ended list that s most likely stands for: few edits away, or begun by s; NULL
 * when none is near. */
const char *near_word(const char *s, const char *const *words);
/* "a, b or c" of a NULL-ended list into out (cut off when it does not fit); returns out. */
char *near_list(const char *const *words, char *out, size_t n);
#endif
