/* doctor_cluster.c - the cluster of the state folder: do its processes live, does its key still
 * open doors? */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "doctor.h"
#include "net/http.h"
#include "books.h"

static bool ready(const struct process *p, struct wt_buf *words)
{
        char url[160];
        int status = 0;

        snprintf(url, sizeof url, "http://%s/readyz", p->metrics);
        if (wt_http_fetch("GET", url, NULL, NULL, 0, 2000000, &status, words, NULL, NULL) !=
            WT_OK) {
                wt_buf_clear(words);
                wt_buf_str(words, wt_words());
        }
        return status == 200;
}

static void processes(struct doctor *d)
{
        uint32_t well = 0;

        for (uint32_t i = 0; i < d->cl.n; i++) {
                const struct process *p = &d->cl.processes[i];
                struct wt_buf words = { 0 };
                if (p->pid > 0 && ready(p, &words))
                        well++;
                else
                        doctor_say(d, D_FAIL, "cluster",
                                   "witan logs shows why; the supervisor starts again what dies",
                                   "%s %s%.200s", p->name,
                                   p->pid > 0 ? "is not ready: " : "does not run",
                                   p->pid > 0 && words.data != NULL ? words.data : "");
                wt_buf_free(&words);
        }
        if (well == d->cl.n)
                doctor_say(d, D_OK, "cluster", NULL, "all %u processes are ready at %s", well,
                           d->cl.http);
}

/* The key of witan.json against the database: what witan chat and scripts use. */
static void admin_key(struct doctor *d)
{
        char path[4200], role[16], now[4200];
        wt_err err;

        if (d->cl.store[0] != '\0' &&
            cluster_store_name(wt_conf_str(d->c->conf, WT_SET_store), now) == WT_OK &&
            strcmp(d->cl.store, now) != 0) {
                doctor_say(d, D_FAIL, "store", "leave the store out: the state folder knows it",
                           "this cluster has its keys in %.300s, and %s names another store",
                           d->cl.store, wt_conf_where(d->c->conf, WT_SET_store));
                return;
        }
        snprintf(path, sizeof path, "%s/witan.db", d->c->state);
        if (strcmp(wt_conf_str(d->c->conf, WT_SET_store), "sqlite") == 0 &&
            access(path, R_OK | W_OK) != 0) {
                doctor_say(d, D_FAIL, "API key", "put back a copy of it, or witan store "
                           "restore a backup: witan up makes an empty one, and all keys and the "
                           "audit log are gone",
                           "there is no database %s", path);
                return;
        }
        err = books_check(d->c, d->cl.admin_key, role);
        if (err != WT_OK && err != WT_EUNAUTH) {
                doctor_say(d, D_FAIL, "API key",
                           "put back a copy, or remove it: witan up makes a new one, and all keys "
                           "must be made again",
                           "%s", wt_words());
                return;
        }
        if (err == WT_OK)
                doctor_say(d, D_OK, "API key", NULL, "the key in witan.json is valid (role %s)",
                           role);
        else
                doctor_say(d, D_FAIL, "API key", "witan down, then witan up makes a new one",
                           "the key in witan.json is revoked, expired or unknown");
}

void doctor_cluster(struct doctor *d)
{
        if (d->cl.n == 0) {
                doctor_say(d, D_OK, "cluster", NULL,
                           "none has been started in %s; witan up starts one", d->c->state);
                return;
        }
        if (d->runs)
                processes(d);
        else if (d->cl.supervisor > 0)
                doctor_say(d, D_WARN, "cluster", "witan up starts it again",
                           "its supervisor (process %d) is gone without witan down",
                           (int)d->cl.supervisor);
        else
                doctor_say(d, D_OK, "cluster", NULL, "stopped; witan up starts it again");
        admin_key(d);
}
