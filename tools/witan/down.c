/* down.c - witan down: asks the supervisor to stop everything, and waits until it has. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "cluster.h"
#include "verb.h"

static int run(struct call *c)
{
        struct cluster cl;
        const struct timespec nap = { 0, 20 * 1000 * 1000 };
        uint64_t end = wt_now_us(&wt_clock_real) +
                       wt_conf_u64(c->conf, WT_SET_drain) * 3000 + (uint64_t)30 * 1000000;

        if (cluster_read(&cl, c->state) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (cl.supervisor <= 1 || kill(cl.supervisor, SIGTERM) != 0) {
                printf("nothing runs in %s\n", c->state);
                return EXIT_DONE;
        }
        while (kill(cl.supervisor, 0) == 0) {
                if (wt_now_us(&wt_clock_real) > end)
                        return verb_fail(c, "process %d has not stopped; its log is in %s/logs",
                                         (int)cl.supervisor, c->state);
                nanosleep(&nap, NULL);
        }
        puts("stopped");
        return EXIT_DONE;
}

const struct verb verb_down = {
        .name = "down", .about = "stops the cluster of a state folder",
        .usage = "witan down [--state DIR]", .example = "witan down --state /var/lib/witan", .run = run,
};
