/* postgres.h - a real PostgreSQL for tests: Debian's package in a folder of its own under TMPDIR,
 * as an ordinary user (as "nobody" when the test runs as root), on a free port of 127.0.0.1 and a
 * Unix socket, with the package's own settings (fsync on), its user "witan" a superuser without a
 * password.
 *
 *      if (!pg_installed()) skip();
 *      pg_start(&pg);                           once a test program: initdb takes a second or two
 *      pg_database(&pg, "one", url);            an empty database and the URL of --store
 *      ...
 *      pg_end(&pg);
 *
 * Shell tests: `url=$(...)` from build/tests/postgres_run, see postgres_run.c. Failures of the rig
 * itself print what they are and exit with 3. The server dies with the thread that started it. */
#ifndef WITAN_TESTS_POSTGRES_H
#define WITAN_TESTS_POSTGRES_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pg {
        char bin[128], dir[96];                  /* of its programs; its own folder */
        int port, keeper;                        /* keeper: a socket that keeps the port */
        pid_t pid;                               /* of the postmaster, 0: it does not run */
        bool small;                              /* dir is a tmpfs of its own */
};

bool pg_installed(void);                         /* initdb and postgres are somewhere */
void pg_start(struct pg *pg);
/* The same with its data on a file system of that many MiB, so that its disk can be filled. False:
 * this user may not mount one; nothing was started. */
bool pg_start_small(struct pg *pg, unsigned mib);
void pg_end(struct pg *pg);                      /* stops it and removes the folder */
/* Makes an empty database (an existing one is dropped first). url: cap >= 256. */
void pg_database(struct pg *pg, const char *name, char *url);
void pg_url(const struct pg *pg, const char *database, char *url);
/* A statement by psql; false when it fails. out (or NULL): what it printed, NUL-ended. */
bool pg_sql(struct pg *pg, const char *database, const char *sql, char *out, size_t cap);

void pg_stop(struct pg *pg);                     /* an orderly shutdown ("fast") */
void pg_crash(struct pg *pg);                    /* SIGKILL to all its processes */
void pg_again(struct pg *pg);                    /* starts it again: same folder, same port */
void pg_freeze(struct pg *pg);                   /* SIGSTOP to all its processes */
void pg_thaw(struct pg *pg);
void pg_fill(struct pg *pg);                     /* pg_start_small: no byte is left */
void pg_unfill(struct pg *pg);
#endif
