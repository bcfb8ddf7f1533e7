/* health.h - what every service answers about itself: /metrics, /healthz, /readyz. */
#ifndef WITAN_NET_HEALTH_H
#define WITAN_NET_HEALTH_H
#include <stdbool.h>
#include "net/http.h"

/* Any callback may be NULL: no metrics, healthy, ready. words: one sentence for people, when
 * not. */
struct wt_health {
        void (*metrics)(void *arg, struct wt_buf *out);
        bool (*healthy)(void *arg, struct wt_buf *words);        /* the loop turns */
        bool (*ready)(void *arg, struct wt_buf *words);          /* a request would succeed */
        void *arg;
};
/* Answers c when it is GET or HEAD of one of the three paths (another method: 405), else returns
 * false and leaves c alone. */
bool wt_health_answer(const struct wt_health *s, wt_call *c);
/* A listener for nothing else; other paths get 404. Borrows s until wt_http_close. */
wt_err wt_health_listen(wt_http **out, wt_loop *l, const char *address, const struct wt_health *s);
#endif
