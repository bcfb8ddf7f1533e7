/* chat_test.c - witan chat on a pseudo-terminal, typed at as a person does: a conversation, its
 * commands, several lines, history, and an answer that is stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

enum { PATIENCE_US = 60 * 1000 * 1000 };
static char dir[96], witan[512];

struct talk {
        pid_t pid;
        int fd;
        struct wt_buf seen;
        size_t read_to;
}; /* read_to: what was awaited */

static int command(const char *fmt, ...)
{
        char line[2048];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(line, sizeof line, fmt, ap);
        va_end(ap);
        return WEXITSTATUS(system(line));
}

static void begin(struct talk *t, const char *temperature, const char *max_tokens)
{
        struct winsize size = { .ws_row = 24, .ws_col = 80 };

        memset(t, 0, sizeof *t);
        t->pid = forkpty(&t->fd, NULL, NULL, &size);
        assert_true(t->pid >= 0);
        if (t->pid == 0) {
                execl(witan, witan, "chat", "--state", dir, "--temperature", temperature, "--seed",
                      "7", "--max-tokens", max_tokens, NULL);
                _exit(127);
        }
}

/* Reads on until text came behind what was awaited before. */
static void await(struct talk *t, const char *text)
{
        uint64_t end = wt_now_us(&wt_clock_real) + PATIENCE_US;
        struct pollfd p = { .fd = t->fd, .events = POLLIN };
        const char *at;
        ssize_t n;

        while (t->seen.data == NULL || (at = strstr(t->seen.data + t->read_to, text)) == NULL) {
                if (wt_now_us(&wt_clock_real) > end)
                        fail_msg("\"%s\" did not come; there is: %s", text,
                                 t->seen.data != NULL ? t->seen.data + t->read_to : "");
                if (poll(&p, 1, 100) <= 0)
                        continue;
                n = read(t->fd, wt_buf_room(&t->seen, 4096), 4096);
                if (n <= 0)
                        fail_msg("it ended before \"%s\" came: %s", text,
                                 t->seen.data + t->read_to);
                t->seen.len += (size_t)n;
                t->seen.data[t->seen.len] = '\0';
        }
        t->read_to = (size_t)(at - t->seen.data) + strlen(text);
}

static void type(struct talk *t, const char *keys)
{
        assert_int_equal(write(t->fd, keys, strlen(keys)), strlen(keys));
}

/* The prompt, drawn with nothing behind it. */
static void await_prompt(struct talk *t)
{
        await(t, "\r> \033[K\r\033[2C");
}

static int end(struct talk *t)                   /* exit code */
{
        uint64_t end = wt_now_us(&wt_clock_real) + PATIENCE_US;
        int status;
        char rest[4096];

        while (waitpid(t->pid, &status, WNOHANG) == 0) {
                struct pollfd p = { .fd = t->fd, .events = POLLIN };
                if (poll(&p, 1, 50) > 0 && read(t->fd, rest, sizeof rest) < 0)
                        poll(NULL, 0, 5);        /* the other end is closed: its end is near */
                if (wt_now_us(&wt_clock_real) > end)
                        kill(t->pid, SIGKILL);
        }
        close(t->fd);
        wt_buf_free(&t->seen);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int open_cluster(void **state)
{
        const char *tmp = getenv("TMPDIR");

        (void)state;
        snprintf(witan, sizeof witan, "%s/bin/witan", getenv("WITAN_BUILD"));
        snprintf(dir, sizeof dir, "%s/witan-chat-XXXXXX",
                 tmp != NULL && strlen(tmp) < 60 ? tmp : "/tmp");
        if (mkdtemp(dir) == NULL)
                return 1;
        return command("%s up --detach --state %s --http 127.0.0.1:0 >%s/up.log 2>&1 || { cat "
                       "%s/up.log; exit 1; }",
                       witan, dir, dir, dir);
}

static int close_cluster(void **state)
{
        (void)state;
        command("%s down --state %s >/dev/null", witan, dir);
        return command("rm -rf %s", dir);
}

static void a_conversation(void **state)
{
        struct talk t;

        (void)state;
        begin(&t, "0", "60");
        await(&t, "model tiny; /help shows the commands");
        await_prompt(&t);
        type(&t, "Who are you?\r");
        await(&t, "tiny model");
        await(&t, " tokens/s)");
        await_prompt(&t);
        type(&t, "/regen\r");
        await(&t, "same answer comes again");
        await(&t, "tiny model");
        await_prompt(&t);
        type(&t, "/new\r");
        await(&t, "a new conversation");
        await_prompt(&t);
        type(&t, "/regen\r");
        await(&t, "there is no answer to make again");
        await_prompt(&t);
        type(&t, "/quit\r");
        assert_int_equal(end(&t), 0);
}

static void commands_help(void **state)
{
        struct talk t;

        (void)state;
        begin(&t, "0", "20");
        await_prompt(&t);
        type(&t, "/help\r");
        await(&t, "/save");
        await(&t, "/quit");
        await_prompt(&t);
        type(&t, "/sav\r");
        await(&t, "did you mean /save");
        await_prompt(&t);
        type(&t, "/save\r");
        await(&t, "takes the name of a file");
        await_prompt(&t);
        type(&t, "/frobnicate\r");
        await(&t, "/help shows what there is");
        await_prompt(&t);
        type(&t, "\004");
        assert_int_equal(end(&t), 0);
}

/* The messages of a saved conversation as "role:text|role:text", answers left out. */
static void questions(const char *path, char *out, size_t n)
{
        struct wt_buf b = { 0 };
        wt_json *j;
        size_t at = 0, len;

        assert_int_equal(wt_file_read(path, 1 << 20, &b), WT_OK);
        assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "messages")); v != WT_JSON_NONE;
             v = wt_json_next(j, v)) {
                const char *role = wt_json_str(j, wt_json_get(j, v, "role"), &len);
                const char *text = wt_json_str(j, wt_json_get(j, v, "content"), &len);
                if (strcmp(role, "assistant") != 0)
                        at += (size_t)snprintf(out + at, n - at, "%s%s:%s", at > 0 ? "|" : "", role,
                                               text);
        }
        wt_json_free(j);
        wt_buf_free(&b);
}

static void several_lines_and_save(void **state)
{
        char file[128], keys[200], got[400];
        struct talk t;

        (void)state;
        snprintf(file, sizeof file, "%s/saved.json", dir);
        begin(&t, "0", "5");
        await_prompt(&t);
        type(&t, "/sys\tBe kind.\r");            /* Tab completes the command */
        await(&t, "with this system message");
        await_prompt(&t);
        type(&t, "one\\\r");
        await(&t, "\r. \033[K");
        type(&t, "two\r");
        await(&t, " tokens/s)");
        await_prompt(&t);
        type(&t, "\"\"\"three\r");
        await(&t, "\r. \033[K");
        type(&t, "four\"\"\"\r");
        await(&t, " tokens/s)");
        await_prompt(&t);
        type(&t, "\033[200~five\rsix\033[201~\r");      /* pasted */
        await(&t, " tokens/s)");
        await_prompt(&t);
        type(&t, "\033[A\001x\r");               /* the last again, with an x in front */
        await(&t, " tokens/s)");
        await_prompt(&t);
        type(&t, "lost\003");                    /* Ctrl-C: the line goes, the conversation stays */
        await(&t, "^C");
        await_prompt(&t);
        snprintf(keys, sizeof keys, "/save %s\r", file);
        type(&t, keys);
        await(&t, "9 messages are in");
        await_prompt(&t);
        type(&t, "\004");
        assert_int_equal(end(&t), 0);
        questions(file, got, sizeof got);
        assert_string_equal(
                got,
                "system:Be kind.|user:one\ntwo|user:three\nfour|user:five\nsix|user:xfive\nsix");
}

/* A line, and what is said to it. */
static void say(struct talk *t, const char *wanted, const char *fmt, ...)
{
        char keys[400];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(keys, sizeof keys, fmt, ap);
        va_end(ap);
        type(t, keys);
        await(t, wanted);
        await_prompt(t);
}

static void save_loses_nothing(void **state)
{
        struct wt_buf b = { 0 };
        char file[128];
        struct talk t;

        (void)state;
        snprintf(file, sizeof file, "%s/mine.txt", dir);
        assert_int_equal(wt_file_write(file, "precious", 8, 0600), WT_OK);
        begin(&t, "0", "5");
        await_prompt(&t);
        say(&t, "no answer to save yet; ask something first", "/save %s/first.txt\r", dir);
        say(&t, "with this system message", "/system Be kind.\r");
        say(&t, "no answer to save yet; ask something first", "/save %s/first.txt\r", dir);
        say(&t, " tokens/s)", "one\r");
        say(&t, "is there already; /save -f ", "/save %s\r", file);
        assert_int_equal(wt_file_read(file, 100, &b), WT_OK);
        assert_string_equal(b.data, "precious");
        say(&t, "3 messages are in", "/save -f %s\r", file);
        say(&t, " tokens/s)", "two\r");
        say(&t, "5 messages are in", "/save %s\r", file);       /* its own file: no question */
        say(&t, "a new conversation", "/new\r");
        say(&t, " tokens/s)", "three\r");
        say(&t, "is there already; /save -f ", "/save %s\r", file);
        say(&t, "is a folder; name a file in it", "/save %s\r", dir);
        say(&t, "is no regular file; name another one", "/save -f /dev/null\r");
        say(&t, "No such file or directory; nothing was saved", "/save %s/none/x.txt\r", dir);
        say(&t, "takes the name of a file", "/save -f\r");
        if (geteuid() != 0)                      /* root may write anywhere but here: */
                say(&t, "nothing was saved, name a file that you may write", "/save /x.txt\r");
        say(&t, "nothing was saved, name a file that you may write", "/save /proc/x.txt\r");
        type(&t, "\004");
        assert_int_equal(end(&t), 0);
        wt_buf_clear(&b);
        assert_int_equal(wt_file_read(file, 4096, &b), WT_OK);
        assert_non_null(strstr(b.data, "system:\nBe kind.\n\nuser:\none\n"));
        assert_non_null(strstr(b.data, "user:\ntwo\n"));
        assert_null(strstr(b.data, "three"));
        wt_buf_free(&b);
}

static void an_answer_is_stopped(void **state)
{
        struct talk t;

        (void)state;
        begin(&t, "2", "800");
        await_prompt(&t);
        type(&t, "Tell me a long story.\r");
        await(&t, "\033[?2004l\r\n");            /* the line is sent */
        await(&t, " ");                          /* the first words are here */
        type(&t, "\003");
        await(&t, "(stopped after ");
        await_prompt(&t);
        type(&t, "/new\r");                      /* and it goes on */
        await(&t, "a new conversation");
        await_prompt(&t);
        type(&t, "Who are you?\r");
        await(&t, "\n(");
        await_prompt(&t);
        type(&t, "/quit\r");
        assert_int_equal(end(&t), 0);
}

static void the_terminal_is_given_back(void **state)
{
        struct termios before, after;
        struct talk t;
        int status;

        (void)state;
        begin(&t, "0", "5");
        assert_int_equal(tcgetattr(t.fd, &before), 0);
        await_prompt(&t);
        assert_int_equal(tcgetattr(t.fd, &after), 0);
        assert_true((after.c_lflag & ICANON) == 0);
        kill(t.pid, SIGTERM);
        assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        assert_int_equal(tcgetattr(t.fd, &after), 0);
        assert_true((after.c_lflag & (ICANON | ECHO)) == (before.c_lflag & (ICANON | ECHO)));
        close(t.fd);
        wt_buf_free(&t.seen);
}

/* With a cluster that was stopped meanwhile: said, and the conversation goes on. */
static void a_failure_does_not_end_it(void **state)
{
        struct talk t;

        (void)state;
        begin(&t, "0", "5");
        await_prompt(&t);
        assert_int_equal(command("%s down --state %s >/dev/null", witan, dir), 0);
        type(&t, "Who are you?\r");
        await(&t, "witan ps shows whether the cluster runs");
        await_prompt(&t);
        type(&t, "/quit\r");
        assert_int_equal(end(&t), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(a_conversation),
                                           cmocka_unit_test(commands_help),
                                           cmocka_unit_test(several_lines_and_save),
                cmocka_unit_test(save_loses_nothing),
                                           cmocka_unit_test(an_answer_is_stopped),
                                           cmocka_unit_test(the_terminal_is_given_back),
                                           cmocka_unit_test(a_failure_does_not_end_it)};

        int fd = posix_openpt(O_RDWR | O_NOCTTY);

        if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0 || access(ptsname(fd), R_OK) != 0) {
                puts("skipped: there are no pseudo-terminals here");
                return 0;
        }
        close(fd);
        return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
