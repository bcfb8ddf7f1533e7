/* boot.c - see boot.h. */
#include "boot.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "bus/keyring.h"
#include "net/health.h"
#include "plugin/plugin.h"

enum { MAX_ROUTERS = 16 };

struct gateway_boot {
        const wt_conf *conf;
        const char *name;
        struct wt_keyring ring;
        char room[4097]; const char *endpoint[MAX_ROUTERS]; uint32_t n_endpoints;
        wt_bus *bus;
        wt_loop *loop;
        wt_tokenizer *tokenizer;
        struct wt_shape *shape;
        wt_identity *identity;
        wt_quota *quota;
        wt_http *health;
        struct wt_health answers;
        struct gateway *gateway;
        char spool[4200], model_name[256];
};

/* The last component of the model folder's path: what users call it. */
static void name_model(struct gateway_boot *b)
{
        const char *path = wt_conf_str(b->conf, WT_SET_model);
        size_t end = strlen(path), at;

        while (end > 1 && path[end - 1] == '/')
                end--;
        for (at = end; at > 0 && path[at - 1] != '/'; at--)
                ;
        snprintf(b->model_name, sizeof b->model_name, "%.*s", (int)(end - at), path + at);
}

static void decided(void *arg, struct wt_ticket *t)
{
        gateway_decided(((struct gateway_boot *)arg)->gateway, t);
}

const struct wt_plugin *wt_plugin_store_sqlite(void);

/* Who may, and how much. */
static wt_err open_books(struct gateway_boot *b)
{
        const uint64_t timeout_ms = wt_conf_u64(b->conf, WT_SET_store_timeout);
        char url[4200];
        struct wt_quota_conf q = { .store_url = url, .timeout_ms = timeout_ms, .gateway = b->name,
                                   .decided = decided, .arg = b };
        static const struct wt_plugin *(*const built_in[])(void) = { wt_plugin_store_sqlite, NULL };
        wt_err err = wt_plugin_register(built_in);

        if (err != WT_OK ||
            (err = wt_store_url(wt_conf_str(b->conf, WT_SET_store),
                                wt_conf_str(b->conf, WT_SET_state), url, sizeof url)) != WT_OK ||
            (err = wt_identity_open(&b->identity, url, timeout_ms)) != WT_OK)
                return err;
        return wt_quota_open(&b->quota, &q);
}

static wt_err open_data(struct gateway_boot *b)
{
        const char *model = wt_conf_str(b->conf, WT_SET_model);
        wt_err err;

        name_model(b);
        snprintf(b->spool, sizeof b->spool, "%s/spool", wt_conf_str(b->conf, WT_SET_state));
        if ((err = wt_shape_load(&b->shape, model)) != WT_OK ||
            (err = wt_tokenizer_load(&b->tokenizer, model)) != WT_OK)
                return err;
        return wt_conf_bool(b->conf, WT_SET_open_door) ? WT_OK : open_books(b);
}

static wt_err open_bus(struct gateway_boot *b, const char *inproc)
{
        struct wt_bus_conf c = { .name = b->name, .connect = b->endpoint };
        char dir[4200];
        wt_err err;

        if ((err = wt_bus_endpoints(
                     inproc != NULL ? inproc : wt_conf_str(b->conf, WT_SET_routers_at), b->room,
                     sizeof b->room, b->endpoint, MAX_ROUTERS, &b->n_endpoints)) != WT_OK)
                return err;
        if (inproc == NULL) {
                snprintf(dir, sizeof dir, "%s/keys", wt_conf_str(b->conf, WT_SET_state));
                if ((err = wt_keyring_load(&b->ring, dir, b->name)) != WT_OK)
                        return err;
                c.keys = wt_keyring_bus(&b->ring);
        }
        c.n_connect = b->n_endpoints;
        return wt_bus_open(&b->bus, &c);
}

static wt_err open_gateway(struct gateway_boot *b)
{
        const wt_conf *s = b->conf;
        struct gateway_conf c = {
                .loop = b->loop,
                .bus = b->bus,
                .n_routers = b->n_endpoints,
                .clock = &wt_clock_real,
                .tokenizer = b->tokenizer,
                .shape = b->shape,
                .identity = b->identity,
                .quota = b->quota,
                .admit_at_once = (uint32_t)wt_conf_u64(s, WT_SET_admit_at_once),
                .admit_waiting = (uint32_t)wt_conf_u64(s, WT_SET_admit_waiting),
                .admit_wait_us = wt_conf_u64(s, WT_SET_admit_wait) * 1000,
                .name = b->name,
                .model = b->model_name,
                .http = wt_conf_str(s, WT_SET_http),
                .spool = b->spool,
                .limits = wt_http_default,
                .default_max_tokens = (uint32_t)wt_conf_u64(s, WT_SET_default_max_tokens),
                .drain_us = wt_conf_u64(s, WT_SET_drain) * 1000,
                .router_wait_us = wt_conf_u64(s, WT_SET_router_wait) * 1000,
        };

        c.limits.max_body = wt_conf_u64(s, WT_SET_max_body);
        c.limits.max_connections = (uint32_t)wt_conf_u64(s, WT_SET_max_connections);
        c.limits.request_timeout_us = wt_conf_u64(s, WT_SET_request_timeout) * 1000;
        return gateway_open(&b->gateway, &c);
}

static void show_metrics(void *arg, struct wt_buf *out)
{
        gateway_metrics(((struct gateway_boot *)arg)->gateway, out);
}

static bool is_ready(void *arg, struct wt_buf *words)
{
        const char *why;
        bool ready = gateway_ready(((struct gateway_boot *)arg)->gateway, &why);

        wt_buf_str(words, why);
        return ready;
}

static wt_err open_all(struct gateway_boot *b, const char *inproc)
{
        wt_err err;

        b->answers = (struct wt_health){ .metrics = show_metrics, .ready = is_ready, .arg = b };
        if ((err = open_data(b)) != WT_OK || (err = open_bus(b, inproc)) != WT_OK ||
            (err = wt_loop_new(&b->loop, &wt_clock_real)) != WT_OK ||
            (err = open_gateway(b)) != WT_OK)
                return err;
        return wt_health_listen(&b->health, b->loop, wt_conf_str(b->conf, WT_SET_metrics),
                                &b->answers);
}

wt_err gateway_boot(struct gateway_boot **out, const wt_conf *conf, const char *router)
{
        struct gateway_boot *b = calloc(1, sizeof *b);
        wt_err err;

        if (b == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a gateway");
        b->conf = conf;
        b->name = wt_conf_str(conf, WT_SET_name);
        if (b->name[0] == '\0')
                b->name = "gateway-0";
        if ((err = open_all(b, router)) != WT_OK) {
                gateway_boot_close(b);
                return err;
        }
        wt_log(WT_NOTICE, "GATEWAY-READY", "http=%s metrics=%s model=%s",
               gateway_address(b->gateway), wt_http_address(b->health), b->model_name);
        *out = b;
        return WT_OK;
}

int gateway_boot_run(struct gateway_boot *b)
{
        return gateway_run(b->gateway);
}

void gateway_boot_close(struct gateway_boot *b)
{
        if (b == NULL)
                return;
        wt_http_close(b->health);
        gateway_close(b->gateway);
        wt_loop_free(b->loop);
        wt_bus_close(b->bus);
        wt_quota_close(b->quota);
        wt_identity_close(b->identity);
        wt_tokenizer_free(b->tokenizer);
        wt_shape_free(b->shape);
        free(b);
}

const char *gateway_boot_metrics(const struct gateway_boot *b)
{
        return wt_http_address(b->health);
}
