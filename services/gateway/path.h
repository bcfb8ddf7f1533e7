/* path.h - the way of a request; each name is a file beside this one. Data goes one way:
 *
 *   listen -> authorize -> [door: parse] -> tokenize -> encode -> seal -> admit -> intend -> choose
 *                                                                   -> submit (ids to a router)
 *   events -> fold (detokenise, stop) -> stream -> record                     (text to the user)
 *
 * A stage that refuses has answered the call and ended the request: its caller only returns.
 * Filters on what comes in will stand between door and encode, filters on what goes out are
 * folds. */
#ifndef WITAN_GATEWAY_PATH_H
#define WITAN_GATEWAY_PATH_H
#include "state.h"

/* 1 path -> door, makes the request */
void gateway_listen(void *g, wt_call *c);
bool gateway_authorize(struct request *r);                       /* 2 bearer key -> who asks */
/* 3 JSON -> options, by the door */
bool gateway_parse(struct request *r);
bool gateway_tokenize(struct request *r);        /* 4 text -> ids; false: refused, or it goes on by
                                                  * request_encoded when a thread has made them */
bool gateway_encode(struct request *r);                          /* 4 context limit */
/* the key of its texts, where they are recorded; false: it goes on later */
bool gateway_seal(struct request *r);
/* Of a door without a router: one request of its limits, and its intent; false: refused, or it goes
 * on by request_charged. */
bool gateway_charge(struct request *r);
void gateway_admit(struct request *r);                           /* 5 limits, turn; goes on by
                                                                  *   request_go, now or later */
bool gateway_intend(struct request *r);                          /* 6 its intent to the audit log */
void gateway_choose(struct sequence *s);                         /* 7 which router; -1: it waits */
void gateway_submit(struct sequence *s);                         /* 8 the sequence record leaves */
/* 9 ids come back, in order only */
void gateway_events(struct gateway *g, const wt_msg *m);
bool gateway_fold(struct sequence *s, const int32_t *ids, uint32_t n);   /* 10 ids -> text; stop */
bool gateway_stream(struct sequence *s);                         /* 11 text -> chunks, or kept;
                                                                  * false: the request is over */
void gateway_record(struct request *r, const char *outcome);     /* 12 its outcome; the answer's
                                                                  *    last bytes wait for it */
#endif
