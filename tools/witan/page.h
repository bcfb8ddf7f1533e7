/* page.h - lists by pages: the flags --limit and --after of key, tenant, team and price list. */
#ifndef WITAN_TOOLS_PAGE_H
#define WITAN_TOOLS_PAGE_H
#include "books.h"
#include "identity/identity.h"

enum { N_PAGE_FLAGS = 2 };
/* Their rows in a verb's flags, from place at on. */
#define PAGE_FLAGS(at)                                                                           \
        [at] = {"limit", "N", "of list: most rows, up to 1000 [all]", 0},                        \
        [(at) + 1] = {"after", "PLACE", "of list: go on behind where the last page ended", 0}
/* *page is room, or NULL where neither is given: all rows. list: it is the list that was asked for;
 * other parts of the verb take none of the two. False: said. */
bool page_flags(const struct call *c, int at, bool list, struct wt_page *room,
                struct wt_page **page);
/* The end of books_list: JSON is then {"data", "has_more", "after"}; a table is followed by what to
 * say for the next page, on stderr. page NULL: as books_list_end. */
int page_end(struct call *c, struct wt_buf *b, const struct wt_page *page, wt_err err);
#endif
