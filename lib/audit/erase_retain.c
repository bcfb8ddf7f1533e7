/* erase_retain.c - legal holds, and days that go as a whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/erase.h"
#include "audit/erase_impl.h"
#include "audit/tree.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/sha256.h"

/* ---- holds ---- */

struct hold { const struct wt_eraser *e; const char *kind, *name; bool on; };

static wt_err set_hold(void *arg, wt_store *s)
{
        struct hold *h = arg;
        const struct wt_value v[] = { wt_v_text(h->kind), wt_v_text(h->name),
                                      wt_v_int((int64_t)wt_wall_us(&wt_clock_real)) };
        struct wt_audit_event note = { .kind = 0 };
        uint64_t changed = 0;
        char words[300];
        wt_err err;

        err = h->on ? wt_store_query(s, "INSERT INTO audit_holds (kind, name, since_us)"
                                     " VALUES ($1, $2, $3) ON CONFLICT (kind, name) DO NOTHING",
                                     v, 3, NULL, NULL, &changed)
                    : wt_store_query(s, "DELETE FROM audit_holds WHERE kind = $1 AND name = $2", v,
                                     2, NULL, NULL, &changed);
        if (err != WT_OK)
                return err;
        if (changed == 0)
                return h->on ? wt_fail(WT_EEXIST, "%s %s is held already", h->kind, h->name)
                             : wt_fail(WT_ENOTFOUND, "no %s %s is held", h->kind, h->name);
        snprintf(words, sizeof words, "%s %.200s %s", h->kind, h->name,
                 h->on ? "is held: nothing of it may be erased or dropped" : "is held no more");
        note.action = WT_STR(h->on ? "audit.hold" : "audit.release");
        note.words = WT_STR(words);
        return erase_note(h->e, &note, NULL);
}

wt_err wt_hold_set(const struct wt_eraser *e, const char *name, bool on)
{
        uint8_t id[16];
        bool subject = strlen(name) == 32 && wt_unhex(name, 16, id) == 0;
        struct hold h = { .e = e, .kind = subject ? "subject" : "tenant", .name = name, .on = on };
        char hex[33];

        if (name[0] == '\0' || strlen(name) > 64)
                return wt_fail(WT_EINVAL, "a hold names a tenant (1 to 64 bytes) or a subject (32 "
                               "hex digits)");
        if (subject) {                           /* one way of writing it */
                wt_hex(id, 16, hex);
                h.name = hex;
        }
        return wt_store_do(e->store, set_hold, &h);
}

struct each { void (*each)(void *arg, const char *kind, const char *name, int64_t since_us);
              void *arg; };

static int on_hold(void *arg, const struct wt_value *column, uint32_t n)
{
        struct each *e = arg;
        char kind[16], name[80];

        if (n == 3 && wt_v_copy(&column[0], kind, sizeof kind) &&
            wt_v_copy(&column[1], name, sizeof name))
                e->each(e->arg, kind, name, column[2].as.i);
        return WT_OK;
}

wt_err wt_hold_list(wt_store *s, void (*each)(void *arg, const char *kind, const char *name,
                                              int64_t since_us), void *arg)
{
        struct each e = { each, arg };

        return wt_store_query(s, "SELECT kind, name, since_us FROM audit_holds ORDER BY kind, name",
                              NULL, 0, on_hold, &e, NULL);
}

/* ---- a day ---- */

struct run { int64_t first, last; };
struct again { uint64_t count; char code[65]; };         /* a statement that stands in this day */
struct drop {
        const struct wt_eraser *e;
        int64_t day;
        struct run *run; uint32_t n_runs, cap;
        struct again *again; uint32_t n_again, again_cap;
        struct wt_arena arena;
        uint64_t n;
};

static int on_leaf(void *arg, const struct wt_value *column, uint32_t n)
{
        struct drop *d = arg;
        struct run *r = d->n_runs > 0 ? &d->run[d->n_runs - 1] : NULL;
        int64_t leaf = n == 1 ? column[0].as.i : -1;

        d->n++;
        if (r != NULL && r->last + 1 == leaf) {
                r->last = leaf;
                return WT_OK;
        }
        if ((r = wt_list_more(&d->run, d->n_runs, &d->cap, sizeof *r)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the runs of a day");
        *r = (struct run){ leaf, leaf };
        d->n_runs++;
        return WT_OK;
}

static int on_statement(void *arg, const struct wt_value *column, uint32_t n)
{
        struct drop *d = arg;
        struct wt_audit_event e;
        struct again *a;

        wt_arena_reset(&d->arena);
        if (n != 1 || wt_audit_decode(&e, column[0].as.data, column[0].len, &d->arena) != WT_OK ||
            e.code.len != 64 || e.action.len != 15 ||
            memcmp(e.action.data, "audit.retention", 15) != 0)
                return WT_OK;
        if ((a = wt_list_more(&d->again, d->n_again, &d->again_cap, sizeof *a)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the notes of a day");
        a->count = e.count;
        memcpy(a->code, e.code.data, 65);
        d->n_again++;
        return WT_OK;
}

struct held { uint8_t id[64][16]; uint32_t n; };

static void on_subject(void *arg, const char *kind, const char *name, int64_t since_us)
{
        struct held *h = arg;

        (void)since_us;
        if (strcmp(kind, "subject") == 0 && h->n < 64 && wt_unhex(name, 16, h->id[h->n]) == 0)
                h->n++;
        else if (strcmp(kind, "subject") == 0)
                h->n = 65;
}

static wt_err check_holds(struct drop *d, wt_store *s)
{
        struct wt_value v[2] = { wt_v_int(d->day) };
        struct held h = { .n = 0 };
        int64_t held = 0;
        wt_err err = wt_store_query(s, "SELECT count(*) FROM audit_holds h WHERE h.kind = 'tenant'"
                                    " AND EXISTS (SELECT 1 FROM audit_events e WHERE e.day = $1"
                                    " AND e.tenant = h.name)", v, 1, erase_on_int, &held, NULL);

        if (err != WT_OK || (err = wt_hold_list(s, on_subject, &h)) != WT_OK)
                return err;
        if (h.n > 64)
                return wt_fail(WT_EPRECONDITION, "more than 64 subjects are held: no day is "
                               "dropped as long as that is so");
        for (uint32_t i = 0; i < h.n && err == WT_OK && held == 0; i++) {
                v[1] = wt_v_blob(h.id[i], 16);
                err = wt_store_query(s, "SELECT count(*) FROM audit_events WHERE day = $1 AND"
                                     " subject = $2", v, 2, erase_on_int, &held, NULL);
        }
        if (err == WT_OK && held > 0)
                return wt_fail(WT_EPRECONDITION, "day %lld has rows of a tenant or a subject that "
                               "is held; the whole day stays", (long long)d->day);
        return err;
}

static wt_err state(struct drop *d, uint64_t day, const char *code, const char *words)
{
        struct wt_audit_event note = { .count = day };

        note.action = WT_STR("audit.retention");
        note.code = WT_BYTES(code, 64);
        note.words = WT_STR(words);
        return erase_note(d->e, &note, NULL);
}

static int on_run(void *arg, const struct wt_value *column, uint32_t n)
{
        char line[64];

        WT_ASSERT(n == 2);
        wt_sha256_add(arg, line, (size_t)snprintf(line, sizeof line, "%lld-%lld\n",
                                                  (long long)column[0].as.i,
                                                  (long long)column[1].as.i));
        return WT_OK;
}

/* The digest covers all runs of the day: rows that came late are dropped in a second turn. */
static wt_err put_runs(struct drop *d, wt_store *s, char hex[65])
{
        struct wt_value v[3] = { wt_v_int(d->day) };
        struct wt_sha256 sha;
        uint8_t out[32];
        wt_err err = WT_OK;

        for (uint32_t i = 0; i < d->n_runs && err == WT_OK; i++) {
                v[1] = wt_v_int(d->run[i].first);
                v[2] = wt_v_int(d->run[i].last);
                err = wt_store_query(s, "INSERT INTO audit_dropped (day, first_leaf, last_leaf)"
                                     " VALUES ($1, $2, $3)", v, 3, NULL, NULL, NULL);
        }
        wt_sha256_init(&sha);
        if (err == WT_OK)
                err = wt_store_query(s, "SELECT first_leaf, last_leaf FROM audit_dropped"
                                     " WHERE day = $1 ORDER BY first_leaf", v, 1, on_run, &sha,
                                     NULL);
        wt_sha256_end(&sha, out);
        wt_hex(out, 32, hex);
        return err;
}

static wt_err drop_day(void *arg, wt_store *s)
{
        struct drop *d = arg;
        const struct wt_value day = wt_v_int(d->day);
        struct wt_hash root;
        char hex[65], head[65], words[300];
        uint64_t size;
        wt_err err;

        d->n_runs = d->n_again = 0;
        d->n = 0;
        if ((err = check_holds(d, s)) != WT_OK ||
            (err = wt_store_query(s, "SELECT leaf FROM audit_events WHERE day = $1 ORDER BY leaf",
                                  &day, 1, on_leaf, d, NULL)) != WT_OK ||
            (err = wt_store_query(s, "SELECT body FROM audit_events WHERE day = $1 AND kind = 5",
                                  &day, 1, on_statement, d, NULL)) != WT_OK ||
            (err = wt_tree_head(s, &size, &root)) != WT_OK)
                return err;
        if (d->n == 0)
                return wt_fail(WT_ENOTFOUND, "no row of the audit log is of day %lld",
                               (long long)d->day);
        if ((err = put_runs(d, s, hex)) != WT_OK)
                return err;
        wt_hex(root.b, 32, head);
        snprintf(words, sizeof words, "%llu rows of this day were dropped, leaves %lld to %lld in "
                 "%u runs; the log had %llu rows, root %s", (unsigned long long)d->n,
                 (long long)d->run[0].first, (long long)d->run[d->n_runs - 1].last, d->n_runs,
                 (unsigned long long)size, head);
        if ((err = state(d, (uint64_t)d->day, hex, words)) != WT_OK)
                return err;
        for (uint32_t i = 0; i < d->n_again && err == WT_OK; i++)
                err = state(d, d->again[i].count, d->again[i].code, "stated again: the day of the "
                            "first statement was dropped");
        return err != WT_OK ? err : wt_store_day_drop(s, "audit_events", d->day);
}

wt_err wt_retain_drop(const struct wt_eraser *e, int64_t day, uint64_t *n)
{
        struct drop d = { .e = e, .day = day };
        wt_err err;

        if (day >= (int64_t)(wt_wall_us(&wt_clock_real) / 86400000000))
                return wt_fail(WT_EINVAL, "day %lld is not over yet", (long long)day);
        if ((err = wt_store_do(e->store, drop_day, &d)) == WT_OK)
                *n = d.n;
        free(d.run);
        free(d.again);
        wt_arena_fini(&d.arena);
        return err;
}

wt_err wt_retain_oldest(wt_store *s, int64_t *day)
{
        int64_t oldest = -1;
        wt_err err = wt_store_query(s, "SELECT min(day) FROM audit_events", NULL, 0, erase_on_int,
                                    &oldest, NULL);

        if (err == WT_OK && oldest < 0)
                return wt_fail(WT_ENOTFOUND, "the audit log has no rows");
        if (err == WT_OK)
                *day = oldest;
        return err;
}
