/* whole.c - see whole.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/json.h"
#include "net/http.h"
#include "whole.h"

char state[128], url[160], key[80], user_key[80];

int command(const char *fmt, ...)
{
        char line[1024], all[1400];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(line, sizeof line, fmt, ap);
        va_end(ap);
        snprintf(all, sizeof all, "%s/bin/witan %s", getenv("WITAN_BUILD"), line);
        return WEXITSTATUS(system(all));
}

int ask(const char *method, const char *path, const char *bearer, const char *body,
               struct wt_buf *out)
{
        char full[256], headers[256];
        int status = 0;

        snprintf(full, sizeof full, "%s%s", url, path);
        snprintf(headers, sizeof headers, "%s%s%sContent-Type: application/json\r\n",
                 bearer != NULL ? "Authorization: Bearer " : "", bearer != NULL ? bearer : "",
                 bearer != NULL ? "\r\n" : "");
        wt_buf_clear(out);
        if (wt_http_fetch(method, full, headers, body, body != NULL ? strlen(body) : 0,
                          60 * 1000000, &status, out, NULL, NULL) != WT_OK)
                fail_msg("%s %s: %s", method, path, wt_words());
        return status;
}

void plain_is_answered(void)
{
        struct wt_buf b = { 0 };

        assert_int_equal(
                ask("POST", "/v1/completions", key,
                    "{\"model\":\"tiny\",\"prompt\":\"Once\",\"max_tokens\":2,\"temperature\":0}",
                    &b),
                200);
        wt_buf_free(&b);
}

static int remove_one(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
        (void)s; (void)flag; (void)ftw;
        return remove(path);
}

static void read_cluster(void)
{
        char path[256];
        struct wt_buf b = { 0 };
        wt_json *j;
        size_t len;

        snprintf(path, sizeof path, "%s/witan.json", state);
        assert_int_equal(wt_file_read(path, 1 << 20, &b), WT_OK);
        assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
        snprintf(url, sizeof url, "%s", wt_json_str(j, wt_json_get(j, 0, "http"), &len));
        snprintf(key, sizeof key, "%s", wt_json_str(j, wt_json_get(j, 0, "admin_key"), &len));
        wt_json_free(j);
        wt_buf_clear(&b);
        snprintf(path, sizeof path, "%s/key.txt", state);
        assert_int_equal(
                command("key create --state %s --name u >%s 2>/dev/null", state, path),
                0);
        assert_int_equal(wt_file_read(path, 4096, &b), WT_OK);
        snprintf(user_key, sizeof user_key, "%.*s", (int)strcspn(b.data, "\n"), b.data);
        wt_buf_free(&b);
}

int whole_start(void **st)
{
        (void)st;
        return whole_start_model("models/tiny");
}

int whole_start_model(const char *folder)
{
        const char *tmp = getenv("TMPDIR");

        snprintf(state, sizeof state, "%s/witan-api-XXXXXX", tmp != NULL ? tmp : "/tmp");
        if (mkdtemp(state) == NULL ||
            command("up --detach --state %s --http 127.0.0.1:0 --bus tcp://127.0.0.1:0 --model %s "
                    ">/dev/null", state,
                    folder) != 0)
                return -1;
        read_cluster();
        return 0;
}

int whole_stop(void **st)
{
        int rc = command("down --state %s >/dev/null", state);
        char line[400];

        (void)st;
        snprintf(line, sizeof line,
                 "! grep -A20 -E 'Sanitizer|runtime error|bug:' %s/logs/*.log >&2", state);
        rc |= system(line);                      /* a sanitized build has nothing to say */
        nftw(state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return rc;
}
