#include "audit/seal.h"
#include <string.h>
#include "base/rng.h"
#include "tls/sign.h"

enum { VERSION = 1, HEAD = 1 + WT_GCM_NONCE };

static void bind(const uint8_t request[16], uint32_t kind, uint8_t aad[17])
{
        memcpy(aad, request, 16);
        aad[16] = (uint8_t)kind;
}

wt_err wt_seal_text(const uint8_t key[32], const uint8_t request[16], uint32_t kind,
                    const void *text, size_t len, struct wt_buf *out)
{
        uint8_t *p = (uint8_t *)wt_buf_room(out, len + WT_SEAL_ADDED), aad[17];
        wt_err err;

        p[0] = VERSION;
        wt_random_bytes(p + 1, WT_GCM_NONCE);
        bind(request, kind, aad);
        if ((err = wt_gcm_seal(key, p + 1, aad, sizeof aad, text, len, p + HEAD)) != WT_OK)
                return err;
        out->len += len + WT_SEAL_ADDED;
        out->data[out->len] = '\0';
        return WT_OK;
}

wt_err wt_seal_open(const uint8_t key[32], const uint8_t request[16], uint32_t kind,
                    const void *sealed, size_t len, struct wt_buf *out)
{
        const uint8_t *p = sealed;
        uint8_t aad[17];
        char *room;
        wt_err err;

        if (len < WT_SEAL_ADDED || p[0] != VERSION)
                return wt_fail(WT_EDATA, "this is no sealed text of version %d", VERSION);
        bind(request, kind, aad);
        room = wt_buf_room(out, len - WT_SEAL_ADDED);
        if ((err = wt_gcm_open(key, p + 1, aad, sizeof aad, p + HEAD, len - HEAD,
                               (uint8_t *)room)) != WT_OK)
                return err;
        out->len += len - WT_SEAL_ADDED;
        out->data[out->len] = '\0';
        return WT_OK;
}
