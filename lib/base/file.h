/* file.h - whole files and paths. Errors name the path and what to do. */
#ifndef WITAN_BASE_FILE_H
#define WITAN_BASE_FILE_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"

/* The code of a failed system call on a file: ENOENT is WT_ENOTFOUND, ENOSPC WT_EEXHAUSTED, ... */
wt_err wt_file_code(int err_no);
/* Appends the file to out, or leaves it alone. WT_ENOTFOUND, WT_EIO, WT_EEXHAUSTED when larger than
 * max, WT_ENOMEM. */
wt_err wt_file_read(const char *path, size_t max, struct wt_buf *out);
/* Writes path.tmp.PID, fsyncs, renames, fsyncs the folder: the file is whole or not there.
 * WT_EEXHAUSTED: the disk is full. */
wt_err wt_file_write(const char *path, const void *data, size_t len, mode_t mode);
wt_err wt_dir_make(const char *path, mode_t mode);       /* with parents; existing is fine */

/* A read-only private-to-nobody mapping of a whole file. bytes 0: data NULL, still fine. */
struct wt_map { const uint8_t *data; size_t bytes; };
wt_err wt_map_open(struct wt_map *out, const char *path);
void wt_map_close(struct wt_map *m);
#endif
