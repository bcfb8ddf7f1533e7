/* buf.h - a growing byte buffer: text and messages under construction. */
#ifndef WITAN_BASE_BUF_H
#define WITAN_BASE_BUF_H
#include <stddef.h>
#include <stdint.h>

/* All zeros is a valid empty buffer. data[len] is always NUL when data is not NULL. */
struct wt_buf { char *data; size_t len, cap; };

void wt_buf_free(struct wt_buf *b);
void wt_buf_clear(struct wt_buf *b);             /* keeps the memory */
/* Room for n more bytes; returns where they go (len is not moved). wt_out_of_memory when
 * there is none: what others make large asks by wt_buf_try. */
char *wt_buf_room(struct wt_buf *b, size_t n);
char *wt_buf_try(struct wt_buf *b, size_t n);    /* the same; NULL: no memory, b is as it was */
void wt_buf_add(struct wt_buf *b, const void *p, size_t n);
void wt_buf_str(struct wt_buf *b, const char *s);
void wt_buf_fmt(struct wt_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wt_buf_drop_front(struct wt_buf *b, size_t n);    /* memmove */

/* JSON writing: the writer places commas itself from the last byte. */
void wt_buf_json_str(struct wt_buf *b, const char *s, size_t len);  /* quoted, escaped; bytes that
                                                 * are not UTF-8 become U+FFFD */
void wt_buf_json_key(struct wt_buf *b, const char *key);            /* [,]"key": */
void wt_buf_json_kv(struct wt_buf *b, const char *key, const char *s);   /* NULL s: null */
void wt_buf_json_ki(struct wt_buf *b, const char *key, int64_t v);
void wt_buf_json_ku(struct wt_buf *b, const char *key, uint64_t v);
void wt_buf_json_kf(struct wt_buf *b, const char *key, double v);   /* shortest that reads back;
                                                 * NaN and infinities: null */
void wt_buf_json_kb(struct wt_buf *b, const char *key, int v);
void wt_buf_json_sep(struct wt_buf *b);          /* a comma unless after { [ : or at the start */
#endif
