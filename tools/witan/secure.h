/* secure.h - how the command line speaks https to the gateway. */
#ifndef WITAN_TOOLS_SECURE_H
#define WITAN_TOOLS_SECURE_H
#include "base/conf.h"
#include "net/secure.h"

/* By the settings cacert and tls_name, or the system's authorities; once, before any request. */
wt_err secure_settings(const wt_conf *c);
/* A cluster of this machine is asked at its own address: the certificate that its gateway was
 * started with is trusted as it is, unless cacert or tls_name say otherwise. "": nothing
 * changes. */
void secure_cluster(const char *cert);
/* By what this process speaks https now; borrowed, until secure_cluster. */
const struct wt_secure *secure_client(void);
/* Could a gateway serve by these settings: certificate, key, oldest version? In words. */
wt_err secure_check(const wt_conf *c);
/* "https" when a gateway with these settings serves that, else "http". */
const char *secure_scheme(const wt_conf *c);
#endif
