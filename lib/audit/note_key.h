/* note_key.h - what note.c and note_key.c share. */
#ifndef WITAN_AUDIT_NOTE_KEY_H
#define WITAN_AUDIT_NOTE_KEY_H
#include "audit/note.h"

uint32_t note_id(const struct wt_verifier *v);
bool note_name_fits(const char *name, size_t len);
#endif
