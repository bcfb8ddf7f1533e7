/* bench_make.c - witan bench make-model: flags in, a folder out (bench_model.c). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/number.h"
#include "bench.h"

static void show_progress(void *arg, uint64_t done, uint64_t of)
{
        uint64_t *shown = arg, percent = done * 100 / of;

        if (percent == *shown)
                return;
        *shown = percent;
        fprintf(stderr, "\r%3" PRIu64 " %% of %.2f GB%s", percent, (double)of / 1e9,
                done == of ? "\n" : "");
}

static wt_err parse_routing(const char *text, double *zipf)
{
        char *end = NULL;

        *zipf = 0;
        if (text == NULL || strcmp(text, "uniform") == 0)
                return WT_OK;
        if (strncmp(text, "zipf:", 5) == 0) {
                *zipf = wt_strtod(text + 5, &end);
                if (end != text + 5 && *end == '\0' && *zipf > 0 && *zipf <= 3)
                        return WT_OK;
        }
        return wt_fail(WT_EINVAL,
                       "--routing is \"%s\"; it takes uniform, or zipf:S with S above 0 and at "
                       "most 3",
                       text);
}

int bench_make_model(struct call *c)
{
        struct bench_model m = { .shape = bench_shape_default, .tokenizer = c->flag[BF_TOKENIZER] };
        uint64_t shown = UINT64_MAX;

        if (c->n_words != 2)
                return verb_usage(c, "make-model takes one folder to make");
        if ((c->flag[BF_SHAPE] != NULL &&
             bench_shape_parse(&m.shape, c->flag[BF_SHAPE]) != WT_OK) ||
            parse_routing(c->flag[BF_ROUTING], &m.zipf) != WT_OK ||
            !bench_number(c, BF_SEED, 0, UINT64_MAX, 1, &m.seed) ||
            !bench_number(c, BF_SHARD_BYTES, 0, UINT64_MAX, 4ull << 30, &m.shard_bytes))
                return verb_usage(c, "%s", wt_words());
        if (bench_model_make(&m, c->words[1], isatty(2) ? show_progress : NULL, &shown) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        return EXIT_DONE;
}
