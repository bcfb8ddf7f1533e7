/* allow.h - the allow-list of a bus that binds: lines "NAME ROLE PUBLICKEY", '#' comments, blank
 * lines. A key is listed once; a name may have two keys while one replaces the other. */
#ifndef WITAN_BUS_ALLOW_H
#define WITAN_BUS_ALLOW_H
#include <sys/stat.h>
#include "bus/bus_impl.h"

struct bus_allowed { char name[BUS_NAME_BYTES + 1], role[BUS_ROLE_BYTES + 1], key[41]; };
struct bus_allow {
        char *path;
        struct bus_allowed *list;
        uint32_t n, cap;
        uint32_t version;                        /* +1 each time that the file is read and right */
        struct stat seen;                        /* of the file that list came from */
        bool settled;                            /* false: read so soon after its change that
                                                  * another change could look the same */
};

/* WT_EINVAL names the line. a must be zeroed. */
wt_err bus_allow_open(struct bus_allow *a, const char *path);
void bus_allow_close(struct bus_allow *a);
/* Reads the file again when it has changed. False: it is missing or wrong now. */
bool bus_allow_fresh(struct bus_allow *a);
/* The lines of text (changed by it, NUL-ended) as a->list; a->path is for the words. WT_EINVAL
 * names the line, and the list is empty then. */
wt_err bus_allow_parse(struct bus_allow *a, struct wt_buf *text);
/* The entry of a Z85 key or NULL. Reads the file again when it has changed; while it is missing or
 * wrong nobody is listed (peers try again by themselves, so a list half written costs a moment). */
const struct bus_allowed *bus_allow_find(struct bus_allow *a, const char *key);
#endif
