/* chat.c - chat formats as rows of a table. Each piece of text between control tokens is encoded by
 * itself and without special tokens, so that nothing a user writes can end a turn.
 * Source: the chat template of models/tiny (tokenizer_config.json), which is DeepSeek-V3's
 * layout with V3.1's tool calls. */
#include "text/chat.h"
#include <string.h>

struct wt_chat {
        const char *name;
        const char *bos, *eos, *user, *assistant;      /* a tokenizer must have these four */
        const char *calls_begin, *calls_end, *call_begin, *sep, *call_end;
        const char *output_begin, *output_end;
        const char *think_end;                   /* what came before it is not shown again */
        const char *between;                     /* of two system messages */
};

static const struct wt_chat formats[] = {
        { .name = "deepseek-v3",
          .bos = "<｜begin▁of▁sentence｜>", .eos = "<｜end▁of▁sentence｜>",
          .user = "<｜User｜>", .assistant = "<｜Assistant｜>",
          .calls_begin = "<｜tool▁calls▁begin｜>", .calls_end = "<｜tool▁calls▁end｜>",
          .call_begin = "<｜tool▁call▁begin｜>", .sep = "<｜tool▁sep｜>",
          .call_end = "<｜tool▁call▁end｜>",
          .output_begin = "<｜tool▁output▁begin｜>", .output_end = "<｜tool▁output▁end｜>",
          .think_end = "</think>", .between = "\n\n" },
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

enum role { SYSTEM, USER, ASSISTANT, TOOL, N_ROLES };
static const char *const role_names[N_ROLES] = { "system", "user", "assistant", "tool" };

struct render { const struct wt_chat *c; const wt_tokenizer *t; struct wt_ids *out; };

wt_err wt_chat_pick(const wt_chat **out, const wt_tokenizer *t)
{
        for (int k = 0; k < N_FORMATS; k++) {
                const struct wt_chat *c = &formats[k];

                if (wt_tokenizer_id(t, c->bos) >= 0 && wt_tokenizer_id(t, c->eos) >= 0 &&
                    wt_tokenizer_id(t, c->user) >= 0 && wt_tokenizer_id(t, c->assistant) >= 0) {
                        *out = c;
                        return WT_OK;
                }
        }
        return wt_fail(WT_EUNSUPPORTED,
                       "the tokenizer has the tokens of no chat format that is known "
                       "(%s needs %s, %s, %s and %s)",
                       formats[0].name, formats[0].bos, formats[0].eos, formats[0].user,
                       formats[0].assistant);
}

const char *wt_chat_name(const wt_chat *c) { return c->name; }

int32_t wt_chat_bos(const wt_chat *c, const wt_tokenizer *t)
{
        return c != NULL ? wt_tokenizer_id(t, c->bos) : wt_tokenizer_bos(t);
}

static wt_err control(struct render *r, const char *token)
{
        int32_t id = wt_tokenizer_id(r->t, token);
        wt_err err;

        if (id < 0)
                return wt_fail(WT_EUNSUPPORTED, "the tokenizer has no token %s", token);
        if ((err = wt_ids_room(r->out, 1)) == WT_OK)
                wt_ids_add(r->out, id);
        return err;
}

static wt_err plain(struct render *r, const char *s, size_t len)
{
        return len > 0 ? wt_tokenizer_encode(r->t, s, len, false, r->out) : WT_OK;
}

static enum role role_of(const struct wt_message *m)
{
        int k = 0;

        while (k < N_ROLES && (m->role == NULL || strcmp(m->role, role_names[k]) != 0))
                k++;
        return (enum role)k;
}

static wt_err check(const struct wt_message *m, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                enum role role = role_of(&m[i]);

                if (role == N_ROLES)
                        return wt_fail(WT_EINVAL,
                                       "messages[%zu]: role \"%.40s\" is none of system, user, "
                                       "assistant, tool",
                                       i, m[i].role != NULL ? m[i].role : "");
                if (m[i].n_calls > 0 && role != ASSISTANT)
                        return wt_fail(WT_EINVAL, "messages[%zu]: only an assistant calls tools",
                                       i);
        }
        return WT_OK;
}

/* All system messages come first, as one text. */
static wt_err system_text(struct render *r, const struct wt_message *m, size_t n)
{
        struct wt_buf all = { 0 };
        wt_err err = WT_OK;

        for (size_t i = 0; i < n && err == WT_OK; i++) {
                if (role_of(&m[i]) != SYSTEM)
                        continue;
                if (wt_buf_try(&all, strlen(r->c->between) + m[i].len) == NULL) {
                        err = wt_fail(WT_ENOMEM, "no memory for %zu bytes", all.len + m[i].len);
                        break;
                }
                if (all.len > 0)
                        wt_buf_str(&all, r->c->between);
                wt_buf_add(&all, m[i].content, m[i].len);
        }
        if (err != WT_OK || (err = plain(r, all.data, all.len)) != WT_OK)
                err = wt_fail_in(err, "the system messages");
        wt_buf_free(&all);
        return err;
}

static wt_err one_call(struct render *r, const struct wt_call *c)
{
        wt_err err;

        if ((err = control(r, r->c->call_begin)) != WT_OK ||
            (err = plain(r, c->name, c->name_len)) != WT_OK ||
            (err = control(r, r->c->sep)) != WT_OK ||
            (err = plain(r, c->arguments, c->arguments_len)) != WT_OK)
                return err;
        return control(r, r->c->call_end);
}

/* An answer after the output of a tool goes on in the same turn. */
static wt_err assistant(struct render *r, const struct wt_message *m, bool same_turn)
{
        const char *s = m->content, *at;
        size_t len = m->len, n = strlen(r->c->think_end);
        wt_err err;

        if (!same_turn && (err = control(r, r->c->assistant)) != WT_OK)
                return err;
        while (len > 0 && (at = memmem(s, len, r->c->think_end, n)) != NULL) {
                len -= (size_t)(at + n - s);
                s = at + n;
        }
        if ((err = plain(r, s, len)) != WT_OK)
                return err;
        if (m->n_calls > 0 && (err = control(r, r->c->calls_begin)) != WT_OK)
                return err;
        for (size_t k = 0; k < m->n_calls; k++)
                if ((err = one_call(r, &m->calls[k])) != WT_OK)
                        return err;
        if (m->n_calls > 0 && (err = control(r, r->c->calls_end)) != WT_OK)
                return err;
        return control(r, r->c->eos);
}

static wt_err message(struct render *r, const struct wt_message *m, enum role role, enum role last)
{
        wt_err err;

        switch (role) {
        case USER:
                if ((err = control(r, r->c->user)) != WT_OK)
                        return err;
                return plain(r, m->content, m->len);
        case ASSISTANT:
                return assistant(r, m, last == TOOL);
        case TOOL:
                if ((err = control(r, r->c->output_begin)) != WT_OK ||
                    (err = plain(r, m->content, m->len)) != WT_OK)
                        return err;
                return control(r, r->c->output_end);
        default:
                return WT_OK;                    /* system: came first */
        }
}

static wt_err render(struct render *r, const struct wt_message *m, size_t n)
{
        enum role last = SYSTEM, role;
        wt_err err;

        if ((err = check(m, n)) != WT_OK || (err = control(r, r->c->bos)) != WT_OK ||
            (err = system_text(r, m, n)) != WT_OK)
                return err;
        for (size_t i = 0; i < n; i++) {
                if ((role = role_of(&m[i])) == SYSTEM)
                        continue;
                if ((err = message(r, &m[i], role, last)) != WT_OK)
                        return wt_fail_in(err, "messages[%zu]", i);
                last = role;
        }
        if (last != USER && last != TOOL)
                return wt_fail(WT_EINVAL,
                               "messages%s: nothing to answer; the last one must be of a "
                               "user or a tool",
                               n == 0 ? " is empty" : "");
        return last == USER ? control(r, r->c->assistant) : WT_OK;
}

wt_err wt_chat_render(const wt_chat *c, const wt_tokenizer *t, const struct wt_message *m, size_t n,
                      struct wt_ids *out)
{
        struct render r = { c, t, out };
        size_t before = out->len;
        wt_err err = render(&r, m, n);

        if (err != WT_OK)
                out->len = before;
        return err;
}
