#include "audit/deed.h"
#include "audit/table.h"
#include "base/clock.h"
#include "base/rng.h"

struct deed { struct wt_bytes body; uint64_t leaf; };

static wt_err append(void *arg, wt_store *s)
{
        struct deed *d = arg;
        uint32_t n_new = 0;
        wt_err err = wt_audit_append(s, &d->body, 1, &d->leaf, &n_new, NULL);

        if (err == WT_OK && n_new != 1)
                return wt_fail(WT_EEXIST, "the audit log has this event already");
        return err;
}

wt_err wt_audit_deed(wt_store *s, const struct wt_audit_event *e, uint8_t id[16], uint64_t *leaf)
{
        struct wt_audit_event full = *e;
        struct wt_buf body = { 0 };
        struct deed d = { .leaf = 0 };
        uint8_t fresh[16];
        wt_err err;

        if (full.time_us == 0)
                full.time_us = wt_wall_us(&wt_clock_real);
        if (full.request.len == 0) {
                wt_uuid7(full.time_us, fresh);
                full.request = WT_BYTES(fresh, 16);
        }
        if ((err = wt_audit_encode(&full, &body)) == WT_OK) {
                d.body = WT_BYTES(body.data, body.len);
                err = wt_store_do(s, append, &d);
        }
        wt_buf_free(&body);
        if (err == WT_OK && id != NULL)
                memcpy(id, full.request.data, 16);
        if (err == WT_OK && leaf != NULL)
                *leaf = d.leaf;
        return err;
}
