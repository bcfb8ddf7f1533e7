/* parse.h - the request parser's own structure, for this folder only.
 * A request's head is kept in one buffer, its lines cut by NULs; positions in it are offsets, since
 * the buffer moves while it grows. */
#ifndef WITAN_NET_PARSE_H
#define WITAN_NET_PARSE_H
#include "net/http.h"

enum { WT_HTTP_FIELDS = 128 };                   /* header lines of one request */

struct wt_http_field { uint32_t name, value; };  /* offsets in head of NUL-ended strings */

struct wt_http_parser {
        struct wt_http_limits lim;
        uint8_t phase;                           /* enum phase of parse.c */
        bool head_done, minor_1, close, keep, expect, chunked, has_length;
        uint8_t n_host;
        int status;                              /* != 0: refused */
        const char *why; char words[96];
        struct wt_buf head, body;
        uint32_t line;                           /* where in head the line that arrives begins */
        uint32_t method, path, query, fields_at; /* fields_at: where the header lines begin */
        uint32_t n_fields;
        struct wt_http_field fields[WT_HTTP_FIELDS];
        uint64_t left;                           /* bytes of the body or chunk still to come */
        size_t extra;                            /* chunk lines and trailers: bounded together */
};

/* Ready for the next request; keeps buffers of at most keep_bytes. */
void wt_http_parser_reset(struct wt_http_parser *p, size_t keep_bytes);
/* Something of a request has arrived. */
bool wt_http_parser_started(const struct wt_http_parser *p);
/* The client waits for "100 Continue": the head is whole, the body is still to come. */
bool wt_http_parser_waits(const struct wt_http_parser *p);
/* The first header line of that name, or NULL. */
const char *wt_http_parser_field(const struct wt_http_parser *p, const char *name);
/* The connection may carry another request after this one. */
bool wt_http_parser_keeps(const struct wt_http_parser *p);

/* field.c: one header line (no CRLF) split in place: name and value become NUL-ended, the value
 * trimmed; the same checks for headers and trailers. NULL or why it is refused. */
const char *wt_http_field_split(char *line, size_t len, char **name, char **value);
bool wt_http_is_token(const char *s, size_t len);
bool wt_http_is_target(const char *s, size_t len);      /* origin, absolute or "*" */
bool wt_http_is_host(const char *s);
/* Is word among the comma-separated words of list (any case)? */
bool wt_http_list_has(const char *list, const char *word);
/* A chunk line (no CRLF): size out; extensions are checked and left. NULL or why. */
const char *wt_http_chunk_line(const char *s, size_t len, uint64_t *size);
#endif
