/* doctor_state.c - the state folder: whose it is, who may read it, disk space, keys. */
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "bus/keyring.h"
#include "doctor.h"
#include "units.h"

enum { SPARE_BYTES = 64 << 20 };

/* The nearest folder above path that exists. */
static void parent(const char *path, char out[4200])
{
        struct stat st;
        char *cut;

        snprintf(out, 4200, "%s", path);
        while (stat(out, &st) != 0 && (cut = strrchr(out, '/')) != NULL)
                cut[cut == out] = '\0';          /* "/" itself stays */
        if (stat(out, &st) != 0)
                snprintf(out, 4200, ".");
}

static const char *user(uid_t uid, char out[64])
{
        struct passwd *p = getpwuid(uid);

        if (p != NULL)
                snprintf(out, 64, "%s", p->pw_name);
        else
                snprintf(out, 64, "number %u", (unsigned)uid);
        return out;
}

/* True when the folder is there and ours. */
static bool folder(struct doctor *d)
{
        const char *path = d->c->state;
        char up[4200], name[64];
        struct stat st;

        if (stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
                parent(path, up);
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
                           "%s belongs to user %s", path, user(st.st_uid, name));
        else if (access(path, W_OK | X_OK) != 0)
                doctor_say(d, D_FAIL, "state", "chmod u+rwx it, or name another one: --state DIR",
                           "%s cannot be written: %s",
                           path, strerror(errno));
        else if ((st.st_mode & 077) != 0)
                doctor_say(d, D_WARN, "state", "chmod 700 it", "%s is open to others (mode %03o)",
                           path, (unsigned)st.st_mode & 0777);
        else
                doctor_say(d, D_OK, "state", NULL, "%s is ours alone", path);
        return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && access(path, W_OK | X_OK) == 0;
}

/* A secret that others may read, or that is another user's. True when it is well or absent. */
static bool secret(struct doctor *d, const char *path)
{
        struct stat st;
        char name[64];

        if (stat(path, &st) != 0)
                return true;
        if (st.st_uid != geteuid())
                doctor_say(d, D_FAIL, "keys", "chown it, or run as that user",
                           "%s belongs to user %s", path, user(st.st_uid, name));
        else if ((st.st_mode & 077) != 0)
                doctor_say(
                        d, D_FAIL, "keys",
                        "chmod 600 it; if others were here, make new keys: remove keys/ and start "
                        "again",
                        "%s can be read by others (mode %03o)", path, (unsigned)st.st_mode & 0777);
        return st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

static bool modes(struct doctor *d)
{
        static const char *const files[] = { "witan.json", "witan.db" };
        char path[4600];
        struct dirent *e;
        bool well = true;
        DIR *dir;

        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                snprintf(path, sizeof path, "%s/%s", d->c->state, files[i]);
                well &= secret(d, path);
        }
        snprintf(path, sizeof path, "%s/keys", d->c->state);
        dir = opendir(path);
        while (dir != NULL && (e = readdir(dir)) != NULL)
                if (strstr(e->d_name, ".key") != NULL) {
                        snprintf(path, sizeof path, "%s/keys/%s", d->c->state, e->d_name);
                        well &= secret(d, path);
                }
        if (dir != NULL)
                closedir(dir);
        return well;
}

/* Every process of the cluster finds its keys, and they read well. */
static void keys(struct doctor *d)
{
        struct wt_keyring ring;
        char dir[4200];
        uint32_t n = 0, lacking = 0;

        snprintf(dir, sizeof dir, "%s/keys", d->c->state);
        if (!modes(d))
                return;
        for (uint32_t i = 0; i < d->cl.n; i++) {
                const struct process *p = &d->cl.processes[i];
                if (strcmp(p->role, "all") == 0 || strcmp(p->role, "witness") == 0)
                        continue;                /* threads, and who speaks HTTP, need none */
                n++;
                if (wt_keyring_load(&ring, dir, p->name) == WT_OK)
                        continue;
                lacking++;
                doctor_say(
                        d, D_FAIL, "keys",
                        d->runs ? "witan down, then witan up makes it; until then a process that "
                                  "is started again stays out"
                                : "witan up makes it",
                        "%s", wt_words());
        }
        if (n == 0)
                doctor_say(d, D_OK, "keys", NULL, "none are needed yet; witan up makes them");
        else if (lacking == 0)
                doctor_say(d, D_OK, "keys", NULL,
                           "%u processes have theirs, and nobody else may read them", n);
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
        char up[4200], path[4600], want[32], have[32];
        struct statvfs fs;
        struct dirent *e;
        struct stat st;
        uint64_t there = 0, need, room;
        DIR *dir;

        parent(d->c->state, up);
        if (statvfs(up, &fs) != 0)
                return;
        room = (uint64_t)fs.f_bavail * fs.f_frsize;
        snprintf(path, sizeof path, "%s/packs", d->c->state);
        dir = opendir(path);
        while (dir != NULL && (e = readdir(dir)) != NULL)
                if (strstr(e->d_name, ".pack") != NULL &&
                    fstatat(dirfd(dir), e->d_name, &st, 0) == 0)
                        there += (uint64_t)st.st_size;
        if (dir != NULL)
                closedir(dir);
        need = (d->weighed && d->w.total_bytes > there ? d->w.total_bytes - there : 0) +
               SPARE_BYTES;
        units_bytes(need, want);
        units_bytes(room, have);
        doctor_say(d, room < need ? D_FAIL : D_OK, "disk",
                   room < need ? "free space, or name a folder on another disk: --state DIR"
                               : NULL,
                   "%s are free at %s; packs and logs want %s", have, up, want);
}

void doctor_state(struct doctor *d)
{
        if (folder(d)) {
                keys(d);
                witness(d);
        }
        disk(d);
}
