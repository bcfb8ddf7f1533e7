/* options.c - the options all doors share, each checked against what OpenAI's API allows.
 * Policy for fields we do not know: ignored. Policy for known fields that would change the answer
 * and are not served here: refused by name, unless they hold the value that changes nothing. */
#include "path.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"

static bool absent(const wt_json *j, wt_jv v)
{
        return v == WT_JSON_NONE || wt_json_type(j, v) == WT_JSON_NULL;
}

static bool opt_bool(struct request *r, const char *name, bool *out)
{
        wt_jv v = wt_json_get(r->body, 0, name);

        if (absent(r->body, v) || wt_json_bool(r->body, v, out))
                return true;
        return request_refuse(r, BAD(name), "%s must be true or false", name);
}

/* Checked as it will be used, with 32 bits: what is above 0 as it stands may be 0 there. */
static bool opt_float(struct request *r, const char *name, double lo, bool lo_open, double hi,
                      float *out)
{
        wt_jv v = wt_json_get(r->body, 0, name);
        double d;

        if (absent(r->body, v))
                return true;
        if (!wt_json_f64(r->body, v, &d))
                return request_refuse(r, BAD(name), "%s must be a number", name);
        if (!(d >= lo && d <= hi) || (lo_open && d == lo))
                return request_refuse(r, BAD(name), "%s is %g; it must be %s %g and at most %g",
                                      name, d, lo_open ? "above" : "at least", lo, hi);
        if (lo_open && (float)d == (float)lo)
                return request_refuse(r, BAD(name), "%s is %g, which is %g in 32 bits; it must be "
                                      "above %g", name, d, lo, lo);
        *out = (float)d;
        return true;
}

/* named (or NULL): set when the field is there. */
static bool opt_u32(struct request *r, const char *name, uint32_t lo, uint32_t hi, uint32_t *out,
                    bool *named)
{
        wt_jv v = wt_json_get(r->body, 0, name);
        int64_t i;

        if (absent(r->body, v))
                return true;
        if (!wt_json_i64(r->body, v, &i))
                return request_refuse(r, BAD(name), "%s must be an integer", name);
        if (i < 0 && lo == 0 && strstr(name, "max_") == name)    /* 0 is for the door to judge */
                return request_refuse(r, BAD(name), "%s is %lld; it must be at least 1", name,
                                      (long long)i);
        if (i < lo || i > hi)
                return request_refuse(r, BAD(name), "%s is %lld; it must be from %u to %u", name,
                                      (long long)i, lo, hi);
        *out = (uint32_t)i;
        if (named != NULL)
                *named = true;
        return true;
}

static bool opt_top_k(struct request *r)
{
        wt_jv v = wt_json_get(r->body, 0, "top_k");
        int64_t i;

        if (wt_json_i64(r->body, v, &i) && i == -1)      /* other servers' word for "off" */
                return true;
        return opt_u32(r, "top_k", 0, 1u << 30, &r->opt.top_k, NULL);
}

static bool opt_seed(struct request *r)
{
        wt_jv v = wt_json_get(r->body, 0, "seed");
        int64_t i;

        if (absent(r->body, v)) {
                wt_random_bytes(&r->opt.seed, sizeof r->opt.seed);
                return true;
        }
        if (!wt_json_i64(r->body, v, &i))
                return request_refuse(r, BAD("seed"),
                                      "seed must be an integer of 64 bits with sign");
        r->opt.seed = (uint64_t)i;
        r->opt.seeded = true;
        return true;
}

static bool add_stop(struct request *r, wt_jv v)
{
        struct stop_list *l = &r->opt.stops;
        size_t len;
        const char *s = wt_json_str(r->body, v, &len);

        if (s == NULL)
                return request_refuse(r, BAD("stop"),
                                      "stop must be a string or an array of strings");
        if (len == 0)
                return request_refuse(r, BAD("stop"),
                                      "a stop string is empty: every answer would end at "
                                      "once; leave it out, or send null for no stop");
        if (l->n == MAX_STOPS)
                return request_refuse(r, BAD("stop"), "more than %d stop strings", MAX_STOPS);
        if (l->text == NULL) {
                l->text = calloc(MAX_STOPS, sizeof *l->text);
                l->len = calloc(MAX_STOPS, sizeof *l->len);
        }
        if (l->text == NULL || l->len == NULL || (l->text[l->n] = malloc(len)) == NULL)
                return request_refuse(r, refusal_of(WT_ENOMEM), "out of memory; try again later");
        memcpy(l->text[l->n], s, len);
        l->len[l->n++] = len;
        return true;
}

/* logit_bias: {"id": value}. Ids of this model, values from -100 to 100. */
static bool opt_bias(struct request *r)
{
        wt_jv v = wt_json_get(r->body, 0, "logit_bias");
        uint32_t vocab = gateway_vocab(r->g);

        if (absent(r->body, v))
                return true;
        if (wt_json_type(r->body, v) != WT_JSON_OBJECT)
                return request_refuse(r, BAD("logit_bias"),
                                      "logit_bias must be an object of token ids and "
                                      "values");
        for (wt_jv e = wt_json_first(r->body, v); e != WT_JSON_NONE; e = wt_json_next(r->body, e)) {
                size_t len;
                const char *key = wt_json_key(r->body, e, &len);
                char *end;
                unsigned long id = strtoul(key, &end, 10);
                double d;

                /* "01" beside "1" would be two values for one token, and JSON keys are compared as
                 * they are written. */
                if (len > 1 && key[0] == '0' && end == key + len)
                        return request_refuse(r, BAD("logit_bias"),
                                              "logit_bias names token \"%.32s\"; write it without "
                                              "zeros in front, as \"%lu\"", key, id);
                if (len == 0 || end != key + len || key[0] < '0' || key[0] > '9' || id >= vocab)
                        return request_refuse(
                                r, BAD("logit_bias"),
                                "logit_bias names \"%.32s\", which is no "
                                "token id; ids of this model are integers from 0 to %u",
                                key, vocab - 1);
                if (!wt_json_f64(r->body, e, &d) || !(d >= -100 && d <= 100))
                        return request_refuse(r, BAD("logit_bias"),
                                "logit_bias of token %lu must be a number from -100 to 100", id);
                if (r->opt.n_bias == MAX_BIAS)
                        return request_refuse(r, BAD("logit_bias"),
                                              "logit_bias names more than %d tokens", MAX_BIAS);
                r->opt.bias[r->opt.n_bias++] = (struct wt_bias_msg){ (uint32_t)id, (float)d };
        }
        return true;
}

static bool opt_best_of(struct request *r)
{
        struct options *o = &r->opt;

        if (!opt_u32(r, "best_of", 1, MAX_CHOICES, &o->best_of, NULL))
                return false;
        if (o->best_of > 0 && o->best_of < o->n)
                return request_refuse(r, BAD("best_of"), "best_of is %u; it must be at least n, %u",
                                      o->best_of, o->n);
        if (o->best_of > o->n && o->stream)
                return request_refuse(r, BAD("best_of"),
                                      "best_of above n cannot be streamed: the best is "
                                      "known at the end");
        return true;
}

/* What changes the logits before the draw. */
static bool opt_processors(struct request *r)
{
        struct options *o = &r->opt;

        return opt_float(r, "min_p", 0, false, 1, &o->min_p) &&
               opt_float(r, "repetition_penalty", .01, false, 100, &o->repetition_penalty) &&
               opt_float(r, "frequency_penalty", -2, false, 2, &o->frequency_penalty) &&
               opt_float(r, "presence_penalty", -2, false, 2, &o->presence_penalty) &&
               opt_u32(r, "min_tokens", 0, 1u << 30, &o->min_tokens, NULL) && opt_bias(r);
}

static bool opt_stop(struct request *r)
{
        wt_jv v = wt_json_get(r->body, 0, "stop");

        if (absent(r->body, v))
                return true;
        if (wt_json_type(r->body, v) != WT_JSON_ARRAY)
                return add_stop(r, v);
        for (wt_jv e = wt_json_first(r->body, v); e != WT_JSON_NONE; e = wt_json_next(r->body, e))
                if (!add_stop(r, e))
                        return false;
        return true;
}

static bool opt_stream(struct request *r)
{
        wt_jv v = wt_json_get(r->body, 0, "stream_options"), u;

        if (!opt_bool(r, "stream", &r->opt.stream))
                return false;
        if (absent(r->body, v))
                return true;
        if (wt_json_type(r->body, v) != WT_JSON_OBJECT)
                return request_refuse(r, BAD("stream_options"), "stream_options must be an object");
        if (!r->opt.stream)
                return request_refuse(
                        r, BAD("stream_options"),
                        "stream_options is only allowed together with \"stream\": true");
        u = wt_json_get(r->body, v, "include_usage");
        if (!absent(r->body, u) && !wt_json_bool(r->body, u, &r->opt.include_usage))
                return request_refuse(r, BAD("stream_options"),
                                      "include_usage must be true or false");
        return true;
}

/* Known fields that are not served: fine when they hold the value that changes nothing; words:
 * "none" and "auto" are such values. */
static const struct unserved { const char *name; double neutral; bool words; } unserved[] = {
        { "tools", NAN, true }, { "tool_choice", NAN, true }, { "functions", NAN, true },
        { "function_call", NAN, true }, { "response_format", NAN, true },
        { "suffix", NAN, false }, { "audio", NAN, true },
};

static bool neutral(const wt_json *j, wt_jv v, const struct unserved *u)
{
        const char *s;
        double d;
        size_t len;

        if (absent(j, v) || (wt_json_f64(j, v, &d) && d == u->neutral))
                return true;
        if (wt_json_type(j, v) == WT_JSON_ARRAY || wt_json_type(j, v) == WT_JSON_OBJECT) {
                wt_jv t = wt_json_get(j, v, "type");
                if (wt_json_count(j, v) == 0)
                        return true;
                s = wt_json_str(j, t, &len);             /* response_format {"type": "text"} */
                return s != NULL && strcmp(s, "text") == 0;
        }
        s = wt_json_str(j, v, &len);
        return s != NULL && (len == 0 || (u->words && (strcmp(s, "none") == 0 ||
                                                       strcmp(s, "auto") == 0)));
}

static bool opt_unserved(struct request *r)
{
        for (size_t i = 0; i < sizeof unserved / sizeof *unserved; i++)
                if (!neutral(r->body, wt_json_get(r->body, 0, unserved[i].name), &unserved[i]))
                        return request_refuse(r, BAD(unserved[i].name),
                                              "%s is not supported by this server; leave it out",
                                              unserved[i].name);
        return true;
}

bool options_parse(struct request *r)
{
        struct options *o = &r->opt;

        o->temperature = 1.0f;
        o->top_p = 1.0f;
        o->n = 1;
        return opt_stream(r) && opt_float(r, "temperature", 0, false, 2, &o->temperature) &&
               opt_float(r, "top_p", 0, true, 1, &o->top_p) && opt_top_k(r) && opt_seed(r) &&
               opt_stop(r) && opt_bool(r, "ignore_eos", &o->ignore_eos) &&
               opt_u32(r, "n", 1, MAX_CHOICES, &o->n, NULL) &&
               opt_u32(r, "max_tokens", 0, 1u << 30, &o->max_tokens, &o->max_tokens_named) &&
               opt_u32(r, "max_completion_tokens", 0, 1u << 30, &o->max_tokens,
                       &o->max_tokens_named) &&
               opt_processors(r) && opt_best_of(r) && opt_unserved(r);
}
