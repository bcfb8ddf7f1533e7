/* api_table.c - api.proto as rows. */
#include "wire/api.h"
#include <string.h>

#define F(n, name, type) { n, name, type, API_ONE, NULL }
#define L(n, name, type) { n, name, type, API_MANY, NULL }
#define M(n, name, how, of) { n, name, API_MSG, how, &of }
#define MESSAGE(var, text, rows) \
        static const struct api_message var = { text, rows, sizeof rows / sizeof *rows }

static const struct api_field model_rows[] = {
        F(1, "id", API_STR), F(2, "created", API_INT), F(3, "owned_by", API_STR),
        F(4, "max_model_len", API_INT),
};
MESSAGE(model, "Model", model_rows);
static const struct api_field model_list_rows[] = { M(1, "data", API_MANY, model) };
MESSAGE(model_list, "ModelList", model_list_rows);
static const struct api_message models_request = { "ModelsRequest", NULL, 0 };

static const struct api_field number_rows[] = { F(1, "key", API_STR), F(2, "value", API_DOUBLE) };
MESSAGE(number, "LogitBias", number_rows);            /* an entry of a map; Top is the same */
static const struct api_field ids_rows[] = { L(1, "ids", API_INT) };
MESSAGE(ids, "Ids", ids_rows);

static const struct api_field message_rows[] = {
        F(1, "role", API_STR), F(2, "content", API_STR), F(3, "tool_call_id", API_STR),
};
MESSAGE(message, "Message", message_rows);
static const struct api_field chat_request_rows[] = {
        F(1, "model", API_STR), M(2, "messages", API_MANY, message), F(3, "max_tokens", API_INT),
        F(4, "temperature", API_DOUBLE), F(5, "top_p", API_DOUBLE), F(6, "top_k", API_INT),
        F(7, "n", API_INT), L(8, "stop", API_STR), F(9, "seed", API_INT),
        F(10, "presence_penalty", API_DOUBLE), F(11, "frequency_penalty", API_DOUBLE),
        F(12, "repetition_penalty", API_DOUBLE), F(13, "min_p", API_DOUBLE),
        F(14, "min_tokens", API_INT), F(15, "ignore_eos", API_BOOL),
        M(16, "logit_bias", API_MAP, number), F(17, "user", API_STR), F(18, "logprobs", API_BOOL),
        F(19, "top_logprobs", API_INT),
};
MESSAGE(chat_request, "ChatRequest", chat_request_rows);

/* Of a token, and of those that were as likely: the same message, one level deep. */
static const struct api_field top_token_rows[] = {
        F(1, "token", API_STR), F(2, "logprob", API_DOUBLE), L(3, "bytes", API_INT),
};
MESSAGE(top_token, "TokenLogprob", top_token_rows);
static const struct api_field token_rows[] = {
        F(1, "token", API_STR), F(2, "logprob", API_DOUBLE), L(3, "bytes", API_INT),
        M(4, "top_logprobs", API_MANY, top_token),
};
MESSAGE(token, "TokenLogprob", token_rows);
static const struct api_field chat_logprobs_rows[] = { M(1, "content", API_MANY, token) };
MESSAGE(chat_logprobs, "ChatLogprobs", chat_logprobs_rows);
static const struct api_field chat_choice_rows[] = {
        F(1, "index", API_INT), M(2, "message", API_ONE, message), F(3, "finish_reason", API_STR),
        M(4, "logprobs", API_ONE, chat_logprobs),
};
MESSAGE(chat_choice, "ChatChoice", chat_choice_rows);
static const struct api_field usage_rows[] = {
        F(1, "prompt_tokens", API_INT), F(2, "completion_tokens", API_INT),
        F(3, "total_tokens", API_INT),
};
MESSAGE(usage, "Usage", usage_rows);
#define ANSWER(choice) \
        F(1, "id", API_STR), F(2, "created", API_INT), F(3, "model", API_STR), \
        F(4, "system_fingerprint", API_STR), M(5, "choices", API_MANY, choice), \
        M(6, "usage", API_ONE, usage)
static const struct api_field chat_response_rows[] = { ANSWER(chat_choice) };
MESSAGE(chat_response, "ChatResponse", chat_response_rows);
static const struct api_field chunk_choice_rows[] = {
        F(1, "index", API_INT), M(2, "delta", API_ONE, message), F(3, "finish_reason", API_STR),
        M(4, "logprobs", API_ONE, chat_logprobs),
};
MESSAGE(chunk_choice, "ChatChunkChoice", chunk_choice_rows);
static const struct api_field chat_chunk_rows[] = { ANSWER(chunk_choice) };
MESSAGE(chat_chunk, "ChatChunk", chat_chunk_rows);

static const struct api_field generate_request_rows[] = {
        F(1, "model", API_STR), L(2, "prompt", API_STR), M(3, "prompt", API_BARE, ids),
        F(4, "max_tokens", API_INT), F(5, "temperature", API_DOUBLE), F(6, "top_p", API_DOUBLE),
        F(7, "top_k", API_INT), F(8, "n", API_INT), F(9, "best_of", API_INT),
        L(10, "stop", API_STR), F(11, "seed", API_INT), F(12, "presence_penalty", API_DOUBLE),
        F(13, "frequency_penalty", API_DOUBLE), F(14, "repetition_penalty", API_DOUBLE),
        F(15, "min_p", API_DOUBLE), F(16, "min_tokens", API_INT), F(17, "ignore_eos", API_BOOL),
        M(18, "logit_bias", API_MAP, number), F(19, "user", API_STR), F(20, "logprobs", API_INT),
        F(21, "echo", API_BOOL),
};
MESSAGE(generate_request, "GenerateRequest", generate_request_rows);
static const struct api_field tops_rows[] = { M(1, "top", API_MAP, number) };
MESSAGE(tops, "Tops", tops_rows);
static const struct api_field logprobs_rows[] = {
        L(1, "tokens", API_STR), L(2, "token_logprobs", API_DOUBLE),
        M(3, "top_logprobs", API_BARE, tops), L(4, "text_offset", API_INT),
};
MESSAGE(logprobs, "Logprobs", logprobs_rows);
static const struct api_field generate_choice_rows[] = {
        F(1, "index", API_INT), F(2, "text", API_STR), F(3, "finish_reason", API_STR),
        M(4, "logprobs", API_ONE, logprobs),
};
MESSAGE(generate_choice, "GenerateChoice", generate_choice_rows);
static const struct api_field generate_response_rows[] = { ANSWER(generate_choice) };
MESSAGE(generate_response, "GenerateResponse", generate_response_rows);
static const struct api_field score_request_rows[] = {
        F(1, "model", API_STR), L(2, "prompt", API_STR), M(3, "prompt", API_BARE, ids),
        F(4, "logprobs", API_INT), F(5, "user", API_STR),
};
MESSAGE(score_request, "ScoreRequest", score_request_rows);

static const struct api_field encode_request_rows[] = {
        F(1, "model", API_STR), F(2, "text", API_STR),
};
MESSAGE(encode_request, "EncodeRequest", encode_request_rows);
static const struct api_field encode_response_rows[] = {
        F(1, "model", API_STR), L(2, "ids", API_INT), F(3, "count", API_INT),
};
MESSAGE(encode_response, "EncodeResponse", encode_response_rows);
static const struct api_field decode_request_rows[] = {
        F(1, "model", API_STR), L(2, "ids", API_INT),
};
MESSAGE(decode_request, "DecodeRequest", decode_request_rows);
static const struct api_field decode_response_rows[] = {
        F(1, "model", API_STR), F(2, "text", API_STR),
};
MESSAGE(decode_response, "DecodeResponse", decode_response_rows);
static const struct api_field admin_request_rows[] = {
        F(1, "method", API_STR), F(2, "path", API_STR), F(3, "query", API_STR),
        F(4, "body", API_STR),
};
MESSAGE(admin_request, "AdminRequest", admin_request_rows);
static const struct api_field admin_response_rows[] = {
        F(1, "type", API_STR), F(2, "body", API_STR),
};
MESSAGE(admin_response, "AdminResponse", admin_response_rows);

#define STREAM "\"stream\":true,\"stream_options\":{\"include_usage\":true}"
const struct api_method api_methods[] = {
        { "/witan.v1.Models/List", "/v1/models", &models_request, &model_list, "", 0 },
        { "/witan.v1.Chat/Complete", "/v1/chat/completions", &chat_request, &chat_response, "", 0 },
        { "/witan.v1.Chat/Stream", "/v1/chat/completions", &chat_request, &chat_chunk, STREAM, 1 },
        { "/witan.v1.Generate/Complete", "/v1/completions", &generate_request, &generate_response,
          "", 0 },
        { "/witan.v1.Generate/Stream", "/v1/completions", &generate_request, &generate_response,
          STREAM, 1 },
        { "/witan.v1.Score/Score", "/v1/completions", &score_request, &generate_response,
          "\"echo\":true,\"max_tokens\":0", 0 },
        { "/witan.v1.Tokens/Encode", "/v1/tokenize", &encode_request, &encode_response, "", 0 },
        { "/witan.v1.Tokens/Decode", "/v1/detokenize", &decode_request, &decode_response, "", 0 },
        { "/witan.v1.Admin/Call", API_ADMIN, &admin_request, &admin_response, "", 0 },
        { NULL, NULL, NULL, NULL, NULL, 0 },
};

const struct api_method *api_method(const char *path)
{
        for (const struct api_method *m = api_methods; m->path != NULL; m++)
                if (strcmp(m->path, path) == 0)
                        return m;
        return NULL;
}
