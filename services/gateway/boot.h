/* boot.h - a gateway out of settings: tokenizer, shape, keys, bus, HTTP. main.c runs one; `witan
 * up --inproc` runs one beside the other services of its process. */
#ifndef WITAN_GATEWAY_BOOT_H
#define WITAN_GATEWAY_BOOT_H
#include "base/conf.h"
#include "gateway.h"

struct gateway_boot;
/* Borrows conf and router until the close. router: an inproc:// endpoint, or NULL for the setting
 * routers_at with CURVE keys from STATE/keys. Logs GATEWAY-READY. On failure the words say what
 * to do and nothing is left open. */
wt_err gateway_boot(struct gateway_boot **out, const wt_conf *conf, const char *router);
/* Until wt_stop_asked and drained; 1 when requests had to be cut, else 0. */
int gateway_boot_run(struct gateway_boot *b);
const char *gateway_boot_metrics(const struct gateway_boot *b);      /* HOST:PORT */
void gateway_boot_close(struct gateway_boot *b); /* NULL is fine */
#endif
