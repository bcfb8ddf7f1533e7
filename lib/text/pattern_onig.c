/* pattern_onig.c - Oniguruma's regular expressions (what tokenizer.json holds) in PCRE2's words.
 * The two agree on most of what pre-tokenizers use. Where the same characters mean different things
 * (\s, \w, \v, \p{Han}) the meaning is carried over; what has no sure counterpart is refused by
 * name, because a pattern that splits a little differently gives wrong ids without any sign of it.
 * Source: Oniguruma 6.9 doc/RE and doc/SYNTAX.md (Ruby syntax, UTF-8); pcre2pattern(3) of 10.42. */
#include "text/tok.h"
#include <stdlib.h>
#include <string.h>

struct onig { const char *s; size_t len, at; struct wt_buf *out; const char *where; };

static wt_err refuse(const struct onig *o, const char *what)
{
        return wt_fail(WT_EUNSUPPORTED, "%s: %s at offset %zu of the pattern is not supported; the "
                       "pattern would have to be written without it", o->where, what, o->at);
}

static char peek(const struct onig *o, size_t ahead)
{
        return o->at + ahead < o->len ? o->s[o->at + ahead] : '\0';
}

static bool starts(const struct onig *o, const char *word)
{
        size_t n = strlen(word);

        return o->len - o->at >= n && memcmp(o->s + o->at, word, n) == 0;
}

static bool listed(const char *const *list, const char *s, size_t len)
{
        for (; *list != NULL; list++)
                if (strlen(*list) == len && memcmp(*list, s, len) == 0)
                        return true;
        return false;
}

/* \p{...}: general categories as they are; scripts as scripts (PCRE2 would take extensions). */
static wt_err property(struct onig *o)
{
        static const char *const plain[] = {
                "C", "Cc", "Cf", "Cn", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu",
                "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No",
                "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So",
                "Z", "Zl", "Zp", "Zs", "Alphabetic", "White_Space", NULL
        };
        static const char *const script[] = {
                "Arabic", "Armenian", "Bengali", "Bopomofo", "Common", "Cyrillic", "Devanagari",
                "Ethiopic", "Georgian", "Greek", "Gujarati", "Gurmukhi", "Han", "Hangul", "Hebrew",
                "Hiragana", "Inherited", "Kannada", "Katakana", "Khmer", "Lao", "Latin",
                "Malayalam", "Mongolian", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu", "Thai",
                "Tibetan", NULL
        };
        const char *name = o->s + o->at + 3, *end;
        bool not = o->s[o->at + 1] == 'P';
        size_t n;

        if (peek(o, 2) != '{' || (end = memchr(name, '}', o->len - o->at - 3)) == NULL)
                return refuse(o, "\\p without {name}");
        n = (size_t)(end - name);
        if (n > 0 && name[0] == '^') {
                not = !not;
                name++, n--;
        }
        if (listed(plain, name, n))
                wt_buf_fmt(o->out, "\\%c{%.*s}", not ? 'P' : 'p', (int)n, name);
        else if (listed(script, name, n))
                wt_buf_fmt(o->out, "\\%c{sc:%.*s}", not ? 'P' : 'p', (int)n, name);
        else
                return refuse(o, "this property");
        o->at = (size_t)(end + 1 - o->s);
        return WT_OK;
}

/* \xHH below 0x80, \x{H...}, \uHHHH. */
static wt_err number(struct onig *o)
{
        const char *p = o->s + o->at + 2, *end;
        bool braces = peek(o, 1) == 'x' && peek(o, 2) == '{';
        size_t want = peek(o, 1) == 'u' ? 4 : 2, n;
        char hex[9] = { 0 };
        unsigned long c;
        char *stop;

        if (braces) {
                p++;
                end = memchr(p, '}', o->len - (size_t)(p - o->s));
                n = end != NULL ? (size_t)(end - p) : 0;
        } else {
                n = o->len - o->at - 2 < want ? 0 : want;
        }
        if (n == 0 || n > 8)
                return refuse(o, "a character number of this form");
        memcpy(hex, p, n);
        c = strspn(hex, "0123456789abcdefABCDEF") == n ? strtoul(hex, &stop, 16) : 0x110000;
        if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || (!braces && want == 2 && c > 0x7f))
                return refuse(o, "a character number that is no character");
        wt_buf_fmt(o->out, "\\x{%lx}", c);
        o->at += 2 + n + (braces ? 2 : 0);
        return WT_OK;
}

/* Measured on Oniguruma 6.9 over all characters: outside of classes \w asks a table of Latin-1,
 * which holds superscripts and fractions. */
#define WORD    "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define LATIN_1 "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

/* Backslash and one letter: what PCRE2 says for it; in: inside [...]; NULL: no counterpart. */
static const char *letter(char c, bool in)
{
        switch (c) {
        case 's': return "\\p{White_Space}";     /* PCRE2's own \s takes U+180E too */
        case 'S': return "\\P{White_Space}";
        case 'd': return "\\p{Nd}";
        case 'D': return "\\P{Nd}";
        case 'w': return in ? WORD : "[" WORD LATIN_1 "]";
        case 'W': return in ? NULL : "[^" WORD LATIN_1 "]";
        case 'n': return "\\n";
        case 'r': return "\\r";
        case 't': return "\\t";
        case 'f': return "\\f";
        case 'v': return "\\x0b";                /* PCRE2's own \v is all vertical blanks */
        case 'a': return "\\x07";
        case 'e': return "\\x1b";
        case 'A': return in ? NULL : "\\A";
        case 'z': return in ? NULL : "\\z";
        case 'Z': return in ? NULL : "\\Z";
        default:  return NULL;
        }
}

static wt_err escape(struct onig *o, bool in)
{
        char c = peek(o, 1), what[] = "\\?";
        const char *said;

        if (o->at + 1 >= o->len)
                return refuse(o, "a backslash that ends it");
        if (c == 'p' || c == 'P')
                return property(o);
        if (c == 'x' || c == 'u')
                return number(o);
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            c == '\0') {
                if ((said = letter(c, in)) == NULL) {
                        what[1] = c;
                        return refuse(o, what);
                }
                wt_buf_str(o->out, said);
        } else if ((uint8_t)c >= 0x80) {
                o->at++;                         /* the character stands for itself */
                return WT_OK;
        } else {
                wt_buf_add(o->out, o->s + o->at, 2);
        }
        o->at += 2;
        return WT_OK;
}

static wt_err class_of(struct onig *o)
{
        wt_err err;

        wt_buf_add(o->out, "[", 1);
        o->at++;
        if (peek(o, 0) == '^') {
                wt_buf_add(o->out, "^", 1);
                o->at++;
        }
        if (peek(o, 0) == ']')
                return refuse(o, "an empty class");
        while (o->at < o->len && peek(o, 0) != ']') {
                if (peek(o, 0) == '[')
                        return refuse(o, "a class within a class");
                if (starts(o, "&&"))
                        return refuse(o, "an intersection of classes (&&)");
                if (peek(o, 0) != '\\') {
                        wt_buf_add(o->out, o->s + o->at++, 1);
                } else if ((err = escape(o, true)) != WT_OK) {
                        return err;
                }
        }
        if (o->at >= o->len)
                return refuse(o, "a class without ']'");
        wt_buf_add(o->out, "]", 1);
        o->at++;
        return WT_OK;
}

/* '(' of a group: plain, not captured, looking around, atomic, (?i:; (?i) at the very start. */
static wt_err group(struct onig *o)
{
        static const char *const known[] = { "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:" };

        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
                if (starts(o, known[k])) {
                        wt_buf_str(o->out, known[k]);
                        o->at += strlen(known[k]);
                        return WT_OK;
                }
        if (o->at == 0 && starts(o, "(?i)")) {
                wt_buf_str(o->out, "(?i)");
                o->at += 4;
                return WT_OK;
        }
        if (peek(o, 1) == '?' || peek(o, 1) == '*')
                return refuse(o, "a group of this kind");
        wt_buf_add(o->out, "(", 1);
        o->at++;
        return WT_OK;
}

static size_t digits(const struct onig *o, size_t from)
{
        size_t n = 0;

        while (peek(o, from + n) >= '0' && peek(o, from + n) <= '9')
                n++;
        return n;
}

/* {n} {n,} {n,m}; another '{' is itself. A '+' behind is a repeat of the repeat to Oniguruma and
 * possessive to PCRE2; a '?' behind {n} differs as well. */
static wt_err interval(struct onig *o)
{
        size_t low = digits(o, 1), n = 1 + low, high = 0;
        bool exact = peek(o, n) == '}';

        if (peek(o, n) == ',') {
                high = digits(o, n + 1);
                n += 1 + high;
        }
        if (peek(o, n) != '}' || low + high == 0) {
                wt_buf_str(o->out, "\\{");
                o->at++;
                return WT_OK;
        }
        if (low == 0)
                return refuse(o, "{,n}");
        n++;
        if (peek(o, n) == '+' || (exact && peek(o, n) == '?'))
                return refuse(o, "what follows the {...}");
        wt_buf_add(o->out, o->s + o->at, n);
        o->at += n;
        return WT_OK;
}

wt_err wt_tok_onig(const char *src, size_t len, struct wt_buf *out, const char *where)
{
        struct onig o = { .s = src, .len = len, .out = out, .where = where };
        wt_err err = WT_OK;

        while (o.at < len && err == WT_OK)
                switch (src[o.at]) {
                case '\\': err = escape(&o, false);             break;
                case '[':  err = class_of(&o);                  break;
                case '(':  err = group(&o);                     break;
                case '{':  err = interval(&o);                  break;
                default:   wt_buf_add(out, src + o.at++, 1);    break;
                }
        return err;
}
