/* keys.c - makes CURVE keys. */
#include <errno.h>
#include <zmq.h>
#include "bus/bus_impl.h"

wt_err wt_bus_keypair(char public_key[41], char secret_key[41])
{
        if (zmq_curve_keypair(public_key, secret_key) < 0)
                return wt_fail(WT_EUNSUPPORTED, "CURVE key: %s; libzmq must be built with "
                               "libsodium", zmq_strerror(errno));
        return WT_OK;
}
