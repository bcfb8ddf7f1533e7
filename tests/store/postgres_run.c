/* postgres_run.c - postgres_run [DATABASE]...: starts a PostgreSQL of its own, prints the URL of an
 * empty database a line (of one called "witan" when none is named), and ends with its standard
 * input. Says "skipped" and exits with 77 where PostgreSQL is not installed. A line "stop" on its
 * standard input shuts the server down, "start" starts it again: same folder, same port; each is
 * answered with a line "done".
 *
 *      coproc pg { build/tests/postgres_run one two; }
 *      read -r one <&"${pg[0]}"; read -r two <&"${pg[0]}" */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "postgres.h"

static void obey(struct pg *pg, const char *line)
{
        if (strcmp(line, "stop\n") == 0)
                pg_stop(pg);
        else if (strcmp(line, "start\n") == 0)
                pg_again(pg);
        else
                return;
        puts("done");
        fflush(stdout);
}

int main(int argc, char **argv)
{
        char *only[] = { "", "witan", NULL }, **names = argc > 1 ? argv : only;
        char url[256], line[16];
        struct pg pg;

        if (!pg_installed()) {
                puts("skipped: PostgreSQL is not installed");
                return 77;
        }
        signal(SIGPIPE, SIG_IGN);
        pg_start(&pg);
        for (int i = 1; names[i] != NULL; i++) {
                pg_database(&pg, names[i], url);
                puts(url);
        }
        fflush(stdout);
        while (fgets(line, sizeof line, stdin) != NULL)
                obey(&pg, line);
        pg_end(&pg);
        return 0;
}
