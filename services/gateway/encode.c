/* encode.c - the last look at the ids before they leave: none empty, none too long. The doors have
 * turned their text into ids; a prompt that does not fit is refused with both numbers, never cut.
 * */
#include "path.h"

#define TOO_LONG(param) ((struct refusal){ 400, "invalid_request_error", \
                                           "context_length_exceeded", (param) })

uint32_t gateway_context(const struct gateway *g)
{
        uint32_t least = g->conf.shape->max_positions;

        for (uint32_t i = 0; i < g->conf.n_routers; i++)
                if (g->routers[i].welcome && g->routers[i].max_context < least)
                        least = g->routers[i].max_context;
        return least;
}

/* Whether any router's memory can hold so many positions at all; the most that one can. */
static bool fits_memory(const struct gateway *g, uint32_t positions, uint64_t *most)
{
        bool known = false;

        *most = 0;
        for (uint32_t i = 0; i < g->conf.n_routers; i++) {
                const struct router_peer *p = &g->routers[i];
                known |= p->welcome;
                if (p->welcome && p->kv_pages * WT_PAGE > *most)
                        *most = p->kv_pages * WT_PAGE;
        }
        return !known || positions <= *most;
}

bool gateway_encode(struct request *r)
{
        uint32_t most = gateway_context(r->g), longest = 0;
        uint64_t memory;
        const char *param = r->door->param;

        for (uint32_t i = 0; i < r->n_prompts; i++) {
                if (r->prompt[i].len == 0)
                        return request_refuse(r, BAD(param),
                                              "the prompt is empty; send at least one "
                                              "token");
                if (r->prompt[i].len > longest)
                        longest = (uint32_t)(r->prompt[i].len < UINT32_MAX ? r->prompt[i].len
                                                                           : UINT32_MAX);
        }
        if (longest >= most &&
            !(r->opt.max_tokens_named && r->opt.max_tokens == 0 && longest == most))
                return request_refuse(
                        r, TOO_LONG(param),
                        "the prompt has %u tokens; this model's context "
                        "is %u tokens for prompt and answer together; shorten the prompt",
                        longest, most);
        if (!r->opt.max_tokens_named) {
                r->opt.max_tokens = most - longest;
                if (r->g->conf.default_max_tokens > 0 &&
                    r->opt.max_tokens > r->g->conf.default_max_tokens)
                        r->opt.max_tokens = r->g->conf.default_max_tokens;
        }
        if (r->opt.max_tokens > most - longest)
                return request_refuse(r, TOO_LONG("max_tokens"),
                                      "the prompt has %u tokens and max_tokens "
                                      "is %u, together %u; this model's context is %u tokens; "
                                      "shorten one of them",
                                      longest, r->opt.max_tokens, longest + r->opt.max_tokens,
                                      most);
        if (!fits_memory(r->g, longest + r->opt.max_tokens, &memory))
                return request_refuse(r, TOO_LONG("max_tokens"),
                                      "the prompt has %u tokens and max_tokens "
                                      "is %u, together %u; the memory of this server holds %llu; "
                                      "ask for fewer, or "
                                      "raise kv_bytes",
                                      longest, r->opt.max_tokens, longest + r->opt.max_tokens,
                                      (unsigned long long)memory);
        return true;
}
