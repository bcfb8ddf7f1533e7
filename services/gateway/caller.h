/* caller.h - the client's end of a request, whichever door it came through: HTTP (caller_http.c) or
 * RPC (rpc.c). A door's answer is JSON for both: HTTP sends it as it is, RPC as the protobuf
 * message of proto/witan/v1/api.proto whose fields have the same names. */
#ifndef WITAN_GATEWAY_CALLER_H
#define WITAN_GATEWAY_CALLER_H
#include "net/http.h"

struct caller;
struct caller_ops {
        const char *name;                        /* "", or "rpc:": before the door in the record */
        /* What stands around the pieces of a stream: before and after each, and the last one. */
        const char *before, *after, *last;
        void (*bind)(void *end, void *request);  /* on_gone is told of this one */
        const char *(*header)(void *end, const char *name);      /* any case; NULL: absent */
        const char *(*peer)(void *end);          /* "127.0.0.1:53214" */
        const char *(*key_id)(void *end);        /* the API key that its connection is bound to;
                                                  * NULL: any will do */
        const char *(*body)(void *end, size_t *len);             /* JSON */
        bool (*half_closed)(void *end);
        /* As wt_call_* of net/http.h; headers are lines of HTTP. */
        void (*reply)(void *end, int status, const char *type, const char *headers,
                      const void *body, size_t len);
        void (*begin)(void *end, int status, const char *type, const char *headers);
        bool (*write)(void *end, const void *data, size_t len);
        bool (*full)(void *end);                 /* NULL: never */
        void (*finish)(void *end);
        void (*abort)(void *end);
};
struct caller { const struct caller_ops *ops; void *end; };

struct caller caller_http(wt_call *c);

static inline const char *caller_header(const struct caller *c, const char *name)
{
        return c->ops->header(c->end, name);
}
static inline const char *caller_key_id(const struct caller *c)
{
        return c->ops->key_id != NULL ? c->ops->key_id(c->end) : NULL;
}
static inline const char *caller_peer(const struct caller *c) { return c->ops->peer(c->end); }
static inline const char *caller_body(const struct caller *c, size_t *len)
{
        return c->ops->body(c->end, len);
}
static inline bool caller_half_closed(const struct caller *c)
{
        return c->ops->half_closed(c->end);
}
static inline void caller_reply(const struct caller *c, int status, const char *type,
                                const char *headers, const void *body, size_t len)
{
        c->ops->reply(c->end, status, type, headers, body, len);
}
static inline void caller_begin(const struct caller *c, int status, const char *type,
                                const char *headers)
{
        c->ops->begin(c->end, status, type, headers);
}
static inline bool caller_write(const struct caller *c, const void *data, size_t len)
{
        return c->ops->write(c->end, data, len);
}
static inline bool caller_full(const struct caller *c)
{
        return c->ops->full != NULL && c->ops->full(c->end);
}
static inline void caller_finish(const struct caller *c) { c->ops->finish(c->end); }
static inline void caller_abort(const struct caller *c) { c->ops->abort(c->end); }
#endif
