#include "desk.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "audit/proof.h"

enum { PIECE = 128 << 10 };

struct job {
        struct job *next;
        struct desk *desk;
        pthread_t thread;
        uint8_t id[16];
        struct wt_audit_filter f;
        enum desk_form form;
        struct desk_task task;                   /* work NULL: it is a reading */
        struct wt_buf made;                      /* the thread's own */
        /* Under the desk's lock. */
        struct wt_buf piece;
        bool full, done, unwanted;
        wt_err err;
        char words[600];
};
struct desk {
        struct desk_conf conf;
        pthread_mutex_t lock;
        pthread_cond_t room;                     /* a piece was taken, or nobody wants it */
        int fd;
        struct job *jobs;                        /* the loop's own list */
        uint32_t n[2];                           /* readings, tasks */
};

/* ---- on a job's thread ---- */

static void wake(struct desk *d)
{
        uint64_t one = 1;

        while (write(d->fd, &one, sizeof one) < 0 && errno == EINTR)
                ;
}

/* What is made goes to the loop, when that has taken the last piece. */
static wt_err pass(struct job *j)
{
        struct desk *d = j->desk;
        struct wt_buf empty;
        bool unwanted;

        pthread_mutex_lock(&d->lock);
        while (j->full && !j->unwanted)
                pthread_cond_wait(&d->room, &d->lock);
        unwanted = j->unwanted;
        if (!unwanted) {
                empty = j->piece;
                j->piece = j->made;
                j->made = empty;
                j->full = true;
        }
        pthread_mutex_unlock(&d->lock);
        wt_buf_clear(&j->made);
        if (unwanted)
                return wt_fail(WT_ECANCELLED, "the client has left");
        wake(d);
        return WT_OK;
}

static wt_err on_data(void *arg, const char *data, size_t len)
{
        struct job *j = arg;

        wt_buf_add(&j->made, data, len);
        return j->made.len < PIECE ? WT_OK : pass(j);
}

static wt_err on_row(void *arg, const struct wt_audit_view *v)
{
        struct job *j = arg;

        if (j->form == DESK_CSV) {
                wt_audit_view_csv(v, &j->made);
                return WT_OK;
        }
        if (j->form == DESK_JSON)
                wt_buf_json_sep(&j->made);
        wt_audit_view_json(v, &j->made);
        wt_buf_str(&j->made, j->form == DESK_NDJSON ? "\n" : "");
        return WT_OK;
}

/* A page is small, and whole or an error: it goes in one piece. */
static wt_err read_page(struct job *j, wt_store *s)
{
        struct wt_audit_page page;
        wt_err err;

        if (j->form != DESK_NDJSON)
                wt_buf_str(&j->made, j->form == DESK_CSV ? wt_audit_csv_head
                                                         : "{\"object\":\"list\",\"data\":[");
        if ((err = wt_audit_query(s, &j->f, on_row, j, &page)) != WT_OK)
                return err;
        if (j->form == DESK_JSON) {
                wt_buf_str(&j->made, "]");
                wt_buf_json_kb(&j->made, "has_more", page.has_more);
                wt_buf_json_kv(&j->made, "after", page.after[0] != '\0' ? page.after : NULL);
                wt_buf_str(&j->made, "}");
        }
        return WT_OK;
}

static wt_err ask_store(struct job *j)
{
        wt_store *s;
        uint64_t n;
        wt_err err = wt_store_open(&s, j->desk->conf.store, j->desk->conf.timeout_ms);

        if (err != WT_OK)
                return err;
        if (j->task.work != NULL)
                err = j->task.work(j->task.arg, s, &j->made);
        else
                err = j->form == DESK_EXPORT ? wt_audit_export(s, &j->f, on_data, j, &n)
                        : j->form == DESK_EXPORT_CSV
                        ? wt_audit_export_csv(s, &j->f, on_data, j, &n) : read_page(j, s);
        wt_store_close(s);
        return err == WT_OK ? pass(j) : err;
}

static void *run(void *arg)
{
        struct job *j = arg;
        struct desk *d = j->desk;
        wt_err err = ask_store(j);

        pthread_mutex_lock(&d->lock);
        j->err = err;
        if (err != WT_OK)
                snprintf(j->words, sizeof j->words, "%s", wt_words());
        j->done = true;
        pthread_mutex_unlock(&d->lock);
        wake(d);
        return NULL;
}

/* ---- on the loop ---- */

static void job_free(struct job *j)
{
        if (j->task.drop != NULL)
                j->task.drop(j->task.arg);
        wt_buf_free(&j->made);
        wt_buf_free(&j->piece);
        free(j);
}

static bool tell(struct desk *d, struct job *j, const struct wt_buf *piece, bool done)
{
        const char *data = piece->data != NULL ? piece->data : "";
        wt_err err = done ? j->err : WT_OK;

        if (err != WT_OK)
                wt_fail(err, "%s", j->words);
        if (j->task.done == NULL)
                return d->conf.piece(d->conf.arg, j->id, j->form, data, piece->len, done, err);
        j->task.done(d->conf.arg, j->id, j->task.arg, data, piece->len, err);
        return true;
}

/* Takes what a job has; true when it is over. A piece stays where it is while its client has no
 * room for it: the thread waits behind it. */
static bool look(struct desk *d, struct job *j)
{
        struct wt_buf piece = { 0 };
        bool full, done, unwanted, wanted = true;

        pthread_mutex_lock(&d->lock);
        full = j->full;
        done = j->done;
        unwanted = j->unwanted;
        if (full && !unwanted && j->task.work == NULL && !d->conf.room(d->conf.arg, j->id)) {
                pthread_mutex_unlock(&d->lock);
                return false;
        }
        if (full && (j->task.work == NULL || done)) {
                piece = j->piece;
                j->piece = (struct wt_buf){ 0 };
                j->full = false;
                pthread_cond_broadcast(&d->room);
        }
        pthread_mutex_unlock(&d->lock);
        if (!unwanted && (full || done) && (j->task.done == NULL || done))
                wanted = tell(d, j, &piece, done);
        if (!wanted) {
                pthread_mutex_lock(&d->lock);
                j->unwanted = true;
                pthread_cond_broadcast(&d->room);
                pthread_mutex_unlock(&d->lock);
        }
        wt_buf_free(&piece);
        return done;
}

static void on_wake(void *arg, int fd, unsigned ready)
{
        uint64_t n;

        (void)ready;
        if (read(fd, &n, sizeof n) >= 0)
                desk_look(arg);
}

void desk_look(struct desk *d)
{
        if (d == NULL)
                return;
        for (struct job **at = &d->jobs; *at != NULL;) {
                struct job *j = *at;

                if (!look(d, j)) {
                        at = &j->next;
                        continue;
                }
                *at = j->next;
                d->n[j->task.work != NULL]--;
                pthread_join(j->thread, NULL);
                job_free(j);
        }
}

wt_err desk_open(struct desk **out, const struct desk_conf *c)
{
        struct desk *d = calloc(1, sizeof *d);
        wt_err err;

        if (d == NULL)
                return wt_fail(WT_ENOMEM, "no memory to ask the store");
        d->conf = *c;
        d->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (d->fd < 0) {
                free(d);
                return wt_fail(WT_EEXHAUSTED, "no eventfd: %s", strerror(errno));
        }
        if ((err = wt_loop_add(c->loop, d->fd, WT_READ, on_wake, d)) != WT_OK) {
                close(d->fd);
                free(d);
                return err;
        }
        pthread_mutex_init(&d->lock, NULL);
        pthread_cond_init(&d->room, NULL);
        *out = d;
        return WT_OK;
}

static wt_err begin(struct desk *d, const uint8_t id[16], const struct job *what)
{
        bool task = what->task.work != NULL;
        struct job *j;

        if (d->n[task] == DESK_JOBS)
                return wt_fail(WT_EEXHAUSTED, "%d %s are under way; ask again later", DESK_JOBS,
                               task ? "admin calls" : "readings of the audit log");
        if ((j = malloc(sizeof *j)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory to ask the store");
        *j = *what;
        j->desk = d;
        memcpy(j->id, id, 16);
        if (pthread_create(&j->thread, NULL, run, j) != 0) {
                free(j);
                return wt_fail(WT_EEXHAUSTED, "no thread to ask the store");
        }
        j->next = d->jobs;
        d->jobs = j;
        d->n[task]++;
        return WT_OK;
}

wt_err desk_read(struct desk *d, const uint8_t id[16], const struct wt_audit_filter *f,
                 enum desk_form form)
{
        return begin(d, id, &(struct job){ .f = *f, .form = form });
}

wt_err desk_do(struct desk *d, const uint8_t id[16], const struct desk_task *t)
{
        return begin(d, id, &(struct job){ .task = *t });
}

void desk_close(struct desk *d)
{
        if (d == NULL)
                return;
        wt_loop_remove(d->conf.loop, d->fd);
        pthread_mutex_lock(&d->lock);
        for (struct job *j = d->jobs; j != NULL; j = j->next)
                j->unwanted = true;
        pthread_cond_broadcast(&d->room);
        pthread_mutex_unlock(&d->lock);
        while (d->jobs != NULL) {
                struct job *j = d->jobs;

                d->jobs = j->next;
                pthread_join(j->thread, NULL);
                job_free(j);
        }
        pthread_cond_destroy(&d->room);
        pthread_mutex_destroy(&d->lock);
        close(d->fd);
        free(d);
}
