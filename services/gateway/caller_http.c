#include "caller.h"

static void bind(void *end, void *request) { *wt_call_user(end) = request; }
static const char *header(void *end, const char *name) { return wt_call_header(end, name); }
static const char *peer(void *end) { return wt_call_peer(end); }
static const char *body(void *end, size_t *len) { return wt_call_body(end, len); }
static bool half_closed(void *end) { return wt_call_half_closed(end); }

static void reply(void *end, int status, const char *type, const char *headers, const void *data,
                  size_t len)
{
        wt_call_reply(end, status, type, headers, data, len);
}

static void begin(void *end, int status, const char *type, const char *headers)
{
        wt_call_begin(end, status, type, headers);
}

static bool send(void *end, const void *data, size_t len)
{
        return wt_call_write(end, data, len);
}

static bool full(void *end) { return wt_call_full(end); }
static void finish(void *end) { wt_call_end(end); }
static void cut(void *end) { wt_call_abort(end); }

static const struct caller_ops ops = {
        .name = "", .before = "data: ", .after = "\n\n", .last = "data: [DONE]\n\n",
        .bind = bind, .header = header, .peer = peer, .body = body, .half_closed = half_closed,
        .reply = reply, .begin = begin, .write = send, .full = full,
        .finish = finish, .abort = cut,
};

struct caller caller_http(wt_call *c)
{
        return (struct caller){ &ops, c };
}
