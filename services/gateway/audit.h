/* audit.h - the gateway's side of the audit log: what is written of a request and when (record.c,
 * flood.c), and that no answer leaves before its record is on disk (hold.c). */
#ifndef WITAN_GATEWAY_AUDIT_H
#define WITAN_GATEWAY_AUDIT_H
#include "audit/event.h"
#include "audit/spool.h"
#include "net/loop.h"

enum { ITL_BUCKETS = 96, FLOOD_SLOTS = 256, WORDS_MOST = 256 };
struct request;
struct sequence;
struct gateway;

/* An answer, or a part of one, that waits for a record to be durable. */
struct hold {
        uint64_t gate;                           /* the record; 0: none */
        uint64_t since_us;
        bool listed, sent;                       /* in audit.held; some byte has left */
        bool begin, whole, end;                  /* what is parked beside bytes */
        int status;
        const char *type;                        /* static */
        struct wt_buf headers, bytes;
        struct request *next, *prev;
};

/* Its texts in the record, when policy keeps them (seal.c). */
struct seal {
        bool waits, has, cut;                    /* for the key; it is here; text was left out */
        uint8_t subject[16], key[32];
};

/* What is counted of a request for its record. */
struct tally {
        bool learnt, intended, recorded, unwritten, shed, ended;
        const char *outcome, *code;              /* static */
        char source[64], door[64];
        char words[WORDS_MOST];                  /* of an admin call: what it did */
        uint8_t revision[32], session[32];
        bool has_revision, has_session;
        char model[257];                         /* the one that was asked for, or "" */
        uint64_t mark_us, marked;                /* the last mark: when, tokens */
        uint32_t itl[ITL_BUCKETS];               /* times between tokens, four to an octave */
        uint64_t n_itl;
};

/* Refusals of one tenant or address for one reason in one second. */
struct flood {
        uint64_t key, second, since_us, count;   /* count: without a row of their own */
        uint32_t rows;
        char tenant[65], source[64], code[65];
};

struct audit {
        struct wt_buf event, scratch, sealed;
        struct wt_timer later;                   /* intents that no sync was asked for yet */
        struct request *held;
        uint32_t n_held;
        struct flood flood[FLOOD_SLOTS];
        uint64_t intents, outcomes, marks, notes, shed, summarised, late;
        uint64_t sealed_texts, cut_texts, unkeyed;
        char why[400];                           /* why requests are shed */
};

/* intend.c */
/* False: nothing can be written, so the request was refused; it has no row. */
bool audit_open(struct request *r);
/* For /readyz: would a request be taken? */
bool audit_ready(struct gateway *g, const char **words);

/* record.c */
struct door;
const char *record_action(const struct door *d);         /* "chat"; NULL: "models" */
/* What each event of a request says of it; lent by r. */
void record_describe(struct request *r, uint32_t kind, struct wt_audit_event *e);
/* Keyed hash of the ids of its prompts, or of its answers. */
void record_hash(const struct request *r, const char *what, bool prompts, uint8_t out[32]);
void record_tokens(struct sequence *s, uint32_t n);      /* n tokens came: times, and marks */
/* It asked for that model; got: it is this one, and may be used. */
void record_model(struct request *r, const char *name, bool got);
bool record_again(struct request *r);            /* an outcome that the spool refused before */
/* Appends an event; WT_OK: *seq. */
wt_err audit_append(struct gateway *g, const struct wt_audit_event *e, uint64_t *seq);
struct wt_bytes audit_text(const char *s, uint32_t most);        /* its valid beginning */

/* seal.c */
/* For sealer_conf. */
void seal_ready(void *gateway, const uint8_t id[16], const uint8_t *key, wt_err err);
void seal_keep(struct sequence *s);              /* its text leaves and is forgotten here */
/* Into an event that ends r, if policy says so: subject and sealed, lent by the gateway. */
wt_err seal_event(struct request *r, struct wt_audit_event *e);

/* flood.c */
/* True: so many refusals like this one have a row in this second that it is counted instead. */
bool flood_hides(struct request *r);
void flood_flush(struct gateway *g, bool all);   /* notes for seconds that are over */

/* hold.c: as wt_call_*, but nothing leaves before it may. The last bytes of an answer leave when
 * request_end has written the outcome and that is durable. */
void hold_reply(struct request *r, int status, const char *type, const char *headers,
                const void *body, size_t len);
void hold_begin(struct request *r, int status, const char *type, const char *headers);
bool hold_write(struct request *r, const void *data, size_t len, bool last);
void hold_end(struct request *r);
bool hold_unsent(struct request *r);             /* begun, but no byte has left: all is forgotten,
                                                  * another answer may be given */
void hold_settle(struct request *r);             /* the request is over, its record written */
void hold_gone(struct request *r);               /* the client left after the end */
void hold_wake(struct gateway *g);               /* more is durable */
void hold_tick(struct gateway *g);               /* again what failed; ends what waits too long */
void hold_drop(struct gateway *g);               /* the gateway closes: ends all of them */

/* audit.c: metrics */
void audit_metrics(struct gateway *g, struct wt_buf *out);
#endif
