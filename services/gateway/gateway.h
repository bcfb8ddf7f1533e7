/* gateway.h - the users' side: HTTP in, token ids to a router, text back. The gateway owns
 * everything that touches text, and the sequence record of each open request: enough for another
 * router to go on where one was lost. One thread; no globals, so that it also runs inside another
 * process. */
#ifndef WITAN_GATEWAY_GATEWAY_H
#define WITAN_GATEWAY_GATEWAY_H
#include "audit/spool.h"
#include "bus/bus.h"
#include "model/shape.h"
#include "net/http.h"
#include "identity/identity.h"
#include "identity/quota.h"
#include "text/chat.h"

struct gateway_oidc;
struct gateway_tls;
struct gateway_conf {
        wt_loop *loop;                           /* borrowed until close, like all pointers here */
        wt_bus *bus;                             /* connected to the routers: peer i is router i */
        uint32_t n_routers;
        const struct wt_clock *clock;
        const wt_tokenizer *tokenizer;
        const struct wt_shape *shape;
        wt_identity *identity;                   /* NULL: everybody may ask (open_door) */
        struct gateway_oidc *oidc;               /* NULL: keys alone, no tokens (authorize_jwt.h) */
        struct gateway_tls *tls;                 /* NULL: plain HTTP (secure.h) */
        wt_quota *quota;                         /* NULL: no limits; calls gateway_decided */
        uint32_t admit_at_once;                  /* sequences at the routers; 0: by what they say */
        uint32_t admit_waiting;                  /* requests that wait for a turn, at most */
        uint64_t admit_wait_us;
        uint64_t texts_waiting, tokenize_bytes;  /* bytes: of long texts that wait to be tokens; of
                                                  * one that /v1/tokenize takes */
        const char *name;                        /* of this process, as in the allow-list */
        const char *model;                       /* the name that users say, e.g. "tiny" */
        const char *http;                        /* HOST:PORT */
        wt_spool *spool;                         /* of the audit log */
        uint64_t spool_bytes;                    /* what it may hold */
        const uint8_t *audit_key;                /* 32 bytes: of the keyed hashes in the log */
        uint32_t audit_refusals;                 /* rows of refusals of one kind in a second */
        uint64_t audit_wait_us;                  /* an answer whose record is not on disk then is
                                                  * given up */
        const char *audit_epochs;                /* folder: texts are recorded, sealed by keys that
                                                  * these wrap (needs store); NULL: they are not */
        const char *store; uint64_t store_timeout_ms;    /* URL, to read the log for auditors; NULL:
                                                  * they cannot */
        struct wt_http_limits limits;
        uint32_t default_max_tokens;             /* of a chat that names none; 0: what is left */
        uint64_t drain_us;
        struct rpc *rpc;                         /* the RPC door, open already; NULL: none */
        uint64_t router_wait_us;                 /* how long a request waits for a router */
};

struct gateway;
/* WT_EEXIST: the port is in use. */
wt_err gateway_open(struct gateway **out, const struct gateway_conf *conf);
/* Turns the loop until wt_stop_asked, then drains: no new requests, the open ones end within
 * drain_us.
 * Returns 0, or 1 when some had to be cut. */
int gateway_run(struct gateway *g);
void gateway_close(struct gateway *g);
/* For wt_quota_conf: a request that waited for the store goes on. */
void gateway_decided(void *arg, struct wt_ticket *t);
const char *gateway_address(const struct gateway *g);    /* HOST:PORT as bound */
/* For /readyz: a router is there whose workers hold all experts, and requests can be recorded.
 * words (or NULL) says what is missing. */
bool gateway_ready(struct gateway *g, const char **words);
void gateway_metrics(struct gateway *g, struct wt_buf *out);
#endif
