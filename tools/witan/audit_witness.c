/* audit_witness.c - witan audit witness: the process that remembers what the log once said. Its
 * folder is its own state folder; it never reads the log's database. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "audit.h"
#include "audit/witness.h"
#include "base/log.h"
#include "base/stop.h"
#include "net/health.h"

struct serve {
        wt_witness *w;
        struct wt_health health;
        struct wt_witness_answer answer;
        uint64_t cosigned, refused;
};

static void metrics(void *arg, struct wt_buf *out)
{
        struct serve *s = arg;
        uint64_t size;

        wt_witness_last(s->w, &size);
        wt_buf_fmt(out,
                   "# HELP witan_witness_rows Rows of the newest checkpoint that was cosigned.\n"
                   "# TYPE witan_witness_rows gauge\nwitan_witness_rows %llu\n"
                   "# HELP witan_witness_cosigned_total Checkpoints that were cosigned.\n"
                   "# TYPE witan_witness_cosigned_total counter\n"
                   "witan_witness_cosigned_total %llu\n"
                   "# HELP witan_witness_refused_total Checkpoints that were refused.\n"
                   "# TYPE witan_witness_refused_total counter\nwitan_witness_refused_total %llu\n",
                   (unsigned long long)size, (unsigned long long)s->cosigned,
                   (unsigned long long)s->refused);
}

static void add(struct serve *s, wt_call *call)
{
        size_t len;
        const char *body = wt_call_body(call, &len);

        wt_witness_add(s->w, body, len, (uint64_t)time(NULL), &s->answer);
        if (s->answer.status == 200) {
                s->cosigned++;
        } else {
                s->refused++;
                wt_log(WT_WARN, "WITNESS-REFUSED", "status=%d words=\"%s\"", s->answer.status,
                       s->answer.words);
        }
        wt_call_reply(call, s->answer.status, s->answer.type, NULL, s->answer.body.data,
                      s->answer.body.len);
}

static void on_request(void *arg, wt_call *call)
{
        struct serve *s = arg;
        const char *path = wt_call_path(call), *last;
        bool get = strcmp(wt_call_method(call), "GET") == 0;
        struct wt_buf key = { 0 };
        uint64_t size;

        if (!get && strcmp(path, "/add-checkpoint") == 0) {
                add(s, call);
        } else if (get && strcmp(path, "/key") == 0) {
                wt_verifier_text(wt_witness_key(s->w), &key);
                wt_buf_str(&key, "\n");
                wt_call_reply(call, 200, "text/plain; charset=utf-8", NULL, key.data, key.len);
                wt_buf_free(&key);
        } else if (get && strcmp(path, "/checkpoint") == 0) {
                last = wt_witness_last(s->w, &size);
                wt_call_reply(call, size > 0 ? 200 : 404, "text/plain; charset=utf-8", NULL, last,
                              strlen(last));
        } else if (!wt_health_answer(&s->health, call)) {
                const char words[] = "a witness has POST /add-checkpoint, GET /key and GET "
                                     "/checkpoint\n";

                wt_call_reply(call, 404, "text/plain; charset=utf-8", NULL, words, strlen(words));
        }
}

static void on_gone(void *arg, wt_call *call)
{
        (void)arg;
        (void)call;                              /* every answer is whole before we return */
}

static void on_stop_fd(void *arg, int fd, unsigned ready)
{
        (void)arg;
        (void)fd;
        (void)ready;                             /* the loop's condition sees it */
}

static wt_err serve(struct serve *s, const char *address)
{
        const struct wt_http_handler h = { on_request, on_gone, s };
        struct wt_http_limits lim = wt_http_default;
        wt_http *http = NULL;
        wt_loop *loop = NULL;
        wt_err err;

        lim.max_body = 128 << 10;
        lim.max_connections = 64;
        if ((err = wt_stop_init()) != WT_OK ||
            (err = wt_loop_new(&loop, &wt_clock_real)) != WT_OK ||
            (err = wt_loop_add(loop, wt_stop_fd(), WT_READ, on_stop_fd, NULL)) != WT_OK ||
            (err = wt_http_listen(&http, loop, address, &lim, &h)) != WT_OK) {
                wt_loop_free(loop);
                return err;
        }
        wt_log(WT_NOTICE, "WITNESS-READY", "http=%s key=%s", wt_http_address(http),
               wt_witness_key(s->w)->name);
        while (!wt_stop_asked())
                wt_loop_turn(loop, 1000000);
        wt_http_close(http);
        wt_loop_free(loop);
        return WT_OK;
}

int auditor_witness(struct call *c)
{
        struct serve s = { .health = { .metrics = metrics, .arg = &s } };
        struct wt_verifier log;
        wt_err err;

        if (c->flag[A_LOG] == NULL)
                return verb_usage(c, "--log names the public key of the log, which is "
                                  "keys/audit-log.pub in the cluster's state folder");
        wt_log_init("witness-0", WT_INFO, 2);
        if ((err = wt_verifier_load(&log, WT_NOTE_LOG, c->flag[A_LOG])) == WT_OK &&
            (err = wt_witness_open(&s.w, c->state, &log)) == WT_OK)
                err = serve(&s, c->flag[A_LISTEN] != NULL ? c->flag[A_LISTEN] : "127.0.0.1:0");
        wt_witness_close(s.w);
        wt_buf_free(&s.answer.body);
        if (err == WT_OK)
                return EXIT_DONE;
        verb_fail(c, "%s", wt_words());
        return 2;                                /* a boot fault, as the services say it */
}
