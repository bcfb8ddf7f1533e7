/* allow.c - reads the allow-list, and again when it has changed. */
#include "base/list.h"
#include "bus/allow.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/file.h"

enum { MAX_FILE = 1 << 20, KEY_CHARS = 40, SETTLE_S = 2 };

/* Z85 (ZeroMQ RFC 32), and what names may be made of. */
static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          ".-:+=^!/*?&<>()[]{}@%$#";
static const char word[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-";

/* The next blank-separated field of line; NULL: none, too long, or with a character not of
 * chars. */
static char *field(char **at, const char *chars, size_t most)
{
        char *s = *at + strspn(*at, " \t\r");
        size_t n = strcspn(s, " \t\r");

        *at = s + n;
        if (**at)
                *(*at)++ = '\0';
        return n && n <= most && strspn(s, chars) == n ? s : NULL;
}

static struct bus_allowed *next_entry(struct bus_allow *a)       /* NULL: memory is gone */
{
        return wt_list_more(&a->list, a->n, &a->cap, sizeof *a->list);
}

static const struct bus_allowed *listed(const struct bus_allow *a, const char *key)
{
        for (uint32_t i = 0; i < a->n; i++)
                if (strcmp(a->list[i].key, key) == 0)
                        return &a->list[i];
        return NULL;
}

static wt_err add_line(struct bus_allow *a, char *line, unsigned number)
{
        char *name, *role, *key;
        struct bus_allowed *e;

        line += strspn(line, " \t\r");
        if (!*line || *line == '#')
                return WT_OK;
        name = field(&line, word, BUS_NAME_BYTES);
        role = field(&line, word, BUS_ROLE_BYTES);
        key = field(&line, z85, KEY_CHARS);
        if (!name || !role || !key || strlen(key) != KEY_CHARS || line[strspn(line, " \t\r")])
                return wt_fail(WT_EINVAL, "%s line %u is not \"NAME ROLE PUBLICKEY\" with a key of "
                               "%d characters", a->path, number, KEY_CHARS);
        if (listed(a, key))
                return wt_fail(WT_EINVAL, "%s line %u: the key of %s is listed before", a->path,
                               number, name);
        if ((e = next_entry(a)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the allow-list %s", a->path);
        strcpy(e->name, name);
        strcpy(e->role, role);
        strcpy(e->key, key);
        a->n++;
        return WT_OK;
}

wt_err bus_allow_parse(struct bus_allow *a, struct wt_buf *text)
{
        char *line = text->data, *end;
        unsigned number = 1;
        wt_err err = WT_OK;

        a->n = 0;
        if (text->len && strlen(text->data) != text->len)
                err = wt_fail(WT_EINVAL, "%s holds a NUL byte", a->path);
        for (; text->len && err == WT_OK; line = end + 1, number++) {
                bool last = (end = strchr(line, '\n')) == NULL;

                if (!last)
                        *end = '\0';
                err = add_line(a, line, number);
                if (last)
                        break;
        }
        if (err != WT_OK)
                a->n = 0;
        return err;
}

static wt_err load(struct bus_allow *a)
{
        struct wt_buf text = { 0 };
        struct timespec now;
        wt_err err = WT_OK;

        a->n = 0;
        clock_gettime(CLOCK_REALTIME, &now);
        if (stat(a->path, &a->seen) < 0)         /* first: a change while we read shows later */
                err = wt_fail(WT_ENOTFOUND, "allow-list %s: %s", a->path, strerror(errno));
        else if ((err = wt_file_read(a->path, MAX_FILE, &text)) == WT_OK)
                err = bus_allow_parse(a, &text);
        a->version += err == WT_OK;
        a->settled = err == WT_OK && a->seen.st_mtim.tv_sec + SETTLE_S < now.tv_sec;
        wt_buf_free(&text);
        return err;
}

static bool changed(const struct bus_allow *a)
{
        struct stat st;

        return !a->settled || stat(a->path, &st) < 0 || st.st_dev != a->seen.st_dev ||
               st.st_ino != a->seen.st_ino || st.st_size != a->seen.st_size ||
               memcmp(&st.st_mtim, &a->seen.st_mtim, sizeof st.st_mtim) != 0;
}

wt_err bus_allow_open(struct bus_allow *a, const char *path)
{
        wt_err err;

        if (!(a->path = strdup(path)))
                return wt_fail(WT_ENOMEM, "no memory for the allow-list %s", path);
        if ((err = load(a)) != WT_OK)
                bus_allow_close(a);
        return err;
}

void bus_allow_close(struct bus_allow *a)
{
        free(a->path);
        free(a->list);
        memset(a, 0, sizeof *a);
}

bool bus_allow_fresh(struct bus_allow *a)
{
        return !changed(a) || load(a) == WT_OK;
}

const struct bus_allowed *bus_allow_find(struct bus_allow *a, const char *key)
{
        return bus_allow_fresh(a) ? listed(a, key) : NULL;
}
