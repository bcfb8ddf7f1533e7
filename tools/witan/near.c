/* near.c - edit distance with swaps of neighbours, and prefixes. */
#include "near.h"
#include <stdio.h>
#include <string.h>

enum { LONGEST = 40 };

static size_t least(size_t a, size_t b)
{
        return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours between two short words. */
static size_t distance(const char *a, const char *b)
{
        size_t row[3][LONGEST + 1], la = strlen(a), lb = strlen(b);

        if (la > LONGEST || lb > LONGEST)
                return LONGEST;
        for (size_t j = 0; j <= lb; j++)
                row[0][j] = j;
        for (size_t i = 1; i <= la; i++) {
                size_t *now = row[i % 3], *before = row[(i - 1) % 3], *two = row[(i + 1) % 3];
                now[0] = i;
                for (size_t j = 1; j <= lb; j++) {
                        now[j] = least(before[j - 1] + (a[i - 1] != b[j - 1]),
                                       least(before[j], now[j - 1]) + 1);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                now[j] = least(now[j], two[j - 2] + 1);
                }
        }
        return row[la % 3][lb];
}

const char *near_word(const char *s, const char *const *words)
{
        const char *best = NULL, *begun = NULL;
        size_t n = strlen(s), most = n < 5 ? 1 : n < 8 ? 2 : 3, so_far = most + 1;

        for (; *words != NULL; words++) {
                size_t d = distance(s, *words);
                if (d < so_far && d < n) {
                        so_far = d;
                        best = *words;
                }
                if (n > 1 && begun == NULL && strncmp(s, *words, n) == 0)
                        begun = *words;
        }
        return so_far <= 1 || begun == NULL ? best : begun;
}

char *near_list(const char *const *words, char *out, size_t n)
{
        size_t at = 0;

        out[0] = '\0';
        for (int i = 0; words[i] != NULL && at < n; i++)
                at += (size_t)snprintf(out + at, n - at, "%s%s",
                                       i == 0                 ? ""
                                       : words[i + 1] == NULL ? " or "
                                                              : ", ",
                                       words[i]);
        return out;
}
