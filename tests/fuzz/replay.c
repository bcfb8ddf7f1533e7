/* replay.c - the main of a fuzz target without libFuzzer: every file of the folders that are named
 * is one input. What a fuzzer once found stays in the corpus and is tried by every build. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BYTES = 16 << 20 };

static int shown(const struct dirent *e)
{
        return e->d_name[0] != '.';
}

/* Each input lies in memory of its own length, so that a sanitizer sees the first byte past it. */
static bool one_file(const char *folder, const char *name)
{
        struct wt_buf text = { 0 };
        char path[4096];
        uint8_t *copy;

        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (wt_file_read(path, MOST_BYTES, &text) != WT_OK) {
                fprintf(stderr, "%s\n", wt_words());
                return false;
        }
        copy = malloc(text.len > 0 ? text.len : 1);
        WT_ASSERT(copy != NULL);
        if (text.len > 0)
                memcpy(copy, text.data, text.len);
        fprintf(stderr, "%s\n", path);           /* the last line names the input that crashed */
        LLVMFuzzerTestOneInput(copy, text.len);
        free(copy);
        wt_buf_free(&text);
        return true;
}

static int one_folder(const char *folder)
{
        struct dirent **list;
        int n = scandir(folder, &list, shown, alphasort), done = 0;

        for (int i = 0; i < n; i++) {
                done += one_file(folder, list[i]->d_name);
                free(list[i]);
        }
        if (n >= 0)
                free(list);
        return n > 0 && done == n ? n : -1;      /* an empty corpus proves nothing */
}

int main(int argc, char **argv)
{
        int n, all = 0;

        for (int i = 1; i < argc; i++) {
                if ((n = one_folder(argv[i])) < 0) {
                        fprintf(stderr, "%s: no inputs, or one that could not be read\n", argv[i]);
                        return 1;
                }
                all += n;
        }
        printf("%d inputs\n", all);
        return all > 0 ? 0 : 1;
}
