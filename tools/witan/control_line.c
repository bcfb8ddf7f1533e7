/* control_line.c - the bus side of witan control. */
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "control.h"

enum { PATIENCE_US = 30 * 1000 * 1000, LOOK_US = 50 * 1000, CALL = 1 };

wt_err control_open(struct control_line *l, const char *state, const char *name,
                    const char *endpoint, const char *server)
{
        struct wt_bus_conf conf = { .name = name, .connect = &endpoint, .n_connect = 1 };
        struct wt_keyring theirs;
        char dir[4200];
        wt_err err;

        memset(l, 0, sizeof *l);
        l->name = server;
        snprintf(dir, sizeof dir, "%s/keys", state);
        if ((err = wt_keyring_load(&l->ring, dir, name)) != WT_OK)
                return err;
        if (strcmp(server, "router") != 0) {     /* a worker is met by its own key */
                if ((err = wt_keyring_load(&theirs, dir, server)) != WT_OK)
                        return err;
                memcpy(l->ring.server_key, theirs.public_key, sizeof theirs.public_key);
                explicit_bzero(&theirs, sizeof theirs);
        }
        conf.keys = wt_keyring_bus(&l->ring);
        return wt_bus_open(&l->bus, &conf);
}

void control_close(struct control_line *l)
{
        if (l->bus != NULL)
                wt_bus_close(l->bus);
        explicit_bzero(l, sizeof *l);
}

/* What the other side says of a refusal. */
static wt_err verdict(const wt_msg *m)
{
        if (m->env.status == WT_OK)
                return WT_OK;
        return wt_fail((wt_err)m->env.status, "%.*s", (int)m->env.message.len,
                       m->env.message.len > 0 ? (const char *)m->env.message.data : "refused");
}

wt_err control_ask(struct control_line *l, wt_msg *m)
{
        uint64_t end = wt_now_us(&wt_clock_real) + PATIENCE_US;
        uint32_t method = m->env.method;
        wt_err err;

        m->env.call_id = CALL;
        while ((err = wt_bus_send(l->bus, m)) != WT_OK) {        /* until it is connected */
                if (wt_now_us(&wt_clock_real) > end) {
                        wt_msg_free(m);
                        return wt_fail(WT_EUNAVAILABLE, "%s does not take a message; witan ps "
                                       "shows whether it runs", l->name);
                }
                wt_bus_wait(l->bus, -1, LOOK_US);
        }
        for (;;) {
                if (wt_bus_recv(l->bus, &m) != WT_OK) {
                        if (wt_now_us(&wt_clock_real) > end)
                                return wt_fail(WT_EDEADLINE, "%s did not answer within %d s; witan "
                                               "ps shows whether it runs", l->name,
                                               PATIENCE_US / 1000000);
                        wt_bus_wait(l->bus, -1, LOOK_US);
                        continue;
                }
                if (m->env.method == method && m->env.call_id == CALL)
                        break;
                wt_msg_free(m);                  /* an answer to nobody */
        }
        err = verdict(m);
        wt_msg_free(m);
        return err;
}
