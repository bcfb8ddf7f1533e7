/* bench_find.c - see bench_find.h. */
#include "bench_find.h"
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/json.h"
#include "net/http.h"
#include "secure.h"

enum { PATIENCE_US = 10 * 1000 * 1000 };

wt_err bench_find_at(struct bench_target *t, const char *url)
{
        bool https = strncmp(url, "https://", 8) == 0;
        const char *at = https ? url + 8 : strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
        const char *colon = at != NULL ? strrchr(at, ':') : NULL,
                   *bracket = at != NULL ? strrchr(at, ']') : NULL;
        size_t n = at != NULL ? strcspn(at, "/") : 0;

        if (at == NULL || n == 0 || n > 250 || (at[n] == '/' && at[n + 1] != '\0'))
                return wt_fail(WT_EINVAL, "\"%.200s\" is no address of a server; write "
                               "http://HOST:PORT or https://HOST:PORT, without a path", url);
        snprintf(t->address, sizeof t->address, "%.*s%s", (int)n, at,
                 colon != NULL && (bracket == NULL || colon > bracket) ? "" : https ? ":443"
                                                                                    : ":80");
        colon = strrchr(t->address, ':');
        snprintf(t->host, sizeof t->host, "%.*s", (int)(colon - t->address), t->address);
        if (t->host[0] == '[') {                 /* [::1] is written so in addresses alone */
                memmove(t->host, t->host + 1, strlen(t->host));
                t->host[strcspn(t->host, "]")] = '\0';
        }
        t->secure = https ? secure_client() : NULL;
        return bench_target_find(t);
}

static wt_err read_key(const struct call *c, struct bench_remote *out)
{
        const char *file = c->flag[BF_KEY_FILE];
        struct wt_buf b = { 0 };
        wt_err err = WT_OK;
        size_t n;

        if (file == NULL)
                return WT_OK;                    /* a door that is open to all */
        if (wt_file_read(file, 4096, &b) != WT_OK) {
                err = wt_fail(WT_EINVAL, "--key-file: %s; name a file with the key in its first "
                              "line", wt_words());
        } else {
                n = strcspn(b.data, "\r\n");
                if (n == 0 || n >= sizeof out->key || strcspn(b.data, " \t") < n)
                        err = wt_fail(WT_EINVAL, "--key-file %s: its first line is no key; put the "
                                      "bearer alone there, as witan key create prints it", file);
                else
                        snprintf(out->key, sizeof out->key, "%.*s", (int)n, b.data);
                explicit_bzero(b.data, b.len);
        }
        wt_buf_free(&b);
        return err;
}

/* The first of {"data": [{"id", "max_model_len"}]}. */
static wt_err take_models(struct bench_remote *out, const struct wt_buf *b)
{
        wt_err err = WT_EDATA;
        const char *id;
        size_t n = 0;
        wt_json *j;
        wt_jv v;

        if (b->data != NULL && wt_json_parse(&j, b->data, b->len, &wt_json_default) == WT_OK) {
                v = wt_json_first(j, wt_json_get(j, 0, "data"));
                id = wt_json_str(j, wt_json_get(j, v, "id"), &n);
                if (id != NULL && n > 0 && n < sizeof out->model) {
                        snprintf(out->model, sizeof out->model, "%s", id);
                        wt_json_u64(j, wt_json_get(j, v, "max_model_len"), &out->context);
                        err = WT_OK;
                }
                wt_json_free(j);
        }
        return err == WT_OK ? WT_OK : wt_fail(err, "--url %s: its /v1/models names no model; is it "
                                              "a server of OpenAI's API?", out->url);
}

wt_err bench_find_remote(const struct call *c, struct bench_remote *out)
{
        char url[400], headers[400] = "";
        struct wt_buf b = { 0 };
        int status = 0;
        wt_err err;

        memset(out, 0, sizeof *out);
        snprintf(out->url, sizeof out->url, "%.*s", 298, c->flag[BF_URL]);
        if (out->url[0] != '\0' && out->url[strlen(out->url) - 1] == '/')
                out->url[strlen(out->url) - 1] = '\0';
        if ((err = read_key(c, out)) != WT_OK)
                return err;
        snprintf(url, sizeof url, "%s/v1/models", out->url);
        if (out->key[0] != '\0')
                snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", out->key);
        err = wt_http_fetch("GET", url, headers, NULL, 0, PATIENCE_US, &status, &b, NULL, NULL);
        if (err != WT_OK)
                err = wt_fail(err, "--url %s: %s; does it answer there? --cacert names the "
                              "authority of an https server of the house", out->url, wt_words());
        else if (status == 401 || status == 403)
                err = wt_fail(WT_EUNAUTH, "--url %s refuses %s (%d); --key-file FILE names a file "
                              "with a key that it takes", out->url,
                              out->key[0] != '\0' ? "this key" : "to answer without a key", status);
        else if (status != 200)
                err = wt_fail(WT_EUNAVAILABLE, "--url %s: its /v1/models answers %d", out->url,
                              status);
        else
                err = take_models(out, &b);
        explicit_bzero(headers, sizeof headers);
        wt_buf_free(&b);
        return err;
}
