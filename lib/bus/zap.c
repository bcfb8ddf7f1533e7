/* zap.c - answers libzmq's question about each handshake: 200 with the name and role of a listed
 * key, or 400. A socket of inproc://zeromq.zap.01 sees no traffic but libzmq's own. */
#include "bus/zap.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>
#include "bus/allow.h"

enum { N_ASKED = 7, ID_BYTES = 64, KEY_BYTES = 32 };
enum { ASK_VERSION, ASK_ID, ASK_DOMAIN, ASK_ADDRESS, ASK_ROUTING_ID, ASK_MECHANISM, ASK_KEY };

struct zap {
        void *sock;
        wt_bus *b;
        struct bus_allow allow;
        pthread_t thread;
};

/* n: parts received, also beyond N_ASKED. */
struct question { zmq_msg_t part[N_ASKED]; int n; };

/* False: the context ends. */
static bool ask(void *sock, struct question *q)
{
        int more = 1;
        size_t len = sizeof more;

        for (q->n = 0; more; q->n++) {
                zmq_msg_t extra, *to = q->n < N_ASKED ? &q->part[q->n] : &extra;

                zmq_msg_init(to);
                while (zmq_msg_recv(to, sock, 0) < 0)
                        if (errno != EINTR) {
                                q->n = q->n < N_ASKED ? q->n + 1 : N_ASKED;
                                return false;
                        }
                more = 0;
                zmq_getsockopt(sock, ZMQ_RCVMORE, &more, &len);
                if (to == &extra)
                        zmq_msg_close(&extra);
        }
        return true;
}

static bool part_is(struct question *q, int i, const char *text)
{
        return zmq_msg_size(&q->part[i]) == strlen(text) &&
               memcmp(zmq_msg_data(&q->part[i]), text, strlen(text)) == 0;
}

static const struct bus_allowed *judge(struct zap *z, struct question *q)
{
        char key[41];

        if (q->n != N_ASKED || !part_is(q, ASK_VERSION, "1.0") ||
            !part_is(q, ASK_MECHANISM, "CURVE") ||
            zmq_msg_size(&q->part[ASK_KEY]) != KEY_BYTES)
                return NULL;
        if (!zmq_z85_encode(key, zmq_msg_data(&q->part[ASK_KEY]), KEY_BYTES))
                return NULL;
        return bus_allow_find(&z->allow, key);
}

static void answer(struct zap *z, struct question *q, const struct bus_allowed *who)
{
        char user[BUS_USER_BYTES + 1] = "";

        if (who)
                snprintf(user, sizeof user, "%s %s %s", who->name, who->role, who->key);
        zmq_send(z->sock, "1.0", 3, ZMQ_SNDMORE);
        if (q->n > ASK_ID)
                zmq_msg_send(&q->part[ASK_ID], z->sock, ZMQ_SNDMORE);
        else
                zmq_send(z->sock, "", 0, ZMQ_SNDMORE);
        zmq_send(z->sock, who ? "200" : "400", 3, ZMQ_SNDMORE);
        zmq_send(z->sock, who ? "OK" : "not listed", who ? 2 : 10, ZMQ_SNDMORE);
        zmq_send(z->sock, user, strlen(user), ZMQ_SNDMORE);
        zmq_send(z->sock, "", 0, 0);
}

static void *serve(void *arg)
{
        struct zap *z = arg;
        struct question q;
        int zero = 0;
        bool more = true;

        while (more) {
                if ((more = ask(z->sock, &q))) {
                        const struct bus_allowed *who = judge(z, &q);

                        if (!who)
                                bus_count(&z->b->refused_keys, 1);
                        answer(z, &q, who);
                }
                for (int i = 0; i < q.n && i < N_ASKED; i++)
                        zmq_msg_close(&q.part[i]);
        }
        zmq_setsockopt(z->sock, ZMQ_LINGER, &zero, sizeof zero);
        zmq_close(z->sock);                      /* zmq_ctx_term waits for this */
        return NULL;
}

wt_err zap_start(struct zap **out, void *context, wt_bus *b, const char *allow_file)
{
        struct zap *z = calloc(1, sizeof *z);
        wt_err err;
        int rc;

        if (!z)
                return wt_fail(WT_ENOMEM, "no memory for the ZAP handler");
        z->b = b;
        if ((err = bus_allow_open(&z->allow, allow_file)) != WT_OK) {
                free(z);
                return err;
        }
        z->sock = zmq_socket(context, ZMQ_REP);
        if (!z->sock || zmq_bind(z->sock, "inproc://zeromq.zap.01") < 0)
                rc = errno;
        else
                rc = pthread_create(&z->thread, NULL, serve, z);
        if (rc == 0) {
                *out = z;
                return WT_OK;
        }
        if (z->sock)
                zmq_close(z->sock);
        bus_allow_close(&z->allow);
        free(z);
        return wt_fail(rc == ENOMEM || rc == EAGAIN ? WT_ENOMEM : WT_EIO, "ZAP handler: %s",
                       zmq_strerror(rc));
}

void zap_end(struct zap *z)
{
        if (!z)
                return;
        pthread_join(z->thread, NULL);
        bus_allow_close(&z->allow);
        free(z);
}
