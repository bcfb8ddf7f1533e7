/* rpc_rig.c - see rpc_rig.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "net/http.h"
#include "rpc_rig.h"
#include "whole.h"
#include "wire/api.h"

char file[200];
static char socket_dir[128];

uint64_t now(void) { return wt_now_us(&wt_clock_real); }

int rpc_start(void **st)
{
        const char *tmp = getenv("TMPDIR");
        char endpoint[200];

        snprintf(socket_dir, sizeof socket_dir, "%s/witan-rpc-XXXXXX", tmp != NULL ? tmp : "/tmp");
        assert_non_null(mkdtemp(socket_dir));
        snprintf(endpoint, sizeof endpoint, "ipc://%s/rpc", socket_dir);
        setenv("WITAN_RPC", endpoint, 1);
        if (whole_start(st) != 0)
                return -1;
        snprintf(file, sizeof file, "%s/client", state);
        return command("key create --state %s --name rpc --rpc %s >/dev/null 2>&1", state, file);
}

int rpc_stop(void **st)
{
        char path[200];
        int rc = whole_stop(st);

        snprintf(path, sizeof path, "%s/rpc", socket_dir);
        unlink(path);
        rmdir(socket_dir);
        return rc;
}

witan_client *open_file(const char *path)
{
        char words[512];
        witan_client *c;

        if (witan_open(&c, path, words) != WITAN_OK)
                fail_msg("%s", words);
        return c;
}

void fine(witan_client *c, int status)
{
        if (status != WITAN_OK)
                fail_msg("%s: %s", witan_status_name(status), witan_words(c));
}

/* ---- what the processes say ---- */

void process_of(const char *role, const char *name, char *out, size_t bytes, uint64_t *pid)
{
        struct wt_buf b = { 0 };
        char path[256];
        wt_json *j;
        wt_jv list;

        snprintf(path, sizeof path, "%s/witan.json", state);
        assert_int_equal(wt_file_read(path, 1 << 20, &b), WT_OK);
        assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
        list = wt_json_get(j, 0, "processes");
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v))
                if (strcmp(wt_json_str(j, wt_json_get(j, v, "role"), NULL), role) == 0) {
                        snprintf(out, bytes, "%s", wt_json_str(j, wt_json_get(j, v, name), NULL));
                        wt_json_u64(j, wt_json_get(j, v, "pid"), pid);
                }
        wt_json_free(j);
        wt_buf_free(&b);
}

double metric(const char *role, const char *name)
{
        struct wt_buf b = { 0 };
        char address[64] = "", full[128], line[128];
        const char *at;
        uint64_t pid;
        double v = -1;
        int status;

        process_of(role, "metrics", address, sizeof address, &pid);
        snprintf(full, sizeof full, "http://%s/metrics", address);
        assert_int_equal(wt_http_fetch("GET", full, "", NULL, 0, 10 * SECOND, &status, &b, NULL,
                                       NULL), WT_OK);
        snprintf(line, sizeof line, "\n%s ", name);
        if ((at = strstr(b.data, line)) != NULL)
                v = atof(at + strlen(line));
        wt_buf_free(&b);
        return v;
}

void until(const char *role, const char *name, double low, double high)
{
        uint64_t end = now() + DEADLINE;
        double v;

        while ((v = metric(role, name)) < low || v > high)
                if (now() > end)
                        fail_msg("%s of the %s is %g, not in [%g, %g]", name, role, v, low, high);
}

/* ---- callbacks ---- */

static int on_message(void *arg, const void *data, size_t len)
{
        struct one *o = arg;

        o->messages++;
        wt_buf_add(&o->bytes, data, len);
        return 0;
}

static void on_end(void *arg, int status)
{
        struct one *o = arg;

        assert_false(o->over);
        o->over = true;
        o->status = status;
        snprintf(o->words, sizeof o->words, "%s", witan_words(o->c));
}

void request_of(const char *path, const char *json, struct wt_buf *out)
{
        wt_json *j;

        assert_int_equal(wt_json_parse(&j, json, strlen(json), &wt_json_default), WT_OK);
        assert_int_equal(api_of_json(api_method(path)->request, j, 0, out), WT_OK);
        wt_json_free(j);
}

uint64_t begin(struct one *o, witan_client *c, const char *path, const void *body,
                      size_t len, const struct witan_options *options)
{
        struct witan_handler h = { on_message, on_end, o };
        uint64_t id;

        *o = (struct one){ .c = c };
        fine(c, witan_start(c, path, body, len, options, &h, &id));
        return id;
}
