/* checkpoint.h - the head of the log as a text that is signed (c2sp.org/tlog-checkpoint): origin,
 * size, root in base64, one a line. The origin is the name of the log's key. */
#ifndef WITAN_AUDIT_CHECKPOINT_H
#define WITAN_AUDIT_CHECKPOINT_H
#include "audit/merkle.h"
#include "audit/note.h"

struct wt_checkpoint { char origin[WT_NOTE_NAME + 1]; uint64_t size; struct wt_hash root; };

/* Appends the body, without signatures. */
void wt_checkpoint_text(const struct wt_checkpoint *c, struct wt_buf *out);
/* Reads a note's body. Lines behind the third are extensions: allowed, and covered by the
 * signatures. WT_EDATA in words. */
wt_err wt_checkpoint_parse(struct wt_checkpoint *out, const char *body, size_t len);
/* Appends a whole note: body, empty line, the log's signature. */
wt_err wt_checkpoint_sign(const struct wt_signer *s, const struct wt_checkpoint *c,
                          struct wt_buf *out);
/* Parses the note and its body; *note borrows from text. With log not NULL its signature is
 * required, with witness not NULL its cosignature: WT_EUNAUTH in words, saying whose is
 * missing. */
wt_err wt_checkpoint_read(struct wt_checkpoint *out, struct wt_note *note, const char *text,
                          size_t len, const struct wt_verifier *log,
                          const struct wt_verifier *witness);
/* Numbers as these texts write them: decimal digits, no sign, no leading zero, below 2^62. The
 * number of digits read, 0: none. */
size_t wt_checkpoint_number(const char *text, size_t len, uint64_t *out);
#endif
