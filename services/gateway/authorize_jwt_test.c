/* authorize_jwt_test.c - claims of good tokens as the gateway reads them: tenant, role, who. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "authorize_jwt.h"
#include "base/file.h"
#include "plugin/plugin.h"
#include "tls/token.h"

#define NOW 1700000000
const struct wt_plugin *wt_plugin_store_sqlite(void);

static char folder[64], jwks[96];
static wt_identity *identity;
static wt_loop *loop;

static void make_tenant(wt_store *s, const char *id, bool disabled)
{
        struct wt_tenant t = { .weight = 1, .limits = wt_no_limits }, made;

        snprintf(t.id, sizeof t.id, "%s", id);
        snprintf(t.name, sizeof t.name, "%s", id);
        if (wt_tenant_create(s, &t, &made) != WT_OK ||
            (disabled && wt_tenant_update(s, &t, true) != WT_OK))
                fail_msg("%s", wt_words());
}

static int set_up(void **state)
{
        static const struct wt_plugin *(*const entries[])(void) = { wt_plugin_store_sqlite, NULL };
        struct wt_buf b = { 0 };
        char url[128];
        wt_store *s;

        (void)state;
        strcpy(folder, "/tmp/witan-jwt-XXXXXX");
        assert_non_null(mkdtemp(folder));
        snprintf(url, sizeof url, "sqlite:%s/witan.db", folder);
        snprintf(jwks, sizeof jwks, "%s/jwks.json", folder);
        wt_buf_str(&b, "{\"keys\":[");
        put_key(&b, "a");
        wt_buf_str(&b, "]}");
        assert_int_equal(wt_file_write(jwks, b.data, b.len, 0644), WT_OK);
        wt_buf_free(&b);
        assert_int_equal(wt_plugin_register(entries), WT_OK);
        if (wt_store_open(&s, url, 2000) != WT_OK || wt_identity_migrate(s) != WT_OK)
                fail_msg("%s", wt_words());
        make_tenant(s, "default", false);
        make_tenant(s, "acme", false);
        make_tenant(s, "gone", true);
        wt_store_close(s);
        assert_int_equal(wt_identity_open(&identity, url, 2000), WT_OK);
        assert_int_equal(wt_loop_new(&loop, &wt_clock_real), WT_OK);
        return 0;
}

static int tear_down(void **state)
{
        char command[128];

        (void)state;
        wt_identity_close(identity);
        wt_loop_free(loop);
        snprintf(command, sizeof command, "rm -rf %s", folder);
        return system(command);
}

/* An issuer by these flags, beside what each needs. */
static wt_err open_oidc(struct gateway_oidc **o, wt_conf **conf, char *const *more, int n_more)
{
        char keys[120], *argv[16] = { "--oidc-issuer=https://id.example", keys };
        char *const env[] = { "HOME=/", NULL };
        int n = 2;

        snprintf(keys, sizeof keys, "--oidc-jwks=%s", jwks);
        for (int i = 0; i < n_more; i++)
                argv[n++] = more[i];
        if (wt_conf_load(conf, WT_FOR_GATEWAY, n, argv, env, NULL) != WT_OK)
                fail_msg("%s", wt_words());
        *o = NULL;
        return gateway_oidc_open(o, *conf, identity, loop);
}

static wt_err check(struct gateway_oidc *o, const char *claims, struct wt_who *who)
{
        struct wt_buf payload = { 0 }, t = { 0 };
        wt_err err;

        wt_buf_fmt(&payload, "{\"iss\":\"https://id.example\",\"aud\":\"witan\",\"exp\":%d%s%s}",
                   NOW + 60, *claims ? "," : "", claims);
        token(&t, "{\"alg\":\"EdDSA\",\"kid\":\"a\"}", payload.data, false);
        assert_true(gateway_oidc_takes(o, t.data));
        memset(who, 0xee, sizeof *who);
        err = gateway_oidc_check(o, t.data, NOW, who);
        wt_buf_free(&payload);
        wt_buf_free(&t);
        return err;
}

static const struct { const char *claims; wt_err err; const char *tenant, *role; } rows[] = {
        { "\"sub\":\"anna\",\"org\":\"acme\"", WT_OK, "acme", "user" },
        { "\"sub\":\"anna\",\"org\":\"acme\",\"realm\":{\"roles\":\"witan-admin\"}", WT_OK, "acme",
          "admin" },
        { "\"sub\":\"anna\",\"org\":\"acme\",\"realm\":{\"roles\":[\"x\",\"witan-auditor\"]}",
          WT_OK, "acme", "auditor" },
        { "\"sub\":\"a\",\"org\":\"acme\",\"realm\":{\"roles\":[\"witan-auditor\","
          "\"witan-operator\"]}", WT_OK, "acme", "operator" },
        { "\"sub\":\"a\",\"org\":\"acme\",\"realm\":{\"roles\":[\"admin\",\"witan-\","
          "\"witan-admins\",\"xwitan-admin\",7,null,[\"witan-admin\"]]}", WT_OK, "acme", "user" },
        { "\"sub\":\"a\",\"org\":\"acme\",\"realm\":{\"roles\":{\"0\":\"witan-admin\"}}", WT_OK,
          "acme", "user" },
        { "\"sub\":\"a\",\"org\":\"acme\",\"roles\":\"witan-admin\"", WT_OK, "acme", "user" },
        { "\"sub\":\"anna\"", WT_EPERM, NULL, NULL },
        { "\"sub\":\"anna\",\"org\":\"\"", WT_EPERM, NULL, NULL },
        { "\"sub\":\"anna\",\"org\":[\"acme\"]", WT_EPERM, NULL, NULL },
        { "\"sub\":\"anna\",\"org\":\"acme\\u0000\"", WT_EPERM, NULL, NULL },
        { "\"sub\":\"anna\",\"org\":\"nobodys\"", WT_EPERM, NULL, NULL },
        { "\"sub\":\"anna\",\"org\":\"gone\"", WT_EPERM, NULL, NULL },
        { "\"org\":\"acme\"", WT_EUNAUTH, NULL, NULL },
        { "\"sub\":\"\",\"org\":\"acme\"", WT_EUNAUTH, NULL, NULL },
        { "\"sub\":7,\"org\":\"acme\"", WT_EUNAUTH, NULL, NULL },
};

static void claims_become_somebody(void **state)
{
        char *const flags[] = { "--oidc-audience=witan", "--tenant-claim=org",
                                "--role-claim=realm.roles" };
        struct gateway_oidc *o;
        wt_conf *conf;

        (void)state;
        if (open_oidc(&o, &conf, flags, 3) != WT_OK)
                fail_msg("%s", wt_words());
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct wt_who who;
                wt_err err = check(o, rows[i].claims, &who);

                if (err != rows[i].err)
                        fail_msg("%s: %d, not %d: %s", rows[i].claims, err, rows[i].err,
                                 wt_words());
                if (err != WT_OK)
                        continue;
                assert_string_equal(who.key.tenant, rows[i].tenant);
                assert_string_equal(who.tenant.id, rows[i].tenant);
                assert_string_equal(who.key.role, rows[i].role);
                assert_int_equal(who.key.expires_at, NOW + 60);
                assert_string_equal(who.key.models, "");
                assert_memory_equal(&who.key.limits, &wt_no_limits, sizeof wt_no_limits);
                assert_string_equal(who.team.id, "");
        }
        gateway_oidc_close(o);
        wt_conf_free(conf);
}

/* The id is the subject's, and always the same; the name is what people read. */
static void subjects_have_ids(void **state)
{
        char *const flags[] = { "--oidc-audience=witan", "--oidc-role-prefix=",
                                "--role-claim=role" };
        struct wt_who anna, again, ben;
        struct gateway_oidc *o;
        wt_conf *conf;
        char claims[400], sub[200];

        (void)state;
        assert_int_equal(open_oidc(&o, &conf, flags, 3), WT_OK);
        assert_int_equal(check(o, "\"sub\":\"anna\",\"role\":\"auditor\"", &anna), WT_OK);
        assert_string_equal(anna.key.tenant, "default"); /* no tenant_claim */
        assert_string_equal(anna.key.role, "auditor");   /* no prefix */
        assert_string_equal(anna.key.name, "anna");
        assert_int_equal(strlen(anna.key.id), 36);
        assert_int_equal(strncmp(anna.key.id, "jwt-", 4), 0);
        assert_int_equal(check(o, "\"sub\":\"anna\"", &again), WT_OK);
        assert_string_equal(again.key.id, anna.key.id);
        assert_int_equal(check(o, "\"sub\":\"ben\"", &ben), WT_OK);
        assert_string_not_equal(ben.key.id, anna.key.id);
        memset(sub, 'x', 63);                    /* a name is cut between characters */
        strcpy(sub + 63, "\xc3\xa9 and more");
        snprintf(claims, sizeof claims, "\"sub\":\"%s\"", sub);
        assert_int_equal(check(o, claims, &ben), WT_OK);
        assert_int_equal(strlen(ben.key.name), 63);
        gateway_oidc_close(o);
        wt_conf_free(conf);
}

static void settings_that_cannot_be(void **state)
{
        static const struct { char *flag; const char *words; } bad[] = {
                { "--oidc-algs=RS256", "oidc_audience is empty" },
                { "--oidc-algs=none", "oidc_algs: \"none\" is no signature algorithm" },
        };
        struct gateway_oidc *o;
        wt_conf *conf;

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                assert_int_equal(open_oidc(&o, &conf, &bad[i].flag, 1), WT_EINVAL);
                if (!strstr(wt_words(), bad[i].words))
                        fail_msg("\"%s\" is not in \"%s\"", bad[i].words, wt_words());
                assert_null(o);
                assert_false(gateway_oidc_takes(o, "a.b.c"));
                wt_conf_free(conf);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(claims_become_somebody), cmocka_unit_test(subjects_have_ids),
                cmocka_unit_test(settings_that_cannot_be),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
