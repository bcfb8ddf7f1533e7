/* outbox.h - messages to one peer that its full queue has not taken yet, in order. Credits keep the
 * queues far below the high-water mark, so that it is nearly always empty; a peer that does not
 * read holds up nobody else, and is given up once too much waits for it. For the bus's thread. */
#ifndef WITAN_BUS_OUTBOX_H
#define WITAN_BUS_OUTBOX_H
#include "bus/bus.h"

enum { WT_OUTBOX_MOST = 4096 };                  /* messages: small ones cost turns, not memory */

struct wt_outbox {                               /* all zero: empty */
        wt_msg *head, **tail;
        uint32_t n;
        uint64_t bytes;                          /* of their memory: tensors and arenas */
};

/* Sends m, or keeps it behind what waits. Takes m, whatever it returns. WT_EAGAIN: more than
 * WT_OUTBOX_MOST messages or most_bytes would wait (a single one is always kept); other codes are
 * wt_bus_send's; then m is lost, so the peer is to be cut off and its outbox cleared. *sent (bytes
 * of tensors) grows by what leaves. */
wt_err wt_outbox_send(struct wt_outbox *o, wt_bus *b, wt_msg *m, uint64_t most_bytes,
                      uint64_t *sent);
/* What waits goes out again, as far as it will. The same codes: what stood behind is lost, too. */
wt_err wt_outbox_flush(struct wt_outbox *o, wt_bus *b, uint64_t most_bytes, uint64_t *sent);
void wt_outbox_clear(struct wt_outbox *o);       /* frees what waits */
#endif
