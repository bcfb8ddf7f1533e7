/* edit.c - see edit.h. Keys as in bash: arrows, Home, End, ^A ^E ^B ^F, word by word with Alt or
 * Ctrl, ^K ^U ^W ^Y, ^P ^N for history, ^L, ^D, ^C, Tab. */
#include "edit.h"
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include "base/utf8.h"

enum {
        CTRL_A = 1,
        CTRL_B,
        CTRL_C,
        CTRL_D,
        CTRL_E,
        CTRL_F,
        CTRL_H = 8,
        TAB,
        LF,
        CTRL_K,
        CTRL_L,
        CR,
        CTRL_N,
        CTRL_P = 16,
        CTRL_U = 21,
        CTRL_W = 23,
        CTRL_Y = 25,
        ESC = 27,
        DEL = 127
};

void edit_init(struct edit *e, const char *const *words)
{
        memset(e, 0, sizeof *e);
        e->words = words;
}

void edit_fini(struct edit *e)
{
        wt_buf_free(&e->text);
        wt_buf_free(&e->kept);
        wt_buf_free(&e->cut);
        for (int i = 0; i < e->n_history; i++)
                free(e->history[i]);
        e->n_history = 0;
}

static void set(struct edit *e, const char *s)
{
        wt_buf_clear(&e->text);
        wt_buf_str(&e->text, s);
        e->at = e->text.len;
}

void edit_begin(struct edit *e)
{
        set(e, "");
        wt_buf_clear(&e->kept);
        e->look = e->n_history;
        e->n_seq = 0;
        e->paste = false;
        e->from = 0;
}

void edit_remember(struct edit *e, const char *line)
{
        if (line[0] == '\0' ||
            (e->n_history > 0 && strcmp(e->history[e->n_history - 1], line) == 0))
                return;
        if (e->n_history == EDIT_HISTORY) {
                free(e->history[0]);
                memmove(e->history, e->history + 1, (EDIT_HISTORY - 1) * sizeof *e->history);
                e->n_history--;
        }
        e->history[e->n_history] = strdup(line);
        e->n_history += e->history[e->n_history] != NULL;
}

/* ---- places in the text ---- */

static bool inside(char c)                       /* a byte that continues a character */
{
        return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t left(const struct edit *e, size_t at)
{
        if (at > 0)
                at--;
        while (at > 0 && inside(e->text.data[at]))
                at--;
        return at;
}

static size_t right(const struct edit *e, size_t at)
{
        if (at < e->text.len)
                at++;
        while (at < e->text.len && inside(e->text.data[at]))
                at++;
        return at;
}

static bool blank(const struct edit *e, size_t at)
{
        return e->text.data[at] == ' ' || e->text.data[at] == '\n' || e->text.data[at] == '\t';
}

static size_t word_left(const struct edit *e, size_t at)
{
        while (at > 0 && blank(e, left(e, at)))
                at = left(e, at);
        while (at > 0 && !blank(e, left(e, at)))
                at = left(e, at);
        return at;
}

static size_t word_right(const struct edit *e, size_t at)
{
        while (at < e->text.len && blank(e, at))
                at = right(e, at);
        while (at < e->text.len && !blank(e, at))
                at = right(e, at);
        return at;
}

/* ---- changes ---- */

static void insert(struct edit *e, const char *s, size_t n)
{
        wt_buf_room(&e->text, n);
        memmove(e->text.data + e->at + n, e->text.data + e->at, e->text.len - e->at + 1);
        memcpy(e->text.data + e->at, s, n);
        e->text.len += n;
        e->at += n;
}

/* Takes out [a, b); keep: for ^Y. */
static void cut(struct edit *e, size_t a, size_t b, bool keep)
{
        if (a == b)
                return;
        if (keep) {
                wt_buf_clear(&e->cut);
                wt_buf_add(&e->cut, e->text.data + a, b - a);
        }
        memmove(e->text.data + a, e->text.data + b, e->text.len - b + 1);
        e->text.len -= b - a;
        e->at = a;
}

static void look(struct edit *e, int step)
{
        int to = e->look + step;

        if (to < 0 || to > e->n_history)
                return;
        if (e->look == e->n_history) {
                wt_buf_clear(&e->kept);
                wt_buf_str(&e->kept, e->text.data);
        }
        e->look = to;
        set(e, to == e->n_history ? e->kept.data : e->history[to]);
}

/* The one word that the line can become, or as much as all of them share. */
static void complete(struct edit *e)
{
        const char *first = NULL;
        size_t same = 0, n = e->text.len;

        for (int i = 0; e->words != NULL && e->words[i] != NULL && e->at == n && n > 0; i++) {
                if (strncmp(e->words[i], e->text.data, n) != 0)
                        continue;
                if (first == NULL)
                        same = strlen(first = e->words[i]);
                else
                        for (size_t k = n; k < same; k++)
                                if (e->words[i][k] != first[k])
                                        same = k;
        }
        if (first != NULL && same > n)
                insert(e, first + n, same - n);
}

/* ---- keys ---- */

static void control(struct edit *e, char c)
{
        switch (c) {
        case CTRL_A: e->at = 0; break;
        case CTRL_E: e->at = e->text.len; break;
        case CTRL_B: e->at = left(e, e->at); break;
        case CTRL_F: e->at = right(e, e->at); break;
        case CTRL_D: cut(e, e->at, right(e, e->at), false); break;
        case CTRL_H: case DEL: cut(e, left(e, e->at), e->at, false); break;
        case CTRL_K: cut(e, e->at, e->text.len, true); break;
        case CTRL_U: cut(e, 0, e->at, true); break;
        case CTRL_W: cut(e, word_left(e, e->at), e->at, true); break;
        case CTRL_Y: insert(e, e->cut.data != NULL ? e->cut.data : "", e->cut.len); break;
        case CTRL_P: look(e, -1); break;
        case CTRL_N: look(e, 1); break;
        case TAB: complete(e); break;
        default: break;                          /* a key that means nothing here */
        }
}

/* A whole escape sequence, without its ESC. */
static void escape(struct edit *e, const char *s)
{
        static const struct { const char *seq; char control;
        } keys[] = {{"[A", CTRL_P},  {"[B", CTRL_N},   {"[C", CTRL_F},  {"[D", CTRL_B},
                    {"[H", CTRL_A},  {"[F", CTRL_E},   {"OA", CTRL_P},  {"OB", CTRL_N},
                    {"OC", CTRL_F},  {"OD", CTRL_B},   {"OH", CTRL_A},  {"OF", CTRL_E},
                    {"[1~", CTRL_A}, {"[7~", CTRL_A},  {"[4~", CTRL_E}, {"[8~", CTRL_E},
                    {"[3~", CTRL_D}, {"\177", CTRL_W}, {"\b", CTRL_W}};

        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
                if (strcmp(s, keys[i].seq) == 0)
                        control(e, keys[i].control);
        if (strcmp(s, "b") == 0 || strcmp(s, "[1;5D") == 0 || strcmp(s, "[1;3D") == 0)
                e->at = word_left(e, e->at);
        if (strcmp(s, "f") == 0 || strcmp(s, "[1;5C") == 0 || strcmp(s, "[1;3C") == 0)
                e->at = word_right(e, e->at);
        if (strcmp(s, "d") == 0)
                cut(e, e->at, word_right(e, e->at), true);
        if (strcmp(s, "[200~") == 0 || strcmp(s, "[201~") == 0)
                e->paste = s[3] == '0';
}

/* Is seq, which begins with ESC, whole? */
static bool whole_escape(const char *seq, int n)
{
        if (n < 2)
                return false;
        if (seq[1] == 'O')
                return n == 3;
        return seq[1] != '[' || (n > 2 && seq[n - 1] >= '@' && seq[n - 1] <= '~');
}

/* One byte of an escape sequence or of a character of several bytes. */
static void part(struct edit *e, char c)
{
        if (e->n_seq == (int)sizeof e->seq - 1)
                e->n_seq = 0;                    /* no key is so long */
        e->seq[e->n_seq++] = c;
        e->seq[e->n_seq] = '\0';
        if (e->seq[0] == ESC) {
                if (whole_escape(e->seq, e->n_seq)) {
                        e->n_seq = 0;
                        escape(e, e->seq + 1);
                }
        } else if (wt_utf8(e->seq, (size_t)e->n_seq) == (size_t)e->n_seq) {
                insert(e, e->seq, (size_t)e->n_seq);
                e->n_seq = 0;
        } else if (e->n_seq >= 4 || (e->n_seq > 1 && !inside(c))) {
                e->n_seq = 0;                    /* no UTF-8: passed over */
        }
}

static enum edit_state byte(struct edit *e, char c)
{
        if (e->n_seq > 0 || c == ESC || (unsigned char)c >= 0x80) {
                part(e, c);
        } else if (e->paste) {
                if (c == CR || c == LF || c == TAB || (unsigned char)c >= ' ')
                        insert(e, c == CR ? "\n" : &c, 1);
        } else if (c == CR || c == LF) {
                return EDIT_LINE;
        } else if (c == CTRL_C) {
                return EDIT_INTERRUPTED;
        } else if (c == CTRL_D && e->text.len == 0) {
                return EDIT_END;
        } else if ((unsigned char)c < ' ' || c == DEL) {
                control(e, c);
        } else {
                insert(e, &c, 1);
        }
        return EDIT_MORE;
}

enum edit_state edit_feed(struct edit *e, const char *bytes, size_t n, size_t *used)
{
        enum edit_state state = EDIT_MORE;

        for (*used = 0; *used < n && state == EDIT_MORE; ++*used)
                state = byte(e, bytes[*used]);
        return state;
}

/* ---- the screen: one row, which slides below the cursor ---- */

static int columns(const char *s, size_t n)      /* of one character */
{
        mbstate_t state = { 0 };
        wchar_t w;

        if (n == 1)
                return 1;
        return mbrtowc(&w, s, n, &state) == n && wcwidth(w) >= 0 ? wcwidth(w) : 1;
}

static int width(const struct edit *e, size_t a, size_t b)
{
        int cols = 0;

        for (size_t next; a < b; a = next) {
                next = right(e, a);
                cols += columns(e->text.data + a, next - a);
        }
        return cols;
}

void edit_draw(struct edit *e, const char *prompt, int cols, struct wt_buf *out)
{
        int room = cols - (int)strlen(prompt) - 1, cursor;

        room = room < 4 ? 4 : room;
        if (e->at < e->from)
                e->from = e->at;
        while (width(e, e->from, e->at) > room)
                e->from = right(e, e->from);
        cursor = (int)strlen(prompt) + width(e, e->from, e->at);
        wt_buf_fmt(out, "\r%s", prompt);
        for (size_t i = e->from, next, used = 0; i < e->text.len; i = next) {
                next = right(e, i);
                used += (size_t)columns(e->text.data + i, next - i);
                if (used > (size_t)room)
                        break;
                if (e->text.data[i] == '\n')
                        wt_buf_str(out, "\xe2\x8f\x8e"); /* U+23CE, the sign on the Enter key */
                else
                        wt_buf_add(out,
                                   (unsigned char)e->text.data[i] < ' ' ? " " : e->text.data + i,
                                   next - i);
        }
        wt_buf_fmt(out, "\033[K\r\033[%dC", cursor);
}
