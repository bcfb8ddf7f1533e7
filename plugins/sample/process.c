/* process.c - repetition, frequency, presence, bias: in this order, as transformers and OpenAI
 * define them.
 * repetition of ids that stand in the prompt or were made, each once: logit / r when positive,
 * else * r
 *   frequency   of ids made: logit - count * f
 *   presence    of ids made: logit - p
 *   bias        logit + value
 * One FP32 operation each (the product and the difference of frequency are two). */
#include "process.h"
#include <string.h>

static bool wants_repetition(const struct wt_sample_in *in)
{
        return in->repetition_penalty != 0.0f && in->repetition_penalty != 1.0f;
}

static void count_ids(const int32_t *ids, uint32_t n_ids, uint32_t n, uint32_t *count)
{
        for (uint32_t i = 0; i < n_ids; i++)
                if (ids[i] >= 0 && (uint32_t)ids[i] < n)
                        count[ids[i]]++;
}

static void repetition(const struct wt_sample_in *in, uint32_t n, float *out, uint32_t *count)
{
        float r = in->repetition_penalty;

        memset(count, 0, n * sizeof *count);
        count_ids(in->prompt, in->n_prompt, n, count);
        count_ids(in->made, in->n_made, n, count);
        for (uint32_t i = 0; i < n; i++)
                if (count[i] > 0)
                        out[i] = out[i] > 0.0f ? out[i] / r : out[i] * r;
}

static bool wants_frequency(const struct wt_sample_in *in)
{
        return in->frequency_penalty != 0.0f || in->presence_penalty != 0.0f;
}

static void frequency(const struct wt_sample_in *in, uint32_t n, float *out, uint32_t *count)
{
        memset(count, 0, n * sizeof *count);
        count_ids(in->made, in->n_made, n, count);
        for (uint32_t i = 0; i < n; i++) {
                if (count[i] == 0)
                        continue;
                if (in->frequency_penalty != 0.0f)
                        out[i] = out[i] - (float)count[i] * in->frequency_penalty;
                if (in->presence_penalty != 0.0f)
                        out[i] = out[i] - in->presence_penalty;
        }
}

static bool wants_bias(const struct wt_sample_in *in)
{
        return in->n_bias > 0;
}

static void bias(const struct wt_sample_in *in, uint32_t n, float *out, uint32_t *count)
{
        (void)count;
        for (uint32_t i = 0; i < in->n_bias; i++)
                if (in->bias[i].id >= 0 && (uint32_t)in->bias[i].id < n)
                        out[in->bias[i].id] = out[in->bias[i].id] + in->bias[i].value;
}

static const struct processor {
        bool (*wants)(const struct wt_sample_in *in);
        void (*apply)(const struct wt_sample_in *in, uint32_t n, float *out, uint32_t *count);
} processors[] = {
        { wants_repetition, repetition }, { wants_frequency, frequency }, { wants_bias, bias },
};
enum { N_PROCESSORS = sizeof processors / sizeof *processors };

bool process_wanted(const struct wt_sample_in *in)
{
        for (int i = 0; i < N_PROCESSORS; i++)
                if (processors[i].wants(in))
                        return true;
        return false;
}

void process(const struct wt_sample_in *in, uint32_t n, float *out, uint32_t *count)
{
        memcpy(out, in->logits, n * sizeof *out);
        for (int i = 0; i < N_PROCESSORS; i++)
                if (processors[i].wants(in))
                        processors[i].apply(in, n, out, count);
}
