/* postgres_run.c - postgres_run [DATABASE]...: starts a PostgreSQL of its own, prints the URL of an
 * empty database a line (of one called "witan" when none is named), and ends with its standard
 * input. Says "skipped" and exits with 77 where PostgreSQL is not installed.
 *
 *      coproc pg { build/tests/postgres_run one two; }
 *      read -r one <&"${pg[0]}"; read -r two <&"${pg[0]}" */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include "postgres.h"

int main(int argc, char **argv)
{
        char *only[] = { "", "witan", NULL }, **names = argc > 1 ? argv : only;
        char url[256], c;
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
        while (read(0, &c, 1) > 0)
                ;
        pg_end(&pg);
        return 0;
}
