/* verify.h - is the log what the witness saw? Starts from the witness's public key alone: what it
 * cosigned is true, all else is computed again. Names the first row that is wrong.
 *
 * Of a store: every body is hashed again and compared with the tile's leaf, every column with its
 * body, the tree is built again from the bodies and its root compared with every checkpoint, with
 * the tiles and with the row audit_tree. What lies behind the last cosigned checkpoint is compared
 * with the tiles and the log's own signature only, and is counted as `unwitnessed`. A log that was
 * cut or rolled back as a whole is consistent in itself: only a checkpoint from elsewhere, the
 * witness's last one, can tell. */
#ifndef WITAN_AUDIT_VERIFY_H
#define WITAN_AUDIT_VERIFY_H
#include "audit/checkpoint_store.h"
#include "audit/event.h"

enum wt_wrong {
        WT_WRONG_NOTHING, WT_WRONG_ROW,          /* a body or column of the row `leaf` */
        WT_WRONG_MISSING,                        /* rows leaf..last are gone */
        WT_WRONG_EXTRA,                          /* a row that is no part of the log, or twice */
        WT_WRONG_RANGE,                          /* among leaf..last; tiles were changed with it */
        WT_WRONG_TREE,                           /* a tile or the frontier; the rows are good */
        WT_WRONG_CHECKPOINT,                     /* a note or cosignature in the store */
        WT_WRONG_EXPORT                          /* a line of an export that cannot be read */
};
struct wt_finding {
        enum wt_wrong wrong;
        uint64_t leaf, last, line;               /* line: of an export, from 1 */
        char request[37];                        /* "": not known */
        char words[600];                         /* what is wrong, a sentence */
};
struct wt_seen {                                 /* what was looked at */
        uint64_t rows, dropped;                  /* dropped: by retention, with a signed record */
        uint64_t witnessed;                      /* size of the newest cosigned checkpoint */
        uint64_t witnessed_s;                    /* when it was cosigned, since 1970 */
        uint64_t unwitnessed, checkpoints;
        bool complete;                           /* an export that says that nothing was left out */
};
struct wt_verify {
        const struct wt_verifier *witness;       /* required */
        const struct wt_verifier *log;           /* or NULL: its signatures are not looked at */
        const char *last; size_t last_len;       /* a checkpoint kept elsewhere, or NULL */
        void (*progress)(void *arg, uint64_t done, uint64_t all);       /* or NULL */
        void *arg;
        struct wt_finding finding;               /* out */
        struct wt_seen seen;                 /* out */
};

/* WT_OK also when something is wrong: v->finding says so. Another code: the log could not be
 * read, or nothing in it is cosigned by this witness (WT_EUNAUTH). */
wt_err wt_verify_store(struct wt_verify *v, wt_store *s);

/* Of an export (proof.h), by lines: begin, each line without its newline, end. Each line's body is
 * proved to be in the cosigned checkpoint of the first line; its readable form is made again. */
typedef struct wt_verify_export wt_verify_export;
wt_err wt_verify_export_begin(wt_verify_export **out, struct wt_verify *v);
/* False: something is wrong, v->finding says what; no more lines are wanted. */
bool wt_verify_export_line(wt_verify_export *x, const char *line, size_t len);
bool wt_verify_export_end(wt_verify_export *x);  /* was the last line the last? frees x */
#endif
