/* fuzz_http.c - the request parser: whatever comes, wherever it is cut, the outcome is one and the
 * same, within the limits. The first two bytes say where to cut; the rest is a stream of
 * requests. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "net/parse.h"

static const struct wt_http_limits lim = { .max_line = 256, .max_headers = 1024, .max_body = 512,
                                           .max_connections = 1 };

static bool same_status(const struct wt_http_parser *a, const struct wt_http_parser *b)
{
        const char *why_a, *why_b;

        return wt_http_parser_status(a, &why_a) == wt_http_parser_status(b, &why_b) &&
               strcmp(why_a, why_b) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feeds [at, end) and then [end, size), each from memory of its own length. */
static enum wt_http_state feed(struct wt_http_parser *p, const char *s, size_t at, size_t end,
                               size_t size, size_t *used)
{
        enum wt_http_state state = WT_HTTP_MORE;

        for (int part = 0; part < 2 && state == WT_HTTP_MORE; part++) {
                size_t n = (part ? size : end) - at, took;
                char *copy = malloc(n + 1);

                memcpy(copy, s + at, n);
                took = wt_http_parser_feed(p, copy, n, &state);
                WT_ASSERT(took <= n);
                WT_ASSERT(state != WT_HTTP_MORE || took == n);
                at += took;
                free(copy);
        }
        *used = at;
        return state;
}

static bool same(const struct wt_buf *a, const struct wt_buf *b)
{
        return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check(const struct wt_http_parser *p, enum wt_http_state state)
{
        const char *why;
        int status = wt_http_parser_status(p, &why);

        WT_ASSERT((state == WT_HTTP_REFUSED) == (status >= 400));
        WT_ASSERT(p->body.len <= lim.max_body);
        WT_ASSERT(p->head.len <= lim.max_line + 2 * lim.max_headers + 1024);
        if (state != WT_HTTP_DONE)
                return;
        WT_ASSERT(strlen(p->head.data + p->method) > 0 && p->path < p->head.len);
        WT_ASSERT(strlen(p->head.data + p->path) > 0 && p->query < p->head.len);
        WT_ASSERT(!strpbrk(p->head.data + p->path, " \r\n\t#"));
        for (uint32_t i = 0; i < p->n_fields; i++) {
                WT_ASSERT(wt_http_is_token(p->head.data + p->fields[i].name,
                                           strlen(p->head.data + p->fields[i].name)));
                WT_ASSERT(!strpbrk(p->head.data + p->fields[i].value, "\r\n"));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *s = (const char *)data + 2;
        enum wt_http_state state = WT_HTTP_DONE, cut_state;
        struct wt_http_parser whole, cut;
        size_t at = 0, used, cut_used, middle;

        if (size < 3)
                return 0;
        size -= 2;
        middle = (data[0] | (size_t)data[1] << 8) % (size + 1);
        wt_http_parser_init(&whole, &lim);
        wt_http_parser_init(&cut, &lim);
        while (at < size && state == WT_HTTP_DONE) {
                wt_http_parser_reset(&whole, 512);
                wt_http_parser_reset(&cut, 0);
                state = feed(&whole, s, at, size, size, &used);
                cut_state = feed(&cut, s, at, middle > at ? middle : at, size, &cut_used);
                check(&whole, state);
                WT_ASSERT(cut_state == state && same_status(&cut, &whole));
                WT_ASSERT(state == WT_HTTP_REFUSED || used == cut_used);
                WT_ASSERT(state != WT_HTTP_DONE ||
                          (same(&whole.head, &cut.head) && same(&whole.body, &cut.body)));
                at = used;
        }
        wt_http_parser_fini(&whole);
        wt_http_parser_fini(&cut);
        return 0;
}
