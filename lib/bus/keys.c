/* keys.c - makes CURVE keys. */
#include <errno.h>
#include <stdio.h>
#include <zmq.h>
#include "bus/bus_impl.h"

bool wt_bus_can_encrypt(void)
{
        return zmq_has("curve") == 1;
}

void wt_bus_library(char out[64])
{
        int major, minor, patch;

        zmq_version(&major, &minor, &patch);
        snprintf(out, 64, "libzmq %d.%d.%d %s CURVE", major, minor, patch,
                 wt_bus_can_encrypt() ? "with" : "without");
}

wt_err wt_bus_keypair(char public_key[41], char secret_key[41])
{
        if (zmq_curve_keypair(public_key, secret_key) < 0)
                return wt_fail(WT_EUNSUPPORTED, "CURVE key: %s; libzmq must be built with "
                               "libsodium", zmq_strerror(errno));
        return WT_OK;
}
