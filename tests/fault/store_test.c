/* store_test.c - the n-th malloc, write or sync fails, or the process is killed there, while keys
 * are made, checked and revoked. What was acknowledged is there when the file is opened again, what
 * was revoked stays revoked, and no key ever comes out with other rights than it was made with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "store/keys.h"
#include "sweep.h"

enum { MOST = 12, NOW = 1000 };

/* In memory that outlives the process: what wt_keys_* has acknowledged. */
struct acks {
        uint32_t n;
        /* asked: to revoke it; it may be either until that is acknowledged. */
        struct { char secret[80], id[40]; bool asked, revoked; } key[MOST];
};

static const struct wt_key template = { .tenant = "ward-7", .name = "anna", .role = "user",
                                        .models = "tiny,small" };

static const char *path(void)
{
        static char p[512];

        snprintf(p, sizeof p, "%s/witan.db", sweep_dir());
        return p;
}

static bool same_rights(const struct wt_key *k)
{
        return strcmp(k->tenant, template.tenant) == 0 && strcmp(k->name, template.name) == 0 &&
               strcmp(k->role, template.role) == 0 && strcmp(k->models, template.models) == 0;
}

/* "": all is as acknowledged. */
static const char *look(struct acks *a)
{
        struct wt_key out;
        wt_keys *k = NULL;
        const char *wrong = "";

        if (wt_keys_open(&k, path()) != WT_OK)
                return "it does not open again";
        for (uint32_t i = 0; i < a->n && !*wrong; i++) {
                const char *s = a->key[i].secret;
                wt_err err = wt_keys_check(k, s, strlen(s), NOW, &out);

                if (a->key[i].revoked && err != WT_EUNAUTH)
                        wrong = "a revoked key is let in";
                else if (!a->key[i].asked && err != WT_OK)
                        wrong = "an acknowledged key is not there";
                else if (err == WT_OK && !same_rights(&out))
                        wrong = "a key has other rights";
        }
        wt_keys_close(k);
        return wrong;
}

static wt_err make(wt_keys *k, struct acks *a)
{
        struct wt_key out = { 0 };
        char secret[80] = "";
        wt_err err = wt_keys_create(k, &template, &out, secret);

        CHECK(a->n < MOST);
        CHECK((err == WT_OK) == (*secret != '\0'));
        if (err != WT_OK)
                return err;
        memcpy(a->key[a->n].secret, secret, sizeof secret);
        memcpy(a->key[a->n].id, out.id, sizeof out.id);
        a->key[a->n].asked = a->key[a->n].revoked = false;
        a->n++;                                  /* last: a kill finds whole entries */
        return WT_OK;
}

static wt_err check(wt_keys *k, const struct acks *a)
{
        const char *s = a->key[a->n - 1].secret;
        struct wt_key out;
        wt_err err = wt_keys_check(k, s, strlen(s), NOW, &out);

        if (err == WT_OK)
                CHECK(same_rights(&out));
        else
                CHECK(err != WT_EUNAUTH);        /* a good key is never called unknown */
        return err;
}

static void list_one(void *arg, const struct wt_key *key)
{
        CHECK(same_rights(key));
        ++*(uint32_t *)arg;
}

static wt_err use(wt_keys *k, struct acks *a)
{
        uint32_t n = 0, listed = 0;
        wt_err err;

        if ((err = make(k, a)) != WT_OK || (err = check(k, a)) != WT_OK ||
            (err = make(k, a)) != WT_OK || (err = check(k, a)) != WT_OK)
                return err;
        n = a->n - 1;
        a->key[n].asked = true;
        err = wt_keys_revoke(k, a->key[n].id, NOW);
        a->key[n].revoked = err == WT_OK;
        if (err == WT_OK && (err = wt_keys_list(k, list_one, &listed)) == WT_OK)
                CHECK(listed >= 2);
        return err;
}

static wt_err work(void *arg)
{
        struct acks *a = sweep_shared();
        wt_keys *k = NULL;
        const char *wrong;
        wt_err err;

        (void)arg;
        fault_begin();
        if ((err = wt_keys_open(&k, path())) == WT_OK)
                err = use(k, a);
        wt_keys_close(k);
        fault_end();
        wrong = look(a);
        if (*wrong)
                fprintf(stderr, "%s\n", wrong);
        CHECK(!*wrong);
        return err;
}

static void after(void *arg)
{
        const char *wrong = look(sweep_shared());

        (void)arg;
        if (*wrong)
                fail_msg("%s: %s", wrong, wt_words());
}

static const wt_err io[] = { WT_EIO, WT_OK }, full[] = { WT_EEXHAUSTED, WT_OK },
                    memory[] = { WT_ENOMEM, WT_OK };
/* Closing may fail without being said: what is in the log is moved by the next who opens. */
static const struct sweep rows[] = {
        { "keys, malloc", work, .after = after, .fault = { .kind = FAULT_MEMORY }, .codes = memory,
          .ok = true, .step = 7 },
        { "keys, no malloc from there on", work, .after = after,
          .fault = { .kind = FAULT_MEMORY, .lasts = true },
          .codes = memory, .ok = true, .step = 7 },
        { "keys, write: EIO", work, .after = after, .fault = { .kind = FAULT_WRITE }, .codes = io,
          .ok = true },
        { "keys, write: ENOSPC from there on", work, .after = after,
          .fault = { .kind = FAULT_WRITE, .error = ENOSPC, .lasts = true },
          .codes = full, .ok = true },
        { "keys, fsync: EIO", work, .after = after, .fault = { .kind = FAULT_SYNC }, .codes = io,
          .ok = true },
        { "keys, killed in a write", work,
          .after = after, .fault = { .kind = FAULT_WRITE, .dies = true },
          .codes = io },
        { "keys, killed before a sync", work, .after = after,
          .fault = { .kind = FAULT_SYNC, .dies = true }, .codes = io },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

int main(void)
{
        struct CMUnitTest tests[N_ROWS];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, sweep, NULL, NULL, (void *)&rows[i] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
