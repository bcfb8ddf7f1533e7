/* messages.h - the "messages" of a chat request, in OpenAI's shapes, as token ids. */
#ifndef WITAN_GATEWAY_MESSAGES_H
#define WITAN_GATEWAY_MESSAGES_H
#include "base/json.h"
#include "text/chat.h"

enum { MAX_MESSAGES = 1024, MAX_CALLS = 1024 };  /* calls: of all messages together */

struct messages;
/* The array `list` of j, which is borrowed until messages_free: roles, content as a string or as
 * parts of text, tool_calls of assistants, tool_call_id of tools' outputs. WT_EINVAL: the words are
 * for the user and name the message. WT_ENOMEM. */
wt_err messages_read(struct messages **out, const wt_json *j, wt_jv list);
/* Bytes of all texts. certain: of those that become tokens of a prompt whatever the format (some
 * leave out what an assistant thought). */
size_t messages_bytes(const struct messages *c, size_t *certain);
/* Appends the prompt that the format makes of them. Errors as of wt_chat_render; out is as before
 * then. Changes nothing but out: it may run on another thread. */
wt_err messages_render(const struct messages *c, const wt_chat *format, const wt_tokenizer *t,
                       struct wt_ids *out);
void messages_free(struct messages *c);          /* NULL is fine */
#endif
