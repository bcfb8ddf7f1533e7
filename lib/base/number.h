/* number.h - doubles as text, whatever the process's locale says. */
#ifndef WITAN_BASE_NUMBER_H
#define WITAN_BASE_NUMBER_H

/* strtod in the C locale. */
double wt_strtod(const char *s, char **end);
/* Writes a finite v in the fewest digits that read back as v; returns their number. (Where only a
 * 16-digit decimal that is not the nearest one would read back, it takes 17.) */
int wt_dtoa(double v, char out[32]);
#endif
