/* steps.h - inputs of kind place, for its conformance test and the tests of the built-ins. */
#ifndef WITAN_PLACE_STEPS_H
#define WITAN_PLACE_STEPS_H
#include <stddef.h>
#include "witan/plugin.h"

enum { MOST_ITEMS = 300, MOST_HOLDERS = 64, N_RANDOM = 400 };

/* A step's input in heap blocks of their exact sizes, so that ASan sees a read beyond them. */
struct step {
        uint32_t n, n_workers;
        uint32_t *expert, *rows, *first, *holder, *load;
};

uint32_t place_draw(uint32_t seed, uint32_t what, uint32_t i, uint32_t below);
uint32_t *place_block(size_t n);                 /* n numbers; free() */
struct step step_new(uint32_t n, uint32_t n_workers, uint32_t n_holders);
struct step step_uniform(uint32_t n, uint32_t n_workers, uint32_t rows);
struct step step_random(uint32_t seed);
void step_free(struct step *s);
/* Runs the plugin on scratch that the host zeroed; out (n). */
void step_run(const struct wt_plugin *p, const struct step *s, uint32_t *out);
#endif
