/* tokenizer.h - byte-level BPE as in Hugging Face's tokenizer.json: added and special tokens
 * (leftmost, then longest; lstrip, rstrip, single_word, normalized), Split and ByteLevel
 * pre-tokenizers (patterns by PCRE2), ranked merges, ignore_merges. What is not understood is
 * refused by name, never skipped. */
#ifndef WITAN_TEXT_TOKENIZER_H
#define WITAN_TEXT_TOKENIZER_H
#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"

typedef struct wt_tokenizer wt_tokenizer;        /* read-only once loaded: share it between threads;
                                                  * scratch is per call */
struct wt_ids { int32_t *data; size_t len, cap; };               /* all zeros: empty; growing */
void wt_ids_free(struct wt_ids *v);
void wt_ids_add(struct wt_ids *v, int32_t id);   /* wt_out_of_memory, but not within what ... */
wt_err wt_ids_room(struct wt_ids *v, size_t n);  /* ... made room for n more; WT_ENOMEM */

/* "PCRE2 10.42 2022-12-11", for people. */
void wt_text_library(char out[64]);
wt_err wt_tokenizer_load(wt_tokenizer **out, const char *folder);        /* FOLDER/tokenizer.json */
wt_err wt_tokenizer_parse(wt_tokenizer **out, const char *json, size_t len);
void wt_tokenizer_free(wt_tokenizer *t);
uint32_t wt_tokenizer_size(const wt_tokenizer *t);               /* highest id + 1 */
/* Bytes of text that one id stands for at most; 0: there is no bound, since text is normalized or
 * left out on the way. */
size_t wt_tokenizer_longest(const wt_tokenizer *t);
/* Appends the ids of text (UTF-8; bytes that are not are WT_EINVAL with their offset), or leaves
 * out as it was: WT_ENOMEM; WT_EEXHAUSTED when a limit is passed. Nothing is
 * put in front. specials false: text of special tokens is ordinary text (user content in
 * templates), and so is that of added tokens that look like <...> or [...]: DeepSeek's <|User|> is
 * not "special". */
wt_err wt_tokenizer_encode(const wt_tokenizer *t, const char *text, size_t len, bool specials,
                           struct wt_ids *out);
/* The bytes of one id: "" and len 0 when it has none (padding, out of range). special (or NULL): a
 * special token, whose text is not shown to users. */
const char *wt_tokenizer_bytes(const wt_tokenizer *t, int32_t id, size_t *len, bool *special);
/* An added token by its content, or -1; the token that tokenizer.json's post-processor puts in
 * front, or -1. */
int32_t wt_tokenizer_id(const wt_tokenizer *t, const char *token);
int32_t wt_tokenizer_bos(const wt_tokenizer *t);

/* Streams bytes of tokens as UTF-8: an incomplete tail waits; a byte that cannot begin or continue
 * a character is U+FFFD at once; end turns a cut tail into one U+FFFD. */
struct wt_utf8_stream { uint8_t tail[4]; uint32_t n; };
void wt_utf8_feed(struct wt_utf8_stream *s, const char *bytes, size_t len, struct wt_buf *out);
void wt_utf8_end(struct wt_utf8_stream *s, struct wt_buf *out);
#endif
