/* field.c - the grammar of what stands on one line of a request (RFC 9110 5.6, RFC 9112 3, 5,
 * 7.1). */
#include "net/parse.h"
#include <string.h>
#include <strings.h>

/* tchar: what tokens (methods, field names) are made of. */
static bool is_tchar(unsigned char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* field-vchar, SP, HTAB; bytes from 0x80 are obs-text. */
static bool is_text(unsigned char c) { return c >= 0x80 || c == '\t' || (c >= ' ' && c != 0x7f); }

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool wt_http_is_token(const char *s, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (!is_tchar((unsigned char)s[i]))
                        return false;
        return len > 0;
}

/* Visible ASCII without '#': a fragment never belongs into a request, and proxies disagree on
 * it. */
bool wt_http_is_target(const char *s, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (s[i] <= ' ' || s[i] > '~' || s[i] == '#')
                        return false;
        return len > 0;
}

/* uri-host [":" port] by its characters; an empty one is allowed (RFC 9110 7.2). */
bool wt_http_is_host(const char *s)
{
        for (; *s; s++) {
                unsigned char c = (unsigned char)*s;

                if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      strchr("-._~%!$&'()*+,;=:[]", c)))
                        return false;
        }
        return true;
}

const char *wt_http_field_split(char *line, size_t len, char **name, char **value)
{
        char *colon = memchr(line, ':', len), *end = line + len;

        if (len > 0 && is_blank(line[0]))
                return "folded header lines are not supported";
        if (!colon)
                return "a header line has no colon";
        if (!wt_http_is_token(line, (size_t)(colon - line)))
                return "a header name has a character that is not allowed";
        for (char *c = colon + 1; c < end; c++)
                if (!is_text((unsigned char)*c))
                        return "a header value has a control character";
        *colon = '\0';
        *name = line;
        *value = colon + 1;
        while (*value < end && is_blank(**value))
                (*value)++;
        while (end > *value && is_blank(end[-1]))
                end--;
        *end = '\0';                             /* at the latest where the CR was */
        return NULL;
}

bool wt_http_list_has(const char *list, const char *word)
{
        size_t n = strlen(word);

        while (*list) {
                size_t len;

                list += strspn(list, " \t,");
                len = strcspn(list, " \t,");
                if (len == n && strncasecmp(list, word, n) == 0)
                        return true;
                list += len;
        }
        return false;
}

static size_t blanks(const char *s, size_t at, size_t len)
{
        while (at < len && is_blank(s[at]))
                at++;
        return at;
}

/* A quoted-string that begins at at; 0 when it is broken. */
static size_t quoted(const char *s, size_t at, size_t len)
{
        for (at++; at < len; at++) {
                if (s[at] == '"')
                        return at + 1;
                if (s[at] == '\\')
                        at++;
                if (at >= len || !is_text((unsigned char)s[at]))
                        return 0;
        }
        return 0;
}

static size_t token(const char *s, size_t at, size_t len)
{
        while (at < len && is_tchar((unsigned char)s[at]))
                at++;
        return at;
}

/* *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ): is all of s that? */
static bool extensions(const char *s, size_t len)
{
        size_t at = 0, from;

        while (at < len) {
                at = blanks(s, at, len);
                if (at == len || s[at] != ';')
                        return false;
                from = blanks(s, at + 1, len);
                at = token(s, from, len);
                if (at == from)
                        return false;
                from = blanks(s, at, len);
                if (from == len || s[from] != '=')
                        continue;
                from = blanks(s, from + 1, len);
                if (from < len && s[from] == '"')
                        at = quoted(s, from, len);
                else
                        at = token(s, from, len);
                if (at <= from)
                        return false;
        }
        return true;
}

const char *wt_http_chunk_line(const char *s, size_t len, uint64_t *size)
{
        size_t at = 0;
        uint64_t n = 0;

        for (; at < len; at++) {
                char c = s[at];
                unsigned digit;

                if (c >= '0' && c <= '9')
                        digit = (unsigned)(c - '0');
                else if ((c | 32) >= 'a' && (c | 32) <= 'f')
                        digit = (unsigned)((c | 32) - 'a') + 10;
                else
                        break;
                if (n >> 60)
                        return "a chunk size is too large";
                n = n << 4 | digit;
        }
        if (at == 0)
                return "a chunk does not begin with its size";
        if (at > 16)
                return "a chunk size has too many digits";
        if (!extensions(s + at, len - at))
                return "a chunk extension is malformed";
        *size = n;
        return NULL;
}
