/* keyring.h - the CURVE keys of a cluster as files in one folder (0700):
 *   NAME.key   two lines "public Z85" and "secret Z85" (0600), one file per process name
 *   router.pub the routers' public key in Z85: all routers of a cluster share the pair router.key
 *   allowed    the allow-list: lines "NAME ROLE PUBLICKEY"
 *   rpc.key, rpc.pub   the pair of the RPC door, shared by all gateways
 * Made by `witan up` or mounted from a Kubernetes Secret. */
#ifndef WITAN_BUS_KEYRING_H
#define WITAN_BUS_KEYRING_H
#include "bus/bus.h"

struct wt_keyring { char public_key[41], secret_key[41], server_key[41], allow_file[4096]; };

/* Reads what process NAME needs; name "router-0", "router-1", ... reads router.key. WT_ENOTFOUND
 * names the file and says that `witan up` makes it; WT_EPERM: the file is readable by others. */
wt_err wt_keyring_load(struct wt_keyring *out, const char *dir, const char *name);
/* The RPC door's: its pair; allow_file is rpc-NAME.allowed, which the gateway NAME writes
 * itself. */
wt_err wt_keyring_rpc(struct wt_keyring *out, const char *dir, const char *name);
/* As wt_bus_conf wants it; lends from k. */
struct wt_bus_keys wt_keyring_bus(const struct wt_keyring *k);

/* Makes the folder, the routers' pair and the pair of each name, where missing, and writes the
 * allow-list of exactly these names. Only in builds with zmq. */
struct wt_keyring_name { const char *name, *role; };
wt_err wt_keyring_make(const char *dir, const struct wt_keyring_name *names, uint32_t n);
#endif
