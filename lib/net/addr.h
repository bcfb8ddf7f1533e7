/* addr.h - HOST:PORT as text and as a socket address; for this folder only. */
#ifndef WITAN_NET_ADDR_H
#define WITAN_NET_ADDR_H
#include <stdbool.h>
#include <sys/socket.h>
#include "base/err.h"

/* Names are resolved; an empty host or "*" is every address when to_bind, else this machine. */
wt_err wt_addr_resolve(const char *address, bool to_bind, struct sockaddr_storage *sa,
                       socklen_t *len);
/* "1.2.3.4:80" or "[::1]:80". */
void wt_addr_text(const struct sockaddr_storage *sa, socklen_t len, char *out, size_t n);
#endif
