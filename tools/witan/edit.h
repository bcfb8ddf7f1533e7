/* edit.h - a line under the cursor: keys in, text and screen out. Pure: it reads no terminal, so
 * that tests type by hand. Text is UTF-8 and may hold newlines, shown as a sign. */
#ifndef WITAN_TOOLS_EDIT_H
#define WITAN_TOOLS_EDIT_H
#include <stdbool.h>
#include "base/buf.h"

enum edit_state { EDIT_MORE, EDIT_LINE, EDIT_INTERRUPTED, EDIT_END };
enum { EDIT_HISTORY = 200 };

struct edit {
        struct wt_buf text, kept;                /* kept: the new line while history is looked at */
        struct wt_buf cut;                       /* what ^K, ^U, ^W took, for ^Y */
        size_t at;                               /* cursor, a byte of text */
        char *history[EDIT_HISTORY]; int n_history, look; /* look n_history: the new line */
        const char *const *words;                /* Tab completes to these, or NULL */
        char seq[16]; int n_seq;                 /* of a key that is not whole yet */
        bool paste;                              /* between the marks of a bracketed paste */
        size_t from;                             /* first byte that is on the screen */
};

void edit_init(struct edit *e, const char *const *words);
void edit_fini(struct edit *e);
void edit_begin(struct edit *e);                 /* an empty line; history stays */
/* Takes bytes as a terminal sends them until a line is whole; *used says how many. */
enum edit_state edit_feed(struct edit *e, const char *bytes, size_t n, size_t *used);
void edit_remember(struct edit *e, const char *line);    /* once, not after itself */
/* Appends what draws prompt and line over the current row of a screen cols wide. */
void edit_draw(struct edit *e, const char *prompt, int cols, struct wt_buf *out);
#endif
