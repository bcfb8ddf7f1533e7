/* erase_lost.c - data subjects whose epoch key is lost. */
#include <stdio.h>
#include "audit/erase.h"
#include "audit/erase_impl.h"
#include "audit/seal_impl.h"

struct lost { const struct wt_eraser *e; int64_t epoch[MOST_LOST]; uint32_t n; uint64_t subjects; };

static wt_err is_held(const struct lost *l, wt_store *s, int64_t epoch)
{
        const struct wt_value v = wt_v_int(epoch);
        int64_t n = 0;
        wt_err err = wt_store_query(s, "SELECT count(*) FROM audit_subjects u JOIN audit_holds h ON"
                                    " (h.kind = 'tenant' AND h.name = u.tenant) WHERE u.epoch ="
                                    " $1", &v, 1, erase_on_int, &n, NULL);

        if (err == WT_OK && n == 0)              /* subjects are named in hex, which not every
                                                  * database can compare with bytes */
                err = wt_store_query(s, "SELECT count(*) FROM audit_holds WHERE kind = 'subject'",
                                     NULL, 0, erase_on_int, &n, NULL);
        if (err == WT_OK && n > 0)
                return wt_fail(WT_EPRECONDITION, "a legal hold forbids to give up the keys under "
                               "%s/%lld.key, should it be found again; witan audit hold lists "
                               "holds, and NAME remove ends one", l->e->folder, (long long)epoch);
        return err;
}

static wt_err give_up(void *arg, wt_store *s)
{
        struct lost *l = arg;
        struct wt_audit_event note = { .kind = 0 };
        int64_t newest = 0;
        char words[200];
        wt_err err;

        l->subjects = 0;
        if ((err = epochs_lost(s, l->e->folder, l->epoch, &l->n)) != WT_OK)
                return err;
        if (l->n == 0)
                return wt_fail(WT_ENOTFOUND, "no epoch key is lost: all that the store needs are "
                               "in %s", l->e->folder);
        for (uint32_t i = 0; i < l->n && err == WT_OK; i++) {
                const struct wt_value v = wt_v_int(l->epoch[i]);
                uint64_t n = 0;

                if ((err = is_held(l, s, l->epoch[i])) == WT_OK)
                        err = wt_store_query(s, "DELETE FROM audit_subjects WHERE epoch = $1", &v,
                                             1, NULL, NULL, &n);
                l->subjects += n;
        }
        if (err != WT_OK || (err = epoch_newest(s, &newest)) != WT_OK ||
            (err = epoch_put(s, l->e->folder, newest + 1)) != WT_OK)
                return err;
        snprintf(words, sizeof words, "the epoch keys of %llu data subjects are lost, so their "
                 "texts open no more; epoch %lld begins", (unsigned long long)l->subjects,
                 (long long)newest + 1);
        note.action = WT_STR("audit.erase.lost");
        note.words = WT_STR(words);
        return erase_note(l->e, &note, NULL);
}

wt_err wt_erase_lost(const struct wt_eraser *e, uint64_t *n)
{
        struct lost l = { .e = e };
        wt_err err = wt_store_do(e->store, give_up, &l);

        *n = l.subjects;
        return err;
}
