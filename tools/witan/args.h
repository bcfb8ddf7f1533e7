/* args.h - the words of a command line: flags of the verb are taken, what is left is for the
 * settings. */
#ifndef WITAN_TOOLS_ARGS_H
#define WITAN_TOOLS_ARGS_H
#include "verb.h"

/* Fills c->flag and c->json; rest (argc + 1 of room) gets settings and words, in order. Returns
 * how many, or -1 when a flag is wrong: said, with the nearest that there is. */
int args_sort(struct call *c, int argc, char **argv, char **rest);
#endif
