/* doctor_ports.c - are the ports free, or held by our own cluster? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "doctor.h"
#include "ports.h"
#include "sense.h"

/* The process of our cluster that serves this port, or NULL. */
static const struct process *ours(const struct doctor *d, int port)
{
        for (uint32_t i = 0; i < d->cl.n && d->runs; i++) {
                const struct process *p = &d->cl.processes[i];
                const char *colon = strrchr(p->endpoint, ':');
                if (p->pid != 0 && colon != NULL && atoi(colon + 1) == port)
                        return p;
                if (p->pid != 0 && strcmp(p->role, "gateway") == 0 &&
                    (colon = strrchr(d->cl.rpc, ':')) != NULL && atoi(colon + 1) == port)
                        return p;
        }
        return NULL;
}

static void port(struct doctor *d, const char *what, const char *address,
                 enum doctor_level when_taken, const char *todo)
{
        int number = sense_port(address);
        const struct process *p = number > 0 ? ours(d, number) : NULL;
        wt_err err;

        if (number < 0)
                return;                          /* said among the settings */
        if (number == 0)
                doctor_say(d, D_OK, "ports", NULL, "%s: any free one will be taken", what);
        else if (p != NULL)
                doctor_say(d, D_OK, "ports", NULL, "%s: %s is held by our %s (process %d)", what,
                           address, p->name, (int)p->pid);
        else if ((err = port_check(address, NULL)) == WT_OK)
                doctor_say(d, D_OK, "ports", NULL, "%s: %s is free", what, address);
        else if (err == WT_EEXIST)
                doctor_say(d, when_taken, "ports", todo, "%s: %s", what, wt_words());
        else
                doctor_say(d, D_FAIL, "ports", "name another address", "%s: %s", what, wt_words());
}

void doctor_ports(struct doctor *d)
{
        const wt_conf *c = d->c->conf;
        const char *bus = wt_conf_str(c, WT_SET_bus), *http = wt_conf_str(c, WT_SET_http);
        const char *rpc = wt_conf_str(c, WT_SET_rpc);
        bool named = wt_conf_from(c, WT_SET_bus) != WT_FROM_DEFAULT,
             rpc_named = wt_conf_from(c, WT_SET_rpc) != WT_FROM_DEFAULT;

        if (d->runs && wt_conf_from(c, WT_SET_http) == WT_FROM_DEFAULT &&
            strstr(d->cl.http, "://") != NULL)
                http = strstr(d->cl.http, "://") + 3;    /* what runs, not what would start next */
        port(d, "http", http, D_FAIL, "stop it, or pass --http 127.0.0.1:0 for any free port");
        if (strncmp(bus, "tcp://", 6) == 0)
                port(d, "bus", bus + 6, named ? D_FAIL : D_WARN,
                     named ? "stop it, or name another endpoint: --bus"
                           : "nothing: witan up takes another port");
        if (d->runs && !rpc_named)
                rpc = d->cl.rpc;
        if (strncmp(rpc, "tcp://", 6) == 0)
                port(d, "rpc", rpc + 6, rpc_named ? D_FAIL : D_WARN,
                     rpc_named ? "stop it, or name another endpoint: --rpc"
                               : "nothing: witan up takes another port");
}
