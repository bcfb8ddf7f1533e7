#include "base/list.h"
#include <stdlib.h>
#include <string.h>

void *wt_list_more(void *list, uint32_t n, uint32_t *cap, size_t item)
{
        char *at;

        memcpy(&at, list, sizeof at);            /* its type is the caller's */
        if (n == *cap) {
                uint32_t more = *cap == 0 ? 64 : *cap <= UINT32_MAX / 2 ? 2 * *cap : 0;

                if (more == 0 || (at = realloc(at, (size_t)more * item)) == NULL)
                        return NULL;
                memcpy(list, &at, sizeof at);
                *cap = more;
        }
        return at + (size_t)n * item;
}
