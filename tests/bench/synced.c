/* synced.c - synced FOLDER [SECONDS]: what a write of 512 bytes and an fdatasync cost on the file
 * system of FOLDER, one after another at the end of one file, as a line of JSON. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "times.h"

enum { BYTES = 512 };

static struct times spent;

static const char *kind(const char *folder)
{
        static char words[32];
        struct statfs st;

        if (statfs(folder, &st) != 0)
                return "unknown";
        switch ((unsigned long)st.f_type) {
        case 0x01021994: return "tmpfs";
        case 0xef53:     return "ext4";
        case 0x58465342: return "xfs";
        case 0x9123683e: return "btrfs";
        case 0x794c7630: return "overlayfs";
        default:
                snprintf(words, sizeof words, "%#lx", (unsigned long)st.f_type);
                return words;
        }
}

static int append(int fd, double seconds)
{
        uint64_t end = times_now() + (uint64_t)(seconds * 1e9), begin;
        char data[BYTES];

        memset(data, 'w', sizeof data);
        while ((begin = times_now()) < end) {
                if (write(fd, data, sizeof data) != BYTES || fdatasync(fd) != 0)
                        return -1;
                times_add(&spent, times_now() - begin);
        }
        return 0;
}

int main(int argc, char **argv)
{
        double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;
        struct wt_buf b = { 0 };
        char path[4096];
        int fd;

        if (argc < 2 || seconds <= 0) {
                fputs("synced: say synced FOLDER [SECONDS]\n", stderr);
                return 2;
        }
        snprintf(path, sizeof path, "%s/synced.XXXXXX", argv[1]);
        if ((fd = mkstemp(path)) < 0 || append(fd, seconds) != 0) {
                fprintf(stderr, "synced: %s: %s\n", path, strerror(errno));
                if (fd >= 0)
                        unlink(path);
                return 2;
        }
        close(fd);
        unlink(path);
        wt_buf_str(&b, "{");
        wt_buf_json_kv(&b, "file_system", kind(argv[1]));
        wt_buf_json_ku(&b, "syncs", spent.n);
        times_json(&spent, "sync_us", &b);
        wt_buf_str(&b, "}");
        puts(b.data);
        wt_buf_free(&b);
        return 0;
}
