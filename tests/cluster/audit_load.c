#include "audit_load.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "net/http.h"

enum { SECOND = 1000 * 1000 };

int load_ask(const struct load *l, bool stream, uint32_t tokens, char id[40], struct wt_buf *body)
{
        char url[120], question[300], headers[200];
        const char *at;
        int status = 0;

        snprintf(url, sizeof url, "http://%s/v1/completions", l->http);
        snprintf(question, sizeof question, "{\"model\":\"tiny\",\"prompt\":\"Once upon\","
                 "\"stream\":%s,"
                 "\"max_tokens\":%u,\"ignore_eos\":true}", stream ? "true" : "false", tokens);
        snprintf(headers, sizeof headers, "x-session-id: a-session\r\n%s%s%s",
                 l->key[0] != '\0' ? "Authorization: Bearer " : "", l->key,
                 l->key[0] != '\0' ? "\r\n" : "");
        wt_buf_clear(body);
        id[0] = '\0';
        if (wt_http_fetch("POST", url, headers, question, strlen(question), 120 * SECOND, &status,
                          body, NULL, NULL) != WT_OK)
                return 0;
        at = body->data != NULL ? strstr(body->data, "\"id\":\"cmpl-") : NULL;
        if (at != NULL)
                snprintf(id, 40, "%.36s", at + 11);
        return status;
}

static bool is_whole(bool stream, int status, const struct wt_buf *b)
{
        static const char last[] = "data: [DONE]\n\n";

        return status == 200 && b->len > sizeof last &&
               (stream ? strcmp(b->data + b->len - (sizeof last - 1), last) == 0
                       : b->data[b->len - 1] == '}');
}

struct client { struct load *load; uint32_t me; };

static void *client(void *arg)
{
        const struct client c = *(struct client *)arg;
        struct load *l = c.load;
        struct wt_buf body = { 0 };
        char id[40];

        free(arg);
        for (uint32_t n = 0; !__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE); n++) {
                bool stream = (n + c.me) % 2 == 0;
                int status = load_ask(l, stream, 1 + n % 9, id, &body);

                pthread_mutex_lock(&l->lock);
                if (is_whole(stream, status, &body) && id[0] != '\0') {
                        fprintf(l->log, "finished %s\n", id);
                        l->finished++;
                } else if (status >= 400) {
                        l->refused++;
                }
                pthread_mutex_unlock(&l->lock);
                if (status == 0)
                        usleep(2000);            /* nobody is there: not a wait, a courtesy */
        }
        wt_buf_free(&body);
        return NULL;
}

void load_begin(struct load *l, const char *log)
{
        pthread_mutex_init(&l->lock, NULL);
        l->log = fopen(log, "w");
        assert_non_null(l->log);
        l->stop = false;
        l->finished = l->refused = 0;
        for (uint32_t i = 0; i < LOAD_CLIENTS; i++) {
                struct client *c = malloc(sizeof *c);

                assert_non_null(c);
                *c = (struct client){ l, i };
                assert_int_equal(pthread_create(&l->thread[i], NULL, client, c), 0);
        }
}

void load_end(struct load *l)
{
        __atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
        for (int i = 0; i < LOAD_CLIENTS; i++)
                pthread_join(l->thread[i], NULL);
        fclose(l->log);
}

static uint32_t finished(struct load *l)
{
        uint32_t n;

        pthread_mutex_lock(&l->lock);
        n = l->finished;
        pthread_mutex_unlock(&l->lock);
        return n;
}

void load_until(struct load *l, uint32_t more)
{
        uint32_t want = finished(l) + more;
        uint64_t end = wt_now_us(&wt_clock_real) + 120 * SECOND;

        while (finished(l) < want) {
                if (wt_now_us(&wt_clock_real) > end)
                        fail_msg("clients finish nothing: %s", field_log(l->f, "gateway-0", ""));
                usleep(1000);
        }
}
