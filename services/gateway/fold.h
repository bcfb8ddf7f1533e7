/* fold.h - the text path: a list of folds over pieces. A piece enters as a token id; the first fold
 * (detokenise) gives it bytes; later ones (stop; filters) see UTF-8 text. A fold may hold text back
 * until it knows; flush gives out what is held at the end. */
#ifndef WITAN_GATEWAY_FOLD_H
#define WITAN_GATEWAY_FOLD_H
#include <stdbool.h>
#include "text/tokenizer.h"

enum { MAX_FOLDS = 4 };

struct piece { int32_t id; const char *text; size_t len; };      /* id -1: text only */

struct stop_list { char **text; size_t *len; uint32_t n; };

struct folds;
struct fold_ops {
        const char *name;
        /* Takes a piece and gives any number of pieces to out. False: the text ends here (a
         * stop). */
        bool (*feed)(void *state, const struct piece *in, struct wt_buf *out);
        void (*flush)(void *state, struct wt_buf *out);
        size_t (*held)(const void *state);       /* bytes held back */
        void (*fini)(void *state);
};
struct detok_state { const wt_tokenizer *tokenizer; struct wt_utf8_stream utf8; };
struct stop_state { const struct stop_list *stops; struct wt_buf held; };
struct fold { const struct fold_ops *ops; void *state; };
struct folds {
        struct fold fold[MAX_FOLDS];
        uint32_t n;
        struct detok_state detok;
        struct stop_state stop;
        struct wt_buf pass[2];
};

/* detokenise, then stop when there are stop strings (borrowed). */
void folds_init(struct folds *f, const wt_tokenizer *t, const struct stop_list *stops);
void folds_fini(struct folds *f);
/* One id through the list; text that comes out is appended. False: a stop string was met; what
 * stands before it has come out, the folds are empty. */
bool folds_feed(struct folds *f, int32_t id, struct wt_buf *out);
/* The end of the ids: what is held comes out (it may still complete a stop string: false). */
bool folds_flush(struct folds *f, struct wt_buf *out);
size_t folds_held(const struct folds *f);
#endif
