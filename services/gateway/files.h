/* files.h - how many connections the limit of open files lets a gateway have. */
#ifndef WITAN_GATEWAY_FILES_H
#define WITAN_GATEWAY_FILES_H
#include <stdint.h>

/* Raises the process's own limit as far as `asked` connections want it and the hard limit lets it.
 * Returns asked, or fewer, said in the log: what the limit leaves beside what is open now and what
 * else a gateway opens. Once the rest is open; never 0. */
uint32_t gateway_connections(uint32_t asked);
#endif
