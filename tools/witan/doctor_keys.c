/* doctor_keys.c - what must be secret and whole: the key folder, its files, the database. What is
 * to be done is a line for the shell, with the path in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bus/keyring.h"
#include "doctor.h"

enum { LINE = 9400 };

/* Whose a file is, who may read it, and whether we may. True when it is well or absent. */
static bool secret(struct doctor *d, const char *path)
{
        char line[LINE], whose[64], us[64];
        struct stat st;
        int fd;

        if (stat(path, &st) != 0)
                return errno == ENOENT;
        if (st.st_uid != geteuid()) {
                snprintf(line, sizeof line, "sudo chown %s '%s'", doctor_user(geteuid(), us), path);
                doctor_say(d, D_FAIL, "keys", line, "%s belongs to user %s; this is %s (or run as "
                           "that user)", path, doctor_user(st.st_uid, whose), us);
                return false;
        }
        snprintf(line, sizeof line, "chmod 600 '%s'", path);
        if ((st.st_mode & 077) != 0) {
                doctor_say(d, D_FAIL, "keys", line, "%s can be read by others (mode %03o)", path,
                           (unsigned)st.st_mode & 0777);
                return false;
        }
        if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
                doctor_say(d, D_FAIL, "keys", line, "%s cannot be read: %s (mode %03o)", path,
                           strerror(errno), (unsigned)st.st_mode & 0777);
        else
                close(fd);
        return fd >= 0;
}

/* The folder itself. False: nothing in it can be looked at; said. */
static bool folder(struct doctor *d, const char *dir)
{
        char line[LINE], whose[64], us[64];
        struct stat st;

        if (stat(dir, &st) != 0)
                return true;                     /* none yet, or each key says that it is gone */
        if (!S_ISDIR(st.st_mode)) {
                snprintf(line, sizeof line, "mv '%s' '%s.moved'  # then witan up makes the folder",
                         dir, dir);
                doctor_say(d, D_FAIL, "keys", line, "%s is no folder", dir);
                return false;
        }
        if (st.st_uid != geteuid()) {
                snprintf(line, sizeof line, "sudo chown -R %s '%s'", doctor_user(geteuid(), us),
                         dir);
                doctor_say(d, D_FAIL, "keys", line, "%s belongs to user %s; this is %s (or run as "
                           "that user)", dir, doctor_user(st.st_uid, whose), us);
                return false;
        }
        snprintf(line, sizeof line, "chmod 700 '%s'", dir);
        if (access(dir, R_OK | W_OK | X_OK) != 0) {
                doctor_say(d, D_FAIL, "keys", line, "%s cannot be used: %s (mode %03o)", dir,
                           strerror(errno), (unsigned)st.st_mode & 0777);
                return false;
        }
        if ((st.st_mode & 077) != 0)
                doctor_say(d, D_WARN, "keys", line, "%s is open to others (mode %03o)", dir,
                           (unsigned)st.st_mode & 0777);
        return true;
}

static bool modes(struct doctor *d, const char *dir)
{
        static const char *const files[] = { "witan.json", "witan.db" };
        char path[4600];
        struct dirent *e;
        bool well = true;
        DIR *at;

        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                snprintf(path, sizeof path, "%s/%s", d->c->state, files[i]);
                well &= secret(d, path);
        }
        if (!folder(d, dir))
                return false;
        at = opendir(dir);
        while (at != NULL && (e = readdir(at)) != NULL)
                if (strstr(e->d_name, ".key") != NULL) {
                        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
                        well &= secret(d, path);
                }
        if (at != NULL)
                closedir(at);
        return well;
}

/* A key that is not there, or is there and is none. The routers' public half is made again from
 * the pair. */
static void lacking(struct doctor *d, const char *dir, const char *name, wt_err err)
{
        const char *file = strncmp(name, "router-", 7) == 0 ? "router" : name;
        const char *half = strstr(wt_words(), "router.pub") != NULL ? "router.pub" : NULL;
        char line[LINE], words[1024];

        snprintf(words, sizeof words, "%s", wt_words());
        if (err == WT_ENOTFOUND || half != NULL)
                snprintf(line, sizeof line, "%s", d->runs
                         ? "witan down, then witan up makes it; until then a process that is "
                           "started again stays out" : "witan up makes it");
        else
                snprintf(line, sizeof line, "rm '%s/%s.key'  # %switan up makes a new one", dir,
                         file, d->runs ? "then witan down, and " : "");
        doctor_say(d, D_FAIL, "keys", line, "%s", words);
}

/* Every process of the cluster finds its keys, and they read well. */
void doctor_keys(struct doctor *d)
{
        struct wt_keyring ring;
        uint32_t n = 0, n_lacking = 0;
        char dir[4200];
        wt_err err;

        snprintf(dir, sizeof dir, "%s/keys", d->c->state);
        if (!modes(d, dir))
                return;
        for (uint32_t i = 0; i < d->cl.n; i++) {
                const struct process *p = &d->cl.processes[i];

                if (strcmp(p->role, "all") == 0 || strcmp(p->role, "witness") == 0)
                        continue;                /* threads, and who speaks HTTP, need none */
                n++;
                if ((err = wt_keyring_load(&ring, dir, p->name)) == WT_OK)
                        continue;
                n_lacking++;
                lacking(d, dir, p->name, err);
        }
        if (n == 0)
                doctor_say(d, D_OK, "keys", NULL, "none are needed yet; witan up makes them");
        else if (n_lacking == 0)
                doctor_say(d, D_OK, "keys", NULL,
                           "%u processes have theirs, and nobody else may read them", n);
}
