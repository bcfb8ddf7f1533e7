/* erase.h - what may go, how, and with what trace.
 *
 * Erasure: the wrapped key of a data subject is deleted in one transaction with a note in the log
 * and a new epoch: from its commit on nobody can read that subject's texts. Then the survivors'
 * keys are wrapped again under the new epoch key and the old epoch key is destroyed, so that the
 * deleted row, wherever the database still has it (free pages, WAL, backups), opens no more. A
 * crash in between is made up for by wt_erase_finish, which the gateway that signs the log calls.
 *
 * Retention: the rows of a day go as a whole; which leaves they were stays (audit_dropped), and a
 * note in the log states their digest, so that a verifier can tell them from rows that somebody
 * took. Hold: what is held of a subject or a tenant is neither erased nor dropped. */
#ifndef WITAN_AUDIT_ERASE_H
#define WITAN_AUDIT_ERASE_H
#include "audit/note.h"
#include "audit/seal.h"

struct wt_eraser {
        /* migrated: wt_audit_migrate, wt_subjects_migrate */
        wt_store *store;
        const char *folder;                      /* of the epoch keys */
        const struct wt_signer *key;             /* of the log: signs receipts */
        const char *actor;                       /* who asks, for the log */
};

/* Until the old epoch key is destroyed. receipt (or NULL) gets a signed note. WT_ENOTFOUND: no
 * such subject. WT_EPRECONDITION: held. revoked_us (or NULL): how long it took until the key was
 * gone. */
wt_err wt_erase_subject(const struct wt_eraser *e, const uint8_t id[16], struct wt_buf *receipt,
                        uint64_t *revoked_us);
/* Gives up the data subjects whose epoch key is not in the folder any more: what can be opened by
 * nobody is said to be so, and a new epoch begins. *n subjects. WT_ENOTFOUND: no epoch key is lost.
 * WT_EPRECONDITION: one of them is held, or a key in the folder is another's. */
wt_err wt_erase_lost(const struct wt_eraser *e, uint64_t *n);
/* Rewraps and destroys what an erasure left, if any. *left is 0 when nothing is to be done. */
wt_err wt_erase_finish(wt_store *s, const char *folder, uint64_t *left);

/* name: a subject (32 hex digits) or a tenant. on: add, else remove. WT_EEXIST, WT_ENOTFOUND. */
wt_err wt_hold_set(const struct wt_eraser *e, const char *name, bool on);
wt_err wt_hold_list(wt_store *s, void (*each)(void *arg, const char *kind, const char *name,
                                              int64_t since_us), void *arg);

/* Drops all rows of this day (days since 1970). WT_ENOTFOUND: there are none. WT_EPRECONDITION:
 * one of them is held; the whole day stays. *n rows went. */
wt_err wt_retain_drop(const struct wt_eraser *e, int64_t day, uint64_t *n);
/* The oldest day that has rows, or WT_ENOTFOUND. */
wt_err wt_retain_oldest(wt_store *s, int64_t *day);
#endif
