/* door.h - /metrics, /healthz and /readyz on a thread of their own, so that they answer while the
 * owner computes. The callbacks run on that thread and must only read copies. */
#ifndef WITAN_NET_DOOR_H
#define WITAN_NET_DOOR_H
#include "net/health.h"

typedef struct wt_door wt_door;

struct wt_door_conf {
        const char *address;                     /* HOST:PORT, port 0: any */
        void (*metrics)(void *arg, struct wt_buf *out);
        bool (*ready)(void *arg, struct wt_buf *words);
        uint64_t (*turns)(void *arg);            /* turns of the owner's loop: healthy means that
                                                  * they moved within the last minute */
        void *arg;
};
wt_err wt_door_open(wt_door **out, const struct wt_door_conf *c);
const char *wt_door_address(const wt_door *d);   /* as bound */
void wt_door_close(wt_door *d);                  /* NULL is fine */
#endif
