/* list.h - a list that grows: n items of a capacity, one block that doubles. */
#ifndef WITAN_BASE_LIST_H
#define WITAN_BASE_LIST_H
#include <stddef.h>
#include <stdint.h>

/* list is the address of a pointer (NULL at first) to n items of `item` bytes, with room for *cap.
 * Lends the place of item n, not zeroed: the caller writes it and counts it. NULL: no memory, and
 * all is as it was. The block is the caller's to free. */
void *wt_list_more(void *list, uint32_t n, uint32_t *cap, size_t item);
#endif
