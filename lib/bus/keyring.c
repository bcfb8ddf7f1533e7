/* keyring.c - reads and makes the key files. */
#include "bus/keyring.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"

enum { KEY_FILE_MAX = 4096 };

static const char *key_name(const char *name)
{
        return strncmp(name, "router-", 7) == 0 ? "router" : name;
}

/* The 40 characters after "WORD " at the start of a line. */
static wt_err take_key(const char *path, const char *text, const char *word, char out[41])
{
        size_t n = strlen(word);

        for (const char *p = text; p != NULL && *p != '\0'; p = strchr(p, '\n'), p += p != NULL) {
                if (strncmp(p, word, n) == 0 && p[n] == ' ' && strcspn(p + n + 1, " \r\n") == 40) {
                        memcpy(out, p + n + 1, 40);
                        out[40] = '\0';
                        return WT_OK;
                }
        }
        return wt_fail(WT_EINVAL,
                       "%s has no line \"%s KEY\" with a key of 40 characters; remove the file "
                       "and let witan up make a new one",
                       path, word);
}

static wt_err read_pair(const char *path, char public_key[41], char secret_key[41])
{
        struct wt_buf b = { 0 };
        struct stat st;
        wt_err err;

        if ((err = wt_file_read(path, KEY_FILE_MAX, &b)) != WT_OK)
                return err == WT_ENOTFOUND
                        ? wt_fail(err, "there is no key file %s; witan up makes it", path) : err;
        if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
                err = wt_fail(WT_EPERM, "%s can be read by others; run chmod 600 on it", path);
        if (err == WT_OK)
                err = take_key(path, b.data, "public", public_key);
        if (err == WT_OK)
                err = take_key(path, b.data, "secret", secret_key);
        wt_buf_free(&b);
        return err;
}

wt_err wt_keyring_load(struct wt_keyring *out, const char *dir, const char *name)
{
        struct wt_keyring k = { 0 };
        struct wt_buf b = { 0 };
        char path[4096];
        wt_err err;

        if (snprintf(path, sizeof path, "%s/%s.key", dir, key_name(name)) >= (int)sizeof path ||
            snprintf(k.allow_file, sizeof k.allow_file, "%s/allowed", dir) >=
                    (int)sizeof k.allow_file)
                return wt_fail(WT_EINVAL, "the path of the key folder %s is too long", dir);
        if ((err = read_pair(path, k.public_key, k.secret_key)) != WT_OK)
                return err;
        snprintf(path, sizeof path, "%s/router.pub", dir);
        if ((err = wt_file_read(path, KEY_FILE_MAX, &b)) == WT_OK)
                err = take_key(path, b.data, "public", k.server_key);
        wt_buf_free(&b);
        if (err == WT_OK)
                *out = k;
        return err;
}

wt_err wt_keyring_rpc(struct wt_keyring *out, const char *dir, const char *name)
{
        struct wt_keyring k = { 0 };
        char path[4096];
        wt_err err;

        if (snprintf(path, sizeof path, "%s/rpc.key", dir) >= (int)sizeof path ||
            snprintf(k.allow_file, sizeof k.allow_file, "%s/rpc-%s.allowed", dir, name) >=
                    (int)sizeof k.allow_file)
                return wt_fail(WT_EINVAL, "the path of the key folder %s is too long", dir);
        if ((err = read_pair(path, k.public_key, k.secret_key)) == WT_OK)
                *out = k;
        return err;
}

struct wt_bus_keys wt_keyring_bus(const struct wt_keyring *k)
{
        return (struct wt_bus_keys){ .public_key = k->public_key, .secret_key = k->secret_key,
                                     .server_key = k->server_key, .allow_file = k->allow_file };
}

static wt_err make_pair(const char *dir, const char *name, char public_key[41])
{
        char path[4096], text[128], secret_key[41];
        wt_err err;
        int n;

        snprintf(path, sizeof path, "%s/%s.key", dir, name);
        if ((err = read_pair(path, public_key, secret_key)) != WT_ENOTFOUND)
                return err;                      /* a file that is there is never replaced */
        if ((err = wt_bus_keypair(public_key, secret_key)) != WT_OK)
                return err;
        n = snprintf(text, sizeof text, "public %s\nsecret %s\n", public_key, secret_key);
        return wt_file_write(path, text, (size_t)n, 0600);
}

/* A pair that clients know the public half of. */
static wt_err make_shared(const char *dir, const char *name)
{
        char path[4096], public_key[41], line[64];
        wt_err err = make_pair(dir, name, public_key);

        if (err != WT_OK)
                return err;
        snprintf(path, sizeof path, "%s/%s.pub", dir, name);
        snprintf(line, sizeof line, "public %s\n", public_key);
        return wt_file_write(path, line, strlen(line), 0644);
}

wt_err wt_keyring_make(const char *dir, const struct wt_keyring_name *names, uint32_t n)
{
        struct wt_buf allowed = { 0 };
        char path[4096], public_key[41];
        wt_err err;

        if ((err = wt_dir_make(dir, 0700)) != WT_OK ||
            (err = make_shared(dir, "router")) != WT_OK ||
            (err = make_shared(dir, "rpc")) != WT_OK)
                return err;
        for (uint32_t i = 0; i < n && err == WT_OK; i++) {
                err = make_pair(dir, names[i].name, public_key);
                wt_buf_fmt(&allowed, "%s %s %s\n", names[i].name, names[i].role, public_key);
        }
        snprintf(path, sizeof path, "%s/allowed", dir);
        if (err == WT_OK)
                err = wt_file_write(path, allowed.data, allowed.len, 0600);
        wt_buf_free(&allowed);
        return err;
}
