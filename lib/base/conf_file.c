/* conf_file.c - the flat subset of YAML: "name: value" lines, '#' comments, quotes. */
#include <string.h>
#include "base/buf.h"
#include "base/conf_value.h"
#include "base/file.h"

enum { MOST_BYTES = 1 << 20 };

struct place { const char *path; unsigned line; };

static wt_err wrong(const struct place *at, const char *why)
{
        return wt_fail(WT_EINVAL, "%s line %u: %s", at->path, at->line, why);
}

/* Reads a quoted value in place: '' stands for ' in single quotes; \" \\ in double ones. Returns
 * what comes after it, or NULL. */
static char *unquote(char *s, size_t *len)
{
        char quote = *s, *to = s, *from = s + 1;

        for (;; from++) {
                if (*from == '\0')
                        return NULL;
                if (quote == '"' && *from == '\\') {
                        if (from[1] != '"' && from[1] != '\\')
                                return NULL;
                        from++;
                } else if (*from == quote) {
                        if (quote == '"' || from[1] != quote)
                                break;
                        from++;
                }
                *to++ = *from;
        }
        *len = (size_t)(to - s);
        return from + 1;
}

/* The value of a line, in place; what follows may be blanks and a comment. */
static wt_err read_value(char *s, const struct place *at, const char **value, size_t *len)
{
        char *rest;

        s += strspn(s, " \t");
        *value = s;
        if (*s == '"' || *s == '\'') {
                rest = unquote(s, len);
                if (!rest)
                        return wrong(
                                at,
                                "a quoted value has no end, or an escape other than \\\" and "
                                "\\\\; close the quote");
                rest += strspn(rest, " \t");
                if (*rest && *rest != '#')
                        return wrong(at, "only a comment may follow a quoted value; put # before "
                                         "it");
                return WT_OK;
        }
        if (*s && strchr("[{|>&*!%@`", *s) && !(*s == '*' && s[1] == '\0'))
                return wrong(
                        at, "only plain and quoted values are known here; put the value in quotes");
        rest = s;
        while (*rest && !(*rest == '#' && (rest == s || rest[-1] == ' ' || rest[-1] == '\t')))
                rest++;
        while (rest > s && (rest[-1] == ' ' || rest[-1] == '\t'))
                rest--;
        *len = (size_t)(rest - s);
        return WT_OK;
}

static wt_err read_line(wt_conf *c, unsigned role, char *s, const struct place *at, bool *seen)
{
        size_t name_len = strcspn(s, ": \t"), len = 0;
        char hint[128], where[512];
        const char *value;
        enum wt_set row;
        wt_err err;

        if (*s == '\0' || *s == '#' || strcmp(s, "---") == 0 || s[strspn(s, " \t")] == '\0')
                return WT_OK;
        if (*s == ' ' || *s == '\t')
                return s[strspn(s, " \t")] == '#' ? WT_OK
                        : wrong(at, "a line must not be indented; settings do not nest, begin it "
                                    "with the name");
        if (s[name_len] != ':' || (s[name_len + 1] && !strchr(" \t", s[name_len + 1])))
                return wrong(at, "'name: value' was expected, with a blank behind the colon, such "
                                 "as experts: 3");
        row = wt_conf_row(s, name_len);
        s[name_len] = '\0';
        if (row == N_WT_SETTINGS) {
                wt_conf_hint(s, WT_FOR_ALL, "", hint);
                return wt_fail(WT_EINVAL, "%s line %u: unknown setting '%.64s'%s", at->path,
                               at->line, s, *hint ? hint : "; witan config show lists them");
        }
        if (seen[row])
                return wt_fail(WT_EINVAL, "%s line %u: %s stands twice; remove one", at->path,
                               at->line, wt_settings[row].name);
        seen[row] = true;
        if ((err = read_value(s + name_len + 1, at, &value, &len)) != WT_OK)
                return err;
        if (!(wt_settings[row].roles & role))
                return WT_OK;                    /* one file may serve all processes */
        snprintf(where, sizeof where, "file %.400s line %u", at->path, at->line);
        return wt_conf_set(c, row, value, len, WT_FROM_FILE, where);
}

/* Each line; each NULL: the first failure ends it. */
static wt_err read_lines(wt_conf *c, unsigned role, struct wt_buf *text, const char *path,
                         void (*each)(void *arg, const char *words), void *arg, uint32_t *n_bad)
{
        bool seen[N_WT_SETTINGS] = { false };
        struct place at = { path, 0 };
        wt_err err = WT_OK;
        char *line = text->data, *end;

        if (text->len && memchr(text->data, '\0', text->len))
                return wt_fail(WT_EINVAL, "%s holds a NUL byte; it must be text: lines of "
                                          "'name: value'", path);
        while (err == WT_OK && line && *line) {
                at.line++;
                end = line + strcspn(line, "\n");
                char *next = *end ? end + 1 : end;

                if (end > line && end[-1] == '\r')
                        end--;
                *end = '\0';
                err = read_line(c, role, line, &at, seen);
                if (err != WT_OK && each) {
                        each(arg, wt_words());
                        ++*n_bad;
                        err = WT_OK;
                }
                line = next;
        }
        return err;
}

static wt_err read_file(const char *path, struct wt_buf *text)
{
        wt_err err = wt_file_read(path, MOST_BYTES, text);

        return err == WT_OK ? WT_OK
                : wt_fail(err, "%s; name a file that can be read (--config, WITAN_CONFIG), or none",
                          wt_words());
}

wt_err wt_conf_file(wt_conf *c, unsigned role, const char *path)
{
        struct wt_buf text = { 0 };
        wt_err err = read_file(path, &text);

        if (err == WT_OK)
                err = read_lines(c, role, &text, path, NULL, NULL, NULL);
        wt_buf_free(&text);
        return err;
}

uint32_t wt_conf_check_file(const char *path, void (*each)(void *arg, const char *words), void *arg)
{
        struct wt_buf text = { 0 };
        wt_conf *c = NULL;
        uint32_t n_bad = 0;
        wt_err err = read_file(path, &text);

        if (err == WT_OK)
                err = wt_conf_load(&c, 0, 0, NULL, NULL, NULL);     /* defaults */
        if (err == WT_OK)
                err = read_lines(c, WT_FOR_ALL, &text, path, each, arg, &n_bad);
        if (err != WT_OK) {
                each(arg, wt_words());
                n_bad++;
        }
        wt_conf_free(c);
        wt_buf_free(&text);
        return n_bad;
}
