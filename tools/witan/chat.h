/* chat.h - a conversation: its messages, and one answer under way. */
#ifndef WITAN_TOOLS_CHAT_H
#define WITAN_TOOLS_CHAT_H
#include "cluster.h"
#include "edit.h"
#include "verb.h"

enum { CHAT_SYSTEM, CHAT_TEMPERATURE, CHAT_TOP_P, CHAT_MAX, CHAT_SEED };        /* flags */

struct message { const char *role; char *text; };       /* role: a constant; text: ours */
struct chat {
        struct call *c;
        struct cluster *cl;
        struct message *messages; uint32_t n, cap;
        struct wt_buf answer, line, error;       /* line: of the event stream, not whole yet */
        uint64_t asked_us, last_us;
        uint64_t tokens, pieces;                 /* pieces: what came, when usage did not */
        bool terminal;                           /* standard output is one: no control characters */
        bool silent;                             /* the answer is not shown while it comes */
        char saved[4096];                        /* where this conversation was saved, or "" */
};

enum chat_end { CHAT_ANSWERED, CHAT_STOPPED, CHAT_FAILED };

void chat_add(struct chat *h, const char *role, const char *text);
void chat_drop(struct chat *h, uint32_t n);      /* all messages from the n-th on */
void chat_messages(const struct chat *h, struct wt_buf *b);      /* an object's "messages" */
/* chat_ask.c: sends all messages and shows the answer as it comes. The answer, or what there is of
 * a stopped one, becomes a message; a failure is said and leaves none. */
enum chat_end chat_ask(struct chat *h);
/* Tokens/s since it was asked; 0: no answer. */
double chat_speed(const struct chat *h);
void chat_stop(void);                            /* async-signal-safe: ends the answer under way */
/* chat_talk.c: the conversation on a terminal. Exit code. */
int chat_talk(struct chat *h);
/* chat_command.c: a line that begins with '/'. */
enum chat_next { CHAT_GO_ON, CHAT_AGAIN, CHAT_QUIT };    /* CHAT_AGAIN: ask once more */
enum chat_next chat_command(struct chat *h, const char *line);
extern const char *const chat_commands[];        /* NULL-ended, for completion */
#endif
