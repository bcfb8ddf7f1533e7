#include "sealer.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "audit/seal.h"
#include "tls/sign.h"

enum { SWEEP_US = 1000 * 1000 };

struct question {
        struct question *next;
        uint8_t request[16], subject[16], key[32];
        char tenant[65], words[400];
        wt_err err;
};
struct list { struct question *first, **end; };
struct at_hand { bool used; uint8_t subject[16], key[32]; uint64_t until_us; };
struct sealer {
        struct sealer_conf conf;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t more;
        struct list asked, answered;             /* these and stop: under the lock */
        uint32_t n;                              /* asked and not told yet; the loop's own */
        bool stop;
        int fd;
        struct wt_timer sweep;
        struct at_hand keys[SEALER_KEYS];        /* by the beginning of the subject's id */
};

static void put(struct list *l, struct question *q)
{
        q->next = NULL;
        *l->end = q;
        l->end = &q->next;
}

static struct question *take(struct list *l)
{
        struct question *q = l->first;

        *l = (struct list){ .end = &l->first };
        return q;
}

static void question_free(struct question *q)
{
        wt_wipe(q, sizeof *q);
        free(q);
}

/* ---- on the thread ------------------------------------------------------------------------- */

static wt_err fetch(struct sealer *k, wt_store **s, struct question *q)
{
        wt_err err;

        if (*s == NULL) {
                if ((err = wt_store_open(s, k->conf.store, k->conf.timeout_ms)) != WT_OK)
                        return err;
                if ((err = wt_subjects_migrate(*s)) != WT_OK)
                        return err;
        }
        err = wt_subject_key(*s, k->conf.folder, q->subject, q->tenant, true, q->key);
        if (err == WT_EEXIST)                    /* another gateway was faster: that one it is */
                err = wt_subject_key(*s, k->conf.folder, q->subject, q->tenant, true, q->key);
        return err;
}

/* Those behind one that the store did not answer share its fate: each would wait as long again.
 * What is wrong with one subject is its own. */
static void answer_all(struct sealer *k, wt_store **s, struct question *q)
{
        struct question *next, last = { .err = WT_OK };
        const uint64_t one = 1;

        for (bool any = false; q != NULL; q = next, any = true) {
                next = q->next;
                if (any && last.err == WT_EUNAVAILABLE) {
                        q->err = last.err;
                        memcpy(q->words, last.words, sizeof q->words);
                } else if (any && last.err == WT_OK && memcmp(last.subject, q->subject, 16) == 0) {
                        memcpy(q->key, last.key, sizeof q->key);
                } else if ((q->err = fetch(k, s, q)) != WT_OK) {
                        snprintf(q->words, sizeof q->words, "%s", wt_words());
                        wt_store_close(*s);
                        *s = NULL;
                }
                last = *q;
                pthread_mutex_lock(&k->lock);
                put(&k->answered, q);
                pthread_mutex_unlock(&k->lock);
                while (write(k->fd, &one, sizeof one) < 0 && errno == EINTR)
                        ;
        }
        wt_wipe(&last, sizeof last);
}

static void *run(void *arg)
{
        struct sealer *k = arg;
        wt_store *s = NULL;
        bool stop;

        do {
                struct question *q;

                pthread_mutex_lock(&k->lock);
                while (k->asked.first == NULL && !k->stop)
                        pthread_cond_wait(&k->more, &k->lock);
                stop = k->stop;
                q = stop ? NULL : take(&k->asked);
                pthread_mutex_unlock(&k->lock);
                answer_all(k, &s, q);
        } while (!stop);
        wt_store_close(s);
        return NULL;
}

/* ---- on the loop --------------------------------------------------------------------------- */

static struct at_hand *place_of(struct sealer *k, const uint8_t subject[16])
{
        return &k->keys[(subject[0] | (uint32_t)subject[1] << 8) % SEALER_KEYS];
}

static void on_answer(void *arg, int fd, unsigned ready)
{
        struct sealer *k = arg;
        struct question *q, *next;
        uint64_t n;

        (void)ready;
        if (read(fd, &n, sizeof n) < 0)
                return;
        pthread_mutex_lock(&k->lock);
        q = take(&k->answered);
        pthread_mutex_unlock(&k->lock);
        for (; q != NULL; q = next) {
                struct at_hand *h = place_of(k, q->subject);

                next = q->next;
                k->n--;
                if (q->err == WT_OK) {
                        h->used = true;
                        h->until_us = wt_now_us(k->conf.clock) + SEALER_LIFE_US;
                        memcpy(h->subject, q->subject, sizeof h->subject);
                        memcpy(h->key, q->key, sizeof h->key);
                        k->conf.ready(k->conf.arg, q->request, q->key, WT_OK);
                } else {
                        k->conf.ready(k->conf.arg, q->request, NULL,
                                      wt_fail(q->err, "%s", q->words));
                }
                question_free(q);
        }
}

/* What has had its time does not wait in memory until its place is wanted. */
static void on_sweep(void *arg, struct wt_timer *t)
{
        struct sealer *k = arg;
        uint64_t now = wt_now_us(k->conf.clock);

        for (uint32_t i = 0; i < SEALER_KEYS; i++)
                if (k->keys[i].used && now >= k->keys[i].until_us)
                        wt_wipe(&k->keys[i], sizeof k->keys[i]);
        wt_loop_timer_set(k->conf.loop, t, now + SWEEP_US);
}

wt_err sealer_key(struct sealer *k, const uint8_t request[16], const uint8_t subject[16],
                  const char *tenant, uint8_t key[32])
{
        const struct at_hand *h = place_of(k, subject);
        struct question *q;

        if (h->used && memcmp(h->subject, subject, 16) == 0 &&
            wt_now_us(k->conf.clock) < h->until_us) {
                memcpy(key, h->key, sizeof h->key);
                return WT_OK;
        }
        if (k->n == SEALER_WAITING)
                return wt_fail(WT_EEXHAUSTED, "%d requests wait for keys already", SEALER_WAITING);
        if ((q = calloc(1, sizeof *q)) == NULL)
                return wt_fail(WT_EEXHAUSTED, "no memory to ask for a key");
        memcpy(q->request, request, sizeof q->request);
        memcpy(q->subject, subject, sizeof q->subject);
        snprintf(q->tenant, sizeof q->tenant, "%s", tenant);
        k->n++;
        pthread_mutex_lock(&k->lock);
        put(&k->asked, q);
        pthread_cond_signal(&k->more);
        pthread_mutex_unlock(&k->lock);
        return WT_EAGAIN;
}

wt_err sealer_open(struct sealer **out, const struct sealer_conf *c)
{
        struct sealer *k = calloc(1, sizeof *k);
        wt_err err;

        if (k == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the keys of sealed texts");
        k->conf = *c;
        k->asked.end = &k->asked.first;
        k->answered.end = &k->answered.first;
        if ((k->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
                free(k);
                return wt_fail(WT_EEXHAUSTED, "no eventfd: %s", strerror(errno));
        }
        pthread_mutex_init(&k->lock, NULL);
        pthread_cond_init(&k->more, NULL);
        if ((err = wt_loop_add(c->loop, k->fd, WT_READ, on_answer, k)) == WT_OK &&
            pthread_create(&k->thread, NULL, run, k) != 0) {
                wt_loop_remove(c->loop, k->fd);
                err = wt_fail(WT_EEXHAUSTED, "no thread for the keys of sealed texts");
        }
        if (err != WT_OK) {
                close(k->fd);
                free(k);
                return err;
        }
        k->sweep = (struct wt_timer){ .fire = on_sweep, .arg = k };
        on_sweep(k, &k->sweep);
        *out = k;
        return WT_OK;
}

void sealer_close(struct sealer *k)
{
        if (k == NULL)
                return;
        pthread_mutex_lock(&k->lock);
        k->stop = true;
        pthread_cond_signal(&k->more);
        pthread_mutex_unlock(&k->lock);
        pthread_join(k->thread, NULL);
        wt_loop_timer_off(k->conf.loop, &k->sweep);
        wt_loop_remove(k->conf.loop, k->fd);
        for (int i = 0; i < 2; i++)
                for (struct question *q = take(i ? &k->asked : &k->answered), *next; q != NULL;
                     q = next) {
                        next = q->next;
                        question_free(q);
                }
        pthread_cond_destroy(&k->more);
        pthread_mutex_destroy(&k->lock);
        close(k->fd);
        wt_wipe(k, sizeof *k);
        free(k);
}
