/* audit.h - the parts of witan audit. */
#ifndef WITAN_TOOLS_AUDIT_H
#define WITAN_TOOLS_AUDIT_H
#include "audit/query.h"
#include "verb.h"

enum audit_flag { A_TENANT, A_ACTOR, A_KEY, A_MODEL, A_REVISION, A_ARM, A_OUTCOME, A_VERDICT,
                  A_REQUEST,
                  A_SINCE, A_UNTIL, A_LIMIT, A_AFTER, A_CSV, A_OUT, A_WITNESS, A_LAST, A_LOG,
                  A_LISTEN, A_FILE, A_DAYS, A_OPEN, A_FORCE };

/* The log of the settings, migrated. */
wt_err auditor_open(struct call *c, wt_store **out);
/* What the flags ask for; false: said. */
bool auditor_filter(struct call *c, struct wt_audit_filter *f);
/* The row that says that this was done, by whom and with what words. */
wt_err auditor_deed(struct call *c, wt_store *s, const char *action, const char *words);
/* The same for a reading: words are what the flags asked for. */
wt_err auditor_read(struct call *c, wt_store *s, const char *action);

/* audit_open.c: opens the texts of rows. */
struct opener { struct call *c; wt_store *store; char folder[4200]; struct wt_buf clear; };
wt_err opener_open(struct opener *o, struct call *c);    /* into zeros */
/* Adds "text" to a row in JSON that out ends with: what was sealed, or null and "why". The row of
 * the opening is written first; not WT_OK: it could not be, or the store is away. */
wt_err opener_row(struct opener *o, const struct wt_audit_view *v, struct wt_buf *out);
void opener_close(struct opener *o);

int auditor_query(struct call *c);                 /* each returns the exit code */
int auditor_tail(struct call *c);
int auditor_export(struct call *c);
int auditor_verify(struct call *c);
int auditor_witness(struct call *c);
int auditor_erase(struct call *c);
int auditor_hold(struct call *c);
int auditor_retain(struct call *c);
#endif
