/* fuzz_conf.c - a settings file from anyone. What is taken lies within its row's bounds, and
 * written back in quotes it is read as the same; what is refused is refused in words. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory: its path under /proc opens it anew, from its start. */
static wt_err load(wt_conf **out, unsigned role, const void *data, size_t size)
{
        char path[64];
        int fd = memfd_create("settings", MFD_CLOEXEC);
        wt_err err;

        WT_ASSERT(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        err = wt_conf_load(out, role, 0, NULL, NULL, path);
        close(fd);
        return err;
}

static void check(const wt_conf *c, enum wt_set s)
{
        const struct wt_setting *row = &wt_settings[s];
        size_t len = strlen(wt_conf_str(c, s));

        if (row->type == WT_CONF_STR || row->type == WT_CONF_PATH)
                WT_ASSERT(len <= row->max && (len >= row->min || len == 0));
        else
                WT_ASSERT(wt_conf_u64(c, s) >= row->min && wt_conf_u64(c, s) <= row->max);
        WT_ASSERT(wt_conf_from(c, s) == WT_FROM_DEFAULT || wt_conf_from(c, s) == WT_FROM_FILE);
}

static void write_row(const wt_conf *c, enum wt_set s, struct wt_buf *to)
{
        wt_buf_fmt(to, "%s:\t\"", wt_settings[s].name);
        for (const char *p = wt_conf_str(c, s); *p; p++) {
                if (*p == '"' || *p == '\\')
                        wt_buf_str(to, "\\");
                wt_buf_add(to, p, 1);
        }
        wt_buf_str(to, "\" # and a comment\r\n");
}

/* Paths come out resolved, "~/" under HOME, which may make them longer than a row's bound. */
static void check_again(const wt_conf *c, unsigned role)
{
        struct wt_buf text = { 0 };
        wt_conf *again;

        wt_buf_str(&text, "---\n");
        for (int i = 0; i < N_WT_SETTINGS; i++)
                if (wt_conf_from(c, (enum wt_set)i) == WT_FROM_FILE &&
                    strlen(wt_conf_str(c, (enum wt_set)i)) <= wt_settings[i].max)
                        write_row(c, (enum wt_set)i, &text);
        WT_ASSERT(load(&again, role, text.data, text.len) == WT_OK);
        for (int i = 0; i < N_WT_SETTINGS; i++)
                WT_ASSERT(!strcmp(wt_conf_str(c, (enum wt_set)i),
                                  wt_conf_str(again, (enum wt_set)i)));
        wt_conf_free(again);
        wt_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const unsigned roles[] = { WT_FOR_GATEWAY, WT_FOR_ROUTER, WT_FOR_EXPERT,
                                          WT_FOR_WITAN, WT_FOR_ALL };
        unsigned role;
        wt_conf *c;
        wt_err err;

        if (size == 0)
                return 0;
        role = roles[data[0] % 5];               /* the first byte says whose file it is */
        err = load(&c, role, data + 1, size - 1);
        WT_ASSERT(err == WT_OK || wt_words()[0]);
        if (err != WT_OK)
                return 0;
        for (int i = 0; i < N_WT_SETTINGS; i++)
                check(c, (enum wt_set)i);
        check_again(c, role);
        wt_conf_free(c);
        return 0;
}
