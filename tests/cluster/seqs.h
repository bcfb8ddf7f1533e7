/* seqs.h - a bus client that speaks as a gateway, the sequences it asks for, and their hash. */
#ifndef WITAN_TESTS_SEQS_H
#define WITAN_TESTS_SEQS_H
#include "bus/keyring.h"

/* A bus client. */
struct field_client { wt_bus *bus; struct wt_keyring ring; struct wt_welcome welcome; };
void client_close(struct field_client *c);
/* The next message, or NULL after the deadline. */
wt_msg *client_next(struct field_client *c, uint64_t timeout_us);

/* A sequence as a client sees it. */
struct seq_want {
        int32_t prompt[1024]; uint32_t n_prompt;
        int32_t made[1024]; uint32_t n_made;     /* what is known already; grows */
        uint32_t max_tokens; float temperature, top_p; uint32_t top_k; uint64_t seed;
        uint8_t id[16]; uint32_t attempt;
        uint32_t finish, status; char message[256];
        uint8_t digest[32]; bool has_digest;
};
/* A sampled sequence of 30 prompt ids, always the same ones, under an id of its own. */
void seq_plain(struct seq_want *s, uint8_t id, uint32_t max_tokens);
void seq_submit(struct field_client *c, struct seq_want *s);
void seq_cancel(struct field_client *c, const struct seq_want *s);
/* Takes events until all n sequences are over, or the deadline: returns how many are over. */
uint32_t seq_collect(struct field_client *c, struct seq_want *s, uint32_t n, uint64_t timeout_us);
/* 40 mixed sequences, the same everywhere: prompts of 1 to 300 ids, answers of 1 to 48, greedy and
 * not. */
enum { MIXED = 40 };
void seq_mixed(struct seq_want s[MIXED], uint32_t vocab);
/* SHA-256 over the digests in order, as hex. */
void seq_hash(const struct seq_want *s, uint32_t n, char hex[65]);
/* Same tokens and same bits of every row of logits, or the test fails. */
void seq_same(const struct seq_want *a, const struct seq_want *b);
#endif
