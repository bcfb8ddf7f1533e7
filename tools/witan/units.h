/* units.h - numbers for people. */
#ifndef WITAN_TOOLS_UNITS_H
#define WITAN_TOOLS_UNITS_H
#include <stdint.h>

void units_bytes(uint64_t bytes, char out[32]);          /* "1.25 GiB" */
void units_count(double n, char out[32]);                /* "671 B" (10^9), "9.66 M" */
void units_seconds(double s, char out[32]);              /* "4.2 s", "3 min 20 s", "2 h 5 min" */
#endif
