/* text.c - asking in words: requests are written and answers read by the same tables as in the
 * gateway (lib/wire/api.h), through the JSON that their fields are named after. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client_impl.h"
#include "wire/api.h"

#define MODELS "/witan.v1.Models/List"
#define ENCODE "/witan.v1.Tokens/Encode"

/* What a blocking call gathers, and whom it tells. */
struct reader {
        witan_client *c;
        const struct api_method *method;
        witan_on_text *on_text; void *arg;
        struct witan_answer answer;
        struct wt_buf body;                      /* a unary call's message */
        int status;
        char words[WORDS_BYTES];                 /* of a message that could not be read */
};

static int fail(witan_client *c, int status, const char *words)
{
        snprintf(c->words, sizeof c->words, "%s", words);
        return status;
}

static void on_end(void *arg, int status)
{
        struct reader *r = arg;

        r->status = r->words[0] != '\0' ? WITAN_DATA_LOSS : status;
        if (r->words[0] != '\0')
                snprintf(r->c->words, sizeof r->c->words, "%s", r->words);
}

static wt_err parse(const struct api_message *m, const void *data, size_t len, wt_json **out)
{
        struct wt_buf text = { 0 };
        wt_err err = api_to_json(m, data, len, "", &text);

        if (err == WT_OK)
                err = wt_json_parse(out, text.data, text.len, &wt_json_default);
        wt_buf_free(&text);
        return err;
}

static void copy(char *out, size_t bytes, const wt_json *j, wt_jv v, const char *key)
{
        const char *s = wt_json_str(j, wt_json_get(j, v, key), NULL);

        if (s != NULL)
                snprintf(out, bytes, "%s", s);
}

/* A piece of a stream: its text is told; false: the user wants no more. */
static bool take_piece(struct reader *r, const wt_json *j)
{
        wt_jv usage = wt_json_get(j, 0, "usage"), list = wt_json_get(j, 0, "choices");

        copy(r->answer.id, sizeof r->answer.id, j, 0, "id");
        copy(r->answer.model, sizeof r->answer.model, j, 0, "model");
        wt_json_u64(j, wt_json_get(j, usage, "prompt_tokens"), &r->answer.prompt_tokens);
        wt_json_u64(j, wt_json_get(j, usage, "completion_tokens"), &r->answer.completion_tokens);
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                wt_jv text = wt_json_get(j, wt_json_get(j, v, "delta"), "content");
                uint64_t index = 0;
                const char *s;
                size_t len;

                if (text == WT_JSON_NONE)
                        text = wt_json_get(j, v, "text");
                wt_json_u64(j, wt_json_get(j, v, "index"), &index);
                if (index == 0)
                        copy(r->answer.finish, sizeof r->answer.finish, j, v, "finish_reason");
                if ((s = wt_json_str(j, text, &len)) != NULL && len > 0 && r->on_text != NULL &&
                    r->on_text(r->arg, (uint32_t)index, s, len) != 0)
                        return false;
        }
        return true;
}

static int on_piece(void *arg, const void *data, size_t len)
{
        struct reader *r = arg;
        wt_json *j;
        bool more;

        if (parse(r->method->response, data, len, &j) != WT_OK) {
                snprintf(r->words, sizeof r->words, "%s", wt_words());
                return 1;
        }
        more = take_piece(r, j);
        wt_json_free(j);
        return !more;
}

static int on_whole(void *arg, const void *data, size_t len)
{
        struct reader *r = arg;

        wt_buf_clear(&r->body);
        if (wt_buf_try(&r->body, len) == NULL)
                snprintf(r->words, sizeof r->words, "no memory for an answer of %zu bytes", len);
        else
                wt_buf_add(&r->body, data, len);
        return r->words[0] != '\0';
}

static int run(struct reader *r, const char *path, const void *body, size_t len,
               const struct witan_options *o, int (*message)(void *, const void *, size_t))
{
        struct witan_handler h = { message, on_end, r };
        uint64_t id;
        int status = witan_start(r->c, path, body, len, o, &h, &id);

        if (status == WITAN_OK)
                status = client_wait(r->c, id);
        return status == WITAN_OK ? r->status : status;
}

int witan_unary(witan_client *c, const char *path, const void *request, size_t len,
                const struct witan_options *options, void **answer, size_t *answer_len)
{
        struct reader *r;
        int status;

        if (c->turning)
                return fail(c, WITAN_FAILED_PRECONDITION, "a handler may start calls, not wait for "
                            "them");
        if ((r = calloc(1, sizeof *r)) == NULL)
                return fail(c, WITAN_RESOURCE_EXHAUSTED, "no memory for a call");
        r->c = c;
        status = run(r, path, request, len, options, on_whole);
        if (status == WITAN_OK) {
                *answer_len = r->body.len;
                *answer = r->body.data != NULL ? r->body.data : calloc(1, 1);
                r->body.data = NULL;
        }
        wt_buf_free(&r->body);
        free(r);
        return status;
}

/* The JSON of a request as its protobuf. */
static wt_err encode(const struct api_message *m, const struct wt_buf *text, struct wt_buf *out)
{
        wt_json *j;
        wt_err err = wt_json_parse(&j, text->data, text->len, &wt_json_default);

        if (err != WT_OK)
                return wt_fail_in(err, "the request");
        err = api_of_json(m, j, 0, out);
        wt_json_free(j);
        return err;
}

static void first_model(void *arg, const char *id, uint64_t max_tokens)
{
        witan_client *c = arg;

        (void)max_tokens;
        if (c->model[0] == '\0')
                snprintf(c->model, sizeof c->model, "%s", id);
}

/* The model to ask: NULL and words when none is served. */
static const char *model_of(witan_client *c, const char *given, int *status)
{
        *status = WITAN_OK;
        if (given != NULL || c->model[0] != '\0')
                return given != NULL ? given : c->model;
        *status = witan_models(c, first_model, c);
        if (*status == WITAN_OK && c->model[0] == '\0')
                *status = fail(c, WITAN_NOT_FOUND, "this gateway serves no model");
        return *status == WITAN_OK ? c->model : NULL;
}

static void put_message(struct wt_buf *b, const char *role, const char *content)
{
        wt_buf_json_sep(b);
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "role", role);
        wt_buf_json_kv(b, "content", content);
        wt_buf_str(b, "}");
}

static void put_ask(struct wt_buf *b, const struct witan_ask *ask, const char *model, bool chat)
{
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "model", model);
        if (chat) {
                wt_buf_json_key(b, "messages");
                wt_buf_str(b, "[");
                for (size_t i = 0; i < ask->n_messages; i++)
                        put_message(b, ask->messages[i].role, ask->messages[i].content);
                if (ask->n_messages == 0)
                        put_message(b, "user", ask->text != NULL ? ask->text : "");
                wt_buf_str(b, "]");
        } else {
                wt_buf_json_kv(b, "prompt", ask->text != NULL ? ask->text : "");
        }
        if (ask->more != NULL && ask->more[0] != '\0')
                wt_buf_fmt(b, ",%s", ask->more);
        wt_buf_str(b, "}");
}

static int stream(witan_client *c, const char *path, const struct witan_ask *ask, bool chat,
                  struct reader *r)
{
        struct wt_buf text = { 0 }, body = { 0 };
        const char *model;
        int status;

        if (c->turning)
                return fail(c, WITAN_FAILED_PRECONDITION, "a handler may start calls, not wait for "
                            "them");
        if ((model = model_of(c, ask->model, &status)) == NULL)
                return status;
        put_ask(&text, ask, model, chat);
        if (encode(r->method->request, &text, &body) != WT_OK)
                status = fail(c, WITAN_INVALID_ARGUMENT, wt_words());
        else
                status = run(r, path, body.data, body.len, &ask->options, on_piece);
        wt_buf_free(&text);
        wt_buf_free(&body);
        return status;
}

static int ask_text(witan_client *c, const char *path, const struct witan_ask *ask, bool chat,
                    witan_on_text *on_text, void *arg, struct witan_answer *out)
{
        struct reader r = { .c = c, .method = api_method(path), .on_text = on_text, .arg = arg };
        int status = stream(c, path, ask, chat, &r);

        if (status == WITAN_OK && out != NULL)
                *out = r.answer;
        return status;
}

int witan_chat(witan_client *c, const struct witan_ask *ask, witan_on_text *on_text, void *arg,
               struct witan_answer *out)
{
        return ask_text(c, "/witan.v1.Chat/Stream", ask, true, on_text, arg, out);
}

int witan_generate(witan_client *c, const struct witan_ask *ask, witan_on_text *on_text, void *arg,
                   struct witan_answer *out)
{
        return ask_text(c, "/witan.v1.Generate/Stream", ask, false, on_text, arg, out);
}

/* A unary answer as JSON. */
static int unary_json(witan_client *c, const char *path, const struct wt_buf *body, wt_json **out)
{
        void *answer;
        size_t len;
        int status = witan_unary(c, path, body->data, body->len, NULL, &answer, &len);

        if (status != WITAN_OK)
                return status;
        if (parse(api_method(path)->response, answer, len, out) != WT_OK)
                status = fail(c, WITAN_DATA_LOSS, wt_words());
        free(answer);
        return status;
}

int witan_models(witan_client *c, witan_on_model *on_model, void *arg)
{
        struct wt_buf none = { 0 };
        wt_json *j;
        int status = unary_json(c, MODELS, &none, &j);
        wt_jv list;

        if (status != WITAN_OK)
                return status;
        list = wt_json_get(j, 0, "data");
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                const char *id = wt_json_str(j, wt_json_get(j, v, "id"), NULL);
                uint64_t most = 0;

                wt_json_u64(j, wt_json_get(j, v, "max_model_len"), &most);
                if (id != NULL)
                        on_model(arg, id, most);
        }
        wt_json_free(j);
        return WITAN_OK;
}

/* The numbers of an answer of Encode; NULL: no memory. */
static uint32_t *numbers(const wt_json *j, size_t *n)
{
        wt_jv list = wt_json_get(j, 0, "ids");
        uint32_t *ids = calloc(wt_json_count(j, list) + 1, sizeof *ids);
        uint64_t id;

        *n = 0;
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE && ids != NULL;
             v = wt_json_next(j, v))
                if (wt_json_u64(j, v, &id))
                        ids[(*n)++] = (uint32_t)id;
        return ids;
}

int witan_tokens(witan_client *c, const char *model, const char *text, uint32_t **ids, size_t *n)
{
        struct wt_buf ask = { 0 }, body = { 0 };
        wt_json *j;
        int status;

        if ((model = model_of(c, model, &status)) == NULL)
                return status;
        wt_buf_str(&ask, "{");
        wt_buf_json_kv(&ask, "model", model);
        wt_buf_json_kv(&ask, "text", text);
        wt_buf_str(&ask, "}");
        if (encode(api_method(ENCODE)->request, &ask, &body) != WT_OK)
                status = fail(c, WITAN_INVALID_ARGUMENT, wt_words());
        else
                status = unary_json(c, ENCODE, &body, &j);
        wt_buf_free(&ask);
        wt_buf_free(&body);
        if (status != WITAN_OK)
                return status;
        if ((*ids = numbers(j, n)) == NULL)
                status = fail(c, WITAN_RESOURCE_EXHAUSTED, "no memory for the tokens");
        wt_json_free(j);
        return status;
}
