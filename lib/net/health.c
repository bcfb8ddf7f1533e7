/* health.c - /metrics, /healthz, /readyz. */
#include "net/health.h"
#include <string.h>

static const char text[] = "text/plain; charset=utf-8";

static void verdict(wt_call *c, bool (*ask)(void *arg, struct wt_buf *words), void *arg)
{
        struct wt_buf words = { 0 };
        bool good = !ask || ask(arg, &words);

        if (words.len == 0)
                wt_buf_str(&words, good ? "ok" : "not ready");
        wt_buf_str(&words, "\n");
        wt_call_reply(c, good ? 200 : 503, text, "Cache-Control: no-store\r\n", words.data,
                      words.len);
        wt_buf_free(&words);
}

static void metrics(wt_call *c, const struct wt_health *s)
{
        struct wt_buf out = { 0 };

        if (s->metrics)
                s->metrics(s->arg, &out);
        wt_call_reply(c, 200, "text/plain; version=0.0.4; charset=utf-8", NULL,
                      out.data ? out.data : "", out.len);
        wt_buf_free(&out);
}

bool wt_health_answer(const struct wt_health *s, wt_call *c)
{
        const char *path = wt_call_path(c), *method = wt_call_method(c);
        bool is_metrics = strcmp(path, "/metrics") == 0, is_ready = strcmp(path, "/readyz") == 0;

        if (!is_metrics && !is_ready && strcmp(path, "/healthz") != 0)
                return false;
        if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
                wt_call_reply(c, 405, text, "Allow: GET, HEAD\r\n", "use GET\n", 8);
        else if (is_metrics)
                metrics(c, s);
        else
                verdict(c, is_ready ? s->ready : s->healthy, s->arg);
        return true;
}

static void on_request(void *arg, wt_call *c)
{
        static const char what[] = "here are /metrics, /healthz and /readyz\n";

        if (!wt_health_answer(arg, c))
                wt_call_reply(c, 404, text, NULL, what, sizeof what - 1);
}

wt_err wt_health_listen(wt_http **out, wt_loop *l, const char *address, const struct wt_health *s)
{
        /* A scraper is a few connections and no body. Who opens many and says nothing keeps nobody
         * from asking whether the process lives. */
        const struct wt_http_limits lim = {
                .max_line = 4 << 10, .max_headers = 16 << 10, .max_body = 4 << 10,
                .max_connections = 64, .evict = true,
                .request_timeout_us = 5000000, .idle_timeout_us = 120000000,
                .max_unsent = 16 << 20,
        };
        const struct wt_http_handler handler = { .on_request = on_request, .arg = (void *)s };

        return wt_http_listen(out, l, address, &lim, &handler);
}
