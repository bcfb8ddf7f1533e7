/* boot.c - see boot.h. */
#include "boot.h"
#include "audit/seal.h"
#include "authorize_jwt.h"
#include "secure.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/stop.h"
#include "bus/dial.h"
#include "checkpoint.h"
#include "files.h"
#include "ledger.h"
#include "net/health.h"
#include "rpc.h"
#include "plugin/plugin.h"

struct gateway_boot {
        const wt_conf *conf;
        const char *name;
        struct wt_keyring rpc_ring;
        struct rpc *rpc;
        struct wt_dial dial;
        wt_bus *bus;
        wt_loop *loop;
        wt_tokenizer *tokenizer;
        struct wt_shape *shape;
        wt_identity *identity;
        wt_quota *quota;
        struct gateway_oidc *oidc;
        struct gateway_tls *tls;
        wt_http *health;
        struct wt_health answers;
        struct gateway *gateway;
        wt_spool *spool;
        struct gateway_ledger *ledger;
        struct gateway_signer *signer;
        uint8_t audit_key[32];
        char store_url[4200], epochs[4300], model_name[256];
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
        struct wt_quota_conf q = { .store_url = b->store_url, .timeout_ms = timeout_ms,
                                   .gateway = b->name, .decided = decided, .arg = b };
        wt_err err = wt_identity_open(&b->identity, b->store_url, timeout_ms);

        return err == WT_OK ? wt_quota_open(&b->quota, &q) : err;
}

/* The key of the log's hashes. Gateways of one state folder may start at one time: whose file gets
 * the name, his key it is. */
static wt_err open_audit_key(struct gateway_boot *b)
{
        char path[4200], mine[4300];
        struct wt_buf key = { 0 };
        wt_err err;

        snprintf(path, sizeof path, "%s/keys", wt_conf_str(b->conf, WT_SET_state));
        if ((err = wt_dir_make(path, 0700)) != WT_OK)
                return err;
        snprintf(path, sizeof path, "%s/keys/audit-hash.key",
                 wt_conf_str(b->conf, WT_SET_state));
        if ((err = wt_file_read(path, 64, &key)) == WT_ENOTFOUND) {
                snprintf(mine, sizeof mine, "%s.%ld", path, (long)getpid());
                wt_random_bytes(b->audit_key, sizeof b->audit_key);
                err = wt_file_write(mine, b->audit_key, sizeof b->audit_key, 0600);
                if (err == WT_OK && link(mine, path) != 0 && errno != EEXIST)
                        err = wt_fail(WT_EIO, "could not make %s: %s", path, strerror(errno));
                unlink(mine);
                if (err == WT_OK)
                        err = wt_file_read(path, 64, &key);
        }
        if (err == WT_OK && key.len != sizeof b->audit_key)
                err = wt_fail(WT_EDATA, "%s has %zu bytes, not 32; restore it, or move it away and "
                              "the hashes of new rows no longer compare with those of old ones",
                              path, key.len);
        if (err == WT_OK)
                memcpy(b->audit_key, key.data, sizeof b->audit_key);
        wt_buf_free(&key);
        return err;
}

/* Where what happens is written down. */
static wt_err open_audit(struct gateway_boot *b)
{
        static const struct wt_plugin *(*const built_in[])(void) = { wt_plugin_store_sqlite, NULL };
        char folder[4300];
        struct wt_spool_conf c = {
                .folder = folder,
                .segment_bytes = wt_conf_u64(b->conf, WT_SET_spool_segment_bytes),
                .max_bytes = wt_conf_u64(b->conf, WT_SET_spool_bytes),
        };
        wt_err err = wt_plugin_register(built_in);

        snprintf(folder, sizeof folder, "%s/spool/%s", wt_conf_str(b->conf, WT_SET_state), b->name);
        if (err != WT_OK ||
            (err = wt_store_url(wt_conf_str(b->conf, WT_SET_store),
                                wt_conf_str(b->conf, WT_SET_state), b->store_url,
                                sizeof b->store_url)) != WT_OK ||
            (err = open_audit_key(b)) != WT_OK)
                return err;
        return wt_spool_open(&b->spool, &c);
}

/* Texts are kept: epochs is where the keys over their keys are. They are not: it is empty. */
static wt_err text_policy(struct gateway_boot *b)
{
        const char *s = wt_conf_str(b->conf, WT_SET_audit_text);

        if (strcmp(s, "absent") == 0)
                return WT_OK;
        if (strcmp(s, "encrypted") != 0)
                return wt_fail(WT_EINVAL, "audit_text: '%s' (%s) is no policy; say absent or "
                               "encrypted", s, wt_conf_where(b->conf, WT_SET_audit_text));
        snprintf(b->epochs, sizeof b->epochs, "%s/keys/audit-epochs",
                 wt_conf_str(b->conf, WT_SET_state));
        return WT_OK;
}

/* The keys over the keys of sealed texts lie beside the store: a gateway of another host that has
 * not got them could neither seal a text, nor end an erasure as it is promised. A store that is
 * away is no reason not to start: without it nothing is sealed. */
static wt_err check_epochs(struct gateway_boot *b)
{
        char folder[4300];
        wt_store *s;
        wt_err err = WT_OK;

        snprintf(folder, sizeof folder, "%s/keys/audit-epochs", wt_conf_str(b->conf, WT_SET_state));
        if (wt_store_open(&s, b->store_url, wt_conf_u64(b->conf, WT_SET_store_timeout)) != WT_OK)
                return WT_OK;
        if (wt_subjects_migrate(s) == WT_OK)
                err = wt_epochs_check(s, folder);
        wt_store_close(s);
        return err == WT_EUNAVAILABLE || err == WT_EDEADLINE || err == WT_EABORTED ? WT_OK : err;
}

static wt_err open_data(struct gateway_boot *b)
{
        const char *model = wt_conf_str(b->conf, WT_SET_model);
        wt_err err;

        name_model(b);
        if ((err = text_policy(b)) != WT_OK ||
            (err = wt_shape_load(&b->shape, model)) != WT_OK ||
            (err = wt_tokenizer_load(&b->tokenizer, model)) != WT_OK ||
            (err = open_audit(b)) != WT_OK || (err = check_epochs(b)) != WT_OK)
                return err;
        return wt_conf_bool(b->conf, WT_SET_open_door) ? WT_OK : open_books(b);
}

/* The RPC door: with keys of its own, and an allow-list that comes out of the identity's copy. */
static wt_err open_rpc(struct gateway_boot *b)
{
        const char *endpoint = wt_conf_str(b->conf, WT_SET_rpc);
        struct rpc_conf c = { .endpoint = endpoint, .loop = b->loop,
                              .max_open = (uint32_t)wt_conf_u64(b->conf, WT_SET_rpc_calls),
                              .max_unsent = wt_http_default.max_unsent,
                              .max_unsent_all = wt_conf_u64(b->conf, WT_SET_max_unsent),
                              .idle_us = wt_http_default.idle_timeout_us,
                              .per_key = (uint32_t)wt_conf_u64(b->conf, WT_SET_rpc_connections) };
        char dir[4200];
        wt_err err;

        if (endpoint[0] == '\0' || b->identity == NULL)
                return WT_OK;
        if (c.max_unsent > c.max_unsent_all)
                c.max_unsent = c.max_unsent_all;
        snprintf(dir, sizeof dir, "%s/keys", wt_conf_str(b->conf, WT_SET_state));
        if ((err = wt_keyring_rpc(&b->rpc_ring, dir, b->name)) != WT_OK)
                return err;
        c.keys = wt_keyring_bus(&b->rpc_ring);
        return rpc_open(&b->rpc, &c);
}

static wt_err open_gateway(struct gateway_boot *b)
{
        const wt_conf *s = b->conf;
        struct gateway_conf c = {
                .loop = b->loop,
                .bus = b->bus,
                .n_routers = b->dial.n,
                .clock = &wt_clock_real,
                .tokenizer = b->tokenizer,
                .shape = b->shape,
                .identity = b->identity,
                .quota = b->quota,
                .oidc = b->oidc,
                .tls = b->tls,
                .rpc = b->rpc,
                .admit_at_once = (uint32_t)wt_conf_u64(s, WT_SET_admit_at_once),
                .admit_waiting = (uint32_t)wt_conf_u64(s, WT_SET_admit_waiting),
                .texts_waiting = wt_conf_u64(s, WT_SET_texts_waiting),
                .tokenize_bytes = wt_conf_u64(s, WT_SET_tokenize_bytes),
                .admit_wait_us = wt_conf_u64(s, WT_SET_admit_wait) * 1000,
                .name = b->name,
                .model = b->model_name,
                .http = wt_conf_str(s, WT_SET_http),
                .spool = b->spool,
                .spool_bytes = wt_conf_u64(s, WT_SET_spool_bytes),
                .audit_key = b->audit_key,
                .audit_refusals = (uint32_t)wt_conf_u64(s, WT_SET_audit_refusals),
                .audit_wait_us = wt_conf_u64(s, WT_SET_audit_wait) * 1000,
                .audit_epochs = b->epochs[0] != '\0' ? b->epochs : NULL,
                .store = b->store_url,
                .store_timeout_ms = wt_conf_u64(s, WT_SET_store_timeout),
                .limits = wt_http_default,
                .default_max_tokens = (uint32_t)wt_conf_u64(s, WT_SET_default_max_tokens),
                .drain_us = wt_conf_u64(s, WT_SET_drain) * 1000,
                .router_wait_us = wt_conf_u64(s, WT_SET_router_wait) * 1000,
        };

        c.limits.max_body = wt_conf_u64(s, WT_SET_max_body);
        c.limits.max_unsent_all = wt_conf_u64(s, WT_SET_max_unsent);
        if (c.limits.max_unsent > c.limits.max_unsent_all)
                c.limits.max_unsent = c.limits.max_unsent_all;
        c.limits.max_connections =
                gateway_connections((uint32_t)wt_conf_u64(s, WT_SET_max_connections));
        c.limits.request_timeout_us = wt_conf_u64(s, WT_SET_request_timeout) * 1000;
        return gateway_open(&b->gateway, &c);
}

static void show_metrics(void *arg, struct wt_buf *out)
{
        gateway_metrics(((struct gateway_boot *)arg)->gateway, out);
        gateway_ledger_metrics(((struct gateway_boot *)arg)->ledger, out);
        gateway_signer_metrics(((struct gateway_boot *)arg)->signer, out);
}

static bool is_ready(void *arg, struct wt_buf *words)
{
        const char *why;
        bool ready = gateway_ready(((struct gateway_boot *)arg)->gateway, &why);

        wt_buf_str(words, why);
        return ready;
}

/* SIGHUP: what is looked at every few seconds is looked at now. */
static void on_reload(void *arg, int fd, unsigned ready)
{
        struct gateway_boot *b = arg;
        uint64_t n;

        (void)ready;
        if (read(fd, &n, sizeof n) != sizeof n)
                return;
        gateway_tls_look(b->tls);
        gateway_oidc_look(b->oidc);
        if (b->identity != NULL)
                wt_identity_wake(b->identity);
        wt_log(WT_NOTICE, "GATEWAY-RELOADED", "words=\"certificate, issuer's keys and API keys are "
               "looked at\"");
}

static wt_err watch_reload(struct gateway_boot *b)
{
        return wt_reload_fd() < 0 ? WT_OK
                                  : wt_loop_add(b->loop, wt_reload_fd(), WT_READ, on_reload, b);
}

static wt_err open_all(struct gateway_boot *b, const char *inproc)
{
        wt_err err;

        b->answers = (struct wt_health){ .metrics = show_metrics, .ready = is_ready, .arg = b };
        if ((err = open_data(b)) != WT_OK ||
            (err = wt_bus_dial(&b->bus, &b->dial, b->conf, b->name, inproc, NULL)) != WT_OK ||
            (err = wt_loop_new(&b->loop, &wt_clock_real)) != WT_OK ||
            (err = watch_reload(b)) != WT_OK ||
            (err = gateway_tls_open(&b->tls, b->conf, b->loop)) != WT_OK ||
            (err = gateway_oidc_open(&b->oidc, b->conf, b->identity, b->loop)) != WT_OK ||
            (err = open_rpc(b)) != WT_OK || (err = open_gateway(b)) != WT_OK ||
            (err = gateway_ledger_open(&b->ledger, b->conf, b->name, b->store_url, b->spool)) !=
                    WT_OK ||
            (err = gateway_signer_open(&b->signer, b->conf, b->name, b->store_url)) != WT_OK)
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
        wt_log(WT_NOTICE, "GATEWAY-READY", "http=%s rpc=%s metrics=%s model=%s",
               gateway_address(b->gateway), b->rpc != NULL ? rpc_endpoint(b->rpc) : "none",
               wt_http_address(b->health), b->model_name);
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
        rpc_close(b->rpc);
        gateway_oidc_close(b->oidc);
        gateway_tls_close(b->tls);
        gateway_ledger_close(b->ledger);
        wt_spool_close(b->spool);
        gateway_signer_close(b->signer);
        if (b->loop != NULL && wt_reload_fd() >= 0)
                wt_loop_remove(b->loop, wt_reload_fd());
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
