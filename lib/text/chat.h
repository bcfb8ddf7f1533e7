/* chat.h - messages -> token ids. Formats are rows of a table, chosen by the tokenizer's tokens and
 * the model's family: "deepseek-v3" now. */
#ifndef WITAN_TEXT_CHAT_H
#define WITAN_TEXT_CHAT_H
#include "text/tokenizer.h"

struct wt_call { const char *name; size_t name_len; const char *arguments; size_t arguments_len; };
struct wt_message {
        const char *role;                        /* system, user, assistant, tool */
        const char *content; size_t len;
        const struct wt_call *calls; size_t n_calls;     /* tools that an assistant turn called */
};
typedef struct wt_chat wt_chat;
/* WT_EUNSUPPORTED when the tokenizer has no format that is known (completions still work). */
wt_err wt_chat_pick(const wt_chat **out, const wt_tokenizer *t);
const char *wt_chat_name(const wt_chat *c);
/* Appends the prompt for the next assistant turn, begin token included once. Text of special tokens
 * inside content stays text. WT_EINVAL names the message: unknown role, nothing to answer. */
wt_err wt_chat_render(const wt_chat *c, const wt_tokenizer *t, const struct wt_message *m, size_t n,
                      struct wt_ids *out);
/* For completions: the begin token that the model wants in front (unless the ids begin with it
 * already), or -1. c may be NULL: what tokenizer.json itself says. */
int32_t wt_chat_bos(const wt_chat *c, const wt_tokenizer *t);
#endif
