/* messages.h - the "messages" of a chat request, in OpenAI's shapes, as token ids. */
#ifndef WITAN_GATEWAY_MESSAGES_H
#define WITAN_GATEWAY_MESSAGES_H
#include "base/json.h"
#include "text/chat.h"

enum { MAX_MESSAGES = 1024, MAX_CALLS = 1024 };  /* calls: of all messages together */

/* Appends the prompt that the format makes of the array `list` of j: roles, content as a string or
 * as parts of text, tool_calls of assistants, tool_call_id of tools' outputs. WT_EINVAL (or another
 * error of wt_chat_render): the words are for the user and name the message; out is as before. */
wt_err messages_read(struct wt_ids *out, const wt_json *j, wt_jv list, const wt_chat *format,
                     const wt_tokenizer *t);
#endif
