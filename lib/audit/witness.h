/* witness.h - a witness: it remembers the newest checkpoint of one log that it has cosigned, and
 * cosigns only a later one that is proved to hold the same rows and more (c2sp.org/tlog-witness).
 * Its folder holds key (0600), key.pub and checkpoint, the newest note with its cosignature, which
 * is durable before the answer leaves. A folder with a key and without a checkpoint is refused:
 * a witness that lost its memory would believe anything. One thread, one process a folder. */
#ifndef WITAN_AUDIT_WITNESS_H
#define WITAN_AUDIT_WITNESS_H
#include "audit/checkpoint.h"

typedef struct wt_witness wt_witness;
/* Makes folder (0700) and key when absent. log: the only log that it witnesses. WT_EEXIST: another
 * process holds the folder. WT_EDATA: key or memory is damaged, or of another log. */
wt_err wt_witness_open(wt_witness **out, const char *folder, const struct wt_verifier *log);
void wt_witness_close(wt_witness *w);            /* NULL is fine */
const struct wt_verifier *wt_witness_key(const wt_witness *w);
/* The newest checkpoint with its cosignature, "" before the first; lent until the next add. */
const char *wt_witness_last(const wt_witness *w, uint64_t *size);

/* What is answered to POST /add-checkpoint: an HTTP status, its type and body. words: why not, for
 * the log of the witness; "" with status 200. */
struct wt_witness_answer { int status; const char *type; struct wt_buf body; char words[512]; };
/* body: "old N", the lines of a consistency proof, an empty line, the checkpoint. The caller frees
 * out->body (it is cleared first). */
void wt_witness_add(wt_witness *w, const char *body, size_t len, uint64_t time_s,
                    struct wt_witness_answer *out);

/* The other side: the body of a request. */
void wt_witness_request(uint64_t old_size, const struct wt_hash *path, uint32_t n,
                        const char *checkpoint, size_t len, struct wt_buf *out);
#endif
