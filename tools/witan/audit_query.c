/* audit_query.c - rows of the log for people: a table that fits the terminal, JSON, CSV. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "audit.h"
#include "audit/tree.h"
#include "base/rng.h"
#include "base/sha256.h"

/* The columns in their order; keep: the higher the longer it stays when room is short. */
static const struct column { const char *name; int width, keep; } columns[] = {
        { "TIME", 19, 9 },   { "TENANT", 12, 6 },  { "ACTOR", 14, 7 },  { "ACTION", 16, 1 },
        { "MODEL", 12, 5 },  { "REVISION", 8, 4 }, { "OUTCOME", 13, 8 }, { "STATUS", 6, 3 },
        { "TOKENS", 11, 2 }, { "MS", 8, 2 },       { "REQUEST", 36, 9 },
};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

struct show {
        struct call *c;
        uint32_t shown;                          /* bit i: column i */
        struct wt_buf out;
        bool csv, lines;                         /* lines: JSON, one row a line */
        bool any;
        struct opener *opener;                   /* NULL: texts stay sealed */
};

/* 0: no terminal, so nothing has to fit. */
static int terminal_width(void)
{
        const char *asked = getenv("COLUMNS");
        struct winsize w;

        if (!isatty(1))
                return asked != NULL ? atoi(asked) : 0;
        return ioctl(1, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

static uint32_t fit(int room)
{
        uint32_t shown = (1u << N_COLUMNS) - 1;

        for (int least = 1; room > 0 && least < 9; least++) {
                int width = -1;

                for (int i = 0; i < N_COLUMNS; i++)
                        width += shown >> i & 1 ? columns[i].width + 1 : 0;
                if (width <= room)
                        break;
                for (int i = 0; i < N_COLUMNS; i++)
                        if (columns[i].keep == least)
                                shown &= ~(1u << i);
        }
        return shown;
}

/* Cut to its width, at a character; what a terminal would obey is not printed. */
static void cell(struct show *s, int i, const char *text)
{
        int used = 0;

        if ((s->shown >> i & 1) == 0)
                return;
        for (const char *p = text; *p != '\0' && used < columns[i].width; used++) {
                const char *from = p++;

                while ((*p & 0xc0) == 0x80)
                        p++;
                if ((unsigned char)*from < ' ' || *from == 0x7f || (*from == '\xc2' &&
                    (unsigned char)from[1] < 0xa0))
                        wt_buf_str(&s->out, "?");
                else
                        wt_buf_add(&s->out, from, (size_t)(p - from));
        }
        if (i + 1 < N_COLUMNS)
                wt_buf_fmt(&s->out, "%*s", columns[i].width - used + 1, "");
}

static const char *either(const struct wt_audit_view *v, const struct wt_bytes *first,
                          const struct wt_bytes *end)
{
        if (v->has_end && end->len > 0)
                return (const char *)end->data;
        return first->len > 0 ? (const char *)first->data : "";
}
#define EITHER(v, field) either(v, &(v)->first.field, &(v)->end.field)

static void table_row(struct show *s, const struct wt_audit_view *v)
{
        const struct wt_audit_event *e = v->has_end ? &v->end : &v->first;
        char time[32], id[37] = "", revision[65] = "", number[48];

        wt_audit_time_text(v->first.time_us, time);
        time[10] = ' ';
        time[19] = '\0';
        if (v->first.request.len == 16)
                wt_uuid_text(v->first.request.data, id);
        if (e->revision.len == 32)
                wt_hex(e->revision.data, 32, revision);
        cell(s, 0, time);
        cell(s, 1, EITHER(v, tenant));
        cell(s, 2, EITHER(v, actor));
        cell(s, 3, v->first.kind == WT_AUDIT_NOTE && v->first.action.len == 0
                           ? "note" : EITHER(v, action));
        cell(s, 4, EITHER(v, model));
        cell(s, 5, revision);
        cell(s, 6, wt_audit_view_outcome(v));
        snprintf(number, sizeof number, "%u", e->status);
        cell(s, 7, e->status != 0 ? number : "");
        snprintf(number, sizeof number, "%llu+%llu", (unsigned long long)e->prompt_tokens,
                 (unsigned long long)e->completion_tokens);
        cell(s, 8, e->prompt_tokens + e->completion_tokens != 0 ? number : "");
        snprintf(number, sizeof number, "%.1f", (double)e->total_us / 1e3);
        cell(s, 9, e->total_us != 0 ? number : "");
        cell(s, 10, id);
        wt_buf_str(&s->out, "\n");
}

static wt_err on_row(void *arg, const struct wt_audit_view *v)
{
        struct show *s = arg;
        wt_err err = WT_OK;

        s->any = true;
        if (s->csv) {
                wt_audit_view_csv(v, &s->out);
        } else if (s->c->json) {
                if (!s->lines)
                        wt_buf_json_sep(&s->out);
                wt_audit_view_json(v, &s->out);
                if (s->opener != NULL)
                        err = opener_row(s->opener, v, &s->out);
                if (s->lines)
                        wt_buf_str(&s->out, "\n");
        } else {
                table_row(s, v);
        }
        return err;
}

static void heads(struct show *s)
{
        if (s->csv)
                wt_buf_str(&s->out, wt_audit_csv_head);
        else if (s->c->json)
                wt_buf_str(&s->out, s->lines ? "" : "{\"data\":[");
        else
                for (int i = 0; i < N_COLUMNS; i++)
                        cell(s, i, columns[i].name);
        if (!s->csv && !s->c->json)
                wt_buf_str(&s->out, "\n");
}

static void flush(struct show *s)
{
        if (s->out.len > 0)
                fwrite(s->out.data, 1, s->out.len, stdout);
        fflush(stdout);
        wt_buf_clear(&s->out);
}

static void feet(struct show *s, const struct wt_audit_page *page)
{
        if (s->c->json && !s->csv) {
                wt_buf_str(&s->out, "]");
                wt_buf_json_kb(&s->out, "has_more", page->has_more);
                wt_buf_json_kv(&s->out, "after", page->after[0] != '\0' ? page->after : NULL);
                wt_buf_str(&s->out, "}\n");
        }
        flush(s);
        if (page->has_more && !s->c->json)
                fprintf(stderr, "there are more: --after %s shows the next %u\n", page->after,
                        page->n);
        else if (page->n == 0 && !s->c->json)
                fputs("no row matches\n", stderr);
}

int auditor_query(struct call *c)
{
        struct show s = { .c = c, .csv = c->flag[A_CSV] != NULL };
        struct opener opener = { .c = NULL };
        const bool open = c->flag[A_OPEN] != NULL;
        struct wt_audit_filter f;
        struct wt_audit_page page;
        wt_store *store;
        wt_err err;

        if (!auditor_filter(c, &f))
                return EXIT_USAGE;
        if (open && s.csv)
                return verb_usage(c, "--open shows rows as JSON; leave --csv out");
        if (auditor_open(c, &store) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (open && opener_open(&opener, c) != WT_OK) {
                wt_store_close(store);
                return verb_fail(c, "%s", wt_words());
        }
        c->json |= open;
        s.opener = open ? &opener : NULL;
        s.shown = fit(terminal_width());
        heads(&s);
        if ((err = auditor_read(c, store, "audit.query")) == WT_OK &&
            (err = wt_audit_query(store, &f, on_row, &s, &page)) == WT_OK)
                feet(&s, &page);
        wt_store_close(store);
        if (open)
                opener_close(&opener);
        wt_buf_free(&s.out);
        return err == WT_OK ? EXIT_DONE : verb_fail(c, "%s", wt_words());
}

/* ---- tail ---- */

static volatile sig_atomic_t stopped;
static void on_stop(int sig)
{
        (void)sig;
        stopped = 1;
}

/* One look: everything that has ended since the last one. */
static wt_err look(struct show *s, wt_store *store, const struct wt_audit_filter *f,
                   uint64_t *leaf)
{
        uint32_t n = WT_QUERY_MOST;
        wt_err err = WT_OK;

        while (err == WT_OK && n == WT_QUERY_MOST) {
                err = wt_audit_tail(store, f, leaf, on_row, s, &n);
                flush(s);
        }
        return err;
}

int auditor_tail(struct call *c)
{
        struct show s = { .c = c, .lines = true };
        struct wt_audit_filter f;
        struct wt_hash root;
        uint64_t leaf = 0;
        wt_store *store;
        wt_err err;

        if (!auditor_filter(c, &f))
                return EXIT_USAGE;
        if (auditor_open(c, &store) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        signal(SIGINT, on_stop);
        signal(SIGTERM, on_stop);
        s.shown = fit(terminal_width());
        heads(&s);
        if ((err = auditor_read(c, store, "audit.tail")) == WT_OK && f.since_us == 0)
                err = wt_tree_head(store, &leaf, &root);
        while (err == WT_OK && !stopped && (err = look(&s, store, &f, &leaf)) == WT_OK)
                usleep(300000);
        wt_store_close(store);
        wt_buf_free(&s.out);
        return err == WT_OK ? EXIT_DONE : verb_fail(c, "%s", wt_words());
}
