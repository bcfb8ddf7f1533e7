/* room.c - see room.h. */
#include "room.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "units.h"

void room_above(const char *path, char out[4200])
{
        struct stat st;
        char *cut;

        snprintf(out, 4200, "%s", path);
        while (stat(out, &st) != 0 && (cut = strrchr(out, '/')) != NULL && cut[1] != '\0')
                cut[cut == out] = '\0';          /* "/" itself stays */
        if (stat(out, &st) != 0)
                snprintf(out, 4200, ".");
}

static uint64_t packs(const char *state)
{
        char path[4600];
        struct dirent *e;
        struct stat st;
        uint64_t bytes = 0;
        DIR *dir;

        snprintf(path, sizeof path, "%s/packs", state);
        dir = opendir(path);
        while (dir != NULL && (e = readdir(dir)) != NULL)
                if (strstr(e->d_name, ".pack") != NULL &&
                    fstatat(dirfd(dir), e->d_name, &st, 0) == 0)
                        bytes += (uint64_t)st.st_size;
        if (dir != NULL)
                closedir(dir);
        return bytes;
}

bool room_look(struct room *r, const char *state)
{
        char up[4200];
        struct statvfs fs;

        room_above(state, up);
        if (statvfs(up, &fs) != 0)
                return false;
        *r = (struct room){ .free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize,
                            .pack_bytes = packs(state),
                            .no_files = fs.f_files > 0 && fs.f_favail == 0 };
        return true;
}

wt_err room_check(const char *state, uint64_t model_bytes)
{
        char all[32], pack[32], spare[32], have[32];
        struct room r;
        uint64_t more;

        if (!room_look(&r, state))
                return WT_OK;                    /* whoever writes there will hear of it */
        more = model_bytes > r.pack_bytes ? model_bytes - r.pack_bytes : 0;
        if (r.free_bytes >= more + ROOM_SPARE_BYTES)
                return WT_OK;
        units_bytes(more + ROOM_SPARE_BYTES, all);
        units_bytes(more, pack);
        units_bytes(ROOM_SPARE_BYTES, spare);
        units_bytes(r.free_bytes, have);
        return wt_fail(WT_EEXHAUSTED, "the disk of the state folder %s has %s free, and %s are "
                       "wanted: %s for packs (the weights, once per machine) and %s for keys, "
                       "database, spool and logs; free space there, or name a folder on another "
                       "disk with --state DIR", state, have, all, pack, spare);
}

void room_hint(const char *state, const char *words)
{
        char have[32], spare[32];
        struct room r;

        if ((strstr(words, "No space left") == NULL && strstr(words, "disk is full") == NULL) ||
            !room_look(&r, state) || (!r.no_files && r.free_bytes >= ROOM_SPARE_BYTES))
                return;                          /* another disk: the words name the file */
        units_bytes(r.free_bytes, have);
        units_bytes(ROOM_SPARE_BYTES, spare);
        if (r.no_files)
                fprintf(stderr, "the disk of %s takes no more files (its inodes are used up); "
                        "remove some there, or name a folder on another disk with --state DIR\n",
                        state);
        else
                fprintf(stderr, "the disk of %s has %s free; %s are enough beside the packs: free "
                        "space there, or name a folder on another disk with --state DIR\n", state,
                        have, spare);
}
