#include "audit/checkpoint.h"
#include <string.h>
#include "base/base64.h"

void wt_checkpoint_text(const struct wt_checkpoint *c, struct wt_buf *out)
{
        wt_buf_fmt(out, "%s\n%llu\n", c->origin, (unsigned long long)c->size);
        wt_base64_add(out, c->root.b, 32);
        wt_buf_str(out, "\n");
}

size_t wt_checkpoint_number(const char *text, size_t len, uint64_t *out)
{
        uint64_t v = 0;
        size_t i;

        for (i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
                if (i == 19 || (i == 1 && text[0] == '0'))
                        return 0;
                v = v * 10 + (uint64_t)(text[i] - '0');
        }
        if (v >= (uint64_t)1 << 62)
                return 0;
        *out = v;
        return i;
}

wt_err wt_checkpoint_parse(struct wt_checkpoint *out, const char *body, size_t len)
{
        const char *line[3], *at = body, *end = body + len;
        size_t n[3];
        struct wt_checkpoint c;

        for (int i = 0; i < 3; i++) {
                const char *stop = memchr(at, '\n', (size_t)(end - at));

                if (stop == NULL)
                        return wt_fail(WT_EDATA, "a checkpoint has three lines: origin, size and "
                                       "root; this text has %d", i);
                line[i] = at;
                n[i] = (size_t)(stop - at);
                at = stop + 1;
        }
        if (n[0] == 0 || n[0] > WT_NOTE_NAME)
                return wt_fail(WT_EDATA, "a checkpoint's origin has 1 to %d characters, not %zu",
                               WT_NOTE_NAME, n[0]);
        memcpy(c.origin, line[0], n[0]);
        c.origin[n[0]] = '\0';
        if (n[1] == 0 || wt_checkpoint_number(line[1], n[1], &c.size) != n[1])
                return wt_fail(WT_EDATA, "a checkpoint's second line is no size of a log");
        if (!wt_base64_exact(line[2], n[2], c.root.b, 32))
                return wt_fail(WT_EDATA, "a checkpoint's third line is no hash in base64");
        *out = c;
        return WT_OK;
}

wt_err wt_checkpoint_sign(const struct wt_signer *s, const struct wt_checkpoint *c,
                          struct wt_buf *out)
{
        struct wt_buf body = { 0 };
        size_t before = out->len;
        wt_err err;

        wt_checkpoint_text(c, &body);
        wt_buf_add(out, body.data, body.len);
        wt_buf_str(out, "\n");
        if ((err = wt_note_sign(s, body.data, body.len, 0, out)) != WT_OK)
                out->len = before;
        wt_buf_free(&body);
        return err;
}

wt_err wt_checkpoint_read(struct wt_checkpoint *out, struct wt_note *note, const char *text,
                          size_t len, const struct wt_verifier *log,
                          const struct wt_verifier *witness)
{
        struct wt_checkpoint c;
        struct wt_note n;
        wt_err err;

        if ((err = wt_note_parse(&n, text, len)) != WT_OK ||
            (err = wt_checkpoint_parse(&c, n.body, n.len)) != WT_OK)
                return err;
        if (log != NULL && (strcmp(log->name, c.origin) != 0 || !wt_note_signed(&n, log, NULL)))
                return wt_fail(WT_EUNAUTH, "the checkpoint of %llu rows is not signed by the log "
                               "%s", (unsigned long long)c.size, log->name);
        if (witness != NULL && witness->type != WT_NOTE_WITNESS)
                return wt_fail(WT_EINVAL, "%s is the key of a log; it cosigns nothing",
                               witness->name);
        if (witness != NULL && !wt_note_signed(&n, witness, NULL))
                return wt_fail(WT_EUNAUTH, "the checkpoint of %llu rows is not cosigned by the "
                               "witness %s", (unsigned long long)c.size, witness->name);
        *out = c;
        *note = n;
        return WT_OK;
}
