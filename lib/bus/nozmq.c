/* nozmq.c - stands for zmq*.c and keys.c in a build with libc alone: inproc:// is all there is. */
#include <stdio.h>
#include "bus/bus_impl.h"

bool wt_bus_can_encrypt(void) { return false; }

void wt_bus_library(char out[64])
{
        snprintf(out, 64, "none: queues in one process");
}

const struct wt_bus_ops *bus_remote(void) { return NULL; }

wt_err wt_bus_keypair(char public_key[41], char secret_key[41])
{
        (void)public_key, (void)secret_key;
        return wt_fail(WT_EUNSUPPORTED, "this build has no ZeroMQ, so no keys; build without "
                       "WITAN_CORE_ONLY");
}
