#include "encoder.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct list { struct encoder_job *first, **end; };
struct encoder {
        wt_loop *loop;
        void (*done)(void *arg, struct encoder_job *j);
        void *arg;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t more;
        struct list given, finished;             /* these and stop: under the lock */
        bool stop;
        int fd;
};

static void put(struct list *l, struct encoder_job *j)
{
        j->next = NULL;
        *l->end = j;
        l->end = &j->next;
}

static struct encoder_job *take_first(struct list *l)
{
        struct encoder_job *j = l->first;

        if (j == NULL)
                return NULL;
        l->first = j->next;
        if (l->first == NULL)
                l->end = &l->first;
        return j;
}

static void *run(void *arg)
{
        struct encoder *e = arg;
        const uint64_t one = 1;
        struct encoder_job *j;

        pthread_mutex_lock(&e->lock);
        while (!e->stop) {
                if ((j = take_first(&e->given)) == NULL) {
                        pthread_cond_wait(&e->more, &e->lock);
                        continue;
                }
                pthread_mutex_unlock(&e->lock);
                if ((j->err = j->work(j)) != WT_OK)
                        snprintf(j->words, sizeof j->words, "%s", wt_words());
                pthread_mutex_lock(&e->lock);
                put(&e->finished, j);
                while (write(e->fd, &one, sizeof one) < 0 && errno == EINTR)
                        ;
        }
        pthread_mutex_unlock(&e->lock);
        return NULL;
}

static void tell(struct encoder *e)
{
        struct encoder_job *j;

        do {
                pthread_mutex_lock(&e->lock);
                j = take_first(&e->finished);
                pthread_mutex_unlock(&e->lock);
                if (j != NULL)
                        e->done(e->arg, j);
        } while (j != NULL);
}

static void on_finished(void *arg, int fd, unsigned ready)
{
        uint64_t n;

        (void)ready;
        if (read(fd, &n, sizeof n) > 0)
                tell(arg);
}

wt_err encoder_open(struct encoder **out, wt_loop *loop,
                    void (*done)(void *arg, struct encoder_job *j), void *arg)
{
        struct encoder *e = calloc(1, sizeof *e);
        wt_err err;

        if (e == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the thread of long texts");
        e->loop = loop;
        e->done = done;
        e->arg = arg;
        e->given.end = &e->given.first;
        e->finished.end = &e->finished.first;
        if ((e->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
                free(e);
                return wt_fail(WT_EEXHAUSTED, "no eventfd: %s", strerror(errno));
        }
        pthread_mutex_init(&e->lock, NULL);
        pthread_cond_init(&e->more, NULL);
        if ((err = wt_loop_add(loop, e->fd, WT_READ, on_finished, e)) == WT_OK &&
            pthread_create(&e->thread, NULL, run, e) != 0) {
                wt_loop_remove(loop, e->fd);
                err = wt_fail(WT_EEXHAUSTED, "no thread for long texts; raise the limit of "
                              "threads");
        }
        if (err != WT_OK) {
                close(e->fd);
                free(e);
                return err;
        }
        *out = e;
        return WT_OK;
}

void encoder_give(struct encoder *e, struct encoder_job *j)
{
        pthread_mutex_lock(&e->lock);
        put(&e->given, j);
        pthread_cond_signal(&e->more);
        pthread_mutex_unlock(&e->lock);
}

void encoder_close(struct encoder *e)
{
        struct encoder_job *j;

        if (e == NULL)
                return;
        pthread_mutex_lock(&e->lock);
        e->stop = true;
        pthread_cond_signal(&e->more);
        pthread_mutex_unlock(&e->lock);
        pthread_join(e->thread, NULL);
        while ((j = take_first(&e->given)) != NULL) {
                j->err = WT_ECANCELLED;
                put(&e->finished, j);
        }
        tell(e);
        wt_loop_remove(e->loop, e->fd);
        pthread_cond_destroy(&e->more);
        pthread_mutex_destroy(&e->lock);
        close(e->fd);
        free(e);
}
