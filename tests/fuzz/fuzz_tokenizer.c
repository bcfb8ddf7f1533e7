/* fuzz_tokenizer.c - hostile tokenizer.json, and hostile text for a good one.
 * The input is a tokenizer.json up to the first byte 0xff (never a byte of UTF-8), then a text.
 * With nothing before the 0xff the text meets a tokenizer that is known to be good. What must
 * hold: no id out of range, no control token out of user text, and a text that was taken comes
 * back as it went. */
#include <stdlib.h>
#include <string.h>
#include "text/tok.h"

static const char good[] =
        "{\"added_tokens\":[{\"id\":260,\"content\":\"<t>\",\"lstrip\":true,\"special\":true},"
        "{\"id\":261,\"content\":\"zq\",\"single_word\":true}],"
        "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{N}{1,3}\"},\"behavior\":\"Isolated\"},"
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}]},"
        "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"merges\":[\"a b\",\"ab ab\",\"t >\"],"
        "\"vocab\":{\"ab\":256,\"abab\":257,\"t>\":258";

/* The good tokenizer has all bytes; their letters are those of GPT-2 (see bytelevel.c). */
static wt_tokenizer *make_good(void)
{
        struct wt_buf json = { 0 };
        uint32_t other = 256;
        wt_tokenizer *t = NULL;

        wt_buf_str(&json, good);
        for (uint32_t b = 0; b < 256; b++) {
                bool plain = (b > ' ' && b < 0x7f) || (b > 0xa0 && b != 0xad);
                uint32_t c = plain ? b : other++;

                wt_buf_fmt(&json, ",\"\\u%04x\":%u", c, b);
        }
        wt_buf_str(&json, "}}}");
        WT_ASSERT(wt_tokenizer_parse(&t, json.data, json.len) == WT_OK);
        wt_buf_free(&json);
        return t;
}

static void check(const wt_tokenizer *t, const char *text, size_t len, bool specials, bool whole)
{
        struct wt_ids ids = { 0 };
        struct wt_buf back = { 0 };

        if (wt_tokenizer_encode(t, text, len, specials, &ids) != WT_OK)
                WT_ASSERT(ids.len == 0);
        else
                WT_ASSERT(!whole || len == 0 || ids.len > 0);
        for (size_t i = 0; i < ids.len; i++) {
                size_t n;
                const char *p = wt_tokenizer_bytes(t, ids.data[i], &n, NULL);

                WT_ASSERT(ids.data[i] >= 0 && (uint32_t)ids.data[i] < wt_tokenizer_size(t));
                WT_ASSERT(specials || !whole || ids.data[i] != 260);
                wt_buf_add(&back, p, n);
        }
        if (whole && !specials && ids.len > 0)
                WT_ASSERT(back.len == len && memcmp(back.data, text, len) == 0);
        wt_ids_free(&ids);
        wt_buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static wt_tokenizer *known;
        const uint8_t *mark = size > 0 ? memchr(data, 0xff, size) : NULL;
        const char *text = mark != NULL ? (const char *)mark + 1 : (const char *)data;
        size_t len = mark != NULL ? size - (size_t)(mark + 1 - data) : size;
        wt_tokenizer *t = NULL;

        if (known == NULL)
                known = make_good();
        if (mark != data &&
            wt_tokenizer_parse(&t, (const char *)data,
                               mark != NULL ? (size_t)(mark - data) : size) == WT_OK) {
                check(t, text, len, true, false);
                check(t, text, len, false, false);
                wt_tokenizer_free(t);
        }
        check(known, text, len, true, true);
        check(known, text, len, false, true);
        return 0;
}
