/* addr.c - HOST:PORT as text and as a socket address. */
#include "net/addr.h"
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wt_addr_text(const struct sockaddr_storage *sa, socklen_t len, char *out, size_t n)
{
        char host[64], port[8];

        if (getnameinfo((const struct sockaddr *)sa, len, host, sizeof host, port, sizeof port,
                        NI_NUMERICHOST | NI_NUMERICSERV) != 0)
                snprintf(out, n, "unknown");
        else
                snprintf(out, n, sa->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

wt_err wt_addr_resolve(const char *address, bool to_bind, struct sockaddr_storage *sa,
                       socklen_t *len)
{
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found;
        const char *colon = strrchr(address, ':');
        char host[256];
        size_t n = colon ? (size_t)(colon - address) : 0;
        int rc;

        if (n >= 2 && address[0] == '[' && colon[-1] == ']') {
                address++;
                n -= 2;
        } else if (!colon || memchr(address, ':', n)) {
                return wt_fail(WT_EINVAL, "\"%s\" is not HOST:PORT; write 127.0.0.1:8080 or "
                               "[::1]:8080", address);
        }
        if (n >= sizeof host || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")] ||
            strlen(colon + 1) > 5 || atoi(colon + 1) > 65535)
                return wt_fail(WT_EINVAL, "\"%s\" has no port from 0 to 65535", colon + 1);
        snprintf(host, sizeof host, "%.*s", (int)n, address);
        if (to_bind)
                hints.ai_flags |= AI_PASSIVE;
        rc = getaddrinfo(n && strcmp(host, "*") != 0 ? host : NULL, colon + 1, &hints, &found);
        if (rc != 0)
                return wt_fail(WT_EINVAL, "host \"%s\" is not known: %s", host, gai_strerror(rc));
        memcpy(sa, found->ai_addr, found->ai_addrlen);
        *len = found->ai_addrlen;
        freeaddrinfo(found);
        return WT_OK;
}
