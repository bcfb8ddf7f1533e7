/* seal_impl.h - epochs (seal_epoch.c), for seal_key.c and erase.c. */
#ifndef WITAN_AUDIT_SEAL_IMPL_H
#define WITAN_AUDIT_SEAL_IMPL_H
#include "audit/seal.h"

enum { WRAPPED = 12 + 32 + 16 };
/* The newest epoch, 0 when there is none; in the caller's transaction. */
wt_err epoch_newest(wt_store *s, int64_t *epoch);
/* In the caller's transaction: the epoch's row, which one alone can make (WT_EABORTED: try again),
 * then its key in FOLDER/EPOCH.key, durable before the row is: a key without a row harms nobody and
 * is taken by the next who makes that epoch, a row without its key would stop everybody. */
wt_err epoch_put(wt_store *s, const char *folder, int64_t epoch);
wt_err epoch_key(const char *folder, int64_t epoch, uint8_t key[32]);
/* The same, compared with what the store knows of it. WT_EPRECONDITION as of wt_epochs_check. */
wt_err epoch_key_proved(wt_store *s, const char *folder, int64_t epoch, uint8_t key[32]);
/* Epochs that are needed and whose files are not there. WT_EPRECONDITION: one is another's. */
enum { MOST_LOST = 64 };
wt_err epochs_lost(wt_store *s, const char *folder, int64_t lost[MOST_LOST], uint32_t *n);
/* Overwritten, unlinked, folder synced. One that is gone is fine. */
wt_err epoch_destroy(const char *folder, int64_t epoch);
wt_err subject_wrap(const uint8_t epoch_key[32], int64_t epoch, const uint8_t id[16],
                    const uint8_t key[32], uint8_t wrapped[WRAPPED]);
wt_err subject_unwrap(const uint8_t epoch_key[32], int64_t epoch, const uint8_t id[16],
                      const uint8_t *wrapped, uint8_t key[32]);
#endif
