/* seal.h - prompts and answers in the log, readable only with the key of whose they are.
 *
 * A data subject has a key of its own; it lies in the store (table audit_subjects), wrapped by an
 * epoch key, which lies outside it (FOLDER/N.key, 0600). The text of an event is sealed by
 * AES-256-GCM: a version byte 1, a nonce of 12 bytes, the ciphertext, the tag; request id and kind
 * of the event are authenticated with it. Who deletes the wrapped key (erase.h) makes every text
 * of that subject unreadable, in the store, in backups and in exports, and changes no row.
 * Migrations under the schema name "audit_subjects". */
#ifndef WITAN_AUDIT_SEAL_H
#define WITAN_AUDIT_SEAL_H
#include "base/buf.h"
#include "store/store.h"

enum { WT_SEAL_ADDED = 1 + 12 + 16 };            /* bytes that sealing adds */

/* Appends to out. */
wt_err wt_seal_text(const uint8_t key[32], const uint8_t request[16], uint32_t kind,
                    const void *text, size_t len, struct wt_buf *out);
/* WT_EDATA: another key, another event, or it was changed. */
wt_err wt_seal_open(const uint8_t key[32], const uint8_t request[16], uint32_t kind,
                    const void *sealed, size_t len, struct wt_buf *out);

wt_err wt_subjects_migrate(wt_store *s);
/* Are the keys in folder those of the store's epochs? WT_EPRECONDITION: one that is needed is not
 * there, or is another's; the words say what to share. WT_OK also when there is no epoch yet. */
wt_err wt_epochs_check(wt_store *s, const char *folder);
/* The id of a subject: the first 16 bytes of HMAC-SHA-256(hash_key, tenant, 0, name). Who knows
 * tenant and name and holds the log's hash key finds the rows; the log names nobody. */
void wt_subject_id(const uint8_t hash_key[32], const char *tenant, const char *name,
                   uint8_t id[16]);
/* The subject's key; make: a fresh one when there is none. Keep it no longer than the request:
 * an erasure elsewhere must hold at once. wt_wipe it. WT_ENOTFOUND: erased, or never made. */
wt_err wt_subject_key(wt_store *s, const char *folder, const uint8_t id[16], const char *tenant,
                      bool make, uint8_t key[32]);
#endif
