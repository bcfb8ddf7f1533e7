/* bench_parts.h - the router and the workers of a rig, as threads or as processes. */
#ifndef WITAN_TOOLS_BENCH_PARTS_H
#define WITAN_TOOLS_BENCH_PARTS_H
#include "bench_rig.h"
#include "bus/bus.h"

struct parts;
/* *bus: the gateway's, connected to the router; the caller closes it after parts_close. */
wt_err parts_open(struct parts **out, const struct rig_conf *c, wt_bus **bus);
void parts_close(struct parts *p);               /* asks them to stop, waits; NULL is fine */
bool parts_alive(struct parts *p);               /* false: one has ended, words say which and why */
double parts_cpu(const struct parts *p); /* processor seconds so far, this process included */
#endif
