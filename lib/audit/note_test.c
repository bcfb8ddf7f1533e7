#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/checkpoint.h"
#include "base/file.h"

/* The example of Go's package golang.org/x/mod/sumdb/note, whose format this is. */
static const char go_private[] =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
static const char go_public[] =
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
#define GO_TEXT "If you think cryptography is the answer to your problem,\n" \
                "then you don't know what your problem is.\n"
#define GO_SIGNATURE "\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIu" \
                     "GUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"

static char folder[] = "/tmp/witan-note-XXXXXX";

static const char *at(const char *name)
{
        static char path[2][300];
        static int turn;

        snprintf(path[turn ^= 1], sizeof path[0], "%s/%s", folder, name);
        return path[turn];
}

static void write_file(const char *name, const char *text, mode_t mode)
{
        assert_int_equal(wt_file_write(at(name), text, strlen(text), mode), WT_OK);
}

static void go_example(void **state)
{
        struct wt_verifier v;
        struct wt_signer s;
        struct wt_buf out = { 0 };
        struct wt_note n;
        const char note[] = GO_TEXT "\n" GO_SIGNATURE;

        (void)state;
        assert_int_equal(wt_verifier_parse(&v, go_public, strlen(go_public)), WT_OK);
        assert_int_equal(wt_note_parse(&n, note, strlen(note)), WT_OK);
        assert_int_equal(n.len, strlen(GO_TEXT));
        assert_true(wt_note_signed(&n, &v, NULL));
        write_file("go.key", go_private, 0600);
        assert_int_equal(wt_signer_load(&s, at("go.key")), WT_OK);
        assert_memory_equal(s.v.public_key, v.public_key, 32);
        assert_int_equal(wt_note_sign(&s, GO_TEXT, strlen(GO_TEXT), 0, &out), WT_OK);
        assert_string_equal(out.data, GO_SIGNATURE);
        wt_buf_clear(&out);
        wt_verifier_text(&v, &out);
        assert_string_equal(out.data, go_public);
        wt_buf_free(&out);
}

static const struct bad { const char *name, *text; } bad_notes[] = {
        { "nothing", "" },
        { "no empty line", GO_TEXT GO_SIGNATURE },
        { "no signature", GO_TEXT "\n" },
        { "no newline at the end", GO_TEXT "\n\xe2\x80\x94 PeterNeumann x08go/Y=" },
        { "a signature without a name", GO_TEXT "\n\xe2\x80\x94 x08go/YAAA==\n" },
        { "a signature that is no base64", GO_TEXT "\n\xe2\x80\x94 N x08go/Z_kuBS\n" },
        { "a signature with bits beyond its end", GO_TEXT "\n\xe2\x80\x94 N x08go/Z=\n" },
        { "a hyphen for the dash", GO_TEXT "\n- N x08go/YA\n" },
        { "a tab", "a\tb\n\n" GO_SIGNATURE },
        { "broken UTF-8", "a\xff\n\n" GO_SIGNATURE },
};

static void bad_note(void **state)
{
        const struct bad *b = *state;
        struct wt_note n;

        assert_int_equal(wt_note_parse(&n, b->text, strlen(b->text)), WT_EDATA);
}

static const struct bad bad_keys[] = {
        { "an id of another key", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/"
                                  "LDE4izWy10TW" },
        { "another name", "PeterNeumanm+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW" },
        { "an unknown type", "PeterNeumann+c74f20a3+CRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW" },
        { "too short", "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy" },
        { "no name", "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW" },
        { "nothing", "" },
};

static void bad_key(void **state)
{
        const struct bad *b = *state;
        struct wt_verifier v;

        assert_int_equal(wt_verifier_parse(&v, b->text, strlen(b->text)), WT_EDATA);
}

static void own_keys(void **state)
{
        struct wt_signer s, again;
        struct wt_verifier v;
        struct stat st;

        (void)state;
        assert_int_equal(wt_signer_new(&s, WT_NOTE_LOG, "my log"), WT_EINVAL);
        assert_int_equal(wt_signer_new(&s, WT_NOTE_LOG, ""), WT_EINVAL);
        assert_int_equal(wt_signer_new(&s, WT_NOTE_LOG, "my+log"), WT_EINVAL);
        assert_int_equal(wt_signer_new(&s, WT_NOTE_LOG, "my-log"), WT_OK);
        assert_int_equal(wt_signer_save(&s, at("log.key"), at("log.pub")), WT_OK);
        assert_int_equal(wt_signer_save(&s, at("log.key"), at("log.pub")), WT_EEXIST);
        assert_int_equal(stat(at("log.key"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(wt_signer_load(&again, at("log.key")), WT_OK);
        assert_memory_equal(again.seed, s.seed, 32);
        assert_int_equal(wt_verifier_load(&v, WT_NOTE_LOG, at("log.pub")), WT_OK);
        assert_int_equal(wt_verifier_load(&v, WT_NOTE_WITNESS, at("log.pub")), WT_EINVAL);
        assert_memory_equal(v.public_key, s.v.public_key, 32);
        assert_int_equal(chmod(at("log.key"), 0640), 0);
        assert_int_equal(wt_signer_load(&again, at("log.key")), WT_EPERM);
        write_file("bad.key", "PRIVATE+KEY+my-log+00000000+AYEKFALV", 0600);
        assert_int_equal(wt_signer_load(&again, at("bad.key")), WT_EDATA);
}

static void checkpoints(void **state)
{
        struct wt_checkpoint c = { .origin = "my-log", .size = 1234567 }, got;
        struct wt_signer log, witness, other;
        struct wt_buf text = { 0 };
        struct wt_note n;
        const char head[] = "my-log\n1234567\npaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=\n\n"
                            "\xe2\x80\x94 my-log ";
        uint64_t when = 0;
        size_t signed_only;

        (void)state;
        memset(c.root.b, 0xa5, 32);
        assert_int_equal(wt_signer_new(&log, WT_NOTE_LOG, "my-log"), WT_OK);
        assert_int_equal(wt_signer_new(&other, WT_NOTE_LOG, "my-log"), WT_OK);
        assert_int_equal(wt_signer_new(&witness, WT_NOTE_WITNESS, "w1"), WT_OK);
        assert_int_equal(wt_checkpoint_sign(&log, &c, &text), WT_OK);
        assert_memory_equal(text.data, head, strlen(head));
        assert_int_equal(wt_checkpoint_read(&got, &n, text.data, text.len, &log.v, NULL), WT_OK);
        assert_int_equal(got.size, c.size);
        assert_memory_equal(got.root.b, c.root.b, 32);
        assert_int_equal(wt_checkpoint_read(&got, &n, text.data, text.len, &other.v, NULL),
                         WT_EUNAUTH);
        assert_int_equal(wt_checkpoint_read(&got, &n, text.data, text.len, &log.v, &witness.v),
                         WT_EUNAUTH);
        /* The log's own signature is no cosignature, nor is one that says no time. */
        assert_int_equal(wt_checkpoint_read(&got, &n, text.data, text.len, &log.v, &log.v),
                         WT_EINVAL);
        signed_only = text.len;
        assert_int_equal(wt_note_sign(&witness, n.body, n.len, 0, &text), WT_OK);
        assert_int_equal(wt_checkpoint_read(&got, &n, text.data, text.len, &log.v, &witness.v),
                         WT_EUNAUTH);
        text.len = signed_only;
        assert_int_equal(wt_note_parse(&n, text.data, text.len), WT_OK);
        assert_int_equal(wt_note_sign(&witness, n.body, n.len, 1700000000, &text), WT_OK);
        assert_int_equal(wt_checkpoint_read(&got, &n, text.data, text.len, &log.v, &witness.v),
                         WT_OK);
        assert_true(wt_note_signed(&n, &witness.v, &when));
        assert_int_equal(when, 1700000000);
        /* Any bit of body or signatures. */
        for (size_t i = 0; i < text.len; i++) {
                text.data[i] ^= 1;
                assert_int_not_equal(wt_checkpoint_read(&got, &n, text.data, text.len, &log.v,
                                                        &witness.v), WT_OK);
                text.data[i] ^= 1;
        }
        wt_buf_free(&text);
}

#define ROOT "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=\n"
static const struct bad bad_bodies[] = {
        { "two lines", "log\n3\n" },            { "no origin", "\n3\n" ROOT },
        { "a leading zero", "log\n03\n" ROOT }, { "a sign", "log\n-3\n" ROOT },
        { "no size", "log\n\n" ROOT },          { "a size beyond 2^62",
                                                  "log\n4611686018427387904\n" ROOT },
        { "a size beyond 2^64", "log\n99999999999999999999\n" ROOT },
        { "a short root", "log\n3\npaWlpaU=\n" },
};

static void bad_body(void **state)
{
        const struct bad *b = *state;
        struct wt_checkpoint c;

        assert_int_equal(wt_checkpoint_parse(&c, b->text, strlen(b->text)), WT_EDATA);
}

static struct CMUnitTest tests[64];
static int n_tests;

static void table(const struct bad *rows, size_t n, CMUnitTestFunction f)
{
        for (size_t i = 0; i < n; i++)
                tests[n_tests++] = (struct CMUnitTest){ rows[i].name, f, NULL, NULL,
                                                        (void *)(uintptr_t)&rows[i] };
}

int main(void)
{
        const struct CMUnitTest plain[] = {
                cmocka_unit_test(go_example), cmocka_unit_test(own_keys),
                cmocka_unit_test(checkpoints),
        };
        char remove[64];
        int rc;

        if (mkdtemp(folder) == NULL)
                return 1;
        for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
                tests[n_tests++] = plain[i];
        table(bad_notes, sizeof bad_notes / sizeof *bad_notes, bad_note);
        table(bad_keys, sizeof bad_keys / sizeof *bad_keys, bad_key);
        table(bad_bodies, sizeof bad_bodies / sizeof *bad_bodies, bad_body);
        rc = _cmocka_run_group_tests("note", tests, (size_t)n_tests, NULL, NULL);
        snprintf(remove, sizeof remove, "rm -rf %s", folder);
        return system(remove) != 0 || rc != 0;
}
