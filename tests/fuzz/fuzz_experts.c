/* fuzz_experts.c - the words that name experts, "1-5:0-7,2:9". What is taken is there, in order and
 * once, and written out one by one it is read as the same; what is refused is refused in words. */
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wt_layer layers[] = { { .ffn = WT_FFN_DENSE }, { .ffn = WT_FFN_MOE, .n_experts = 5 },
                                    { .ffn = WT_FFN_MOE, .n_experts = 12 }, { .ffn = WT_FFN_DENSE },
                                    { .ffn = WT_FFN_MOE, .n_experts = 1 } };
static const struct wt_shape shape = { .n_layers = sizeof layers / sizeof *layers,
                                       .layers = layers };

static void check(const struct control_item *item, uint32_t n)
{
        WT_ASSERT(n > 0 && n <= 5 + 12 + 1);
        for (uint32_t i = 0; i < n; i++) {
                const struct control_item *a = &item[i];

                WT_ASSERT(a->layer < shape.n_layers && layers[a->layer].ffn == WT_FFN_MOE);
                WT_ASSERT(a->expert < layers[a->layer].n_experts);
                WT_ASSERT(i == 0 || item[i - 1].layer < a->layer ||
                          (item[i - 1].layer == a->layer && item[i - 1].expert < a->expert));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct control_item *item = NULL, *again = NULL;
        uint32_t n = 0, n_again = 0;
        struct wt_buf b = { 0 };
        char *text = strndup((const char *)data, size);

        WT_ASSERT(text != NULL);
        if (control_items(&shape, text, &item, &n) == WT_OK) {
                check(item, n);
                for (uint32_t i = 0; i < n; i++)
                        wt_buf_fmt(&b, "%s%u:%u", i > 0 ? "," : "", item[i].layer, item[i].expert);
                WT_ASSERT(control_items(&shape, b.data, &again, &n_again) == WT_OK);
                WT_ASSERT(n == n_again && memcmp(item, again, n * sizeof *item) == 0);
        } else {
                WT_ASSERT(item == NULL && n == 0 && wt_words()[0] != '\0');
        }
        wt_buf_free(&b);
        free(again);
        free(item);
        free(text);
        return 0;
}
