/* room.h - the disk of the state folder: what is free, and what Witan wants of it. */
#ifndef WITAN_TOOLS_ROOM_H
#define WITAN_TOOLS_ROOM_H
#include <stdbool.h>
#include "base/err.h"

/* Keys, database, spool and logs of a cluster that has just been started stay well below this. */
enum { ROOM_SPARE_BYTES = 16 << 20 };

struct room { uint64_t free_bytes, pack_bytes; bool no_files; };   /* no_files: of inodes */

/* The nearest folder at or above path that exists. */
void room_above(const char *path, char out[4200]);
/* Looks at the disk that state is on, or will be; pack_bytes are there already. False: it cannot
 * be asked. */
bool room_look(struct room *r, const char *state);
/* WT_EEXHAUSTED, in words with all numbers: the weights of a model cannot be packed there. */
wt_err room_check(const char *state, uint64_t model_bytes);
/* Where words speak of a full disk: one line on stderr, which disk, how full, what to do. */
void room_hint(const char *state, const char *words);
#endif
