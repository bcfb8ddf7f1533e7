/* conform.h - does a sample plugin draw what numbers.md N8 says? Against a reference that sorts the
 * whole vocabulary, over drawn logits and options, ties, zeros of both signs and bans. */
#ifndef WITAN_SAMPLE_CONFORM_H
#define WITAN_SAMPLE_CONFORM_H
#include <stdbool.h>
#include "witan/plugin.h"

struct wt_conform_draws {
        void (*note)(void *arg, const char *what, bool ok, const char *words);
        void *arg;
};
/* Number of findings that did not hold. */
uint32_t wt_conform_sample(const struct wt_plugin *p, const struct wt_conform_draws *c);
#endif
