/* addr.c - HOST:PORT as text and as a socket address. */
#include "net/addr.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wt_addr_text(const struct sockaddr_storage *sa, socklen_t len, char *out, size_t n)
{
        const struct sockaddr_in *four = (const void *)sa;
        const struct sockaddr_in6 *six = (const void *)sa;
        char host[INET6_ADDRSTRLEN] = "unknown";

        /* Not getnameinfo: that takes memory, and an address must be told without. */
        if (sa->ss_family == AF_INET6 && len >= sizeof *six) {
                inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
                snprintf(out, n, "[%s]:%u", host, ntohs(six->sin6_port));
        } else if (sa->ss_family == AF_INET && len >= sizeof *four) {
                inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
                snprintf(out, n, "%s:%u", host, ntohs(four->sin_port));
        } else {
                snprintf(out, n, "%s", host);
        }
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
        if (rc == EAI_MEMORY || (rc == EAI_SYSTEM && errno == ENOMEM))
                return wt_fail(WT_ENOMEM, "no memory to look up host \"%s\"", host);
        if (rc == EAI_AGAIN)
                return wt_fail(WT_EUNAVAILABLE, "host \"%s\" cannot be looked up now: %s; try "
                               "again", host, gai_strerror(rc));
        if (rc != 0)
                return wt_fail(WT_EINVAL, "host \"%s\" is not known: %s", host, gai_strerror(rc));
        memcpy(sa, found->ai_addr, found->ai_addrlen);
        *len = found->ai_addrlen;
        freeaddrinfo(found);
        return WT_OK;
}
