/* io.c - a connection's bytes: the socket's own, or those of the link on it. */
#include "net/conn.h"
#include <errno.h>
#include <sys/socket.h>

/* What a call under TLS waits for may be the other direction. */
static unsigned waits(const struct conn *c, ssize_t n, unsigned of_itself)
{
        return n < 0 && errno == EAGAIN ? c->http->secure->waits(c->tls) : of_itself;
}

ssize_t conn_recv(struct conn *c, void *p, size_t n)
{
        ssize_t got;

        if (!c->tls || c->mode == LINGERING)    /* what comes after our farewell is not looked at */
                return recv(c->fd, p, n, 0);
        got = c->http->secure->recv(c->tls, p, n);
        c->read_waits = waits(c, got, WT_READ);
        return got;
}

ssize_t conn_send(struct conn *c, const void *p, size_t n)
{
        ssize_t sent;

        if (!c->tls)
                return send(c->fd, p, n, MSG_NOSIGNAL);
        sent = c->http->secure->send(c->tls, p, n);
        c->send_waits = waits(c, sent, WT_WRITE);
        return sent;
}

bool conn_shaken(const struct conn *c) { return !c->tls || c->http->secure->shaken(c->tls); }

void conn_bye(struct conn *c)
{
        if (c->tls)
                c->http->secure->bye(c->tls);
}

void conn_unlink(struct conn *c, bool in_order)
{
        if (in_order)
                conn_bye(c);
        if (c->tls)
                c->http->secure->close(c->tls);
        c->tls = NULL;
}
