/* sealer.h - keys of data subjects for texts that are recorded encrypted (setting audit_text). They
 * lie in the store (audit/seal.h), so a thread with a connection of its own fetches them and the
 * loop is woken; a key that was fetched is at hand for SEALER_LIFE_US, so that a busy subject
 * costs the store one question in that time. After an erasure elsewhere what is sealed in that time
 * opens to nobody, as what was sealed before it. */
#ifndef WITAN_GATEWAY_SEALER_H
#define WITAN_GATEWAY_SEALER_H
#include "base/err.h"
#include "net/loop.h"

enum { SEALER_WAITING = 4096,                    /* questions that wait, at most */
       SEALER_KEYS = 1024,                       /* keys at hand, at most */
       SEALER_LIFE_US = 5 * 1000 * 1000 };
struct sealer;
struct sealer_conf {                             /* borrowed until close */
        wt_loop *loop;
        const struct wt_clock *clock;
        const char *store; uint64_t timeout_ms;  /* URL */
        const char *folder;                      /* of the epoch keys */
        /* On the loop: the key for this request, or (NULL) why there is none, with wt_words. */
        void (*ready)(void *arg, const uint8_t request[16], const uint8_t *key, wt_err err);
        void *arg;
};
wt_err sealer_open(struct sealer **out, const struct sealer_conf *c);
/* The key of a subject, made where there is none yet. WT_EAGAIN: ready will tell. WT_EEXHAUSTED: as
 * many wait as may. tenant: whose the subject is. wt_wipe the key. */
wt_err sealer_key(struct sealer *s, const uint8_t request[16], const uint8_t subject[16],
                  const char *tenant, uint8_t key[32]);
void sealer_close(struct sealer *s);             /* wipes them; NULL is fine */
#endif
