#include "tls/issuer.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include "base/clock.h"
#include "base/file.h"
#include "net/http.h"

#define HOUR_MS 3600000ull
#define LEAST_MS 30000ull
#define SILENCE_US 5000000ull                    /* of the issuer's server */
#define FETCH_US 15000000ull                     /* a whole answer */
enum { LOOK_MS = 2000 };                         /* how often a file is looked at */

struct wt_issuer {
        struct wt_issuer_conf conf;
        char *keys;
        bool file;
        struct stat seen;                        /* of the file that was read */
        pthread_t thread;
        bool started;
        pthread_mutex_t lock;                    /* of all below */
        pthread_cond_t wake;
        bool stop, asked;                        /* asked: fetch as soon as may be */
        wt_jwks *set;
        uint64_t fetched_us, tried_us;           /* 0: never */
        uint64_t fetches, failures;
        char words[512];
};

static uint64_t now_us(void) { return wt_now_us(&wt_clock_real); }

/* ---- fetching ---- */

struct answer { wt_issuer *i; struct wt_buf text; uint64_t until_us; bool large; };

static bool take(void *arg, const char *data, size_t n)
{
        struct answer *a = arg;
        bool stop;

        pthread_mutex_lock(&a->i->lock);
        stop = a->i->stop;
        pthread_mutex_unlock(&a->i->lock);
        a->large = a->text.len + n > WT_JWKS_BYTES;
        if (stop || a->large || now_us() > a->until_us)
                return false;
        wt_buf_add(&a->text, data, n);
        return true;
}

static wt_err get(wt_issuer *i, const char *url, struct wt_buf *out)
{
        struct answer a = { .i = i, .until_us = now_us() + FETCH_US };
        int status = 0;
        wt_err err = wt_http_fetch_by(i->conf.secure, "GET", url, "Accept: application/json\r\n",
                                      NULL, 0, SILENCE_US, &status, NULL, take, &a);

        if (a.large)
                err = wt_fail(WT_EEXHAUSTED, "%.200s answers more than 256 KiB", url);
        else if (err == WT_OK && status != 200)
                err = wt_fail(WT_EUNAVAILABLE, "%.200s answers with status %d", url, status);
        if (err != WT_OK) {
                wt_buf_free(&a.text);
                return err;
        }
        *out = a.text;
        return WT_OK;
}

static bool starts(const char *s, const char *with)
{
        return strncasecmp(s, with, strlen(with)) == 0;
}

/* https, or http where nobody stands between: keys that come in the clear are anybody's. */
static wt_err may_fetch(const char *url)
{
        static const char *const here[] = { "http://127.0.0.1", "http://localhost",
                                            "http://[::1]" };

        if (starts(url, "https://"))
                return WT_OK;
        for (size_t i = 0; i < sizeof here / sizeof *here; i++)
                if (starts(url, here[i]) && strchr(":/", url[strlen(here[i])]))
                        return WT_OK;
        return wt_fail(WT_EINVAL, "\"%.200s\": keys are fetched over https; http is for this "
                       "machine alone", url);
}

/* What the issuer's own configuration calls jwks_uri; it must be of that very issuer. */
static wt_err discover(wt_issuer *i, struct wt_buf *url)
{
        static const struct wt_json_limits limits = { .max_depth = 16, .max_bytes = WT_JWKS_BYTES,
                                                      .max_nodes = 16 << 10 };
        const char *issuer = i->conf.rules.issuer, *says, *uri;
        size_t n = strlen(issuer), n_says, n_uri;
        struct wt_buf text = { 0 };
        wt_json *j = NULL;
        wt_err err;

        wt_buf_fmt(url, "%.*s/.well-known/openid-configuration",
                   (int)(n > 0 && issuer[n - 1] == '/' ? n - 1 : n), issuer);
        if ((err = may_fetch(url->data)) == WT_OK && (err = get(i, url->data, &text)) == WT_OK &&
            (err = wt_json_parse(&j, text.data ? text.data : "", text.len, &limits)) != WT_OK)
                err = wt_fail_in(err, "%.200s", url->data);
        wt_buf_free(&text);
        if (err != WT_OK)
                return err;
        says = wt_json_str(j, wt_json_get(j, 0, "issuer"), &n_says);
        uri = wt_json_str(j, wt_json_get(j, 0, "jwks_uri"), &n_uri);
        if (!says || n_says != n || memcmp(says, issuer, n) != 0)
                err = wt_fail(WT_EDATA, "%.200s is the configuration of another issuer; "
                              "oidc_issuer must read as it stands there", url->data);
        else if (!uri || strlen(uri) != n_uri)
                err = wt_fail(WT_EDATA, "%.200s names no jwks_uri", url->data);
        else if ((err = may_fetch(uri)) == WT_OK) {
                wt_buf_clear(url);
                wt_buf_str(url, uri);
        }
        wt_json_free(j);
        return err;
}

static wt_err fetch_url(wt_issuer *i, wt_jwks **out)
{
        struct wt_buf url = { 0 }, text = { 0 };
        wt_err err = WT_OK;

        if (*i->keys)
                wt_buf_str(&url, i->keys);
        else
                err = discover(i, &url);
        if (err == WT_OK && (err = get(i, url.data, &text)) == WT_OK &&
            (err = wt_jwks_parse(out, text.data ? text.data : "", text.len)) != WT_OK)
                err = wt_fail_in(err, "%.200s", url.data);
        if (err == WT_OK && wt_jwks_secret(*out)) {
                wt_jwks_free(*out);
                err = wt_fail(WT_EDATA, "%.200s publishes shared secrets; they are taken from a "
                              "file alone", url.data);
        }
        wt_buf_free(&url);
        wt_buf_free(&text);
        return err;
}

static wt_err read_file(wt_issuer *i, wt_jwks **out)
{
        struct wt_buf text = { 0 };
        struct stat st = { 0 };
        wt_err err;

        if (stat(i->keys, &st) == 0)
                i->seen = st;                    /* first: what changes while it is read is seen */
        err = wt_file_read(i->keys, WT_JWKS_BYTES, &text);
        if (err == WT_OK) {
                err = wt_jwks_parse(out, text.data ? text.data : "", text.len);
                err = err == WT_OK ? err : wt_fail_in(err, "%s", i->keys);
        }
        if (err == WT_OK && wt_jwks_secret(*out) && (st.st_mode & 077)) {
                wt_jwks_free(*out);
                err = wt_fail(WT_EPERM, "the secrets in %s may be read by others (mode %03o); "
                              "chmod 600 it", i->keys, (unsigned)st.st_mode & 0777);
        }
        if (text.data)
                explicit_bzero(text.data, text.cap);
        wt_buf_free(&text);
        return err;
}

static wt_err renew(wt_issuer *i)
{
        wt_jwks *set = NULL, *before = NULL;
        wt_err err = i->file ? read_file(i, &set) : fetch_url(i, &set);

        pthread_mutex_lock(&i->lock);
        i->fetches++;
        if (err == WT_OK) {
                before = i->set;
                i->set = set;
                i->fetched_us = now_us();
                i->words[0] = '\0';
        } else {
                i->failures++;
                snprintf(i->words, sizeof i->words, "%s", wt_words());
        }
        pthread_mutex_unlock(&i->lock);
        wt_jwks_free(before);
        return err;
}

/* ---- the thread ---- */

static bool file_changed(const wt_issuer *i)
{
        struct stat st;

        return i->file && stat(i->keys, &st) == 0 &&     /* two writes may share a clock's tick */
               (st.st_mtim.tv_sec != i->seen.st_mtim.tv_sec ||
                st.st_mtim.tv_nsec != i->seen.st_mtim.tv_nsec ||
                st.st_ino != i->seen.st_ino || st.st_size != i->seen.st_size);
}

/* Milliseconds until the next fetch is due. Under the lock. */
static uint64_t due_ms(const wt_issuer *i)
{
        uint64_t since = (now_us() - i->tried_us) / 1000, wait;

        if (i->tried_us == 0)
                return 0;
        if (!i->set)                             /* nobody can come in: as often as is decent */
                wait = i->conf.least_ms / 10;
        else if (i->asked || i->words[0] || i->conf.max_age_ms < i->conf.least_ms)
                wait = i->conf.least_ms;
        else
                wait = i->conf.max_age_ms;
        return since >= wait ? 0 : wait - since;
}

static void sleep_for(wt_issuer *i, uint64_t ms)
{
        struct timespec at;

        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_sec += (time_t)(ms / 1000);
        at.tv_nsec += (long)(ms % 1000) * 1000000;
        at.tv_sec += at.tv_nsec / 1000000000;
        at.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&i->wake, &i->lock, &at);
}

static void *run(void *arg)
{
        wt_issuer *i = arg;

        pthread_mutex_lock(&i->lock);
        while (!i->stop) {
                uint64_t ms = file_changed(i) ? 0 : due_ms(i);

                if (ms > 0) {
                        sleep_for(i, i->file && ms > LOOK_MS ? LOOK_MS : ms);
                        continue;
                }
                i->tried_us = now_us();
                pthread_mutex_unlock(&i->lock);
                renew(i);                        /* what failed is said in words and by the facts */
                pthread_mutex_lock(&i->lock);
                i->asked = false;
        }
        pthread_mutex_unlock(&i->lock);
        return NULL;
}

static wt_err start(wt_issuer *i)
{
        pthread_condattr_t mono;
        wt_err err = WT_OK;

        pthread_mutex_init(&i->lock, NULL);
        pthread_condattr_init(&mono);
        pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
        pthread_cond_init(&i->wake, &mono);
        pthread_condattr_destroy(&mono);
        if (i->file) {
                i->tried_us = now_us();
                err = renew(i);
        }
        if (err == WT_OK && pthread_create(&i->thread, NULL, run, i) != 0)
                err = wt_fail(WT_EEXHAUSTED, "no thread for the keys of the issuer: %s",
                              strerror(errno));
        i->started = err == WT_OK;
        return err;
}

wt_err wt_issuer_open(wt_issuer **out, const struct wt_issuer_conf *conf)
{
        bool file = *conf->keys && !strstr(conf->keys, "://");
        wt_issuer *i;
        wt_err err = file ? WT_OK : may_fetch(*conf->keys ? conf->keys : conf->rules.issuer);

        if (err != WT_OK)
                return err;
        i = calloc(1, sizeof *i);
        if (!i || !(i->keys = strdup(conf->keys))) {
                free(i);
                return wt_fail(WT_ENOMEM, "no memory for the keys of an issuer");
        }
        i->conf = *conf;
        i->file = file;
        i->conf.max_age_ms = conf->max_age_ms ? conf->max_age_ms : HOUR_MS;
        i->conf.least_ms = conf->least_ms ? conf->least_ms : LEAST_MS;
        if ((err = start(i)) != WT_OK) {
                wt_issuer_close(i);
                return err;
        }
        *out = i;
        return WT_OK;
}

void wt_issuer_close(wt_issuer *i)
{
        if (!i)
                return;
        if (i->started) {
                pthread_mutex_lock(&i->lock);
                i->stop = true;
                pthread_cond_signal(&i->wake);
                pthread_mutex_unlock(&i->lock);
                pthread_join(i->thread, NULL);
        }
        pthread_cond_destroy(&i->wake);
        pthread_mutex_destroy(&i->lock);
        wt_jwks_free(i->set);
        free(i->keys);
        free(i);
}

void wt_issuer_again(wt_issuer *i)
{
        pthread_mutex_lock(&i->lock);
        i->asked |= !i->file;
        pthread_cond_signal(&i->wake);
        pthread_mutex_unlock(&i->lock);
}

/* ---- asking ---- */

/* The token's key is not in the set. If the set may be looked at again by now, that is asked for,
 * and the token may come again. Under the lock. */
static wt_err unknown_key(wt_issuer *i)
{
        if (!i->asked && (now_us() - i->tried_us) / 1000 < i->conf.least_ms)
                return WT_EUNAUTH;               /* in the words of wt_jwt_check */
        i->asked = true;
        pthread_cond_signal(&i->wake);
        return wt_fail_in(WT_EUNAVAILABLE, "the issuer's keys are being fetched again");
}

wt_err wt_issuer_check(wt_issuer *i, int64_t now_s, const char *token, size_t len,
                       wt_json **claims)
{
        wt_err err;

        pthread_mutex_lock(&i->lock);
        if (!i->set) {
                err = wt_fail(WT_EUNAVAILABLE, "the keys of the issuer %.200s are not here yet%s%s",
                              i->conf.rules.issuer, i->words[0] ? ": " : "", i->words);
        } else {
                err = wt_jwt_check(claims, i->set, &i->conf.rules, now_s, token, len);
                if (err == WT_ENOTFOUND)
                        err = unknown_key(i);
        }
        pthread_mutex_unlock(&i->lock);
        return err;
}

void wt_issuer_facts(wt_issuer *i, struct wt_issuer_facts *out)
{
        pthread_mutex_lock(&i->lock);
        *out = (struct wt_issuer_facts){ .fetches = i->fetches, .failures = i->failures,
                                         .age_s = -1 };
        if (i->set) {
                out->keys = wt_jwks_count(i->set);
                out->skipped = wt_jwks_skipped(i->set, NULL);
                out->age_s = (double)(now_us() - i->fetched_us) / 1e6;
        }
        memcpy(out->words, i->words, sizeof out->words);
        pthread_mutex_unlock(&i->lock);
}
