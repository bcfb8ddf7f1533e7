/* identity_test.c - tenants, teams, keys and prices in a store, and the copy that answers. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "identity/identity.h"
#include "identity/rig.h"
#include "identity/secret.h"
#include "identity/usage.h"

static wt_store *open_store(void)
{
        wt_store *s = NULL;

        if (wt_store_open(&s, url, 60000) != WT_OK || wt_identity_migrate(s) != WT_OK)
                fail_msg("%s", wt_words());
        return s;
}

static wt_identity *open_copy(void)
{
        wt_identity *i = NULL;

        if (wt_identity_open(&i, url, 60000) != WT_OK)
                fail_msg("%s", wt_words());
        return i;
}

static void tenant(wt_store *s, const char *id)
{
        struct wt_tenant in = { .limits = wt_no_limits }, out;

        snprintf(in.id, sizeof in.id, "%s", id);
        if (wt_tenant_create(s, &in, &out) != WT_OK)
                fail_msg("%s", wt_words());
        assert_int_equal(out.weight, 1);
}

static struct wt_key key_of(const char *tenant_id, const char *name)
{
        struct wt_key k = { .limits = wt_no_limits };

        snprintf(k.tenant, sizeof k.tenant, "%s", tenant_id);
        snprintf(k.name, sizeof k.name, "%s", name);
        return k;
}

static wt_err check(wt_identity *i, const char *secret, const char *address, struct wt_who *out)
{
        return wt_identity_check(i, secret, strlen(secret), time(NULL), address, out);
}

/* Until the copy says so: the thread reads again when the store tells it to. */
static bool becomes(wt_identity *i, const char *secret, wt_err want)
{
        struct wt_who who;

        for (int n = 0; n < 12000; n++) {
                if (check(i, secret, "127.0.0.1:1", &who) == want)
                        return true;
                usleep(10000);
        }
        return false;
}

static void a_key_opens(void **state)
{
        wt_store *s = open_store();
        struct wt_key in = key_of("bank", "anna"), out;
        struct wt_who who;
        wt_identity *i;
        char secret[80], other[80];

        (void)state;
        tenant(s, "bank");
        in.limits.most[WT_TOKENS_PER_DAY] = 5000;
        assert_int_equal(wt_key_create(s, &in, &out, secret), WT_OK);
        assert_string_equal(out.role, "user");
        i = open_copy();
        assert_int_equal(check(i, secret, "127.0.0.1:1", &who), WT_OK);
        assert_string_equal(who.key.id, out.id);
        assert_string_equal(who.tenant.id, "bank");
        assert_int_equal(who.key.limits.most[WT_TOKENS_PER_DAY], 5000);
        assert_int_equal(who.key.limits.most[WT_CONCURRENCY], -1);
        for (size_t at = 0; at < strlen(secret); at++) {         /* another key */
                strcpy(other, secret);
                other[at] = other[at] == 'x' ? 'y' : 'x';
                assert_int_equal(check(i, other, "127.0.0.1:1", &who), WT_EUNAUTH);
        }
        assert_int_equal(wt_identity_check(i, secret, strlen(secret) - 1, 0, "", &who), WT_EUNAUTH);
        assert_int_equal(wt_identity_check(i, "", 0, 0, "", &who), WT_EUNAUTH);
        wt_identity_close(i);
        wt_store_close(s);
}

static void changes_are_seen(void **state)
{
        wt_store *s = open_store();
        struct wt_key in = key_of("shop", "till"), out;
        struct wt_tenant t = { .id = "shop", .weight = 3, .limits = wt_no_limits };
        wt_identity *i = open_copy();
        char secret[80];

        (void)state;
        tenant(s, "shop");
        assert_int_equal(wt_key_create(s, &in, &out, secret), WT_OK);
        assert_true(becomes(i, secret, WT_OK));
        assert_int_equal(wt_tenant_update(s, &t, true), WT_OK);
        assert_true(becomes(i, secret, WT_EUNAUTH));
        assert_int_equal(wt_tenant_update(s, &t, false), WT_OK);
        assert_true(becomes(i, secret, WT_OK));
        assert_int_equal(wt_key_revoke(s, out.id), WT_OK);
        assert_true(becomes(i, secret, WT_EUNAUTH));
        assert_int_equal(wt_key_revoke(s, out.id), WT_ENOTFOUND);
        for (int n = 0; n < 12000 && wt_identity_age(i) >= 5; n++)
                usleep(10000);
        assert_true(wt_identity_age(i) < 5);     /* seconds: a look at the store is never far */
        wt_identity_close(i);
        wt_store_close(s);
}

static void expiry_and_sources(void **state)
{
        wt_store *s = open_store();
        struct wt_key in = key_of("bank", "batch"), out;
        struct wt_who who;
        wt_identity *i;
        char secret[80];
        int64_t now = time(NULL);

        (void)state;
        in.expires_at = now + 100;
        strcpy(in.sources, "10.0.0.0/8");
        assert_int_equal(wt_key_create(s, &in, &out, secret), WT_OK);
        i = open_copy();
        assert_int_equal(wt_identity_check(i, secret, strlen(secret), now + 99, "10.9.9.9:2", &who),
                         WT_OK);
        assert_int_equal(wt_identity_check(i, secret, strlen(secret), now + 100, "10.9.9.9:2",
                                           &who), WT_EUNAUTH);
        assert_int_equal(check(i, secret, "11.0.0.1:2", &who), WT_EPERM);
        wt_identity_close(i);
        wt_store_close(s);
}

static void teams_and_prices(void **state)
{
        wt_store *s = open_store();
        struct wt_team team = { .tenant = "bank", .id = "risk", .limits = wt_no_limits }, made;
        struct wt_key in = key_of("bank", "r"), out;
        struct wt_price p = { .model = "tiny", .prompt_nano = 5, .completion_nano = 9 }, got;
        struct wt_who who;
        wt_identity *i;
        char secret[80];

        (void)state;
        team.limits.most[WT_CONCURRENCY] = 4;
        assert_int_equal(wt_team_create(s, &team, &made), WT_OK);
        assert_int_equal(wt_team_create(s, &team, &made), WT_EEXIST);
        strcpy(in.team, "none");
        assert_int_equal(wt_key_create(s, &in, &out, secret), WT_ENOTFOUND);
        strcpy(in.team, "risk");
        assert_int_equal(wt_key_create(s, &in, &out, secret), WT_OK);
        assert_int_equal(wt_price_set(s, &p), WT_OK);
        strcpy(p.tenant, "bank");
        p.prompt_nano = 4;
        assert_int_equal(wt_price_set(s, &p), WT_OK);
        p.completion_nano = 8;
        assert_int_equal(wt_price_set(s, &p), WT_OK);    /* again: it is replaced */
        i = open_copy();
        assert_int_equal(check(i, secret, "", &who), WT_OK);
        assert_string_equal(who.team.id, "risk");
        assert_int_equal(who.team.limits.most[WT_CONCURRENCY], 4);
        assert_true(wt_identity_price(i, "tiny", "shop", &got));
        assert_int_equal(got.completion_nano, 9);
        assert_true(wt_identity_price(i, "tiny", "bank", &got));
        assert_int_equal(got.prompt_nano, 4);
        assert_int_equal(got.completion_nano, 8);
        assert_false(wt_identity_price(i, "big", "bank", &got));
        wt_identity_close(i);
        wt_store_close(s);
}

static void refused(void **state)
{
        wt_store *s = open_store();
        struct wt_tenant t = { .id = "bank", .limits = wt_no_limits }, t_out;
        struct wt_key k, out;
        char secret[80];

        (void)state;
        assert_int_equal(wt_tenant_create(s, &t, &t_out), WT_EEXIST);
        strcpy(t.id, "a b");
        assert_int_equal(wt_tenant_create(s, &t, &t_out), WT_EINVAL);
        strcpy(t.id, "x");
        t.weight = 1001;
        assert_int_equal(wt_tenant_create(s, &t, &t_out), WT_EINVAL);
        assert_int_equal(wt_tenant_update(s, &t, false), WT_EINVAL);
        t.weight = 1;
        assert_int_equal(wt_tenant_update(s, &t, false), WT_ENOTFOUND);
        k = key_of("nobody", "x");
        assert_int_equal(wt_key_create(s, &k, &out, secret), WT_ENOTFOUND);
        k = key_of("bank", "a,b");
        assert_int_equal(wt_key_create(s, &k, &out, secret), WT_EINVAL);
        k = key_of("bank", "x");
        strcpy(k.role, "root");
        assert_int_equal(wt_key_create(s, &k, &out, secret), WT_EINVAL);
        k = key_of("bank", "x");
        k.expires_at = 17;
        assert_int_equal(wt_key_create(s, &k, &out, secret), WT_EINVAL);
        k = key_of("bank", "x");
        strcpy(k.sources, "everywhere");
        assert_int_equal(wt_key_create(s, &k, &out, secret), WT_EINVAL);
        wt_store_close(s);
}

static void seen_key(void *arg, const struct wt_key *k)
{
        struct wt_key *want = arg;

        if (strcmp(k->id, want->id) == 0)
                *want = *k;
}

/* Those that are named and no others, of each kind of scope. */
static void limits_are_set(void **state)
{
        static const struct { const char *scope; uint32_t given; wt_err want; } bad[] = {
                { "bank", 1, WT_EINVAL }, { "team:bank", 1, WT_EINVAL },
                { "tenant:bank", 0, WT_EINVAL }, { "tenant:none", 1, WT_ENOTFOUND },
                { "team:bank/none", 1, WT_ENOTFOUND }, { "key:none", 1, WT_ENOTFOUND } };
        wt_store *s = open_store();
        struct wt_key in = key_of("bank", "limited"), out;
        struct wt_limits l = wt_no_limits;
        struct wt_team team = { .tenant = "bank", .id = "limited", .limits = wt_no_limits };
        struct wt_who who;
        wt_identity *i;
        char secret[80], scope[64];

        (void)state;
        in.limits.most[WT_CONCURRENCY] = 3;
        in.limits.most[WT_TOKENS_PER_DAY] = 9;
        strcpy(in.team, "limited");
        assert_int_equal(wt_team_create(s, &team, &team), WT_OK);
        assert_int_equal(wt_key_create(s, &in, &out, secret), WT_OK);
        snprintf(scope, sizeof scope, "key:%s", out.id);
        l.most[WT_COST_PER_DAY] = 77;            /* named; and concurrency, which is taken off */
        l.most[WT_TOKENS_PER_DAY] = 1;           /* not named */
        assert_int_equal(wt_limits_set(s, scope, &l, 1u << WT_COST_PER_DAY | 1u << WT_CONCURRENCY),
                         WT_OK);
        assert_int_equal(wt_limits_set(s, "team:bank/limited", &l, 1u << WT_COST_PER_DAY), WT_OK);
        assert_int_equal(wt_key_list(s, seen_key, &out), WT_OK);
        assert_int_equal(out.limits.most[WT_COST_PER_DAY], 77);
        assert_int_equal(out.limits.most[WT_CONCURRENCY], -1);
        assert_int_equal(out.limits.most[WT_TOKENS_PER_DAY], 9);
        i = open_copy();
        assert_int_equal(check(i, secret, "", &who), WT_OK);
        assert_int_equal(who.team.limits.most[WT_COST_PER_DAY], 77);
        assert_int_equal(who.tenant.limits.most[WT_COST_PER_DAY], -1);
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
                if (wt_limits_set(s, bad[k].scope, &l, bad[k].given) != bad[k].want)
                        fail_msg("%s: %s", bad[k].scope, wt_words());
        wt_identity_close(i);
        wt_store_close(s);
}

/* ---- pages ---- */

struct seen { char id[40][WT_PAGE_AT]; uint32_t n; };
static void see(struct seen *s, const char *a, const char *b)
{
        assert_true(s->n < 40);
        snprintf(s->id[s->n++], sizeof *s->id, "%s%s%s", a, b != NULL ? "/" : "",
                 b != NULL ? b : "");
}
static void see_tenant(void *arg, const struct wt_tenant *t) { see(arg, t->id, NULL); }
static void see_team(void *arg, const struct wt_team *t) { see(arg, t->tenant, t->id); }
static void see_key(void *arg, const struct wt_key *k) { see(arg, k->id, NULL); }
static void see_price(void *arg, const struct wt_price *p) { see(arg, p->model, p->tenant); }

static wt_err page_of(int kind, wt_store *s, struct wt_page *page, struct seen *out)
{
        switch (kind) {
        case 0:  return wt_tenant_page(s, page, see_tenant, out);
        case 1:  return wt_team_page(s, page, see_team, out);
        case 2:  return wt_key_page(s, page, see_key, out);
        default: return wt_price_page(s, page, see_price, out);
        }
}

static void fill_for_pages(wt_store *s)
{
        char secret[80];

        for (int i = 0; i < 7; i++) {
                struct wt_tenant t = { .limits = wt_no_limits };
                struct wt_team g = { .limits = wt_no_limits };
                struct wt_price p = { .prompt_nano = 1, .completion_nano = 2 };
                struct wt_key k, out;

                snprintf(t.id, sizeof t.id, "page%d", i / 2 * 2);
                if (i % 2 == 0)
                        assert_int_equal(wt_tenant_create(s, &t, &t), WT_OK);
                snprintf(g.tenant, sizeof g.tenant, "%s", t.id);
                snprintf(g.id, sizeof g.id, "team%d", i);
                assert_int_equal(wt_team_create(s, &g, &g), WT_OK);
                snprintf(p.model, sizeof p.model, "org/model%d", i / 3);         /* with a slash */
                snprintf(p.tenant, sizeof p.tenant, "%s", i % 3 == 0 ? "" : g.id);
                assert_int_equal(wt_price_set(s, &p), WT_OK);
                k = key_of(t.id, "paged");
                assert_int_equal(wt_key_create(s, &k, &out, secret), WT_OK);
        }
}

/* Pages of each size give what the whole list gives, each row once. */
static void pages_are_the_list(void **state)
{
        wt_store *s = open_store();
        static struct seen all, parts;

        (void)state;
        fill_for_pages(s);
        for (int kind = 0; kind < 4; kind++) {
                all.n = 0;
                assert_int_equal(page_of(kind, s, NULL, &all), WT_OK);
                assert_true(all.n >= 4);
                for (uint32_t size = 1; size <= all.n + 1; size++) {
                        struct wt_page page = { .limit = size };
                        uint32_t n_pages = 0;

                        parts.n = 0;
                        do {
                                uint32_t was = parts.n;

                                assert_int_equal(page_of(kind, s, &page, &parts), WT_OK);
                                assert_true(parts.n - was <= size);
                                strcpy(page.after, page.next);
                                n_pages++;
                        } while (page.has_more);
                        assert_int_equal(parts.n, all.n);
                        assert_int_equal(n_pages, (all.n + size - 1) / size);
                        for (uint32_t i = 0; i < all.n; i++)
                                assert_string_equal(parts.id[i], all.id[i]);
                }
        }
        parts.n = 0;
        assert_int_equal(page_of(0, s, &(struct wt_page){ .after = "zzz" }, &parts), WT_OK);
        assert_int_equal(parts.n, 0);
        assert_int_equal(page_of(1, s, &(struct wt_page){ .after = "no-slash" }, &parts),
                         WT_EINVAL);
        wt_store_close(s);
}

struct report { struct wt_usage row[8]; uint32_t n; };
static void on_usage(void *arg, const struct wt_usage *u)
{
        struct report *r = arg;

        assert_true(r->n < 8);
        r->row[r->n++] = *u;
}

static struct report report(wt_store *s, struct wt_usage_ask q)
{
        struct report r = { .n = 0 };

        if (wt_usage_report(s, &q, on_usage, &r) != WT_OK)
                fail_msg("%s", wt_words());
        return r;
}

static void usage_adds_up(void **state)
{
        static const struct wt_usage rows[] = {
                { 20000, "a", "t", "k1", "", "tiny", 1, 10, 100, 1000 },
                { 20000, "a", "t", "k1", "", "tiny", 2, 20, 200, 2000 },
                { 20001, "a", "", "k2", "", "big", 4, 40, 400, 4000 },
                { 20002, "b", "t", "k3", "", "tiny", 8, 80, 800, 8000 } };
        wt_store *s = open_store();
        struct report r;

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                assert_int_equal(wt_usage_add(s, &rows[i]), WT_OK);
        r = report(s, (struct wt_usage_ask){ .by = WT_BY_TENANT });
        assert_int_equal(r.n, 2);
        assert_string_equal(r.row[0].tenant, "a");
        assert_int_equal(r.row[0].requests, 7);
        assert_int_equal(r.row[0].prompt_tokens, 70);
        assert_int_equal(r.row[0].completion_tokens, 700);
        assert_int_equal(r.row[0].cost_nano, 7000);
        r = report(s, (struct wt_usage_ask){ .by = WT_BY_DAY, .since_day = 20001,
                                             .until_day = 20002 });
        assert_int_equal(r.n, 1);
        assert_int_equal(r.row[0].day, 20001);
        assert_int_equal(r.row[0].requests, 4);
        r = report(s, (struct wt_usage_ask){ .by = WT_BY_KEY, .tenant = "a", .model = "tiny" });
        assert_int_equal(r.n, 1);
        assert_string_equal(r.row[0].key_id, "k1");
        assert_int_equal(r.row[0].requests, 3);
        r = report(s, (struct wt_usage_ask){ .by = WT_BY_TEAM });
        assert_int_equal(r.n, 3);                /* team t of a and of b are two */
        r = report(s, (struct wt_usage_ask){ .by = WT_BY_MODEL, .key = "k3" });
        assert_int_equal(r.n, 1);
        assert_string_equal(r.row[0].model, "tiny");
        wt_store_close(s);
}

static void usage_as_text(void **state)
{
        const struct wt_usage u = { .day = 20000, .tenant = "a", .key_id = "k", .name = "=1+1",
                                    .model = "a \"big\", one", .requests = 1, .prompt_tokens = 2,
                                    .completion_tokens = 3, .cost_nano = 1500000000 };
        struct wt_buf b = { 0 };

        (void)state;
        wt_usage_csv(WT_BY_MODEL, &u, &b);
        assert_string_equal(b.data, "\"a \"\"big\"\", one\",1,2,3,5,1.5\r\n");
        wt_buf_clear(&b);
        wt_usage_csv(WT_BY_KEY, &u, &b);
        assert_string_equal(b.data, "a,k,\"'=1+1\",1,2,3,5,1.5\r\n");
        wt_buf_clear(&b);
        wt_usage_json(WT_BY_DAY, &u, &b);
        assert_string_equal(b.data, "{\"day\":\"2024-10-04\",\"requests\":1,\"prompt_tokens\":2,"
                            "\"completion_tokens\":3,\"total_tokens\":5,\"cost\":1.5}");
        wt_buf_free(&b);
}

static void the_price_of_a_tenant_goes_first(void **state)
{
        wt_store *s = open_store();
        struct wt_price p = { .model = "priced", .prompt_nano = 5 }, got;

        (void)state;
        assert_int_equal(wt_price_find(s, "priced", "bank", &got), WT_ENOTFOUND);
        assert_int_equal(wt_price_set(s, &p), WT_OK);
        strcpy(p.tenant, "bank");
        p.prompt_nano = 6;
        assert_int_equal(wt_price_set(s, &p), WT_OK);
        assert_int_equal(wt_price_find(s, "priced", "bank", &got), WT_OK);
        assert_int_equal(got.prompt_nano, 6);
        assert_int_equal(wt_price_find(s, "priced", "shop", &got), WT_OK);
        assert_int_equal(got.prompt_nano, 5);
        wt_store_close(s);
}

/* The folder holds neither the secret nor its random part, in no file. */
static void the_secret_is_nowhere(void **state)
{
        wt_store *s = open_store();
        struct wt_key in = key_of("bank", "hidden"), out;
        char secret[80], command[256];

        (void)state;
        assert_int_equal(wt_key_create(s, &in, &out, secret), WT_OK);
        snprintf(command, sizeof command, "! grep -r -q -F -e '%s' %s", secret + 12, folder);
        assert_int_equal(system(command), 0);
        snprintf(command, sizeof command, "grep -r -q -F -e '%.8s' %s", secret + 3, folder);
        assert_int_equal(system(command), 0);
        wt_store_close(s);
}

/* Told, then killed: the key is there. */
static void what_was_told_is_kept(void **state)
{
        char secret[80];
        wt_identity *i;
        struct wt_who who;
        int p[2], status;
        pid_t pid;

        (void)state;
        assert_int_equal(pipe(p), 0);
        pid = fork();
        if (pid == 0) {
                wt_store *s = open_store();
                struct wt_key in = key_of("bank", "kept"), out;

                if (wt_key_create(s, &in, &out, secret) == WT_OK &&
                    write(p[1], secret, sizeof secret) == sizeof secret)
                        kill(getpid(), SIGKILL);
                _exit(1);
        }
        assert_int_equal(read(p[0], secret, sizeof secret), sizeof secret);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        i = open_copy();
        assert_int_equal(check(i, secret, "", &who), WT_OK);
        wt_identity_close(i);
        close(p[0]);
        close(p[1]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_key_opens), cmocka_unit_test(changes_are_seen),
                cmocka_unit_test(expiry_and_sources), cmocka_unit_test(teams_and_prices),
                cmocka_unit_test(limits_are_set),
                cmocka_unit_test(pages_are_the_list), cmocka_unit_test(usage_adds_up),
                cmocka_unit_test(usage_as_text), cmocka_unit_test(the_price_of_a_tenant_goes_first),
                cmocka_unit_test(refused), cmocka_unit_test(the_secret_is_nowhere),
                cmocka_unit_test(what_was_told_is_kept),
        };

        return cmocka_run_group_tests(tests, make_store, remove_store);
}
