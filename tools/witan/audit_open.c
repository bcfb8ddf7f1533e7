/* audit_open.c - witan audit query --open: the texts of rows in the clear, for an auditor on the
 * machine that has the keys of the epochs. Each opening is a row, written before the text is shown;
 * a second connection, since the first is in the middle of the rows. */
#include <stdio.h>
#include <unistd.h>
#include "audit.h"
#include "audit/seal.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "tls/sign.h"

wt_err opener_open(struct opener *o, struct call *c)
{
        wt_err err;

        o->c = c;
        snprintf(o->folder, sizeof o->folder, "%s/keys/audit-epochs", c->state);
        if (access(o->folder, R_OK | X_OK) != 0)
                return wt_fail(WT_ENOTFOUND, "texts are opened only where the keys of the epochs "
                               "are, and %s cannot be read; --state names the folder of a gateway "
                               "that has audit_text: encrypted", o->folder);
        if ((err = auditor_open(c, &o->store)) != WT_OK)
                return err;
        if ((err = wt_subjects_migrate(o->store)) != WT_OK)
                wt_store_close(o->store);
        return err;
}

void opener_close(struct opener *o)
{
        wt_store_close(o->store);
        if (o->clear.data != NULL)
                wt_wipe(o->clear.data, o->clear.cap);
        wt_buf_free(&o->clear);
}

static wt_err unseal(struct opener *o, const struct wt_audit_event *e)
{
        uint8_t key[32];
        wt_err err = wt_subject_key(o->store, o->folder, e->subject.data, "", false, key);

        wt_buf_clear(&o->clear);
        if (err == WT_OK)
                err = wt_seal_open(key, e->request.data, e->kind, e->sealed.data, e->sealed.len,
                                   &o->clear);
        wt_wipe(key, sizeof key);
        return err;
}

wt_err opener_row(struct opener *o, const struct wt_audit_view *v, struct wt_buf *out)
{
        const struct wt_audit_event *e = v->has_end && v->end.sealed.len > 0 ? &v->end : &v->first;
        char words[160], id[37], subject[33];
        wt_err err;

        out->len--;                              /* the row's own brace */
        if (e->sealed.len == 0 || e->subject.len != 16) {
                wt_buf_json_kv(out, "text", NULL);
                wt_buf_str(out, "}");
                return WT_OK;
        }
        wt_uuid_text(e->request.data, id);
        wt_hex(e->subject.data, 16, subject);
        snprintf(words, sizeof words, "request=%s subject=%s", id, subject);
        if ((err = auditor_deed(o->c, o->store, "audit.open", words)) != WT_OK)
                return err;
        err = unseal(o, e);
        wt_buf_json_key(out, "text");
        if (err == WT_OK)
                wt_buf_add(out, o->clear.data, o->clear.len);
        else
                wt_buf_str(out, "null");
        if (err != WT_OK)
                wt_buf_json_kv(out, "why", wt_words());
        wt_buf_str(out, "}");
        return err == WT_ENOTFOUND || err == WT_EDATA ? WT_OK : err;
}
