/* played.c - see played.h. */
#include "played.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the router's part ---- */

struct field f;
wt_bus *bus;
struct played router;
char address[64], key[80] = "none";

static void welcome(uint32_t peer)
{
        static const uint8_t revision[32] = { 7 };
        wt_msg *m = wt_msg_new(bus);
        struct wt_welcome *w = WT_ARENA_NEW(&m->arena, struct wt_welcome);

        *w = (struct wt_welcome){ .epoch = 3, .profile = WT_STR("wn1/f32"),
                                  .revision = WT_BYTES(revision, 32), .max_context = 1024,
                                  .vocab = 4096, .kv_pages = 1000, .max_waiting = 64,
                                  .model = WT_STR("tiny"), .max_seqs = 64 };
        m->peer = peer;
        m->env.method = WT_M_WELCOME;
        m->env.epoch = 3;
        m->env.body = w;
        assert_int_equal(wt_bus_send(bus, m), WT_OK);
        router.met = true;
        router.peer = peer;
}

static void take_submit(const wt_msg *m)
{
        const struct wt_submit *b = m->env.body;
        struct submitted *s = &router.sub[router.n_subs];

        assert_true(++router.n_subs < MOST);
        memcpy(s->request, b->request.data, 16);
        s->attempt = b->attempt;
        s->n_made = m->env.tensors[1].shape[0];
        memcpy(s->made, m->frame[1].data,
               (s->n_made < MOST ? s->n_made : MOST) * sizeof *s->made);
}

void play(void)
{
        wt_msg *m;

        while (wt_bus_recv(bus, &m) == WT_OK) {
                if (m->env.method == WT_M_HELLO)
                        welcome(m->peer);
                else if (m->env.method == WT_M_SUBMIT)
                        take_submit(m);
                else if (m->env.method == WT_M_CANCEL)
                        router.n_cancels++;
                wt_msg_free(m);
        }
}

void say(const struct submitted *s, uint32_t at, const int32_t *ids, uint32_t n,
         enum wt_finish finish, wt_err status)
{
        wt_msg *m = wt_msg_new(bus);
        struct wt_events *list = WT_ARENA_NEW(&m->arena, struct wt_events);
        struct wt_event_msg *e = list->events = WT_ARENA_NEW(&m->arena, struct wt_event_msg);

        list->n_events = 1;
        e->request = WT_BYTES(s->request, 16);
        e->attempt = s->attempt;
        e->position = N_PROMPT + at;
        e->ids = (int32_t *)ids;
        e->n_ids = n;
        e->finish = finish;
        e->status = status;
        m->peer = router.peer;
        m->env.method = WT_M_EVENTS;
        m->env.body = list;
        assert_int_equal(wt_bus_send(bus, m), WT_OK);
}

/* ---- the clients' ---- */

void look(struct client *c)
{
        ssize_t n;

        while (!c->ended && (n = recv(c->fd, wt_buf_room(&c->got, 64 << 10), 64 << 10,
                                      MSG_DONTWAIT)) != -1) {
                c->got.len += (size_t)n;
                c->got.data[c->got.len] = '\0';
                c->ended = n == 0;
        }
        c->ended |= errno != EAGAIN && errno != EWOULDBLOCK;
}

void dial(struct client *c)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

        *c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
        a.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
        assert_int_equal(connect(c->fd, (struct sockaddr *)&a, sizeof a), 0);
}

void hang_up(struct client *c)
{
        close(c->fd);
        wt_buf_free(&c->got);
}

void put(struct client *c, const char *data, size_t len)
{
        uint64_t end = wt_now_us(&wt_clock_real) + DEADLINE;

        while (len > 0) {
                ssize_t n = send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n > 0) {
                        data += n;
                        len -= (size_t)n;
                        continue;
                }
                assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
                assert_true(wt_now_us(&wt_clock_real) < end);
                play();
                look(c);
                wt_bus_wait(bus, -1, 1000);
        }
}

void post(struct client *c, const char *path, const char *body)
{
        struct wt_buf b = { 0 };

        wt_buf_fmt(&b, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                   "Authorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n%s", path, key,
                   strlen(body), body);
        dial(c);
        put(c, b.data, b.len);
        wt_buf_free(&b);
}
