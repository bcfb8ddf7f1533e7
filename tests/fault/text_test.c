/* text_test.c - the n-th malloc fails while a tokenizer is loaded and while it encodes: ids are all
 * there or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "sweep.h"
#include "text/chat.h"

enum { WORD = 900, SENTENCES = 40 };

static const char *folder = "models/tiny";
static wt_tokenizer *shared_tokenizer, *normalizing;

static uint64_t sum(const struct wt_ids *v)      /* FNV-1a of the ids */
{
        uint64_t h = 14695981039346656037ull;

        for (size_t i = 0; i < v->len; i++)
                h = (h ^ (uint32_t)v->data[i]) * 1099511628211ull;
        return h;
}

/* Ordinary words, a very long one (the heap of merges), letters to be normalized, added tokens. */
static void text_of(struct wt_buf *b)
{
        wt_buf_str(b, "<\xef\xbd\x9cUser\xef\xbd\x9c>Cafe\xcc\x81 \xe2\x84\xab ");
        for (int i = 0; i < WORD; i++)
                wt_buf_add(b, &"abcdefghij"[i % 10], 1);
        for (int i = 0; i < SENTENCES; i++)
                wt_buf_fmt(b, " The %d little bears went to the wood; it wasn't far.\n\n", i);
}

static void check_ids(const wt_tokenizer *t, const struct wt_ids *ids)
{
        static uint64_t rights[2];               /* of the first runs, which had no fault */
        uint64_t *right = &rights[t == normalizing];

        if (*right == 0)
                *right = sum(ids);
        CHECK(ids->len > SENTENCES && sum(ids) == *right);
}

static wt_err encode_with(const wt_tokenizer *t, bool armed)
{
        struct wt_ids ids = { 0 };
        struct wt_buf text = { 0 };
        wt_err err;

        text_of(&text);
        CHECK(wt_tokenizer_encode(t, "before", 6, false, &ids) == WT_OK && ids.len > 0);
        size_t before = ids.len;
        uint64_t was = sum(&ids);

        if (armed)
                fault_begin();
        err = wt_tokenizer_encode(t, text.data, text.len, false, &ids);
        fault_end();
        if (err == WT_OK)
                check_ids(t, &ids);
        else
                CHECK(ids.len == before && sum(&ids) == was);
        wt_ids_free(&ids);
        wt_buf_free(&text);
        return err;
}

static wt_err load(void *arg)
{
        wt_tokenizer *t = NULL;
        wt_err err;

        (void)arg;
        fault_begin();
        err = wt_tokenizer_load(&t, folder);
        fault_end();
        CHECK((err == WT_OK) == (t != NULL));
        if (err == WT_OK)
                CHECK(encode_with(t, false) == WT_OK);
        wt_tokenizer_free(t);
        return err;
}

static wt_err encode(void *arg)
{
        return encode_with(arg == NULL ? shared_tokenizer : normalizing, true);
}

/* The shipped tokenizer, and a normalizer in front. */
static wt_err load_normalizing(void)
{
        static const char none[] = "\"normalizer\": null",
                          some[] = "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": "
                                   "[{\"type\": \"NFKD\"}, {\"type\": \"NFC\"}]}";
        struct wt_buf text = { 0 }, all = { 0 };
        wt_err err = wt_file_read("models/tiny/tokenizer.json", 1 << 20, &text);
        char *at = err == WT_OK ? strstr(text.data, none) : NULL;

        if (err == WT_OK && at == NULL)
                err = wt_fail(WT_EDATA, "the tokenizer has a normalizer already");
        if (err == WT_OK) {
                wt_buf_add(&all, text.data, (size_t)(at - text.data));
                wt_buf_str(&all, some);
                wt_buf_str(&all, at + sizeof none - 1);
                err = wt_tokenizer_parse(&normalizing, all.data, all.len);
        }
        wt_buf_free(&text);
        wt_buf_free(&all);
        return err;
}

/* A conversation with a system text. */
static wt_err chat(void *arg)
{
        static const struct wt_message m[] = {
                { .role = "system", .content = "Be short.", .len = 9 },
                { .role = "user", .content = "Who are you?", .len = 12 },
                { .role = "assistant", .content = "A bear.", .len = 7 },
                { .role = "user", .content = "Really?", .len = 7 },
        };
        static uint64_t right;
        const wt_chat *c;
        struct wt_ids ids = { 0 };
        wt_err err;

        (void)arg;
        CHECK(wt_chat_pick(&c, shared_tokenizer) == WT_OK);
        fault_begin();
        err = wt_chat_render(c, shared_tokenizer, m, 4, &ids);
        fault_end();
        if (right == 0)
                right = sum(&ids);
        CHECK(err == WT_OK ? sum(&ids) == right : ids.len == 0);
        wt_ids_free(&ids);
        return err;
}

static const struct sweep rows[] = {
        { "a tokenizer is loaded, malloc", load, .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem, .ok = true },
        { "a text is encoded, malloc", encode, .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem },
        { "a text is encoded, no malloc from there on", encode,
          .fault = { .kind = FAULT_MEMORY, .lasts = true }, .codes = sweep_enomem },
        { "a text is normalized and encoded, malloc", encode, .arg = &normalizing,
          .fault = { .kind = FAULT_MEMORY }, .codes = sweep_enomem, .ok = true },
        { "a conversation, malloc", chat, .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem },
};

int main(void)
{
        int failed;

        if (wt_tokenizer_load(&shared_tokenizer, folder) != WT_OK || load_normalizing() != WT_OK) {
                fprintf(stderr, "%s\n", wt_words());
                return 1;
        }
        failed = sweep_all(rows, sizeof rows / sizeof *rows);
        wt_tokenizer_free(shared_tokenizer);
        wt_tokenizer_free(normalizing);
        return failed;
}
