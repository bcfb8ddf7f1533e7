/* blob.c - files named by digest, and their index. The slow part, writing and syncing, is done
 * before the transaction; the row decides between one who puts and one who drops. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "store/store.h"

static const char *const steps[] = {
        "CREATE TABLE witan_blobs (digest {bytes} PRIMARY KEY, bytes BIGINT NOT NULL,"
        " kind TEXT NOT NULL, created_us BIGINT NOT NULL)",
};
enum { N_STEPS = sizeof steps / sizeof *steps, PATH = 4200 };

struct blob {
        const char *folder, *kind, *written;     /* written: the temporary file */
        const uint8_t *digest;
        char path[PATH];
        int64_t bytes;
};

static wt_err make(struct blob *b, wt_store *s, const char *folder, const uint8_t digest[32])
{
        char hex[65];

        b->folder = folder;
        b->digest = digest;
        wt_hex(digest, 32, hex);
        if (snprintf(b->path, sizeof b->path, "%s/%s", folder, hex) >= (int)sizeof b->path)
                return wt_fail(WT_EINVAL, "the path of the blobs' folder is too long");
        return wt_store_migrate(s, "blobs", steps, N_STEPS);
}

static wt_err sync_folder(const char *folder)
{
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = fd < 0 ? -1 : fsync(fd);
        wt_err err = rc == 0 ? WT_OK : wt_fail(WT_EIO, "cannot sync the folder %s: %s; look at the "
                                               "disk", folder, strerror(errno));

        if (fd >= 0)
                close(fd);
        return err;
}

static wt_err put(void *arg, wt_store *s)
{
        struct blob *b = arg;
        int64_t now = 0;
        wt_err err = wt_store_now(s, &now);
        const struct wt_value v[4] = { wt_v_blob(b->digest, 32), wt_v_int(b->bytes),
                                       wt_v_text(b->kind), wt_v_int(now) };

        if (err == WT_OK)
                err = wt_store_query(s, "INSERT INTO witan_blobs VALUES ($1, $2, $3, $4) "
                                     "ON CONFLICT (digest) DO UPDATE SET kind = excluded.kind", v,
                                     4, NULL, NULL, NULL);
        if (err == WT_OK && b->written != NULL && rename(b->written, b->path) != 0)
                return wt_fail(WT_EIO, "cannot name the blob %s: %s; look at the disk", b->path,
                               strerror(errno));
        if (err == WT_OK && b->written != NULL) {
                b->written = NULL;               /* should the transaction run again */
                err = sync_folder(b->folder);
        }
        return err;
}

wt_err wt_blob_put(wt_store *s, const char *folder, const void *data, size_t len, const char *kind,
                   uint8_t digest[32])
{
        struct blob b = { .kind = kind, .bytes = (int64_t)len };
        char path[PATH + 32];
        uint8_t of[32];
        uint64_t drawn;
        wt_err err;

        wt_sha256_of(data, len, of);
        wt_random_bytes(&drawn, sizeof drawn);
        snprintf(path, sizeof path, "%s/.new-%016llx", folder, (unsigned long long)drawn);
        if ((err = wt_dir_make(folder, 0700)) != WT_OK ||
            (err = make(&b, s, folder, of)) != WT_OK ||
            (err = wt_file_write(path, data, len, 0600)) != WT_OK)
                return err;
        b.written = path;
        err = wt_store_do(s, put, &b);
        if (b.written != NULL)
                unlink(path);
        if (err == WT_OK)
                memcpy(digest, of, 32);
        return err;
}

static int read_bytes(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].as.i;
        return 0;
}

wt_err wt_blob_get(wt_store *s, const char *folder, const uint8_t digest[32], struct wt_buf *out)
{
        const struct wt_value key = wt_v_blob(digest, 32);
        struct blob b = { .bytes = -1 };
        size_t before = out->len;
        uint8_t of[32];
        wt_err err = make(&b, s, folder, digest);

        if (err == WT_OK)
                err = wt_store_query(s, "SELECT bytes FROM witan_blobs WHERE digest = $1", &key, 1,
                                     read_bytes, &b.bytes, NULL);
        if (err != WT_OK)
                return err;
        if (b.bytes < 0)
                return wt_fail(WT_ENOTFOUND, "there is no blob %s", b.path);
        if ((err = wt_file_read(b.path, (size_t)b.bytes, out)) != WT_OK)
                return err == WT_ENOTFOUND || err == WT_EEXHAUSTED
                             ? wt_fail(WT_EDATA, "blob %s is not as it was put (%lld bytes); "
                                       "restore a copy", b.path, (long long)b.bytes)
                             : err;
        wt_sha256_of(out->data + before, out->len - before, of);
        if (memcmp(of, digest, 32) != 0) {
                out->len = before;
                return wt_fail(WT_EDATA, "blob %s is damaged: its bytes have another digest; "
                               "restore a copy", b.path);
        }
        return WT_OK;
}

static wt_err drop(void *arg, wt_store *s)
{
        struct blob *b = arg;
        const struct wt_value key = wt_v_blob(b->digest, 32);
        uint64_t n = 0;
        wt_err err = wt_store_query(s, "DELETE FROM witan_blobs WHERE digest = $1", &key, 1, NULL,
                                    NULL, &n);

        if (err != WT_OK)
                return err;
        if (n == 0)
                return wt_fail(WT_ENOTFOUND, "there is no blob %s", b->path);
        if (unlink(b->path) != 0 && errno != ENOENT)
                return wt_fail(WT_EIO, "cannot remove the blob %s: %s; look at the folder", b->path,
                               strerror(errno));
        return sync_folder(b->folder);
}

wt_err wt_blob_drop(wt_store *s, const char *folder, const uint8_t digest[32])
{
        struct blob b = { 0 };
        wt_err err = make(&b, s, folder, digest);

        return err != WT_OK ? err : wt_store_do(s, drop, &b);
}
