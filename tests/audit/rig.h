/* rig.h - for the tests of the audit log: a log in SQLite in a folder of its own, rows that differ
 * in all their columns, a signer and a witness that need no process. */
#ifndef WITAN_TESTS_AUDIT_RIG_H
#define WITAN_TESTS_AUDIT_RIG_H
#include "audit/checkpoint_store.h"
#include "audit/table.h"
#include "audit/verify.h"
#include "audit/witness.h"

struct rig {
        char folder[32], url[256], db[64];
        wt_store *store;
        struct wt_signer key;                    /* of the log */
        struct wt_lease lease;
        wt_witness *witness;
        uint64_t made;                           /* rows so far */
};

/* Failures end the test with their words. */
void rig_open(struct rig *r);
void rig_open_on(struct rig *r, const char *url);        /* another database, empty */
void rig_close(struct rig *r);                   /* removes the folder */
/* n more events: intent and outcome of requests in turn, every tenth a note. seed tells logs
 * apart. */
void rig_rows(struct rig *r, uint32_t n, uint32_t seed);
/* Event i of that sequence, encoded; clears out. */
void rig_event(uint64_t i, uint32_t seed, struct wt_buf *out);
/* Signs the head and has it cosigned, through the witness's own request. */
void rig_checkpoint(struct rig *r);
/* Exports all of the log and verifies the export: true, or what v->finding says. */
bool rig_export_verifies(struct rig *r, struct wt_verify *v);
/* SQL behind the store's back, seals and all: what somebody with the file can do. */
void rig_sql(struct rig *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The first column of the first row. */
void rig_blob(struct rig *r, struct wt_buf *out, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
#endif
