/* secure.c - see secure.h. */
#include "secure.h"
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "net/metrics.h"
#include "tls/tls.h"

#define LOOK_US 5000000ull                       /* at the files */
#define DAY_US 86400000000ull
enum { SOON_S = 14 * 86400 };                    /* a certificate that ends by then is warned of */

struct gateway_tls {
        wt_tls *tls;
        wt_loop *loop;
        struct wt_timer look;
        uint64_t warn_us;                        /* when the end is spoken of again */
};

/* Says once a day how long the certificate lasts when that is not long. */
static void warn(struct gateway_tls *t)
{
        int64_t now = (int64_t)(wt_wall_us(&wt_clock_real) / 1000000);
        struct wt_tls_facts f;

        wt_tls_facts(t->tls, &f);
        if (wt_loop_now(t->loop) < t->warn_us)
                return;
        t->warn_us = wt_loop_now(t->loop) + DAY_US;
        if (now >= f.not_after)
                wt_log(WT_WARN, "GATEWAY-TLS-EXPIRED", "not_after=%lld days_ago=%lld",
                       (long long)f.not_after, (long long)(now - f.not_after) / 86400);
        else if (now + SOON_S >= f.not_after)
                wt_log(WT_WARN, "GATEWAY-TLS-EXPIRES", "not_after=%lld days=%lld",
                       (long long)f.not_after, (long long)(f.not_after - now) / 86400);
        if (now < f.not_before)
                wt_log(WT_WARN, "GATEWAY-TLS-NOT-YET", "not_before=%lld", (long long)f.not_before);
}

static int64_t end(const struct gateway_tls *t)
{
        struct wt_tls_facts f;

        wt_tls_facts(t->tls, &f);
        return f.not_after;
}

static void on_look(void *arg, struct wt_timer *timer)
{
        struct gateway_tls *t = arg;
        bool taken = false;
        wt_err err = wt_tls_reload(t->tls, &taken);

        if (err != WT_OK)
                wt_log_err(WT_ERROR, "GATEWAY-TLS-KEPT", err);   /* what was there serves on */
        if (taken) {
                wt_log(WT_NOTICE, "GATEWAY-TLS-RELOADED", "not_after=%lld", (long long)end(t));
                t->warn_us = 0;
        }
        warn(t);
        wt_loop_timer_set(t->loop, timer, wt_loop_now(t->loop) + LOOK_US);
}

/* "1.2" or "1.3". */
static wt_err only_13(const wt_conf *conf, bool *out)
{
        const char *s = wt_conf_str(conf, WT_SET_tls_min);

        *out = strcmp(s, "1.3") == 0;
        if (!*out && strcmp(s, "1.2") != 0)
                return wt_fail(WT_EINVAL, "tls_min: '%s' (%s) is no version; say 1.2 or 1.3", s,
                               wt_conf_where(conf, WT_SET_tls_min));
        return WT_OK;
}

wt_err gateway_tls_open(struct gateway_tls **out, const wt_conf *conf, wt_loop *l)
{
        struct wt_tls_files f = { .cert = wt_conf_str(conf, WT_SET_tls_cert),
                                  .key = wt_conf_str(conf, WT_SET_tls_key) };
        struct gateway_tls *t;
        wt_err err = only_13(conf, &f.only_13);

        if (err != WT_OK || (*f.cert == '\0' && *f.key == '\0'))
                return err;
        if ((t = calloc(1, sizeof *t)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for TLS");
        if ((err = wt_tls_server(&t->tls, &f)) != WT_OK) {
                free(t);
                return err;
        }
        t->loop = l;
        t->look = (struct wt_timer){ .fire = on_look, .arg = t };
        on_look(t, &t->look);
        *out = t;
        return WT_OK;
}

void gateway_tls_close(struct gateway_tls *t)
{
        if (t == NULL)
                return;
        wt_loop_timer_off(t->loop, &t->look);
        wt_tls_free(t->tls);
        free(t);
}

void gateway_tls_guard(struct gateway_tls *t, wt_http *h)
{
        if (t != NULL)
                wt_http_secure(h, wt_tls_secure(t->tls));
}

void gateway_tls_look(struct gateway_tls *t)
{
        if (t != NULL)
                on_look(t, &t->look);
}

void gateway_tls_metrics(struct gateway_tls *t, struct wt_buf *out)
{
        struct wt_tls_facts f;

        if (t == NULL)
                return;
        wt_tls_facts(t->tls, &f);
        const struct wt_metric rows[] = {
                { .name = "witan_gateway_tls_handshakes_total", .help = "TLS handshakes done.",
                  .value = (double)f.shaken },
                { .name = "witan_gateway_tls_failed_total",
                  .help = "TLS handshakes that did not come to an end.",
                  .value = (double)f.failed },
                { .name = "witan_gateway_tls_reloads_total",
                  .help = "Times that a new certificate was taken.", .value = (double)f.reloads },
                { .name = "witan_gateway_tls_not_after_seconds",
                  .help = "When the certificate ends, in seconds since 1970.", .kind = WT_GAUGE,
                  .value = (double)f.not_after },
        };
        wt_metrics_text(out, rows, sizeof rows / sizeof *rows);
}
