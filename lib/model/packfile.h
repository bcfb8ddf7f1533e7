/* packfile.h - the folder of packs: DIR/<64 hex>.pack, shared by every process of the host.
 *
 * A pack is 64 bytes of header (magic, layout, bytes and SHA-256 of the blob), then the blob,
 * 64-byte aligned once mapped. It is written under a temporary name and renamed, so it is whole
 * or not there; its mode is 0400 and its size is sealed by the header: what has another size is
 * built again. The blob's digest is checked when a process first maps a pack of this boot (a
 * crash may lose pages that were never synced); what was checked stands in DIR/packs.checked.
 * Two processes that want the same pack take turns at a lock; without locks both write it, and
 * the bytes are the same. */
#ifndef WITAN_MODEL_PACKFILE_H
#define WITAN_MODEL_PACKFILE_H
#include "base/err.h"
#include "base/file.h"

struct wt_packs;
enum { WT_PACK_HEADER = 64, WT_PACK_LAYOUT = 15 };   /* bytes of a layout's name */

wt_err wt_packs_open(struct wt_packs **out, const char *dir);
void wt_packs_close(struct wt_packs *p);
/* Maps the pack called name (a digest), building it by fill when it is not there: fill writes
 * all bytes of a zeroed blob. The blob is at map->data + WT_PACK_HEADER. WT_EEXHAUSTED: the disk
 * is full. */
wt_err wt_packs_get(struct wt_packs *p, const uint8_t name[32], const char *layout, size_t bytes,
                    wt_err (*fill)(void *arg, uint8_t *blob), void *arg, struct wt_map *map);
#endif
