/* fuzz_checkpoint.c - notes, checkpoints, keys and requests to a witness from anyone. What is read
 * lies within its text and its limits; a checkpoint that is written again is read as the same; what
 * is refused is refused in words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/witness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_note(const struct wt_note *n, const char *text, size_t size)
{
        WT_ASSERT(n->body == text && n->len > 0 && n->len < size && n->body[n->len - 1] == '\n');
        WT_ASSERT(n->n > 0 && n->n <= WT_NOTE_SIGNATURES);
        for (uint32_t i = 0; i < n->n; i++)
                WT_ASSERT(n->signature[i].name > text && n->signature[i].name_len > 0 &&
                          n->signature[i].name + n->signature[i].name_len < text + size &&
                          n->signature[i].n <= sizeof n->signature[i].bytes);
}

static void note(const char *text, size_t size)
{
        struct wt_checkpoint c, again;
        struct wt_buf body = { 0 };
        struct wt_note n;

        if (wt_note_parse(&n, text, size) != WT_OK) {
                WT_ASSERT(wt_words()[0] != '\0');
                return;
        }
        check_note(&n, text, size);
        if (wt_checkpoint_parse(&c, n.body, n.len) != WT_OK)
                return;
        wt_checkpoint_text(&c, &body);
        WT_ASSERT(body.len <= n.len && memcmp(body.data, n.body, body.len) == 0);
        WT_ASSERT(wt_checkpoint_parse(&again, body.data, body.len) == WT_OK);
        WT_ASSERT(again.size == c.size && memcmp(again.root.b, c.root.b, 32) == 0);
        wt_buf_free(&body);
}

static void key(const char *text, size_t size)
{
        struct wt_buf line = { 0 };
        struct wt_verifier v;

        if (wt_verifier_parse(&v, text, size) != WT_OK) {
                WT_ASSERT(wt_words()[0] != '\0');
                return;
        }
        wt_verifier_text(&v, &line);             /* one text for each key, but for a newline */
        WT_ASSERT(line.len <= size && size - line.len <= 1 &&
                  memcmp(line.data, text, line.len) == 0);
        wt_buf_free(&line);
}

/* A witness with an empty memory: whatever comes, no checkpoint that its log did not sign gets a
 * cosignature. */
static void request(const char *text, size_t size)
{
        static struct wt_witness_answer answer;
        static wt_witness *w;
        uint64_t seen;

        if (w == NULL) {
                char folder[] = "/tmp/witan-fuzz-XXXXXX", remove[64];
                struct wt_signer log;

                WT_ASSERT(mkdtemp(folder) != NULL);
                WT_ASSERT(wt_signer_new(&log, WT_NOTE_LOG, "log-1") == WT_OK);
                WT_ASSERT(wt_witness_open(&w, folder, &log.v) == WT_OK);
                snprintf(remove, sizeof remove, "rm -rf %s", folder);
                WT_ASSERT(system(remove) == 0);
        }
        wt_witness_add(w, text, size, 1, &answer);
        WT_ASSERT(answer.status >= 400 && answer.status < 500 && answer.words[0] != '\0');
        wt_witness_last(w, &seen);
        WT_ASSERT(seen == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        note((const char *)data, size);
        key((const char *)data, size);
        request((const char *)data, size);
        return 0;
}
