/* whole.h - a whole cluster as `witan up --detach` starts it, for tests that ask over HTTP. */
#ifndef WITAN_TESTS_WHOLE_H
#define WITAN_TESTS_WHOLE_H
#include "base/buf.h"

/* Of the cluster: state folder, http://HOST:PORT, the admin's key and a user's. */
extern char state[128], url[160], key[80], user_key[80];

int whole_start(void **st);                      /* cmocka's group set-up and tear-down */
int whole_start_model(const char *folder);       /* the same with another model; 0: it answers */
int whole_stop(void **st);                       /* fails when a log holds a sanitizer's words */
/* Exit code of $WITAN_BUILD/bin/witan with these words. */
int command(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* One request: its status; out is replaced by the body. bearer or body NULL: none. */
int ask(const char *method, const char *path, const char *bearer, const char *body,
        struct wt_buf *out);
void plain_is_answered(void);

#define CHAT "/v1/chat/completions"
#define COMP "/v1/completions"
#define HI "\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define ONCE "\"model\":\"tiny\",\"prompt\":\"Once\""
#endif
