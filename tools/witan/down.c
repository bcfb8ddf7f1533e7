/* down.c - witan down: asks the supervisor to stop everything, and waits until it has. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/clock.h"
#include "cluster.h"
#include "verb.h"

/* Waits until the supervisor has gone; false: it has not within the time that it may take. */
static bool gone(const struct call *c, pid_t supervisor)
{
        const struct timespec nap = { 0, 20 * 1000 * 1000 };
        uint64_t end = wt_now_us(&wt_clock_real) +
                       wt_conf_u64(c->conf, WT_SET_drain) * 3000 + (uint64_t)30 * 1000000;

        while (kill(supervisor, 0) == 0) {
                if (wt_now_us(&wt_clock_real) > end)
                        return false;
                nanosleep(&nap, NULL);
        }
        return true;
}

static int run(struct call *c)
{
        struct cluster *cl;
        pid_t supervisor;
        int rc = verb_words(c, 0);

        if (rc != 0)
                return rc;
        cl = calloc(1, sizeof *cl);
        WT_ASSERT(cl != NULL);
        rc = cluster_read(cl, c->state) == WT_OK ? 0 : verb_fail(c, "%s", wt_words());
        supervisor = cl->supervisor;
        free(cl);
        if (rc != 0)
                return rc;
        if (supervisor <= 1 || !cluster_lives(c->state) ||
            (kill(supervisor, SIGTERM) != 0 && errno == ESRCH))
                printf("nothing runs in %s\n", c->state);
        else if (kill(supervisor, 0) != 0 && errno == EPERM)
                return verb_fail(c, "process %d belongs to another user; stop it as that user",
                                 (int)supervisor);
        else if (gone(c, supervisor))
                puts("stopped");
        else
                return verb_fail(
                        c, "process %d has not stopped; witan logs --state %s shows what it does",
                        (int)supervisor, c->state);
        return EXIT_DONE;
}

static const enum wt_set sets[] = { WT_SET_state, WT_SET_config, WT_SET_drain, N_WT_SETTINGS };
const struct verb verb_down = {
        .name = "down",
        .about = "stops the cluster of a state folder",
        .usage = "witan down [--state DIR]",
        .example = "witan down --state /var/lib/witan",
        .text = "Requests that run may end within the time that --drain gave them when the cluster "
                "was started; then "
                "gateway, routers and workers stop, in this order. Nothing is lost: keys and packs "
                "stay in the state "
                "folder.",
        .sets = sets,
        .plain = true,
        .run = run,
};
