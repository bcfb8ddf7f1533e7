/* rope.c - the inverse frequencies of rotary positions, as transformers computes them: FP32
 * steps in its order, since FP32 inv_freq is the main noise between engines
 * (modeling_rope_utils.py). Only IEEE operations and our own logarithm: powers are products of
 * repeated square roots, so that every build gives the same bits. */
#include <math.h>
#include "math/wn1.h"
#include "model/rope.h"

#define PI 3.14159265358979323846

/* base^e for 0 <= e < 1, e a float: one square root a bit of e. */
static double power(double base, float e)
{
        double y = 1, rest = e;

        while (rest > 0) {
                base = sqrt(base);
                rest *= 2;
                if (rest >= 1) {
                        y *= base;
                        rest -= 1;
                }
        }
        return y;
}

double wt_yarn_mscale(double s, double g)
{
        return s <= 1 ? 1.0 : 0.1 * g * wn1_log(s) + 1.0;
}

/* The dimension at which a wavelength turns r times within the original context. */
static double turns_dim(const struct wt_rope_conf *r, double turns)
{
        return r->dim * wn1_log(r->original / (turns * 2 * PI)) / (2 * wn1_log(r->theta));
}

static void yarn(const struct wt_rope_conf *r, const float *pos_freq, float *inv_freq)
{
        double low = turns_dim(r, r->beta_fast), high = turns_dim(r, r->beta_slow);
        float factor = (float)r->factor, span;

        if (r->truncate) {
                low = floor(low);
                high = ceil(high);
        }
        low = low > 0 ? low : 0;
        high = high < r->dim - 1 ? high : r->dim - 1;
        span = low == high ? (float)(high + 0.001 - low) : (float)(high - low);
        for (uint32_t i = 0; i < r->dim / 2; i++) {
                float ramp = ((float)i - (float)low) / span, keep;

                ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
                keep = 1.0f - ramp;
                inv_freq[i] = 1.0f / (factor * pos_freq[i]) * (1.0f - keep) +
                              1.0f / pos_freq[i] * keep;
        }
}

/* torch divides a number by a tensor as reciprocal, then product: so do wave and smooth. */
static float llama3(const struct wt_rope_conf *r, float inv)
{
        float wave = 1.0f / inv * (float)(2 * PI), factor = (float)r->factor, smooth;

        if (wave < (float)(r->original / r->high_freq))
                return inv;
        if (wave > (float)(r->original / r->low_freq))
                return inv / factor;
        smooth = (1.0f / wave * (float)r->original - (float)r->low_freq) /
                 (float)(r->high_freq - r->low_freq);
        return (1.0f - smooth) * inv / factor + smooth * inv;
}

static double magnitude_of(const struct wt_rope_conf *r)
{
        if (r->kind != WT_ROPE_YARN)
                return 1.0;
        if (r->attention_factor > 0)
                return r->attention_factor;
        if (r->mscale > 0 && r->mscale_all_dim > 0)
                return wt_yarn_mscale(r->factor, r->mscale) /
                       wt_yarn_mscale(r->factor, r->mscale_all_dim);
        return wt_yarn_mscale(r->factor, 1.0);
}

void wt_rope_freqs(const struct wt_rope_conf *r, float *inv_freq, float *magnitude)
{
        *magnitude = (float)magnitude_of(r);
        for (uint32_t i = 0; i < r->dim / 2; i++)
                inv_freq[i] = (float)power((double)(float)r->theta, (float)(2 * i) / (float)r->dim);
        if (r->kind == WT_ROPE_YARN) {
                yarn(r, inv_freq, inv_freq);     /* entry by entry: in place */
                return;
        }
        for (uint32_t i = 0; i < r->dim / 2; i++) {
                float inv = 1.0f / inv_freq[i];

                if (r->kind == WT_ROPE_LLAMA3)
                        inv = llama3(r, inv);
                else if (r->kind == WT_ROPE_LINEAR)
                        inv = inv / (float)r->factor;
                inv_freq[i] = inv;
        }
}

static void read_yarn(struct wt_fields *f, uint32_t max_positions, struct wt_rope_conf *r)
{
        /* A factor that is null is the ratio of the two lengths; a beta of 0 is its default. */
        r->factor = wt_field_f64(f, "factor", 1, 4096, (double)max_positions / r->original);
        r->beta_fast = wt_field_f64(f, "beta_fast", 0, 1e6, 32);
        r->beta_slow = wt_field_f64(f, "beta_slow", 0, 1e6, 1);
        r->mscale = wt_field_f64(f, "mscale", 0, 100, 0);
        r->attention_factor = wt_field_f64(f, "attention_factor", 0, 1e3, 0);
        r->truncate = wt_field_bool(f, "truncate", true);
        r->beta_fast = r->beta_fast > 0 ? r->beta_fast : 32;
        r->beta_slow = r->beta_slow > 0 ? r->beta_slow : 1;
        if (r->beta_fast < r->beta_slow)
                wt_field_fail(
                        f, "field \"%sbeta_fast\" is %g; allowed: at least beta_slow, which is %g",
                        f->prefix, r->beta_fast, r->beta_slow);
}

static void read_llama3(struct wt_fields *f, struct wt_rope_conf *r)
{
        r->factor = wt_field_f64(f, "factor", 1, 4096, NAN);
        r->low_freq = wt_field_f64(f, "low_freq_factor", 1e-3, 1e6, NAN);
        r->high_freq = wt_field_f64(f, "high_freq_factor", 1e-3, 1e6, NAN);
        if (r->high_freq <= r->low_freq)
                wt_field_fail(f, "field \"%shigh_freq_factor\" is %g; allowed: more than "
                              "low_freq_factor, which is %g", f->prefix, r->high_freq, r->low_freq);
}

static void read_kind(struct wt_fields *f, uint32_t max_positions, struct wt_rope_conf *r)
{
        static const char *const kinds[] = { "default", "yarn", "llama3", "linear", NULL };
        const char *kind = wt_field_word(f, wt_field_there(f, "rope_type") ? "rope_type" : "type",
                                         kinds[0], kinds);

        r->kind = kind == kinds[1] ? WT_ROPE_YARN : kind == kinds[2] ? WT_ROPE_LLAMA3
                  : kind == kinds[3] ? WT_ROPE_LINEAR : WT_ROPE_PLAIN;
        if (r->kind == WT_ROPE_PLAIN)
                return;
        r->mscale_all_dim = wt_field_f64(f, "mscale_all_dim", 0, 100, 0);
        if (r->kind == WT_ROPE_YARN)
                read_yarn(f, max_positions, r);
        else if (r->kind == WT_ROPE_LLAMA3)
                read_llama3(f, r);
        else
                r->factor = wt_field_f64(f, "factor", 1, 4096, NAN);
}

/* rope_scaling wins over rope_parameters; inside the object a theta wins over the top level's, and
 * original_max_position_embeddings at the top level over the object's. */
void wt_rope_read(struct wt_fields *top, double theta, uint32_t max_positions,
                  struct wt_rope_conf *r)
{
        bool old = wt_field_there(top, "rope_scaling");
        const char *name = old ? "rope_scaling" : "rope_parameters";
        struct wt_fields in = *top;
        uint32_t original;

        if (top->err != WT_OK)
                return;
        r->kind = WT_ROPE_PLAIN;
        r->factor = 1;
        r->truncate = true;
        theta = wt_field_f64(top, "rope_theta", 1.5, 1e12, theta);
        original = wt_field_u32(top, "original_max_position_embeddings", 1, 1u << 28, 0);
        if (wt_field_f64(top, "partial_rotary_factor", 0, 1, 1) != 1)
                wt_field_fail(top, "field \"partial_rotary_factor\" is not 1; allowed: 1");
        r->theta = theta;
        r->original = original ? original : max_positions;
        if (!wt_field_there(top, name))
                return;
        in.at = wt_json_get(top->json, top->at, name);
        in.prefix = old ? "rope_scaling." : "rope_parameters.";
        in.err = top->err;
        if (wt_json_type(in.json, in.at) != WT_JSON_OBJECT) {
                wt_field_fail(top, "field \"%s\" is no object; allowed: null or an object with "
                              "rope_type", name);
                return;
        }
        r->theta = wt_field_f64(&in, "rope_theta", 1.5, 1e12, theta);
        if (!original)
                r->original = wt_field_u32(&in, "original_max_position_embeddings", 1, 1u << 28,
                                           max_positions);
        if (wt_field_f64(&in, "partial_rotary_factor", 0, 1, 1) != 1)
                wt_field_fail(&in, "field \"%spartial_rotary_factor\" is not 1; allowed: 1",
                              in.prefix);
        read_kind(&in, max_positions, r);
        top->err = in.err;
}
