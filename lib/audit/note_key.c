/* note_key.c - the keys of signed notes, as lines and as files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/note.h"
#include "audit/note_key.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/sha256.h"
#include "tls/sign.h"

#define PRIVATE "PRIVATE+KEY+"

wt_err wt_signer_new(struct wt_signer *out, enum wt_note_key type, const char *name)
{
        struct wt_signer s = { .v.type = type };
        wt_err err;

        if (!note_name_fits(name, strlen(name)))
                return wt_fail(WT_EINVAL, "\"%.80s\" cannot name a key: 1 to %d characters of "
                               "ASCII, no blank and no '+'", name, WT_NOTE_NAME);
        strcpy(s.v.name, name);
        if ((err = wt_ed25519_new(s.seed, s.v.public_key)) != WT_OK)
                return err;
        s.v.id = note_id(&s.v);
        *out = s;
        wt_wipe(&s, sizeof s);
        return WT_OK;
}

static void put_line(struct wt_buf *out, const struct wt_verifier *v, const uint8_t key[32])
{
        uint8_t raw[33];

        raw[0] = (uint8_t)v->type;
        memcpy(raw + 1, key, 32);
        wt_buf_fmt(out, "%s+%08x+", v->name, v->id);
        wt_base64_add(out, raw, sizeof raw);
        wt_wipe(raw, sizeof raw);
}

void wt_verifier_text(const struct wt_verifier *v, struct wt_buf *out)
{
        put_line(out, v, v->public_key);
}

/* Under a name of its own first, so that the key's file is whole or not there; link, not rename,
 * so that a key that is there already stays. */
static wt_err save_new(const char *path, const struct wt_buf *text)
{
        char fresh[4200];
        wt_err err;

        snprintf(fresh, sizeof fresh, "%s.new.%ld", path, (long)getpid());
        if ((err = wt_file_write(fresh, text->data, text->len, 0600)) != WT_OK)
                return err;
        if (link(fresh, path) != 0)
                err = errno == EEXIST
                              ? wt_fail(WT_EEXIST, "%s exists; a key is never replaced", path)
                              : wt_fail(WT_EIO, "cannot make %s: %s", path, strerror(errno));
        unlink(fresh);
        return err;
}

wt_err wt_signer_save(const struct wt_signer *s, const char *path, const char *public_path)
{
        struct wt_buf text = { 0 };
        wt_err err;

        wt_buf_str(&text, PRIVATE);
        put_line(&text, &s->v, s->seed);
        wt_buf_str(&text, "\n");
        err = save_new(path, &text);
        wt_wipe(text.data, text.len);
        wt_buf_clear(&text);
        wt_verifier_text(&s->v, &text);
        wt_buf_str(&text, "\n");
        if (err == WT_OK)                        /* its fsync of the folder covers the link, too */
                err = wt_file_write(public_path, text.data, text.len, 0644);
        wt_buf_free(&text);
        return err;
}

/* "NAME+ID+BASE64" into v's name, id and type, and the key behind them. */
static bool read_line(const char *text, size_t len, struct wt_verifier *v, uint8_t key[32])
{
        const char *plus = memchr(text, '+', len);
        size_t name = plus != NULL ? (size_t)(plus - text) : 0;
        uint8_t id[4], raw[33];

        if (plus == NULL || len - name < 10 || plus[9] != '+' || !note_name_fits(text, name))
                return false;
        memcpy(v->name, text, name);
        v->name[name] = '\0';
        for (int i = 1; i < 9; i++)
                if (plus[i] >= 'A' && plus[i] <= 'F')
                        return false;            /* one text for each key */
        if (wt_unhex(plus + 1, 4, id) != 0 ||
            !wt_base64_exact(plus + 10, len - name - 10, raw, sizeof raw) ||
            (raw[0] != WT_NOTE_LOG && raw[0] != WT_NOTE_WITNESS))
                return false;
        v->id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
        v->type = raw[0];
        memcpy(key, raw + 1, 32);
        wt_wipe(raw, sizeof raw);
        return true;
}

wt_err wt_verifier_parse(struct wt_verifier *out, const char *text, size_t len)
{
        struct wt_verifier v = { .id = 0 };

        if (len > 0 && text[len - 1] == '\n')
                len--;
        if (!read_line(text, len, &v, v.public_key) || note_id(&v) != v.id)
                return wt_fail(WT_EDATA, "this is no public key of a log or a witness; it reads "
                               "NAME+8 hex digits+base64");
        *out = v;
        return WT_OK;
}

wt_err wt_verifier_load(struct wt_verifier *out, enum wt_note_key type, const char *path)
{
        struct wt_buf text = { 0 };
        struct wt_verifier v;
        wt_err err = wt_file_read(path, 4096, &text);

        if (err == WT_OK && (err = wt_verifier_parse(&v, text.data, text.len)) != WT_OK)
                err = wt_fail_in(err, "%s", path);
        wt_buf_free(&text);
        if (err != WT_OK)
                return err;
        if (v.type != type)                      /* what a log signs itself no witness has seen */
                return wt_fail(WT_EINVAL, type == WT_NOTE_WITNESS
                               ? "%s is the public key of a log, %s, not of a witness; name the "
                                 "witness's key.pub"
                               : "%s is the public key of a witness, %s, not of a log; name the "
                                 "log's audit-log.pub", path, v.name);
        *out = v;
        return WT_OK;
}

static wt_err parse_private(struct wt_signer *out, const char *text, size_t len)
{
        struct wt_signer s = { .v.id = 0 };
        size_t skip = strlen(PRIVATE);
        wt_err err;

        if (len > 0 && text[len - 1] == '\n')
                len--;
        if (len < skip || memcmp(text, PRIVATE, skip) != 0 ||
            !read_line(text + skip, len - skip, &s.v, s.seed))
                return wt_fail(WT_EDATA, "this is no private key of a log or a witness");
        if ((err = wt_ed25519_public(s.seed, s.v.public_key)) != WT_OK)
                return err;
        if (note_id(&s.v) != s.v.id)
                return wt_fail(WT_EDATA, "the key is damaged: it does not give its own id");
        *out = s;
        wt_wipe(&s, sizeof s);
        return WT_OK;
}

wt_err wt_signer_load(struct wt_signer *out, const char *path)
{
        struct wt_buf text = { 0 };
        struct stat st;
        wt_err err;

        if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
                return wt_fail(WT_EPERM, "%s may be read by others (mode %03o); chmod 600 it, and "
                               "think whether the key is still secret", path,
                               (unsigned)st.st_mode & 0777);
        if ((err = wt_file_read(path, 4096, &text)) != WT_OK)
                return err;
        if ((err = parse_private(out, text.data, text.len)) != WT_OK)
                err = wt_fail_in(err, "%s", path);
        wt_wipe(text.data, text.len);
        wt_buf_free(&text);
        return err;
}
