/* seal_key.c - the keys of data subjects, in the store. */
#include <string.h>
#include "audit/seal.h"
#include "audit/seal_impl.h"
#include "base/rng.h"
#include "tls/sign.h"

static const char *const steps[] = {
        "CREATE TABLE audit_epochs (epoch BIGINT PRIMARY KEY, since_us BIGINT NOT NULL);"
        "CREATE TABLE audit_subjects (subject {bytes} PRIMARY KEY, tenant TEXT NOT NULL,"
        " epoch BIGINT NOT NULL, wrapped {bytes} NOT NULL);"
        "CREATE INDEX audit_subjects_epoch ON audit_subjects (epoch);"
        "CREATE TABLE audit_holds (kind TEXT NOT NULL, name TEXT NOT NULL,"
        " since_us BIGINT NOT NULL, PRIMARY KEY (kind, name))",
        "ALTER TABLE audit_epochs ADD COLUMN proof {bytes}",
};

wt_err wt_subjects_migrate(wt_store *s)
{
        return wt_store_migrate(s, "audit_subjects", steps, sizeof steps / sizeof *steps);
}

void wt_subject_id(const uint8_t hash_key[32], const char *tenant, const char *name,
                   uint8_t id[16])
{
        struct wt_buf b = { 0 };
        uint8_t out[32];

        wt_buf_add(&b, tenant, strlen(tenant) + 1);
        wt_buf_str(&b, name);
        wt_hmac_sha256(hash_key, 32, b.data, b.len, out);
        memcpy(id, out, 16);
        wt_buf_free(&b);
}

/* ---- subjects ---- */

static void bind(int64_t epoch, const uint8_t id[16], uint8_t aad[24])
{
        for (int i = 0; i < 8; i++)
                aad[i] = (uint8_t)((uint64_t)epoch >> (56 - 8 * i));
        memcpy(aad + 8, id, 16);
}

wt_err subject_wrap(const uint8_t epoch_key[32], int64_t epoch, const uint8_t id[16],
                    const uint8_t key[32], uint8_t wrapped[WRAPPED])
{
        uint8_t aad[24];

        bind(epoch, id, aad);
        wt_random_bytes(wrapped, WT_GCM_NONCE);
        return wt_gcm_seal(epoch_key, wrapped, aad, sizeof aad, key, 32, wrapped + WT_GCM_NONCE);
}

wt_err subject_unwrap(const uint8_t epoch_key[32], int64_t epoch, const uint8_t id[16],
                      const uint8_t *wrapped, uint8_t key[32])
{
        uint8_t aad[24];

        bind(epoch, id, aad);
        return wt_gcm_open(epoch_key, wrapped, aad, sizeof aad, wrapped + WT_GCM_NONCE,
                           WRAPPED - WT_GCM_NONCE, key);
}

struct get {
        const char *folder, *tenant;
        const uint8_t *id;
        bool make, found;
        int64_t epoch;
        uint8_t wrapped[WRAPPED], key[32];
};

static int on_subject(void *arg, const struct wt_value *column, uint32_t n)
{
        struct get *g = arg;

        if (n != 2 || column[0].type != WT_INT || column[1].type != WT_BLOB ||
            column[1].len != WRAPPED)
                return wt_fail(WT_EDATA, "a row of audit_subjects is damaged");
        g->found = true;
        g->epoch = column[0].as.i;
        memcpy(g->wrapped, column[1].as.data, WRAPPED);
        return WT_OK;
}

static wt_err find(struct get *g, wt_store *s)
{
        const struct wt_value id = wt_v_blob(g->id, 16);
        uint8_t epoch[32];
        wt_err err;

        g->found = false;
        if ((err = wt_store_query(s, "SELECT epoch, wrapped FROM audit_subjects WHERE subject = $1",
                                  &id, 1, on_subject, g, NULL)) != WT_OK || !g->found)
                return err;
        if ((err = epoch_key(g->folder, g->epoch, epoch)) == WT_OK)
                err = subject_unwrap(epoch, g->epoch, g->id, g->wrapped, g->key);
        wt_wipe(epoch, sizeof epoch);
        return err;
}

static wt_err first_epoch(struct get *g, wt_store *s)
{
        wt_err err = epoch_newest(s, &g->epoch);

        if (err != WT_OK || g->epoch != 0)
                return err;
        g->epoch = 1;
        return epoch_put(s, g->folder, 1);
}

static wt_err find_or_make(void *arg, wt_store *s)
{
        struct get *g = arg;
        uint8_t epoch[32];
        wt_err err;

        if ((err = find(g, s)) != WT_OK || g->found || (err = first_epoch(g, s)) != WT_OK ||
            (err = epoch_key_proved(s, g->folder, g->epoch, epoch)) != WT_OK)
                return err;
        wt_random_bytes(g->key, sizeof g->key);
        err = subject_wrap(epoch, g->epoch, g->id, g->key, g->wrapped);
        wt_wipe(epoch, sizeof epoch);
        if (err == WT_OK) {
                const struct wt_value v[] = { wt_v_blob(g->id, 16), wt_v_text(g->tenant),
                                              wt_v_int(g->epoch), wt_v_blob(g->wrapped, WRAPPED) };

                err = wt_store_query(s, "INSERT INTO audit_subjects (subject, tenant, epoch,"
                                     " wrapped) VALUES ($1, $2, $3, $4)", v, 4, NULL, NULL, NULL);
                g->found = err == WT_OK;
        }
        return err;
}

wt_err wt_subject_key(wt_store *s, const char *folder, const uint8_t id[16], const char *tenant,
                      bool make, uint8_t key[32])
{
        struct get g = { .folder = folder, .tenant = tenant, .id = id, .make = make };
        wt_err err = find(&g, s);

        /* An erasure may have replaced the epoch between the row and its key: look again. */
        if (err == WT_ENOTFOUND || err == WT_EDATA)
                err = find(&g, s);
        if (err == WT_OK && !g.found && make)
                err = wt_store_do(s, find_or_make, &g);
        if (err == WT_OK && !g.found)
                err = wt_fail(WT_ENOTFOUND, "this data subject has no key: its data was erased, or "
                              "there never was any");
        if (err == WT_OK)
                memcpy(key, g.key, 32);
        wt_wipe(&g, sizeof g);
        return err;
}
