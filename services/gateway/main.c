/* main.c - settings in, gateway open, run, close. Exit: 0 stopped, 1 some requests were cut, 2 boot
 * fault (said on stderr with what to do). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/conf.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/stop.h"
#include "bus/keyring.h"
#include "gateway.h"
#include "net/health.h"

enum { MAX_ROUTERS = 16 };

struct parts {
        wt_conf *conf;
        struct wt_keyring ring;
        char endpoints[4097];
        const char *endpoint[MAX_ROUTERS]; uint32_t n_endpoints;
        wt_bus *bus;
        wt_loop *loop;
        wt_tokenizer *tokenizer;
        struct wt_shape *shape;
        wt_keys *keys;
        wt_http *health;
        struct wt_health answers;
        struct gateway *gateway;
        char spool[4200], db[4200], model_name[256];
};

static wt_err split_endpoints(struct parts *p)
{
        char *rest = p->endpoints, *word;

        snprintf(p->endpoints, sizeof p->endpoints, "%s", wt_conf_str(p->conf, WT_SET_routers_at));
        while ((word = strsep(&rest, ", ")) != NULL) {
                if (*word == '\0')
                        continue;
                if (p->n_endpoints == MAX_ROUTERS)
                        return wt_fail(WT_EINVAL, "routers_at names more than %d routers", MAX_ROUTERS);
                p->endpoint[p->n_endpoints++] = word;
        }
        return p->n_endpoints > 0 ? WT_OK
                : wt_fail(WT_EINVAL, "routers_at is empty; name at least one endpoint");
}

static const char *last_part(const char *path)
{
        const char *s = strrchr(path, '/');

        return s != NULL ? s + 1 : path;
}

static wt_err open_data(struct parts *p)
{
        const char *model = wt_conf_str(p->conf, WT_SET_model), *state = wt_conf_str(p->conf, WT_SET_state);
        size_t n = strlen(model);
        wt_err err;

        while (n > 1 && model[n - 1] == '/')
                n--;
        snprintf(p->model_name, sizeof p->model_name, "%.*s", (int)n, model);
        memmove(p->model_name, last_part(p->model_name), strlen(last_part(p->model_name)) + 1);
        snprintf(p->spool, sizeof p->spool, "%s/spool", state);
        snprintf(p->db, sizeof p->db, "%s/witan.db", state);
        if ((err = wt_shape_load(&p->shape, model)) != WT_OK ||
            (err = wt_tokenizer_load(&p->tokenizer, model)) != WT_OK)
                return err;
        if (wt_conf_bool(p->conf, WT_SET_open_door))
                return WT_OK;
        return wt_keys_open(&p->keys, p->db);
}

static wt_err open_bus(struct parts *p, const char *name)
{
        char dir[4200];
        struct wt_bus_conf c = { .name = name };
        wt_err err;

        snprintf(dir, sizeof dir, "%s/keys", wt_conf_str(p->conf, WT_SET_state));
        if ((err = wt_keyring_load(&p->ring, dir, name)) != WT_OK || (err = split_endpoints(p)) != WT_OK)
                return err;
        c.connect = p->endpoint;
        c.n_connect = p->n_endpoints;
        c.keys = wt_keyring_bus(&p->ring);
        return wt_bus_open(&p->bus, &c);
}

static wt_err open_gateway(struct parts *p, const char *name)
{
        struct gateway_conf c = {
                .loop = p->loop, .bus = p->bus, .n_routers = p->n_endpoints, .clock = &wt_clock_real,
                .tokenizer = p->tokenizer, .shape = p->shape, .keys = p->keys, .name = name,
                .model = p->model_name, .http = wt_conf_str(p->conf, WT_SET_http), .spool = p->spool,
                .limits = wt_http_default,
                .default_max_tokens = (uint32_t)wt_conf_u64(p->conf, WT_SET_default_max_tokens),
                .drain_us = wt_conf_u64(p->conf, WT_SET_drain) * 1000,
                .router_wait_us = wt_conf_u64(p->conf, WT_SET_router_wait) * 1000,
        };

        c.limits.max_body = wt_conf_u64(p->conf, WT_SET_max_body);
        c.limits.max_connections = (uint32_t)wt_conf_u64(p->conf, WT_SET_max_connections);
        c.limits.request_timeout_us = wt_conf_u64(p->conf, WT_SET_request_timeout) * 1000;
        return gateway_open(&p->gateway, &c);
}

static void health_metrics(void *arg, struct wt_buf *out)
{
        gateway_metrics(((struct parts *)arg)->gateway, out);
}

static bool health_ready(void *arg, struct wt_buf *words)
{
        const char *why;
        bool ready = gateway_ready(((struct parts *)arg)->gateway, &why);

        wt_buf_str(words, why);
        return ready;
}

static wt_err open_all(struct parts *p)
{
        const char *name = wt_conf_str(p->conf, WT_SET_name);
        wt_err err;

        if (name[0] == '\0')
                name = "gateway-0";
        wt_log_init(name, (enum wt_level)wt_level_of(wt_conf_str(p->conf, WT_SET_log_level)), 2);
        if ((err = wt_stop_init()) != WT_OK || (err = open_data(p)) != WT_OK ||
            (err = open_bus(p, name)) != WT_OK ||
            (err = wt_loop_new(&p->loop, &wt_clock_real)) != WT_OK ||
            (err = open_gateway(p, name)) != WT_OK)
                return err;
        p->answers = (struct wt_health){ .metrics = health_metrics, .ready = health_ready, .arg = p };
        return wt_health_listen(&p->health, p->loop, wt_conf_str(p->conf, WT_SET_metrics), &p->answers);
}

static void close_all(struct parts *p)
{
        wt_http_close(p->health);
        gateway_close(p->gateway);
        wt_loop_free(p->loop);
        wt_bus_close(p->bus);
        wt_keys_close(p->keys);
        wt_tokenizer_free(p->tokenizer);
        wt_shape_free(p->shape);
        wt_conf_free(p->conf);
}

int main(int argc, char **argv, char **envp)
{
        struct parts p = { 0 };
        int rc;

        if (wt_conf_load(&p.conf, WT_FOR_GATEWAY, argc - 1, argv + 1, envp, NULL) != WT_OK) {
                fprintf(stderr, "witan-gateway: %s\n", wt_words());
                return 2;
        }
        if (wt_conf_wants_help(p.conf)) {
                puts("witan-gateway: HTTP in, token ids to a router, text back. witan up starts it.\n");
                wt_conf_help(stdout, WT_FOR_GATEWAY);
                wt_conf_free(p.conf);
                return 0;
        }
        if (open_all(&p) != WT_OK) {
                fprintf(stderr, "witan-gateway: %s\n", wt_words());
                wt_log_err(WT_ERROR, "GATEWAY-BOOT", WT_EPRECONDITION);
                close_all(&p);
                return 2;
        }
        wt_log(WT_NOTICE, "GATEWAY-READY", "http=%s metrics=%s model=%s", gateway_address(p.gateway),
               wt_http_address(p.health), p.model_name);
        rc = gateway_run(p.gateway);
        close_all(&p);
        return rc;
}
