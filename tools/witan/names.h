/* names.h - is there such a tenant, team, key or model? If not: what was typed, what is near. */
#ifndef WITAN_TOOLS_NAMES_H
#define WITAN_TOOLS_NAMES_H
#include "store/store.h"
#include "verb.h"

/* WT_OK: it is there. WT_ENOTFOUND in words that repeat the name and say the nearest one, or how to
 * list them. */
wt_err names_tenant(wt_store *s, const char *tenant);
wt_err names_team(wt_store *s, const char *tenant, const char *team);
wt_err names_key(wt_store *s, const char *id);   /* revoked ones are there, too */
/* tenant:NAME, team:TENANT/NAME or key:ID; what is no scope is left to whoever reads it. */
wt_err names_scope(wt_store *s, const char *scope);
/* A note on stderr for each of a list (separated by commas) that the state folder's cluster does
 * not serve: a model may be named before it is served. Nothing where no cluster has been. */
void names_models(const struct call *c, const char *list);
#endif
