/* bench_tokenizer.c - a tokenizer for a generated model: byte-level BPE over all 256 bytes, then
 * pairs, triples and quadruples of letters until the vocabulary is full, so that every id can come
 * out of text and go back into it. The four control tokens are those of DeepSeek-V3's chats. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "bench.h"

enum { LETTERS = 26, FIRST_BYTE = 4, N_BYTES = 256 };

/* The character that stands for a byte in byte-level BPE (GPT-2's table): printable ones
 * themselves, the others 256, 257, ... in order. */
static uint32_t byte_char(uint32_t byte)
{
        uint32_t next = 256;

        for (uint32_t b = 0; b < N_BYTES; b++) {
                bool plain = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;

                if (b == byte)
                        return plain ? b : next;
                next += !plain;
        }
        return 0;
}

static void put_char(struct wt_buf *b, uint32_t c)
{
        char s[3] = { (char)c, 0, 0 };

        if (c >= 0x80) {
                s[0] = (char)(0xc0 | c >> 6);
                s[1] = (char)(0x80 | (c & 0x3f));
        }
        wt_buf_json_str(b, s, strlen(s));
}

/* Word i of n letters, the first letter slowest. */
static void word(uint32_t i, uint32_t n, char *out)
{
        out[n] = '\0';
        while (n-- > 0) {
                out[n] = (char)('a' + i % LETTERS);
                i /= LETTERS;
        }
}

/* Each word of n letters is a word of n - 1 letters, which came before, and one letter more. */
static void put_words(struct wt_buf *vocab, struct wt_buf *merges, uint32_t room)
{
        uint32_t id = FIRST_BYTE + N_BYTES;
        char w[8];

        for (uint32_t n = 2, many = LETTERS * LETTERS; room > 0 && n < sizeof w;
             n++, many *= LETTERS)
                for (uint32_t i = 0; i < many && room > 0; i++, room--) {
                        word(i, n, w);
                        wt_buf_fmt(vocab, ",\"%s\":%u", w, id++);
                        wt_buf_fmt(merges, "%s\"%.*s %s\"", merges->len > 0 ? "," : "", (int)n - 1,
                                   w, w + n - 1);
                }
}

static const char *const control[FIRST_BYTE] = {
        "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>" };

static void put_controls(struct wt_buf *b, struct wt_buf *vocab)
{
        for (uint32_t i = 0; i < FIRST_BYTE; i++) {
                wt_buf_fmt(b,
                           "%s{\"id\":%u,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,"
                           "\"rstrip\":false,\"normalized\":false,\"special\":%s}",
                           i > 0 ? "," : "", i, control[i], i < 2 ? "true" : "false");
                wt_buf_fmt(vocab, "\"%s\":%u,", control[i], i);
        }
}

static wt_err write_in(const char *dir, const char *name, const struct wt_buf *b)
{
        char path[4300];

        snprintf(path, sizeof path, "%s/%s", dir, name);
        return wt_file_write(path, b->data, b->len, 0644);
}

static wt_err write_config(const char *dir, struct wt_buf *b)
{
        wt_buf_clear(b);
        wt_buf_fmt(b, "{\"bos_token\":\"%s\",\"eos_token\":\"%s\",\"add_bos_token\":true,"
                   "\"add_eos_token\":false,\"tokenizer_class\":\"PreTrainedTokenizerFast\"}\n",
                   control[0], control[1]);
        return write_in(dir, "tokenizer_config.json", b);
}

wt_err bench_tokenizer_make(const char *dir, uint32_t vocab)
{
        struct wt_buf b = { 0 }, words = { 0 }, merges = { 0 };
        wt_err err;

        wt_buf_str(&b,
                   "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
        put_controls(&b, &words);
        for (uint32_t i = 0; i < N_BYTES; i++) {
                put_char(&words, byte_char(i));
                wt_buf_fmt(&words, ":%u%s", FIRST_BYTE + i, i + 1 < N_BYTES ? "," : "");
        }
        put_words(&words, &merges, vocab > FIRST_BYTE + N_BYTES ? vocab - FIRST_BYTE - N_BYTES : 0);
        wt_buf_str(&b, "],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\","
                   "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
                   "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\","
                   "\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},"
                   "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                   "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                   "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":false,"
                   "\"vocab\":{");
        wt_buf_add(&b, words.data, words.len);
        wt_buf_str(&b, "},\"merges\":[");
        wt_buf_add(&b, merges.data != NULL ? merges.data : "", merges.len);
        wt_buf_str(&b, "]}}\n");
        if ((err = write_in(dir, "tokenizer.json", &b)) == WT_OK)
                err = write_config(dir, &b);
        wt_buf_free(&b);
        wt_buf_free(&words);
        wt_buf_free(&merges);
        return err;
}
