/* error.c - every refusal a user sees: OpenAI's error object with its four keys. */
#include "path.h"
#include <stdio.h>
#include <string.h>

static void error_body(struct wt_buf *b, struct refusal why, const char *message)
{
        wt_buf_str(b, "{\"error\":{");
        wt_buf_json_kv(b, "message", message);
        wt_buf_json_kv(b, "type", why.type);
        wt_buf_json_kv(b, "param", why.param);
        wt_buf_json_kv(b, "code", why.code);
        wt_buf_str(b, "}}");
}

/* r: whose refusal it is, for what it knows of another try; NULL: nobody's. */
static void refuse_text(const struct caller *c, struct request *r, const char *request_id,
                        struct refusal why, const char *message)
{
        struct wt_buf b = { 0 }, h = { 0 };

        error_body(&b, why, message);
        wt_buf_fmt(&h, "x-request-id: %s\r\n%s", request_id,
                   why.status == 401 ? "www-authenticate: Bearer\r\n" : "");
        if (r != NULL && r->retry_s > 0)
                wt_buf_fmt(&h, "retry-after: %llu\r\n", (unsigned long long)r->retry_s);
        else if ((why.status == 429 || why.status == 503) && (r == NULL || !r->no_retry))
                wt_buf_str(&h, "retry-after: 1\r\n");
        if (r != NULL && r->no_retry)
                wt_buf_str(&h, "x-should-retry: false\r\n");
        if (r != NULL)
                admit_headers(r, &h);
        if (r != NULL)
                hold_reply(r, why.status, "application/json", h.data, b.data, b.len);
        else
                caller_reply(c, why.status, "application/json", h.data, b.data, b.len);
        wt_buf_free(&b);
        wt_buf_free(&h);
}

void call_refuse(const struct caller *c, const char *request_id, struct refusal why,
                 const char *fmt, ...)
{
        char message[1024];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(message, sizeof message, fmt, ap);
        va_end(ap);
        refuse_text(c, NULL, request_id, why, message);
}

bool request_refuse(struct request *r, struct refusal why, const char *fmt, ...)
{
        char message[1024];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(message, sizeof message, fmt, ap);
        va_end(ap);
        r->status = why.status;
        r->tally.code = why.code != NULL ? why.code : why.type;
        if (hold_unsent(r))
                r->begun = false;
        if (r->call != NULL && !r->begun) {
                refuse_text(r->call, r, r->id_text, why, message);
        } else if (r->call != NULL) {
                /* The status line is gone: the error goes in band, and no [DONE] follows it, so
                 * that a cut answer never reads as a whole one. */
                struct wt_buf *b = &r->g->line;
                wt_buf_clear(b);
                wt_buf_str(b, r->caller.ops->before);
                error_body(b, why, message);
                wt_buf_str(b, r->caller.ops->after);
                hold_write(r, b->data, b->len, true);
                hold_end(r);
        }
        request_end(r, why.status >= 500 ? "failed" : "refused");
        return false;
}

struct refusal refusal_of(wt_err e)
{
        switch (wt_code_outside(e)) {
        case WT_ERANGE:
                return (struct refusal){ 400, "invalid_request_error", "context_length_exceeded",
                                         "max_tokens" };
        case WT_EINVAL: case WT_ENOTFOUND:
                return (struct refusal){ 400, "invalid_request_error", NULL, NULL };
        case WT_EEXHAUSTED:
                return (struct refusal){ 503, "server_error", "overloaded", NULL };
        case WT_EUNAVAILABLE:
                return (struct refusal){ 503, "server_error", "unavailable", NULL };
        case WT_EDATA:
                return (struct refusal){ 500, "server_error", "numeric_error", NULL };
        default:
                return (struct refusal){ 500, "server_error", NULL, NULL };
        }
}
