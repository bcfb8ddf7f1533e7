#include "audit/note.h"
#include <string.h>
#include "audit/note_key.h"
#include "base/base64.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "tls/sign.h"

#define DASH "\xe2\x80\x94 "                     /* an em dash and a blank begin a signature line */
enum { DASH_LEN = 4 };

/* The first four bytes of SHA-256(name, newline, type, public key). */
uint32_t note_id(const struct wt_verifier *v)
{
        struct wt_sha256 s;
        uint8_t type = (uint8_t)v->type, out[32];

        wt_sha256_init(&s);
        wt_sha256_add(&s, v->name, strlen(v->name));
        wt_sha256_add(&s, "\n", 1);
        wt_sha256_add(&s, &type, 1);
        wt_sha256_add(&s, v->public_key, 32);
        wt_sha256_end(&s, out);
        return (uint32_t)out[0] << 24 | (uint32_t)out[1] << 16 | (uint32_t)out[2] << 8 | out[3];
}

bool note_name_fits(const char *name, size_t len)
{
        if (len == 0 || len > WT_NOTE_NAME)
                return false;
        for (size_t i = 0; i < len; i++)
                if (name[i] <= ' ' || name[i] > '~' || name[i] == '+')
                        return false;
        return true;
}

/* The text may hold what UTF-8 can say, and no control character but the newline. */
static bool is_text(const char *s, size_t len)
{
        for (size_t i = 0; i < len;) {
                size_t n = wt_utf8(s + i, len - i);

                if (n == 0 || ((unsigned char)s[i] < ' ' && s[i] != '\n') || s[i] == 0x7f)
                        return false;
                i += n;
        }
        return true;
}

/* "— NAME BASE64" of len characters, without its newline. */
static bool read_signature(struct wt_note_signature *out, const char *line, size_t len)
{
        struct wt_buf raw = { 0 };
        const char *blank;
        bool good = false;

        if (len <= DASH_LEN || memcmp(line, DASH, DASH_LEN) != 0)
                return false;
        line += DASH_LEN;
        len -= DASH_LEN;
        blank = memchr(line, ' ', len);
        if (blank == NULL || blank == line)
                return false;
        out->name = line;
        out->name_len = (size_t)(blank - line);
        if (wt_base64_read(&raw, blank + 1, len - out->name_len - 1) && raw.len > 4) {
                const uint8_t *p = (const uint8_t *)raw.data;

                out->id = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
                out->n = raw.len - 4 <= sizeof out->bytes ? (uint32_t)raw.len - 4 : 0;
                memcpy(out->bytes, p + 4, out->n);
                good = true;
        }
        wt_buf_free(&raw);
        return good;
}

/* Where the last empty line ends: the signatures begin there. */
static const char *find_end(const char *text, size_t len)
{
        for (size_t i = len; i >= 2; i--)
                if (text[i - 1] == '\n' && text[i - 2] == '\n')
                        return text + i;
        return NULL;
}

wt_err wt_note_parse(struct wt_note *out, const char *text, size_t len)
{
        const char *at = len <= WT_NOTE_MOST ? find_end(text, len) : NULL, *end = text + len;
        struct wt_note n = { .body = text };

        if (len > WT_NOTE_MOST)
                return wt_fail(WT_EDATA, "a signed note of %zu bytes; %d are the most", len,
                               WT_NOTE_MOST);
        if (at == NULL || at == end || end[-1] != '\n')
                return wt_fail(WT_EDATA, "this is no signed note: a text, an empty line, and lines "
                               "of signatures");
        if (!is_text(text, len))
                return wt_fail(WT_EDATA, "a signed note holds what is no UTF-8 text");
        n.len = (size_t)(at - text) - 1;
        for (; at < end; n.n++) {
                size_t line = (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) - at);

                if (n.n == WT_NOTE_SIGNATURES)
                        return wt_fail(WT_EDATA, "a signed note has more than %d signatures",
                                       WT_NOTE_SIGNATURES);
                if (!read_signature(&n.signature[n.n], at, line))
                        return wt_fail(WT_EDATA, "signature line %u of a note cannot be read",
                                       n.n + 1);
                at += line + 1;
        }
        *out = n;
        return WT_OK;
}

/* What a key of this type signs: the body, or the time and the body. */
static void put_message(enum wt_note_key type, const char *body, size_t len, uint64_t time_s,
                        struct wt_buf *out)
{
        if (type == WT_NOTE_WITNESS)
                wt_buf_fmt(out, "cosignature/v1\ntime %llu\n", (unsigned long long)time_s);
        wt_buf_add(out, body, len);
}

bool wt_note_signed(const struct wt_note *n, const struct wt_verifier *v, uint64_t *time_s)
{
        uint32_t want = v->type == WT_NOTE_WITNESS ? 72 : 64;

        for (uint32_t i = 0; i < n->n; i++) {
                const struct wt_note_signature *s = &n->signature[i];
                struct wt_buf message = { 0 };
                uint64_t when = 0;
                bool good;

                if (s->id != v->id || s->n != want || s->name_len != strlen(v->name) ||
                    memcmp(s->name, v->name, s->name_len) != 0)
                        continue;
                for (uint32_t k = 0; k < want - 64; k++)
                        when = when << 8 | s->bytes[k];
                if (v->type == WT_NOTE_WITNESS && when == 0)
                        continue;
                put_message(v->type, n->body, n->len, when, &message);
                good = wt_ed25519_good(v->public_key, message.data, message.len,
                                       s->bytes + want - 64);
                wt_buf_free(&message);
                if (!good)
                        continue;
                if (time_s != NULL)
                        *time_s = when;
                return true;
        }
        return false;
}

wt_err wt_note_sign(const struct wt_signer *s, const char *body, size_t len, uint64_t time_s,
                    struct wt_buf *out)
{
        uint32_t before = s->v.type == WT_NOTE_WITNESS ? 12 : 4;
        struct wt_buf message = { 0 };
        uint8_t raw[76];
        wt_err err;

        if (len == 0 || body[len - 1] != '\n')
                return wt_fail(WT_EINVAL, "what is signed must end in a newline");
        put_message(s->v.type, body, len, time_s, &message);
        for (uint32_t i = 0; i < 4; i++)
                raw[i] = (uint8_t)(s->v.id >> (24 - 8 * i));
        for (uint32_t i = 4; i < before; i++)
                raw[i] = (uint8_t)(time_s >> (88 - 8 * i));
        err = wt_ed25519_sign(s->seed, message.data, message.len, raw + before);
        wt_buf_free(&message);
        if (err != WT_OK)
                return err;
        wt_buf_fmt(out, DASH "%s ", s->v.name);
        wt_base64_add(out, raw, before + 64);
        wt_buf_str(out, "\n");
        return WT_OK;
}
