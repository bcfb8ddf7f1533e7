/* fuzz_export.c - an export from anyone, and the words of a query. A first line that the witness
 * did not cosign is never good; to reach what lies behind it, half of the inputs get a head that
 * is signed here. Whatever is said has a line, and words. */
#include <stdio.h>
#include <string.h>
#include "audit/proof.h"
#include "audit/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wt_signer witness;
static struct wt_buf head;

/* A log of one row, the empty body's leaf never being an event: size 3, any root. */
static void make_head(void)
{
        struct wt_checkpoint c = { .origin = "log-1", .size = 3 };
        struct wt_buf text = { 0 };
        struct wt_signer log;

        WT_ASSERT(wt_signer_new(&log, WT_NOTE_LOG, "log-1") == WT_OK);
        WT_ASSERT(wt_signer_new(&witness, WT_NOTE_WITNESS, "w") == WT_OK);
        WT_ASSERT(wt_checkpoint_sign(&log, &c, &text) == WT_OK);
        {
                struct wt_note n;

                WT_ASSERT(wt_note_parse(&n, text.data, text.len) == WT_OK);
                WT_ASSERT(wt_note_sign(&witness, n.body, n.len, 1, &text) == WT_OK);
        }
        wt_buf_str(&head, "{\"export\":\"witan-audit/1\",\"checkpoint\":");
        wt_buf_json_str(&head, text.data, text.len);
        wt_buf_str(&head, ",\"size\":3,\"complete\":true}");
        wt_buf_free(&text);
}

static void lines(const char *data, size_t size, bool with_head)
{
        struct wt_verify v = { .witness = &witness.v };
        const char *at = data, *end = data + size;
        wt_verify_export *x;
        bool good;

        WT_ASSERT(wt_verify_export_begin(&x, &v) == WT_OK);
        if (with_head)
                WT_ASSERT(wt_verify_export_line(x, head.data, head.len));
        while (at < end) {
                const char *stop = memchr(at, '\n', (size_t)(end - at));

                if (stop == NULL)
                        stop = end;
                if (!wt_verify_export_line(x, at, (size_t)(stop - at)))
                        break;
                at = stop + 1;
        }
        good = wt_verify_export_end(x);
        WT_ASSERT(!good);                        /* three rows under this root nobody has */
        WT_ASSERT(v.finding.wrong != WT_WRONG_NOTHING && v.finding.words[0] != '\0');
}

static void query(const char *data, size_t size)
{
        struct wt_audit_filter f = { .limit = 0 };
        struct wt_value args[WT_QUERY_ARGS];
        struct wt_buf text = { 0 }, sql = { 0 };
        uint32_t n = 0;

        wt_buf_add(&text, data, size);
        if (text.data != NULL && strlen(text.data) == text.len &&
            wt_audit_filter_parse(&f, text.data, 1700000000000000, NULL) == WT_OK) {
                WT_ASSERT(f.limit <= WT_QUERY_MOST);
                wt_audit_where(&f, &sql, args, &n);
                WT_ASSERT(n <= WT_QUERY_ARGS - 3);       /* outcome and after come behind */
        }
        wt_buf_free(&text);
        wt_buf_free(&sql);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (head.len == 0)
                make_head();
        if (size == 0)
                return 0;
        lines((const char *)data + 1, size - 1, data[0] % 2 == 0);
        query((const char *)data, size);
        return 0;
}
