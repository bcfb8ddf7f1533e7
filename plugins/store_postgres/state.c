/* state.c - SQLSTATE to code: what a caller is to do. The longest prefix that fits counts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "db.h"

#define PASSLINE "it has a line HOST:PORT:DATABASE:USER:PASSWORD and mode 0600"

static const struct { const char *prefix; int code; bool lost; const char *hint; } rows[] = {
        { "08P01", WT_EINVAL, false, "mend the statement and its values" },
        { "08", WT_EUNAVAILABLE, true, "look at the server" },
        { "0A000", WT_EINVAL, false, "mend the statement" },
        { "22", WT_EDATA, false, "the row does not fit the table" },
        { "23505", WT_EEXIST, false, "it is there already" },
        { "23P01", WT_EEXIST, false, "it is there already" },
        { "23", WT_EDATA, false, "the row does not fit the table" },
        { "25P03", WT_EUNAVAILABLE, true, "a transaction stood still for too long" },
        { "25", WT_EPRECONDITION, false, "it does not fit the transaction" },
        { "26", WT_EABORTED, false, "try again" },
        { "28", WT_EPERM, true, "look at the user of the URL and at the server's pg_hba.conf" },
        { "3D000", WT_ENOTFOUND, true, "make the database: createdb" },
        { "3F", WT_EINVAL, false, "look at search_path" },
        { "40003", WT_EUNAVAILABLE, true, "ask whether it happened" },
        { "40", WT_EABORTED, false, "try again" },
        { "42501", WT_EPERM, false, "this user may not; sealed rows stay as they are" },
        { "42", WT_EINVAL, false, "mend the statement" },
        { "53100", WT_EEXHAUSTED, false, "make room on the server's disk" },
        { "53", WT_EUNAVAILABLE, false, "the server is short of something; look at its log" },
        { "54", WT_EDATA, false, "it is too large for the server" },
        { "55P03", WT_EUNAVAILABLE, false, "another transaction held it for longer than "
                                           "store_timeout" },
        { "55006", WT_EABORTED, false, "another transaction holds it; try again" },
        { "57014", WT_EUNAVAILABLE, false, "it took longer than store_timeout" },
        { "57", WT_EUNAVAILABLE, true, "look at the server" },
        { "58", WT_EUNAVAILABLE, true, "look at the server's disk" },
        { "XX", WT_EUNAVAILABLE, true, "look at the server's log" },
};

/* libpq ends lines; we have one. */
static void one_line(char *out, size_t cap, const char *words)
{
        size_t n = 0;

        for (; *words != '\0' && n + 1 < cap; words++)
                out[n++] = *words == '\n' || *words == '\t' ? ' ' : *words;
        while (n > 0 && out[n - 1] == ' ')
                n--;
        out[n] = '\0';
}

/* Why no password was sent: libpq passes over a file that is not there or that others may read. */
static void why_none(const wt_db *db, char *out, size_t cap)
{
        PQconninfoOption *o = PQconninfoParse(db->url, NULL);
        const char *file = getenv("PGPASSFILE");
        struct stat st;

        for (PQconninfoOption *at = o; at != NULL && at->keyword != NULL; at++)
                if (strcmp(at->keyword, "passfile") == 0 && at->val != NULL)
                        file = at->val;
        if (file == NULL)
                snprintf(out, cap, "name a file with it: ?passfile=FILE in the URL, or PGPASSFILE; "
                         PASSLINE);
        else if (stat(file, &st) != 0)
                snprintf(out, cap, "the passfile %.150s cannot be read (%s); " PASSLINE, file,
                         strerror(errno));
        else if ((st.st_mode & 077) != 0)
                snprintf(out, cap, "the passfile %.150s may be read by others, so it counts for "
                         "nothing; chmod 600", file);
        else
                snprintf(out, cap, "no line of the passfile %.150s fits this server, database and "
                         "user; " PASSLINE, file);
        PQconninfoFree(o);
}

/* A connection that fails has no SQLSTATE here: the server's words are all there is. Where they are
 * in another language, the general hint stays. */
static const char *why_not(const wt_db *db, const char *words, char *room, size_t cap)
{
        if (strstr(words, "no password supplied") != NULL)
                why_none(db, room, cap);
        else if (strstr(words, "password authentication failed") != NULL)
                snprintf(room, cap, "the password of the passfile is not this user's; " PASSLINE);
        else if (strstr(words, "starting up") != NULL || strstr(words, "recovery mode") != NULL)
                snprintf(room, cap, "it is starting up; wait a moment and try again");
        else if (strstr(words, "shutting down") != NULL)
                snprintf(room, cap, "it is being stopped; start it again");
        else if (strstr(words, "does not exist") != NULL && strstr(words, "role ") != NULL)
                snprintf(room, cap, "make the user (createuser), or name another one in the URL");
        else if (strstr(words, "does not exist") != NULL && strstr(words, "database ") != NULL)
                snprintf(room, cap, "make the database: createdb");
        else if (strstr(words, "pg_hba.conf") != NULL)
                snprintf(room, cap, "the server's pg_hba.conf has no line that lets this user in");
        else
                return "look at the server, its user (createuser) and its database (createdb)";
        return room;
}

int pg_fail(wt_db *db, const PGresult *res, const char *doing)
{
        const char *state = res != NULL ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
        const char *said = res != NULL ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
        const bool refused = res == NULL && PQstatus(db->c) == CONNECTION_BAD;
        const char *hint = "look at the server";
        int code = WT_EUNAVAILABLE;
        bool lost = state == NULL;
        size_t best = 0;
        char words[400], room[400];

        for (size_t i = 0; state != NULL && i < sizeof rows / sizeof *rows; i++)
                if (strlen(rows[i].prefix) > best &&
                    strncmp(state, rows[i].prefix, strlen(rows[i].prefix)) == 0) {
                        best = strlen(rows[i].prefix);
                        code = rows[i].code;
                        lost = rows[i].lost;
                        hint = rows[i].hint;
                }
        db->aborted = code == WT_EABORTED;
        one_line(words, sizeof words, said != NULL ? said : PQerrorMessage(db->c));
        if (db->c == NULL || PQstatus(db->c) == CONNECTION_BAD)
                lost = true;
        db->failed = true;
        if (refused && strcmp(doing, "connecting") == 0)
                hint = why_not(db, words, room, sizeof room);
        if (state != NULL && strcmp(state, "42501") == 0 && strstr(words, "is sealed") == NULL) {
                snprintf(room, sizeof room, "user %.64s lacks the right: GRANT it witan_writer "
                         "(witan_reader to read alone; docs/operator.md), or make it the owner of "
                         "database %.64s, who makes the tables", PQuser(db->c), PQdb(db->c));
                hint = room;
        }
        code = db->host->fail(code, "PostgreSQL: %s: %s%s%s%s; %s", doing, words,
                              state != NULL ? " (" : "", state != NULL ? state : "",
                              state != NULL ? ")" : "", hint);
        if (lost)
                pg_lose(db);
        return code;
}

int pg_late(wt_db *db)
{
        db->failed = true;
        pg_lose(db);
        return db->host->fail(WT_EUNAVAILABLE, "PostgreSQL did not answer within %llu ms; look at "
                              "the server, or raise store_timeout",
                              (unsigned long long)db->timeout_ms);
}
