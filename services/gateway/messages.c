/* messages.c - the "messages" of a chat, in OpenAI's shapes, as the text floor takes them: content
 * as a string or as parts, the tools that an assistant turn called, what they gave. An output must
 * name a call that was made before it: the formats show outputs in order and without names, so one
 * of another call would be read as an answer to this one. */
#include "messages.h"
#include <stdlib.h>
#include <string.h>

struct messages {
        const wt_json *j;
        struct wt_message m[MAX_MESSAGES]; size_t n;
        struct wt_buf join[MAX_MESSAGES];        /* contents that came in parts */
        struct wt_call call[MAX_CALLS];
        struct { const char *text; size_t len; } id[MAX_CALLS];
        size_t n_calls;
};

static wt_err refuse(const struct messages *c, const char *what)
{
        return wt_fail(WT_EINVAL, "messages[%zu]%s", c->n, what);
}

static bool none(const wt_json *j, wt_jv v)
{
        return v == WT_JSON_NONE || wt_json_type(j, v) == WT_JSON_NULL;
}

static wt_err take_parts(struct messages *c, wt_jv list)
{
        const wt_json *j = c->j;
        struct wt_buf *join = &c->join[c->n];
        const char *s;
        size_t len;

        for (wt_jv p = wt_json_first(j, list); p != WT_JSON_NONE; p = wt_json_next(j, p)) {
                const char *type = wt_json_str(j, wt_json_get(j, p, "type"), &len);

                if (type == NULL || strcmp(type, "text") != 0)
                        return wt_fail(WT_EINVAL, "messages[%zu].content holds a part of type "
                                       "\"%.40s\"; this model reads text only", c->n,
                                       type != NULL ? type : "?");
                if ((s = wt_json_str(j, wt_json_get(j, p, "text"), &len)) == NULL)
                        return refuse(c, ".content: a text part has no text");
                wt_buf_add(join, s, len);
        }
        c->m[c->n].content = join->len > 0 ? join->data : "";
        c->m[c->n].len = join->len;
        return WT_OK;
}

/* The content as one string. An assistant that only called tools may have none. */
static wt_err take_content(struct messages *c, wt_jv v)
{
        struct wt_message *m = &c->m[c->n];
        wt_jv content = wt_json_get(c->j, v, "content");

        if (wt_json_type(c->j, content) == WT_JSON_ARRAY)
                return take_parts(c, content);
        m->content = wt_json_str(c->j, content, &m->len);
        if (m->content != NULL)
                return WT_OK;
        if (!none(c->j, content))
                return refuse(c, ".content must be a string or an array of parts");
        m->content = "";
        m->len = 0;
        return strcmp(m->role, "assistant") == 0 ? WT_OK : refuse(c, " has no content");
}

static wt_err take_call(struct messages *c, wt_jv v)
{
        const wt_json *j = c->j;
        wt_jv f = wt_json_get(j, v, "function");
        struct wt_call *call = &c->call[c->n_calls];
        size_t len;
        const char *type = wt_json_str(j, wt_json_get(j, v, "type"), &len);

        if (c->n_calls == MAX_CALLS)
                return wt_fail(WT_EINVAL, "messages[%zu].tool_calls: more than %d calls in one "
                               "request", c->n, MAX_CALLS);
        if (type == NULL || strcmp(type, "function") != 0)
                return refuse(c, ".tool_calls: a call's type must be \"function\"");
        c->id[c->n_calls].text = wt_json_str(j, wt_json_get(j, v, "id"), &c->id[c->n_calls].len);
        if (c->id[c->n_calls].text == NULL || c->id[c->n_calls].len == 0)
                return refuse(c, ".tool_calls: a call has no id");
        call->name = wt_json_str(j, wt_json_get(j, f, "name"), &call->name_len);
        if (call->name == NULL || call->name_len == 0)
                return refuse(c, ".tool_calls: a call's function has no name");
        call->arguments = wt_json_str(j, wt_json_get(j, f, "arguments"), &call->arguments_len);
        if (call->arguments == NULL)
                return refuse(c, ".tool_calls: a call's function has no arguments; they are one "
                              "string of JSON, such as \"{}\"");
        c->n_calls++;
        c->m[c->n].n_calls++;
        return WT_OK;
}

static wt_err take_calls(struct messages *c, wt_jv v)
{
        const wt_json *j = c->j;
        wt_jv list = wt_json_get(j, v, "tool_calls");
        wt_err err;

        if (!none(j, wt_json_get(j, v, "function_call")))
                return refuse(c, ".function_call is not read by this server; send tool_calls");
        if (none(j, list))
                return WT_OK;
        if (wt_json_type(j, list) != WT_JSON_ARRAY)
                return refuse(c, ".tool_calls must be an array of calls");
        c->m[c->n].calls = &c->call[c->n_calls];
        for (wt_jv e = wt_json_first(j, list); e != WT_JSON_NONE; e = wt_json_next(j, e))
                if ((err = take_call(c, e)) != WT_OK)
                        return err;
        return WT_OK;
}

static wt_err names_a_call(struct messages *c, wt_jv v)
{
        size_t len;
        const char *id = wt_json_str(c->j, wt_json_get(c->j, v, "tool_call_id"), &len);

        if (id == NULL)
                return refuse(c, " is of a tool and has no tool_call_id; name the call that it "
                              "answers");
        for (size_t i = 0; i < c->n_calls; i++)
                if (c->id[i].len == len && memcmp(c->id[i].text, id, len) == 0)
                        return WT_OK;
        return wt_fail(WT_EINVAL, "messages[%zu] answers call \"%.80s\", which no assistant "
                       "message before it made", c->n, id);
}

static wt_err take_message(struct messages *c, wt_jv v)
{
        size_t len;
        wt_err err;

        c->m[c->n].role = wt_json_str(c->j, wt_json_get(c->j, v, "role"), &len);
        if (c->m[c->n].role == NULL)
                return refuse(c, " has no role");
        if ((err = take_content(c, v)) != WT_OK || (err = take_calls(c, v)) != WT_OK)
                return err;
        return strcmp(c->m[c->n].role, "tool") == 0 ? names_a_call(c, v) : WT_OK;
}

void messages_free(struct messages *c)
{
        if (c == NULL)
                return;
        for (size_t i = 0; i < MAX_MESSAGES; i++)
                wt_buf_free(&c->join[i]);
        free(c);
}

wt_err messages_read(struct messages **out, const wt_json *j, wt_jv list)
{
        size_t n = wt_json_count(j, list);
        struct messages *c;
        wt_err err = WT_OK;

        if (wt_json_type(j, list) != WT_JSON_ARRAY || n == 0)
                return wt_fail(WT_EINVAL, "messages must be an array with at least one "
                               "{\"role\": \"user\", \"content\": \"...\"}");
        if (n > MAX_MESSAGES)
                return wt_fail(WT_EINVAL, "%zu messages; at most %d are taken", n, MAX_MESSAGES);
        c = calloc(1, sizeof *c);
        if (c == NULL)
                return wt_fail(WT_ENOMEM, "no memory for %zu messages; try again later", n);
        c->j = j;
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE && err == WT_OK;
             v = wt_json_next(j, v))
                if ((err = take_message(c, v)) == WT_OK)
                        c->n++;
        if (err != WT_OK) {
                messages_free(c);
                return err;
        }
        *out = c;
        return WT_OK;
}

size_t messages_bytes(const struct messages *c, size_t *certain)
{
        size_t all = 0;

        *certain = 0;
        for (size_t i = 0; i < c->n; i++) {
                all += c->m[i].len;
                if (strcmp(c->m[i].role, "assistant") != 0)
                        *certain += c->m[i].len;
                for (size_t k = 0; k < c->m[i].n_calls; k++)
                        all += c->m[i].calls[k].name_len + c->m[i].calls[k].arguments_len;
        }
        return all;
}

wt_err messages_render(const struct messages *c, const wt_chat *format, const wt_tokenizer *t,
                       struct wt_ids *out)
{
        return wt_chat_render(format, t, c->m, c->n, out);
}
