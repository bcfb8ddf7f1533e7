/* endpoints.c - a list of endpoints as settings write it. */
#include <string.h>
#include "bus/bus.h"

wt_err wt_bus_endpoints(const char *list, char *room, size_t bytes, const char **out, uint32_t most,
                        uint32_t *n)
{
        char *rest = room, *word;

        if (strlen(list) >= bytes)
                return wt_fail(WT_EINVAL, "the list of endpoints is longer than %zu bytes",
                               bytes - 1);
        strcpy(room, list);
        *n = 0;
        while ((word = strsep(&rest, ", ")) != NULL) {
                if (*word == '\0')
                        continue;
                if (*n == most)
                        return wt_fail(WT_EINVAL, "routers_at names more than %u routers", most);
                out[(*n)++] = word;
        }
        return *n > 0 ? WT_OK
                      : wt_fail(WT_EINVAL, "routers_at is empty; name at least one endpoint");
}
