/* desk.h - what a request wants of the store: readings of the audit log, and the tasks of the admin
 * API. Each has a thread and a store connection of its own, so that the loop never waits for the
 * database; the loop is woken when a piece of the answer is there. */
#ifndef WITAN_GATEWAY_DESK_H
#define WITAN_GATEWAY_DESK_H
#include "audit/query.h"
#include "net/loop.h"

enum { DESK_JOBS = 8 };                          /* readings at one time, and as many tasks: who
                                                  * exports keeps nobody from revoking a key */
enum desk_form { DESK_JSON, DESK_NDJSON, DESK_CSV, DESK_EXPORT, DESK_EXPORT_CSV };
struct desk;
struct desk_conf {
        wt_loop *loop;
        const char *store; uint64_t timeout_ms;  /* URL; borrowed until close */
        /* On the loop, for the reading with this id: a piece, whether it is the last, and how it
         * went (err with wt_words). False: nobody wants the rest. */
        bool (*piece)(void *arg, const uint8_t id[16], enum desk_form form, const char *data,
                      size_t len, bool last, wt_err err);
        /* On the loop: can it take a piece now? If not, desk_look is called when it may. */
        bool (*room)(void *arg, const uint8_t id[16]);
        void *arg;
};
wt_err desk_open(struct desk **out, const struct desk_conf *c);
/* WT_EEXHAUSTED: as many are read as may be. */
wt_err desk_read(struct desk *d, const uint8_t id[16], const struct wt_audit_filter *f,
                 enum desk_form form);
/* A task whose answer is one piece. */
struct desk_task {
        wt_err (*work)(void *arg, wt_store *s, struct wt_buf *out);      /* on the thread */
        /* On the loop, once (not when the desk closes): what work wrote, and how it went. */
        void (*done)(void *gateway, const uint8_t id[16], void *arg, const char *data, size_t len,
                     wt_err err);
        void (*drop)(void *arg);                 /* on the loop, when nobody needs arg any more */
        void *arg;
};
/* Takes t->arg, except where it fails: WT_EEXHAUSTED as above. What was begun is done, also when
 * the client leaves. */
wt_err desk_do(struct desk *d, const uint8_t id[16], const struct desk_task *t);
/* door_audit.c: what the gateway (arg) does with a piece. */
bool audit_piece(void *arg, const uint8_t id[16], enum desk_form form, const char *data,
                 size_t len, bool last, wt_err err);
bool audit_room(void *arg, const uint8_t id[16]);
void desk_look(struct desk *d);                  /* goes on with readings that waited; NULL is fine */
void desk_close(struct desk *d);                 /* cuts what is read; NULL is fine */
#endif
