/* files_test.c - certificates and keys on disk: what is taken, what is refused and in which words,
 * and new ones under running connections; and the client, which looks at what it is shown. */
#include "tls/rig.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include "base/file.h"
#include "tls/tls.h"

static struct rig rig;
static struct world world;
static wt_tls *side;

static int set_up(void **state)
{
        struct wt_tls_files f;

        (void)state;
        rig_open(&rig);
        f = (struct wt_tls_files){ rig.cert, rig.key, false };
        if (wt_tls_server(&side, &f) != WT_OK)
                fail_msg("%s", wt_words());
        world_open(&world, NULL);
        wt_http_secure(world.http, wt_tls_secure(side));
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        world_close(&world);
        wt_tls_free(side);
        rig_close(&rig);
        return 0;
}

/* ---- at boot ---- */

static void refused(wt_err expected, const char *words)
{
        const struct wt_tls_files f = { rig.cert, rig.key, false };
        wt_tls *t = NULL;
        wt_err err = wt_tls_server(&t, &f);

        if (err != expected || !strstr(wt_words(), words))
                fail_msg("%d, not %d; \"%s\" in \"%s\"", err, expected, words, wt_words());
        assert_null(t);
}

static void put_file(const char *path, const char *text)
{
        assert_int_equal(wt_file_write(path, text, strlen(text), 0600), WT_OK);
}

static void boot_faults(void **state)
{
        struct wt_tls_files f = { rig.cert, "", false };
        EVP_PKEY *key = EVP_EC_gen("P-256");
        wt_tls *t;

        (void)state;
        assert_int_equal(wt_tls_server(&t, &f), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "tls_key is missing"));
        assert_int_equal(chmod(rig.key, 0644), 0);
        refused(WT_EPERM, "may be read by others (mode 644); chmod 600");
        assert_int_equal(chmod(rig.key, 0602), 0);
        refused(WT_EPERM, "mode 602");
        assert_int_equal(chmod(rig.key, 0600), 0);
        write_pem(rig.key, 0600, NULL, key, NULL);
        refused(WT_EINVAL, "is not the one of the certificate");
        write_pem(rig.key, 0600, NULL, key, "secret");
        refused(WT_EINVAL, "without a passphrase");
        put_file(rig.key, "nothing");
        refused(WT_EINVAL, "no private key");
        unlink(rig.key);
        refused(WT_ENOTFOUND, "cannot read");
        make_cert(&rig, 2, "IP:127.0.0.1", -DAY, DAY);
        put_file(rig.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        refused(WT_EINVAL, "no certificate");
        unlink(rig.cert);
        refused(WT_ENOTFOUND, rig.cert);
        mkdir(rig.cert, 0700);
        refused(WT_EINVAL, "is no file");
        rmdir(rig.cert);
        EVP_PKEY_free(key);
}

static void times_are_told(void **state)
{
        const struct wt_tls_files f = { rig.cert, rig.key, false };
        struct wt_tls_facts facts;
        int64_t now = (int64_t)time(NULL);
        wt_tls *t;

        (void)state;
        make_cert(&rig, 3, "IP:127.0.0.1", -3 * DAY, -DAY);      /* expired: taken, and said */
        assert_int_equal(wt_tls_server(&t, &f), WT_OK);
        wt_tls_facts(t, &facts);
        assert_true(llabs(facts.not_after - (now - DAY)) < 60);
        assert_true(llabs(facts.not_before - (now - 3 * DAY)) < 60);
        wt_tls_free(t);
}

/* ---- while it runs ---- */

static long serial_of(struct peer *p)
{
        X509 *cert = SSL_get1_peer_certificate(p->ssl);
        long serial = ASN1_INTEGER_get(X509_get0_serialNumber(cert));

        X509_free(cert);
        return serial;
}

static void reload_under_an_open_stream(void **state)
{
        struct peer before, after;
        struct wt_tls_facts facts;
        bool taken = true;

        (void)state;
        peer_open(&before, &world, 0, 0);
        assert_true(peer_shake(&before));
        peer_ask(&before, "/stream");
        WAIT_FOR(&world, world.held != NULL);
        assert_int_equal(wt_tls_reload(side, &taken), WT_OK);
        assert_false(taken);                     /* nothing has changed */
        assert_true(wt_call_write(world.held, "one ", 4));
        make_cert(&rig, 2, "IP:127.0.0.1", -DAY, 9 * DAY);
        assert_int_equal(wt_tls_reload(side, &taken), WT_OK);
        assert_true(taken);
        assert_true(wt_call_write(world.held, "two", 3));
        wt_call_end(world.held);
        peer_until(&before, "two\r\n0\r\n\r\n");
        assert_true(has(&world, "one "));
        peer_ask(&before, "/echo");              /* the connection lives on */
        peer_until(&before, "GET /echo");
        assert_int_equal(serial_of(&before), 1);
        peer_open(&after, &world, 0, 0);
        assert_true(peer_shake(&after));
        assert_int_equal(serial_of(&after), 2);
        wt_tls_facts(side, &facts);
        assert_int_equal(facts.reloads, 1);
        assert_true(facts.not_after > (int64_t)time(NULL) + 8 * DAY);
        peer_close(&before);
        peer_close(&after);
}

/* Files are replaced one after the other: what does not fit together is left, and said once. */
static void half_a_reload_is_left(void **state)
{
        struct peer p;
        struct rig next = rig;
        bool taken;

        (void)state;
        strcpy(next.key, rig.other);
        make_cert(&next, 2, "IP:127.0.0.1", -DAY, DAY);  /* the new certificate, the old key */
        assert_int_equal(wt_tls_reload(side, &taken), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "is not the one of the certificate"));
        assert_false(taken);
        assert_int_equal(wt_tls_reload(side, &taken), WT_OK);    /* the same state: silence */
        assert_false(taken);
        peer_open(&p, &world, 0, 0);
        assert_true(peer_shake(&p));
        assert_int_equal(serial_of(&p), 1);
        peer_close(&p);
        assert_int_equal(rename(rig.other, rig.key), 0);
        assert_int_equal(wt_tls_reload(side, &taken), WT_OK);
        assert_true(taken);
        peer_open(&p, &world, 0, 0);
        assert_true(peer_shake(&p));
        assert_int_equal(serial_of(&p), 2);
        peer_close(&p);
        unlink(rig.cert);
        assert_int_equal(wt_tls_reload(side, &taken), WT_ENOTFOUND);
        peer_open(&p, &world, 0, 0);             /* and nobody notices */
        assert_true(peer_shake(&p));
        peer_close(&p);
}

/* ---- the client ---- */

struct fetch { pthread_t thread; const struct wt_secure *by; char url[200], words[1024];
               struct wt_buf out; int status; wt_err err; bool done; };

static void *fetch(void *arg)
{
        struct fetch *f = arg;

        f->err = wt_http_fetch_by(f->by, "GET", f->url, NULL, NULL, 0, 20000000, &f->status,
                                  &f->out, NULL, NULL);
        snprintf(f->words, sizeof f->words, "%s", f->err != WT_OK ? wt_words() : "");
        __atomic_store_n(&f->done, true, __ATOMIC_RELEASE);
        return NULL;
}

/* Fetches https://HOST:PORT/echo?x by client while the server turns. */
static void get(struct fetch *f, wt_tls *client, const char *host)
{
        memset(f, 0, sizeof *f);
        f->by = client ? wt_tls_secure(client) : NULL;
        snprintf(f->url, sizeof f->url, "https://%s:%s/echo?x", host,
                 strrchr(wt_http_address(world.http), ':') + 1);
        assert_int_equal(pthread_create(&f->thread, NULL, fetch, f), 0);
        WAIT_FOR(&world, __atomic_load_n(&f->done, __ATOMIC_ACQUIRE));
        pthread_join(f->thread, NULL);
}

static const struct { const char *ca, *name, *words; } clients[] = {
        { "ours", "", NULL }, { "ours", "gateway.example", NULL },
        { "ours", "elsewhere.example", "not trusted: hostname mismatch" },
        { "", "", "not trusted: self" },
};

static void clients_look_at_certificates(void **state)
{
        struct fetch f;

        (void)state;
        for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
                wt_tls *t;

                assert_int_equal(wt_tls_client(&t, *clients[i].ca ? rig.cert : "",
                                               clients[i].name), WT_OK);
                get(&f, t, "127.0.0.1");
                if (clients[i].words) {
                        assert_int_equal(f.err, WT_EUNAVAILABLE);
                        if (!strstr(f.words, clients[i].words))
                                fail_msg("\"%s\" is not in \"%s\"", clients[i].words, f.words);
                } else {
                        if (f.err != WT_OK)
                                fail_msg("%s", f.words);
                        assert_int_equal(f.status, 200);
                        assert_non_null(strstr(f.out.data, "GET /echo x"));
                }
                wt_buf_free(&f.out);
                wt_tls_free(t);
        }
        assert_int_equal(world.requests, 2);     /* those who mistrust send nothing */
        get(&f, NULL, "127.0.0.1");
        assert_int_equal(f.err, WT_EPRECONDITION);
}

static void expired_or_foreign_certificates(void **state)
{
        struct fetch f;
        wt_tls *t;
        bool taken;

        (void)state;
        make_cert(&rig, 4, "IP:127.0.0.1", -3 * DAY, -DAY);
        assert_int_equal(wt_tls_reload(side, &taken), WT_OK);
        assert_int_equal(wt_tls_client(&t, rig.cert, ""), WT_OK);
        get(&f, t, "127.0.0.1");
        assert_int_equal(f.err, WT_EUNAVAILABLE);
        assert_non_null(strstr(f.words, "expired"));
        wt_tls_free(t);
        make_cert(&rig, 5, "DNS:gateway.example", -DAY, DAY);
        assert_int_equal(wt_tls_reload(side, &taken), WT_OK);
        assert_int_equal(wt_tls_client(&t, rig.cert, ""), WT_OK);
        get(&f, t, "127.0.0.1");                 /* an address is no name of it */
        assert_int_equal(f.err, WT_EUNAVAILABLE);
        assert_non_null(strstr(f.words, "IP address mismatch"));
        wt_tls_free(t);
        put_file(rig.other, "none");
        assert_int_equal(wt_tls_client(&t, rig.other, ""), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "no certificates of authorities"));
}

/* The very certificate, whomever it is for and whoever signed it; and no other. */
static void pinned(void **state)
{
        struct fetch f;
        wt_tls *t;
        bool taken;

        (void)state;
        make_cert(&rig, 7, "DNS:elsewhere.example", -DAY, DAY);
        assert_int_equal(wt_tls_reload(side, &taken), WT_OK);
        assert_int_equal(wt_tls_pinned(&t, rig.cert), WT_OK);
        get(&f, t, "127.0.0.1");
        assert_int_equal(f.err, WT_OK);
        wt_buf_free(&f.out);
        wt_tls_free(t);
        make_cert(&rig, 8, "DNS:elsewhere.example", -DAY, DAY);  /* not what the server has */
        assert_int_equal(wt_tls_pinned(&t, rig.cert), WT_OK);
        get(&f, t, "127.0.0.1");
        assert_int_equal(f.err, WT_EUNAVAILABLE);
        assert_non_null(strstr(f.words, "not trusted"));
        wt_tls_free(t);
        assert_int_equal(wt_tls_pinned(&t, "/no/such/file"), WT_OK);
        get(&f, t, "127.0.0.1");
        assert_int_equal(f.err, WT_EUNAVAILABLE);
        assert_non_null(strstr(f.words, "cannot read /no/such/file"));
        wt_tls_free(t);
}

/* curl, the client that most people have, by certificate and by protocol. */
static int curl(const char *more)
{
        char line[600];
        FILE *p;
        int fd;

        snprintf(line, sizeof line, "exec curl -sS -m 20 --cacert %s %s https://%s/echo?curl 2>&1",
                 rig.cert, more, wt_http_address(world.http));
        wt_buf_clear(&world.got);
        p = popen(line, "re");
        assert_non_null(p);
        fd = fileno(p);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        for (ssize_t n = -1; n != 0; turn(&world)) {
                n = read(fd, wt_buf_room(&world.got, 4096), 4096);
                if (n > 0)
                        world.got.len += (size_t)n;
                else if (n < 0)
                        assert_int_equal(errno, EAGAIN);
        }
        wt_buf_add(&world.got, "", 1);
        return WEXITSTATUS(pclose(p));
}

static void curl_agrees(void **state)
{
        (void)state;
        if (system("curl --version >/dev/null 2>&1") != 0) {
                print_message("skipped: curl is not installed\n");
                return;
        }
        assert_int_equal(curl("--tlsv1.2"), 0);
        assert_true(has(&world, "GET /echo curl"));
        assert_int_equal(curl("--tlsv1.3"), 0);
        assert_int_equal(curl("--http2"), 0);    /* offered, not taken */
        assert_true(has(&world, "GET /echo curl"));
        assert_int_equal(curl("--tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0"), 35);
        make_cert(&rig, 6, "IP:127.0.0.1", -DAY, DAY);
        assert_int_equal(curl(""), 60);          /* another certificate than the one served */
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                CASE(boot_faults), CASE(times_are_told), CASE(reload_under_an_open_stream),
                CASE(half_a_reload_is_left), CASE(clients_look_at_certificates),
                CASE(expired_or_foreign_certificates), CASE(pinned), CASE(curl_agrees),
        };

        signal(SIGPIPE, SIG_IGN);                /* of the tests' own OpenSSL */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
