/* client.c - opens, starts calls, turns. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/file.h"
#include "client_impl.h"

enum { TIMEOUT_MS = 60000, CONNECT_MS = 10000, RETRIES = 3, CREDIT = 16, MOST_CREDIT = 1 << 20,
       MOST_MS = 1000000000 };

uint64_t client_now(void) { return wt_now_us(&wt_clock_real); }

const char *witan_status_name(int status) { return wt_code_grpc(status); }

const char *witan_words(const witan_client *c) { return c->words; }

const char *witan_metadata(const witan_client *c, const char *key)
{
        const char *p = c->ended.data, *end = p != NULL ? p + c->ended.len : NULL;

        while (p < end) {
                const char *value = p + strlen(p) + 1;

                if (strcmp(p, key) == 0)
                        return value;
                p = value + strlen(value) + 1;
        }
        return NULL;
}

/* "key: value" of the file into out; false: missing, or longer than fits. */
static bool line(const char *text, const char *key, char *out, size_t bytes)
{
        size_t n = strlen(key), len;

        while (text != NULL && (strncmp(text, key, n) != 0 || strncmp(text + n, ": ", 2) != 0))
                text = (text = strchr(text, '\n')) != NULL ? text + 1 : NULL;
        if (text == NULL)
                return false;
        text += n + 2;
        len = strcspn(text, "\r\n");
        if (len == 0 || len >= bytes)
                return false;
        memcpy(out, text, len);
        out[len] = '\0';
        return true;
}

static wt_err read_file(witan_client *c, const char *file)
{
        struct wt_buf text = { 0 };
        wt_err err = wt_file_read(file, 4096, &text);
        char key[240];

        if (err == WT_OK && (!line(text.data, "endpoint", c->endpoint, sizeof c->endpoint) ||
                             !line(text.data, "server_key", c->server_key, 41) ||
                             !line(text.data, "public_key", c->public_key, 41) ||
                             !line(text.data, "secret_key", c->secret_key, 41) ||
                             !line(text.data, "api_key", key, sizeof key)))
                err = wt_fail(WT_EINVAL, "%s is no client file; `witan key create --rpc FILE` "
                              "writes one", file);
        if (err == WT_OK)
                snprintf(c->bearer, sizeof c->bearer, "Bearer %s", key);
        if (text.data != NULL)
                explicit_bzero(text.data, text.len);
        explicit_bzero(key, sizeof key);
        wt_buf_free(&text);
        return err;
}

int witan_open(witan_client **out, const char *file, char *words)
{
        witan_client *c = calloc(1, sizeof *c);
        const char *endpoint;
        struct wt_bus_conf conf = { .name = "client", .connect = &endpoint, .n_connect = 1 };
        wt_err err;

        if (c == NULL)
                err = wt_fail(WT_ENOMEM, "no memory for a client");
        else if ((err = read_file(c, file)) == WT_OK) {
                endpoint = c->endpoint;
                conf.keys = (struct wt_bus_keys){ .public_key = c->public_key,
                        .secret_key = c->secret_key, .server_key = c->server_key };
                err = wt_bus_open(&c->bus, &conf);
        }
        if (err == WT_OK) {
                *out = c;
                return WITAN_OK;
        }
        if (words != NULL)
                snprintf(words, 512, "%s", wt_words());
        if (c != NULL)
                explicit_bzero(c, sizeof *c);
        free(c);
        return wt_code_outside(err);
}

void witan_close(witan_client *c)
{
        if (c == NULL)
                return;
        c->turning = true;                       /* whatever the handlers do now */
        for (struct call *t = c->calls; t != NULL; t = t->next)
                if (!t->over) {
                        if (t->sent)
                                call_tell(c, t, WT_M_RPC_CANCEL, 0);
                        call_end(c, t, WITAN_CANCELLED, "the client is closed");
                }
        while (c->calls != NULL) {
                struct call *t = c->calls;

                c->calls = t->next;
                call_free(t);
        }
        wt_bus_close(c->bus);
        wt_buf_free(&c->ended);
        explicit_bzero(c, sizeof *c);
        free(c);
}

static int refuse(witan_client *c, int status, const char *words)
{
        snprintf(c->words, sizeof c->words, "%s", words);
        return status;
}

static uint64_t or(uint64_t given, uint64_t usual, uint64_t most)
{
        return given == 0 ? usual : given < most ? given : most;
}

/* False: more pairs, or longer ones, than the wire takes. */
static bool copy_pairs(struct call *t, const char *const *pair)
{
        for (; pair != NULL && pair[0] != NULL; pair += 2) {
                if (pair[1] == NULL || strlen(pair[0]) > 64 || strlen(pair[1]) > 8192 ||
                    ++t->n_pairs > 15)
                        return false;
                wt_buf_add(&t->pairs, pair[0], strlen(pair[0]) + 1);
                wt_buf_add(&t->pairs, pair[1], strlen(pair[1]) + 1);
        }
        return true;
}

int witan_start(witan_client *c, const char *path, const void *request, size_t len,
                const struct witan_options *options, const struct witan_handler *h, uint64_t *id)
{
        static const struct witan_options none;
        const struct witan_options *o = options != NULL ? options : &none;
        struct call *t;

        if (strlen(path) > 128 || len > MOST_BODY)
                return refuse(c, WITAN_INVALID_ARGUMENT, strlen(path) > 128
                              ? "the method's path has more than 128 bytes"
                              : "the request has more than 8 MiB");
        if ((t = calloc(1, sizeof *t)) == NULL)
                return refuse(c, WITAN_RESOURCE_EXHAUSTED, "no memory for a call");
        if (!copy_pairs(t, o->metadata) || (len > 0 && wt_buf_try(&t->request, len) == NULL)) {
                call_free(t);
                return refuse(c, WITAN_INVALID_ARGUMENT, "metadata: at most 15 pairs, keys of 64 "
                              "and values of 8,192 bytes; or no memory");
        }
        strcpy(t->path, path);
        if (len > 0)
                wt_buf_add(&t->request, request, len);
        t->deadline_us = client_now() + or(o->timeout_ms, TIMEOUT_MS, MOST_MS) * 1000;
        t->connect_us = or(o->connect_ms, CONNECT_MS, MOST_MS) * 1000;
        t->retries = o->retries == WITAN_NO_RETRY ? 0 : (uint32_t)or(o->retries, RETRIES, 1000);
        t->credit = (uint32_t)or(o->credit, CREDIT, MOST_CREDIT);
        t->hold = o->hold != 0;
        if (h != NULL)
                t->h = *h;
        *id = t->id = ++c->last_id;
        t->next = c->calls;
        c->calls = t;
        return WITAN_OK;
}

static struct call *find(const witan_client *c, uint64_t id)
{
        struct call *t = c->calls;

        while (t != NULL && (t->id != id || t->over))
                t = t->next;
        return t;
}

void witan_cancel(witan_client *c, uint64_t id)
{
        struct call *t = find(c, id);

        if (t != NULL)
                t->cancelled = true;
}

void witan_grant(witan_client *c, uint64_t id, uint32_t messages)
{
        struct call *t = find(c, id);

        if (t != NULL && t->sent && messages > 0)
                call_tell(c, t, WT_M_RPC_CREDIT, messages);
}

int witan_fd(const witan_client *c) { return wt_bus_fd(c->bus); }

int witan_wait_ms(const witan_client *c)
{
        uint64_t now = client_now(), next = UINT64_MAX;

        for (const struct call *t = c->calls; t != NULL; t = t->next) {
                uint64_t at = t->deadline_us;

                if (!t->sent && t->next_us < at)
                        at = t->next_us;
                if (t->over || t->cancelled)
                        at = now;
                if (at < next)
                        next = at;
        }
        if (!wt_bus_settled(c->bus))
                return 0;
        if (next == UINT64_MAX)
                return -1;
        return next <= now ? 0 : (int)((next - now) / 1000 > 1000 ? 1000 : (next - now) / 1000 + 1);
}

/* What time and the user's wishes do to a call. */
static void tend(witan_client *c, struct call *t, uint64_t now)
{
        if (t->over)
                return;
        if (t->cancelled || now >= t->deadline_us) {
                if (t->sent)
                        call_tell(c, t, WT_M_RPC_CANCEL, 0);
                if (t->cancelled)
                        call_end(c, t, WITAN_CANCELLED, "cancelled");
                else
                        call_end(c, t, WITAN_DEADLINE_EXCEEDED, "the call's time is over");
        } else if (!t->sent && now >= t->next_us) {
                call_send(c, t, now);
        }
}

static void drain(witan_client *c)
{
        wt_msg *m;

        while (wt_bus_recv(c->bus, &m) == WT_OK) {
                struct call *t = c->calls;

                while (t != NULL && (t->over || !t->sent || t->wire_id != m->env.call_id))
                        t = t->next;
                if (t != NULL && m->env.body != NULL)
                        call_take(c, t, m);
                wt_msg_free(m);
        }
}

static size_t reap(witan_client *c)
{
        struct call **at = &c->calls, *t;
        size_t n = 0;

        while ((t = *at) != NULL) {
                if (!t->over) {
                        at = &t->next;
                        n++;
                        continue;
                }
                *at = t->next;
                call_free(t);
        }
        return n;
}

size_t witan_turn(witan_client *c)
{
        size_t n;

        if (c->turning)
                return 0;
        c->turning = true;
        do {
                uint64_t now = client_now();

                drain(c);
                if (wt_bus_lost(c->bus))
                        for (struct call *t = c->calls; t != NULL; t = t->next)
                                call_lost(c, t, now);
                for (struct call *t = c->calls; t != NULL; t = t->next)
                        tend(c, t, now);
        } while (!wt_bus_settled(c->bus));
        n = reap(c);
        c->turning = false;
        return n;
}

int client_wait(witan_client *c, uint64_t id)
{
        if (c->turning) {
                witan_cancel(c, id);
                return refuse(c, WITAN_FAILED_PRECONDITION, "a handler may start calls, not wait "
                              "for them");
        }
        while (witan_turn(c), find(c, id) != NULL) {
                int ms = witan_wait_ms(c);

                if (ms != 0)
                        wt_bus_wait(c->bus, -1, ms < 0 ? 1000000 : (uint64_t)ms * 1000);
        }
        return WITAN_OK;
}
