/* fuzz_messages.c - hostile "messages" of a chat request, with the tokenizer and the format of
 * models/tiny. What must hold: a refusal leaves no ids behind; what was taken has one begin token,
 * in front, as many turns of users as there are messages of users, and ends in a turn to answer:
 * nothing that a message says opens or ends one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "../../services/gateway/messages.h"

static const struct wt_json_limits limits = { .max_depth = 32, .max_bytes = 1 << 20,
                                              .max_nodes = 1 << 16 };

static size_t n_users(const wt_json *j)
{
        size_t n = 0, len;

        for (wt_jv v = wt_json_first(j, 0); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                const char *role = wt_json_str(j, wt_json_get(j, v, "role"), &len);

                n += role != NULL && strcmp(role, "user") == 0;
        }
        return n;
}

static size_t n_of(const struct wt_ids *ids, int32_t id)
{
        size_t n = 0;

        for (size_t i = 0; i < ids->len; i++)
                n += ids->data[i] == id;
        return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static wt_tokenizer *t;
        static const wt_chat *format;
        struct wt_ids out = { 0 };
        struct messages *m = NULL;
        size_t certain;
        wt_json *j;

        if (t == NULL)
                WT_ASSERT(wt_tokenizer_load(&t, TINY) == WT_OK &&
                          wt_chat_pick(&format, t) == WT_OK);
        if (wt_json_parse(&j, (const char *)data, size, &limits) != WT_OK)
                return 0;
        wt_ids_add(&out, 7);
        if (messages_read(&m, j, 0) != WT_OK || messages_render(m, format, t, &out) != WT_OK) {
                WT_ASSERT(out.len == 1);
        } else {
                int32_t last = out.data[out.len - 1];

                WT_ASSERT(messages_bytes(m, &certain) >= certain);
                WT_ASSERT(certain / wt_tokenizer_longest(t) <= out.len);
                WT_ASSERT(out.data[1] == wt_chat_bos(format, t));
                WT_ASSERT(n_of(&out, out.data[1]) == 1);
                WT_ASSERT(n_of(&out, wt_tokenizer_id(t, "<｜User｜>")) == n_users(j));
                WT_ASSERT(last == wt_tokenizer_id(t, "<｜Assistant｜>") ||
                          last == wt_tokenizer_id(t, "<｜tool▁output▁end｜>"));
        }
        messages_free(m);
        wt_ids_free(&out);
        wt_json_free(j);
        return 0;
}
