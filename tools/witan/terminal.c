/* terminal.c - see terminal.h. */
#include "terminal.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { COLUMNS = 80 };
static struct termios before;                    /* a signal handler puts it back */
static const char paste_on[] = "\033[?2004h", paste_off[] = "\r\033[?2004l";

static void put(const char *s, size_t n)
{
        while (n > 0) {
                ssize_t done = write(2, s, n);
                if (done < 0 && errno != EINTR)
                        return;
                s += done > 0 ? done : 0;
                n -= done > 0 ? (size_t)done : 0;
        }
}

static void on_end(int sig)
{
        tcsetattr(0, TCSANOW, &before);
        signal(sig, SIG_DFL);
        raise(sig);
}

static bool raw(struct sigaction old[2])
{
        struct sigaction act = { .sa_handler = on_end };
        struct termios t;

        if (tcgetattr(0, &before) != 0)
                return false;
        sigaction(SIGTERM, &act, &old[0]);
        sigaction(SIGHUP, &act, &old[1]);
        t = before;
        t.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON | ISTRIP | BRKINT);
        t.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
        t.c_cc[VMIN] = 1;
        t.c_cc[VTIME] = 0;
        tcsetattr(0, TCSADRAIN, &t);
        put(paste_on, sizeof paste_on - 1);
        return true;
}

static void cooked(struct sigaction old[2])
{
        put(paste_off, sizeof paste_off - 1);
        tcsetattr(0, TCSADRAIN, &before);
        sigaction(SIGTERM, &old[0], NULL);
        sigaction(SIGHUP, &old[1], NULL);
}

static void draw(struct edit *e, const char *prompt)
{
        struct winsize size = { 0 };
        struct wt_buf out = { 0 };

        ioctl(2, TIOCGWINSZ, &size);
        edit_draw(e, prompt, size.ws_col > 0 ? size.ws_col : COLUMNS, &out);
        put(out.data, out.len);
        wt_buf_free(&out);
}

enum edit_state terminal_read(struct edit *e, const char *prompt)
{
        enum edit_state state = EDIT_MORE;
        struct sigaction old[2];
        size_t used;
        ssize_t n;
        char c;

        edit_begin(e);
        if (!raw(old))
                return EDIT_END;
        while (state == EDIT_MORE) {
                draw(e, prompt);
                do                               /* a byte at a time: what follows the line stays */
                        n = read(0, &c, 1);
                while (n < 0 && errno == EINTR);
                if (n > 0 && c == '\f')
                        put("\033[H\033[2J", 7);
                state = n <= 0 ? EDIT_END : edit_feed(e, &c, 1, &used);
        }
        e->at = e->text.len;                     /* the whole line stays on the screen */
        draw(e, prompt);
        cooked(old);
        put(state == EDIT_INTERRUPTED ? "^C\n" : "\n", state == EDIT_INTERRUPTED ? 3 : 1);
        return state;
}
