/* secure.h - TLS at the front door: the certificate out of the settings tls_cert and tls_key, read
 * again when the files change. */
#ifndef WITAN_GATEWAY_SECURE_H
#define WITAN_GATEWAY_SECURE_H
#include "base/buf.h"
#include "base/conf.h"
#include "net/http.h"

struct gateway_tls;
/* *out stays NULL when there is no certificate in the settings: then the door is plain HTTP. Looks
 * at the files every few seconds by a timer of l, and logs what it finds. */
wt_err gateway_tls_open(struct gateway_tls **out, const wt_conf *conf, wt_loop *l);
void gateway_tls_close(struct gateway_tls *t);   /* after the listener; NULL is fine */
/* The listener's connections speak TLS from now on; t NULL: nothing happens. */
void gateway_tls_guard(struct gateway_tls *t, wt_http *h);
void gateway_tls_look(struct gateway_tls *t);    /* at the files, now; NULL is fine */
void gateway_tls_metrics(struct gateway_tls *t, struct wt_buf *out);
#endif
