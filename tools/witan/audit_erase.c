/* audit_erase.c - witan audit erase, hold and retain. */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "audit.h"
#include "audit/checkpoint_signer.h"
#include "audit/erase.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sha256.h"
#include "names.h"
#include "tls/sign.h"

struct desk {                                    /* what these three work with */
        struct wt_eraser e;
        struct wt_signer key;
        char folder[4200], keys[4200], actor[128];
};

static wt_err desk_open(struct call *c, struct desk *d)
{
        const struct passwd *p = getpwuid(getuid());
        wt_err err;

        snprintf(d->actor, sizeof d->actor, "shell:%.100s", p != NULL ? p->pw_name : "?");
        snprintf(d->keys, sizeof d->keys, "%s/keys", c->state);
        snprintf(d->folder, sizeof d->folder, "%s/keys/audit-epochs", c->state);
        d->e = (struct wt_eraser){ .folder = d->folder, .key = &d->key, .actor = d->actor };
        if ((err = auditor_open(c, &d->e.store)) != WT_OK)
                return err;
        if ((err = wt_subjects_migrate(d->e.store)) == WT_OK)
                err = wt_log_key(d->keys, &d->key);
        if (err != WT_OK)
                wt_store_close(d->e.store);
        return err;
}

static void desk_close(struct desk *d)
{
        wt_store_close(d->e.store);
        wt_wipe(d, sizeof *d);
}

/* erase lost: the keys are gone already, and that is said. */
static int give_up(struct call *c)
{
        struct desk d;
        uint64_t n = 0;
        wt_err err = desk_open(c, &d);

        if (err != WT_OK)
                return verb_fail(c, "%s", wt_words());
        err = wt_erase_lost(&d.e, &n);
        desk_close(&d);
        if (err != WT_OK)
                return verb_fail(c, "%s", wt_words());
        fprintf(stderr, "given up: the texts of %llu data subjects open no more; the rows stay and "
                "still verify\n", (unsigned long long)n);
        return EXIT_DONE;
}

int auditor_erase(struct call *c)
{
        struct wt_buf receipt = { 0 };
        struct desk d;
        uint8_t id[16];
        wt_err err;

        if (c->n_words == 2 && strcmp(c->words[1], "lost") == 0)
                return give_up(c);
        if (c->n_words != 2 || strlen(c->words[1]) != 32 || wt_unhex(c->words[1], 16, id) != 0)
                return verb_usage(c, "erase takes a data subject: 32 hex digits, the \"subject\" "
                                  "of its rows (witan audit query -o json); or the word lost: the "
                                  "subjects whose epoch keys are gone");
        if (desk_open(c, &d) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        err = wt_erase_subject(&d.e, id, &receipt, NULL);
        if (err == WT_OK && c->flag[A_OUT] != NULL)
                err = wt_file_write(c->flag[A_OUT], receipt.data, receipt.len, 0644);
        desk_close(&d);
        if (err == WT_OK && c->flag[A_OUT] == NULL)
                fwrite(receipt.data, 1, receipt.len, stdout);
        wt_buf_free(&receipt);
        if (err != WT_OK)
                return verb_fail(c, "%s", wt_words());
        fputs("erased: the texts of this subject open no more; the rows stay and still verify\n",
              stderr);
        return EXIT_DONE;
}

struct list { bool json; struct wt_buf out; };

static void put_hold(void *arg, const char *kind, const char *name, int64_t since_us)
{
        struct list *l = arg;
        char at[32];

        wt_audit_time_text((uint64_t)since_us, at);
        if (!l->json) {
                wt_buf_fmt(&l->out, "%-8s %-34s %s\n", kind, name, at);
                return;
        }
        wt_buf_json_sep(&l->out);
        wt_buf_str(&l->out, "{");
        wt_buf_json_kv(&l->out, "kind", kind);
        wt_buf_json_kv(&l->out, "name", name);
        wt_buf_json_kv(&l->out, "since", at);
        wt_buf_str(&l->out, "}");
}

static wt_err list_holds(struct call *c, struct desk *d)
{
        struct list l = { .json = c->json };
        wt_err err;

        wt_buf_str(&l.out, c->json ? "[" : "");
        if (!c->json)
                wt_buf_fmt(&l.out, "%-8s %-34s %s\n", "KIND", "NAME", "SINCE");
        err = wt_hold_list(d->e.store, put_hold, &l);
        wt_buf_str(&l.out, c->json ? "]\n" : "");
        if (err == WT_OK)
                fwrite(l.out.data, 1, l.out.len, stdout);
        wt_buf_free(&l.out);
        return err;
}

static int take_any(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)v;
        (void)n;
        *(bool *)arg = true;
        return WT_OK;
}

/* A hold on a name that was mistyped would hold nothing, and nobody would see it. */
static wt_err known(wt_store *s, const char *name)
{
        uint8_t id[16];
        struct wt_value v;
        bool any = false;
        wt_err err;

        if (strlen(name) != 32 || wt_unhex(name, 16, id) != 0)
                return (err = names_tenant(s, name)) != WT_ENOTFOUND ? err
                        : wt_fail(err, "%s (--force holds the name all the same)", wt_words());
        v = wt_v_blob(id, 16);
        if ((err = wt_store_query(s, "SELECT 1 FROM audit_subjects WHERE subject = $1", &v, 1,
                                  take_any, &any, NULL)) != WT_OK || any)
                return err;
        return wt_fail(WT_ENOTFOUND, "no data subject %s has a key; \"subject\" of its rows names "
                       "it (witan audit query -o json), --force holds the name all the same", name);
}

int auditor_hold(struct call *c)
{
        bool add = c->n_words == 3 && strcmp(c->words[2], "add") == 0;
        struct desk d;
        wt_err err;

        if (c->n_words != 1 && !add && !(c->n_words == 3 && strcmp(c->words[2], "remove") == 0))
                return verb_usage(c, "hold alone lists what is held; hold SUBJECT|TENANT add, or "
                                  "remove, changes it");
        if (desk_open(c, &d) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        err = add && c->flag[A_FORCE] == NULL ? known(d.e.store, c->words[1]) : WT_OK;
        if (err == WT_OK)
                err = c->n_words == 1 ? list_holds(c, &d) : wt_hold_set(&d.e, c->words[1], add);
        desk_close(&d);
        if (err != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (c->n_words == 3)
                fprintf(stderr, "%s is held%s\n", c->words[1], add ? "" : " no more");
        return EXIT_DONE;
}

/* Day by day, the oldest first; a day that is held stays, and those behind it are looked at. */
static wt_err retain(struct desk *d, int64_t before, uint64_t *rows, uint64_t *kept)
{
        int64_t day = 0;
        wt_err err = wt_retain_oldest(d->e.store, &day);

        *rows = *kept = 0;
        for (; err == WT_OK && day < before; day++) {
                uint64_t n = 0;

                err = wt_retain_drop(&d->e, day, &n);
                *rows += err == WT_OK ? n : 0;
                if (err == WT_EPRECONDITION) {
                        fprintf(stderr, "%s\n", wt_words());
                        ++*kept;
                }
                if (err == WT_EPRECONDITION || err == WT_ENOTFOUND)
                        err = WT_OK;
        }
        return err == WT_ENOTFOUND ? WT_OK : err;
}

int auditor_retain(struct call *c)
{
        double days = 0;
        uint64_t rows, kept;
        struct desk d;
        wt_err err;

        if (!verb_number(c, A_DAYS, 1, 36500, &days))
                return EXIT_USAGE;
        if (c->flag[A_DAYS] == NULL)
                return verb_usage(c, "retain takes --days N: rows of older days are dropped");
        if (desk_open(c, &d) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        err = retain(&d, (int64_t)(wt_wall_us(&wt_clock_real) / 86400000000) - (int64_t)days, &rows,
                     &kept);
        desk_close(&d);
        if (err != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (c->json)
                printf("{\"dropped_rows\":%llu,\"kept_days\":%llu}\n", (unsigned long long)rows,
                       (unsigned long long)kept);
        else
                printf("%llu rows were dropped, %llu days were kept because of a hold\n",
                       (unsigned long long)rows, (unsigned long long)kept);
        return EXIT_DONE;
}
