/* null_router.c - a router without a model, for benchmarks of what stands in front of one: the
 * router's side of the bus with real CURVE (welcome, events, pings), where each submit is answered
 * at once with the ids of one text over and over. Nothing waits for a turn, so what a client
 * measures is the gateway and the bus. Prints "bus=ENDPOINT" once it is bound; SIGTERM ends it, and
 * a line of JSON says what it did.
 *
 *      null_router --keys DIR --make-keys 2 --bus tcp://127.0.0.1:0 --finish stop
 *
 * Exit: 0; 2: what was asked for does not go, in words. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/stop.h"
#include "bus/bus.h"
#include "bus/keyring.h"
#include "model/shape.h"
#include "text/tokenizer.h"

enum { MAX_GATEWAYS = 16, TICK_US = 500 * 1000 };

struct null_router {
        const char *keys, *bind, *model, *text;
        uint32_t gateways;                       /* whose keys are made; 0: they are there */
        bool stops;                              /* an answer is the text, then an end token */
        uint32_t per_event;                      /* ids of one event; 0: all */
        struct wt_keyring ring;
        wt_bus *bus;
        struct wt_shape *shape;
        struct wt_ids ids;
        uint8_t revision[32];
        uint64_t epoch, submits, tokens, lost;
};

static int boot_fault(void)
{
        fprintf(stderr, "null_router: %s\n", wt_words());
        return 2;
}

static void send_or_count(struct null_router *r, wt_msg *m)
{
        if (wt_bus_send(r->bus, m) == WT_OK)
                return;
        r->lost++;
        wt_msg_free(m);
}

static void welcome(struct null_router *r, uint32_t peer)
{
        wt_msg *m = wt_msg_new(r->bus);
        struct wt_welcome *w = WT_ARENA_NEW(&m->arena, struct wt_welcome);

        *w = (struct wt_welcome){
                .epoch = r->epoch, .profile = WT_STR("null"),
                .revision = WT_BYTES(r->revision, 32), .max_context = r->shape->max_positions,
                .vocab = r->shape->vocab, .kv_pages = 1 << 20, .max_waiting = 1 << 20,
                .max_seqs = 1 << 16, .model = WT_STR("null") };
        m->peer = peer;
        m->env.method = WT_M_WELCOME;
        m->env.epoch = r->epoch;
        m->env.body = w;
        send_or_count(r, m);
}

/* What a model would have to compute is refused, not made up. */
static const char *cannot(const struct wt_submit *q)
{
        if (q->logprobs || q->prompt_logprobs || q->n_top > 0)
                return "the null router has no log-probabilities";
        return q->n_eos == 0 && !q->ignore_eos ? "the submit names no end token" : NULL;
}

static struct wt_event_msg *new_event(wt_msg *m, const wt_msg *submit)
{
        const struct wt_submit *q = submit->env.body;
        struct wt_events *list = WT_ARENA_NEW(&m->arena, struct wt_events);
        struct wt_event_msg *e = WT_ARENA_NEW(&m->arena, struct wt_event_msg);
        uint8_t *request = WT_ARENA_ARRAY(&m->arena, uint8_t, 16);

        memcpy(request, q->request.data, 16);
        e->request = WT_BYTES(request, 16);
        e->attempt = q->attempt;
        e->choice = q->choice;
        e->prompt_index = q->prompt_index;
        list->events = e;
        list->n_events = 1;
        m->peer = submit->peer;
        m->env.method = WT_M_EVENTS;
        m->env.body = list;
        return e;
}

static void refuse(struct null_router *r, const wt_msg *submit, const char *why)
{
        wt_msg *m = wt_msg_new(r->bus);
        struct wt_event_msg *e = new_event(m, submit);

        e->finish = WT_FAILED;
        e->status = WT_EUNSUPPORTED;
        e->message = WT_STR(why);
        send_or_count(r, m);
}

/* Ids [from, to) of the answer; the id at place `end` is an end token (UINT32_MAX: none is). */
static void tell(struct null_router *r, const wt_msg *submit, uint32_t from, uint32_t to,
                 uint32_t end, uint32_t finish)
{
        const struct wt_submit *q = submit->env.body;
        wt_msg *m = wt_msg_new(r->bus);
        struct wt_event_msg *e = new_event(m, submit);

        e->position = submit->env.tensors[0].shape[0] + from;
        e->n_ids = to - from;
        e->ids = WT_ARENA_ARRAY(&m->arena, int32_t, to - from);
        for (uint32_t i = from; i < to; i++)
                e->ids[i - from] = i == end ? (int32_t)q->eos[0] : r->ids.data[i % r->ids.len];
        e->finish = finish;
        r->tokens += to - from;
        send_or_count(r, m);
}

/* The whole answer, from where the record stands. */
static void answer(struct null_router *r, const wt_msg *submit)
{
        const struct wt_submit *q = submit->env.body;
        uint32_t made = submit->env.tensors[1].shape[0], text = (uint32_t)r->ids.len;
        bool stops = r->stops && !q->ignore_eos && text < q->max_tokens && made <= text;
        uint32_t n = stops ? text + 1 : q->max_tokens, end = stops ? text : UINT32_MAX;
        uint32_t step = r->per_event > 0 ? r->per_event : UINT32_MAX;
        const char *why = cannot(q);

        r->submits++;
        if (why != NULL) {
                refuse(r, submit, why);
                return;
        }
        while (made < n) {
                uint32_t to = n - made > step ? made + step : n;

                tell(r, submit, made, to, end,
                     to < n ? WT_RUNNING : stops ? WT_STOP : WT_LENGTH);
                made = to;
        }
}

static void take(struct null_router *r, wt_msg *m)
{
        switch (m->env.method) {
        case WT_M_HELLO:
                welcome(r, m->peer);
                break;
        case WT_M_SUBMIT:
                answer(r, m);
                break;
        case WT_M_PING:
                send_or_count(r, m);             /* takes it */
                return;
        default:
                break;                           /* a cancel is late: the answer has left */
        }
        wt_msg_free(m);
}

static void turn_until_stopped(struct null_router *r)
{
        wt_msg *m;

        while (!wt_stop_asked()) {
                while (wt_bus_recv(r->bus, &m) == WT_OK)
                        take(r, m);
                wt_bus_wait(r->bus, wt_stop_fd(), TICK_US);
        }
}

static wt_err make_keys(const struct null_router *r)
{
        char room[MAX_GATEWAYS][32];
        struct wt_keyring_name names[MAX_GATEWAYS];

        for (uint32_t i = 0; i < r->gateways; i++) {
                snprintf(room[i], sizeof room[i], "gateway-%u", i);
                names[i] = (struct wt_keyring_name){ room[i], "gateway" };
        }
        return r->gateways > 0 ? wt_keyring_make(r->keys, names, r->gateways) : WT_OK;
}

static wt_err open_all(struct null_router *r)
{
        struct wt_bus_conf c = { .name = "router-0", .bind = r->bind };
        struct wt_sha256 h;
        wt_tokenizer *t;
        wt_err err;

        wt_random_bytes(&r->epoch, sizeof r->epoch);
        r->epoch |= 1;                           /* 0 means that there is none */
        wt_sha256_init(&h);
        wt_sha256_add(&h, "null router", 11);
        wt_sha256_end(&h, r->revision);
        if ((err = wt_shape_load(&r->shape, r->model)) != WT_OK ||
            (err = wt_tokenizer_load(&t, r->model)) != WT_OK)
                return err;
        err = wt_tokenizer_encode(t, r->text, strlen(r->text), false, &r->ids);
        wt_tokenizer_free(t);
        if (err == WT_OK && r->ids.len == 0)
                err = wt_fail(WT_EINVAL, "--text is empty: an answer has at least one token");
        if (err != WT_OK || (err = make_keys(r)) != WT_OK ||
            (err = wt_keyring_load(&r->ring, r->keys, "router-0")) != WT_OK)
                return err;
        c.keys = wt_keyring_bus(&r->ring);
        return wt_bus_open(&r->bus, &c);
}

static wt_err number(const char *name, const char *text, uint32_t most, uint32_t *out)
{
        char *end;
        unsigned long v = strtoul(text, &end, 10);

        if (*text < '0' || *text > '9' || *end != '\0' || v > most)
                return wt_fail(WT_EINVAL, "--%s %s: a number from 0 to %u is wanted", name, text,
                               most);
        *out = (uint32_t)v;
        return WT_OK;
}

static wt_err read_options(struct null_router *r, int argc, char **argv)
{
        static const struct option options[] = {
                { "keys", 1, NULL, 'k' }, { "make-keys", 1, NULL, 'm' }, { "bus", 1, NULL, 'b' },
                { "model", 1, NULL, 'M' }, { "text", 1, NULL, 't' }, { "finish", 1, NULL, 'f' },
                { "per-event", 1, NULL, 'e' }, { NULL, 0, NULL, 0 },
        };
        wt_err err = WT_OK;

        for (int c; err == WT_OK && (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
                switch (c) {
                case 'k': r->keys = optarg;  break;
                case 'm': err = number("make-keys", optarg, MAX_GATEWAYS, &r->gateways); break;
                case 'b': r->bind = optarg;  break;
                case 'M': r->model = optarg; break;
                case 't': r->text = optarg;  break;
                case 'e': err = number("per-event", optarg, 1 << 20, &r->per_event); break;
                case 'f':
                        r->stops = strcmp(optarg, "stop") == 0;
                        if (!r->stops && strcmp(optarg, "length") != 0)
                                err = wt_fail(WT_EINVAL, "--finish %s: stop or length", optarg);
                        break;
                default:
                        err = wt_fail(WT_EINVAL, "say --keys DIR, and --make-keys N, --bus "
                                      "ENDPOINT, --model DIR, --text TEXT, --finish stop|length, "
                                      "--per-event N where the defaults do not do");
                }
        }
        if (err == WT_OK && r->keys == NULL)
                err = wt_fail(WT_EINVAL, "--keys DIR is missing: the folder of the cluster's CURVE "
                              "keys; with --make-keys N it is made for N gateways");
        return err;
}

int main(int argc, char **argv)
{
        struct null_router r = { .bind = "tcp://127.0.0.1:0", .model = "models/tiny",
                                 .text = " Once upon a time there was a little house by the sea." };

        if (read_options(&r, argc, argv) != WT_OK || wt_stop_init() != WT_OK ||
            open_all(&r) != WT_OK)
                return boot_fault();
        printf("bus=%s\n", wt_bus_endpoint(r.bus));
        fflush(stdout);
        turn_until_stopped(&r);
        printf("{\"submits\":%llu,\"tokens\":%llu,\"lost\":%llu}\n", (unsigned long long)r.submits,
               (unsigned long long)r.tokens, (unsigned long long)r.lost);
        wt_bus_close(r.bus);
        wt_ids_free(&r.ids);
        wt_shape_free(r.shape);
        return 0;
}
