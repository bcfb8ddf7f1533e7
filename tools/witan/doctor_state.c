/* doctor_state.c - the state folder: whose it is, who may read it, disk space, the witness. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "doctor.h"
#include "room.h"
#include "units.h"

enum { SPARE_BYTES = 64 << 20 };                 /* logs and the database grow */

const char *doctor_user(uid_t uid, char out[64])
{
        struct passwd *p = getpwuid(uid);

        if (p != NULL)
                snprintf(out, 64, "%s", p->pw_name);
        else
                snprintf(out, 64, "%u", (unsigned)uid);
        return out;
}

/* True when the folder is there and ours. */
static bool folder(struct doctor *d)
{
        const char *path = d->c->state;
        char up[4200], name[64], line[4300];
        struct stat st;

        snprintf(line, sizeof line, "chmod 700 '%s'", path);
        if (stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
                room_above(path, up);
                if (access(up, W_OK | X_OK) == 0 && stat(up, &st) == 0 && S_ISDIR(st.st_mode))
                        doctor_say(d, D_OK, "state", NULL, "%s is not there yet; witan up makes it",
                                   path);
                else
                        doctor_say(d, D_FAIL, "state", "name a folder of your own: --state DIR",
                                   "%s is not there, and %s cannot be written", path, up);
                return false;
        }
        if (stat(path, &st) != 0)
                doctor_say(d, D_FAIL, "state", "name a folder of your own: --state DIR", "%s: %s",
                           path, strerror(errno));
        else if (!S_ISDIR(st.st_mode))
                doctor_say(d, D_FAIL, "state", "name a folder: --state DIR", "%s is no folder",
                           path);
        else if (st.st_uid != geteuid())
                doctor_say(d, D_FAIL, "state",
                           "run as that user, or name a folder of your own: --state DIR",
                           "%s belongs to user %s", path, doctor_user(st.st_uid, name));
        else if (access(path, W_OK | X_OK) != 0)
                doctor_say(d, D_FAIL, "state", line,
                           "%s cannot be written: %s",
                           path, strerror(errno));
        else if ((st.st_mode & 077) != 0)
                doctor_say(d, D_WARN, "state", line, "%s is open to others (mode %03o)",
                           path, (unsigned)st.st_mode & 0777);
        else
                doctor_say(d, D_OK, "state", NULL, "%s is ours alone", path);
        return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && access(path, W_OK | X_OK) == 0;
}

/* A witness that lost its memory does not start: said before it is tried. */
static void witness(struct doctor *d)
{
        char key[4300], memory[4300];

        snprintf(key, sizeof key, "%s/witness/key", d->c->state);
        snprintf(memory, sizeof memory, "%s/witness/checkpoint", d->c->state);
        if (access(key, F_OK) != 0)
                return;                          /* none here, or none yet */
        if (access(memory, F_OK) != 0)
                doctor_say(d, D_FAIL, "witness", "put the file back, or move the folder away: a "
                           "new witness is made then, which knows nothing of the past",
                           "the witness of the audit log has a key and no memory: %s is gone",
                           memory);
        else
                doctor_say(d, D_OK, "witness", NULL, "the witness of the audit log has its key and "
                           "its memory; witan audit verify asks more");
}

/* Packs are as large as the weights, once per machine. */
static void disk(struct doctor *d)
{
        char up[4200], want[32], have[32];
        struct room r;
        uint64_t least, need;                    /* witan up starts with least */

        if (!room_look(&r, d->c->state))
                return;
        room_above(d->c->state, up);
        least = ROOM_SPARE_BYTES;
        if (d->weighed && d->w.total_bytes > r.pack_bytes)
                least += d->w.total_bytes - r.pack_bytes;
        need = least - ROOM_SPARE_BYTES + SPARE_BYTES;
        units_bytes(need, want);
        units_bytes(r.free_bytes, have);
        if (r.no_files)
                doctor_say(d, D_FAIL, "disk", "remove files there, or name a folder on another "
                           "disk: --state DIR", "%s takes no more files (its inodes are used up)",
                           up);
        else
                doctor_say(d, r.free_bytes >= need ? D_OK : r.free_bytes >= least ? D_WARN : D_FAIL,
                           "disk", r.free_bytes >= need ? NULL
                           : "free space, or name a folder on another disk: --state DIR",
                           "%s are free at %s; packs and logs want %s", have, up, want);
}

void doctor_state(struct doctor *d)
{
        if (folder(d)) {
                doctor_keys(d);
                witness(d);
        }
        disk(d);
}
