/* seal_impl.h - epochs, for seal_key.c and erase.c. */
#ifndef WITAN_AUDIT_SEAL_IMPL_H
#define WITAN_AUDIT_SEAL_IMPL_H
#include "audit/seal.h"

enum { WRAPPED = 12 + 32 + 16 };
/* The newest epoch, 0 when there is none; in the caller's transaction. */
wt_err epoch_newest(wt_store *s, int64_t *epoch);
/* A fresh key in FOLDER/EPOCH.key, durable; one that is there already stays (a crash came between
 * it and its row). */
wt_err epoch_make(const char *folder, int64_t epoch);
wt_err epoch_key(const char *folder, int64_t epoch, uint8_t key[32]);
/* Overwritten, unlinked, folder synced. One that is gone is fine. */
wt_err epoch_destroy(const char *folder, int64_t epoch);
wt_err subject_wrap(const uint8_t epoch_key[32], int64_t epoch, const uint8_t id[16],
                    const uint8_t key[32], uint8_t wrapped[WRAPPED]);
wt_err subject_unwrap(const uint8_t epoch_key[32], int64_t epoch, const uint8_t id[16],
                      const uint8_t *wrapped, uint8_t key[32]);
#endif
