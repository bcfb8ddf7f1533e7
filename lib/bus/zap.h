/* zap.h - who may connect: a ZAP handler (ZeroMQ RFC 27) on a thread of its own. Without one,
 * libzmq lets any key in; so it is there before a socket binds and ends with the context. */
#ifndef WITAN_BUS_ZAP_H
#define WITAN_BUS_ZAP_H
#include "bus/bus_impl.h"

enum { BUS_KEY_BYTES = 40, BUS_USER_BYTES = BUS_NAME_BYTES + BUS_ROLE_BYTES + BUS_KEY_BYTES + 2 };

struct zap;
/* Refusals count in b->refused_keys. A listed key's messages carry User-Id "NAME ROLE KEY":
 * BUS_USER_BYTES at most. */
wt_err zap_start(struct zap **out, void *context, wt_bus *b, const char *allow_file);
void zap_end(struct zap *z);                     /* after zmq_ctx_term; NULL is fine */
#endif
