/* note.h - signed notes as C2SP writes them (c2sp.org/signed-note, c2sp.org/tlog-cosignature): a
 * text, an empty line, and lines of signatures. Two kinds of key: a log signs the text (Ed25519,
 * type 1); a witness signs the text together with the time (cosignature/v1, type 4). A public key
 * is a line "NAME+ID+BASE64"; a private one "PRIVATE+KEY+NAME+ID+BASE64" in a file of mode 0600. */
#ifndef WITAN_AUDIT_NOTE_H
#define WITAN_AUDIT_NOTE_H
#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"

enum wt_note_key { WT_NOTE_LOG = 1, WT_NOTE_WITNESS = 4 };
enum { WT_NOTE_NAME = 64, WT_NOTE_MOST = 64 << 10, WT_NOTE_SIGNATURES = 16 };

struct wt_verifier {
        char name[WT_NOTE_NAME + 1];
        uint32_t id;
        enum wt_note_key type;
        uint8_t public_key[32];
};
struct wt_signer { struct wt_verifier v; uint8_t seed[32]; };    /* wt_wipe it */

/* A fresh key under this name. WT_EINVAL: the name is empty, too long, or holds a blank or '+'. */
wt_err wt_signer_new(struct wt_signer *out, enum wt_note_key type, const char *name);
/* PATH is made 0600, not replaced; the public line goes to PUBLIC_PATH (0644). WT_EEXIST. */
wt_err wt_signer_save(const struct wt_signer *s, const char *path, const char *public_path);
/* WT_EPERM: others may read the file. WT_EDATA: it is no key. */
wt_err wt_signer_load(struct wt_signer *out, const char *path);
wt_err wt_verifier_parse(struct wt_verifier *out, const char *text, size_t len);
/* WT_EINVAL: the file has a key of the other kind. */
wt_err wt_verifier_load(struct wt_verifier *out, enum wt_note_key type, const char *path);
void wt_verifier_text(const struct wt_verifier *v, struct wt_buf *out);  /* the line, no newline */

/* A parsed note borrows from its text. body ends in a newline. */
struct wt_note {
        const char *body; size_t len;
        struct wt_note_signature {
                const char *name; size_t name_len;
                uint32_t id;
                uint8_t bytes[72]; uint32_t n;   /* behind the id; longer ones are of no kind that
                                                  * we know: n 0 */
        } signature[WT_NOTE_SIGNATURES];
        uint32_t n;
};
/* WT_EDATA in words: no UTF-8, control characters, no newline at the end, no signature. */
wt_err wt_note_parse(struct wt_note *out, const char *text, size_t len);
/* Has this key signed it? *time_s (or NULL): when, by a witness; 0 by a log. A cosignature that
 * says 0 is none. */
bool wt_note_signed(const struct wt_note *n, const struct wt_verifier *v, uint64_t *time_s);
/* Appends the line of a signature over the body. time_s is for a witness. */
wt_err wt_note_sign(const struct wt_signer *s, const char *body, size_t len, uint64_t time_s,
                    struct wt_buf *out);
#endif
