/* fuzz_api.c - hostile bytes as the messages of every method of the RPC door. What must hold: what
 * is taken becomes an object of JSON that a strict reader takes (an entry of a map that comes twice
 * is its alone to refuse), and what that becomes as protobuf is read again. The first byte picks
 * the method, the second the side. */
#include <stdint.h>
#include <string.h>
#include "wire/api.h"

static const struct wt_json_limits limits = { .max_depth = 64, .max_bytes = 64 << 20,
                                              .max_nodes = 1 << 22 };

static void there_and_back(const struct api_message *m, const struct wt_buf *text)
{
        struct wt_buf bytes = { 0 }, again = { 0 };
        wt_json *j;

        if (wt_json_parse(&j, text->data, text->len, &limits) != WT_OK) {
                WT_ASSERT(strstr(wt_words(), "stood already") != NULL);
                return;
        }
        WT_ASSERT(wt_json_type(j, 0) == WT_JSON_OBJECT);
        if (api_of_json(m, j, 0, &bytes) == WT_OK) {
                wt_json *k;

                WT_ASSERT(api_to_json(m, bytes.data, bytes.len, "", &again) == WT_OK);
                WT_ASSERT(wt_json_parse(&k, again.data, again.len, &limits) == WT_OK);
                wt_json_free(k);
        }
        wt_json_free(j);
        wt_buf_free(&bytes);
        wt_buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct api_message *m;
        struct wt_buf text = { 0 };
        size_t n = 0;

        if (size < 2)
                return 0;
        while (api_methods[n].path != NULL)
                n++;
        m = data[1] % 2 == 0 ? api_methods[data[0] % n].request : api_methods[data[0] % n].response;
        if (api_to_json(m, data + 2, size - 2, "", &text) == WT_OK)
                there_and_back(m, &text);
        else
                WT_ASSERT(wt_words()[0] != '\0');
        wt_buf_free(&text);
        return 0;
}
