#include "page.h"
#include <stdio.h>
#include <string.h>

bool page_flags(const struct call *c, int at, bool list, struct wt_page *room,
                struct wt_page **page)
{
        double limit = 0;

        *page = NULL;
        if (c->flag[at] == NULL && c->flag[at + 1] == NULL)
                return true;
        if (!list) {
                verb_usage(c, "--limit and --after are for list");
                return false;
        }
        if (!verb_number(c, at, 1, WT_PAGE_MOST, &limit))
                return false;
        *room = (struct wt_page){ .limit = (uint32_t)limit };
        if (c->flag[at + 1] != NULL && strlen(c->flag[at + 1]) >= sizeof room->after) {
                verb_usage(c, "--after is what the last page ended with");
                return false;
        }
        snprintf(room->after, sizeof room->after, "%s",
                 c->flag[at + 1] != NULL ? c->flag[at + 1] : "");
        *page = room;
        return true;
}

int page_end(struct call *c, struct wt_buf *b, const struct wt_page *page, wt_err err)
{
        struct wt_buf out = { 0 };

        if (page == NULL || err != WT_OK)
                return books_list_end(c, b, err);
        if (!c->json) {
                if (page->has_more)
                        fprintf(stderr, "there are more: --after '%s'\n", page->next);
                return EXIT_DONE;
        }
        wt_buf_fmt(&out, "{\"data\":%s]", b->data);
        wt_buf_json_kb(&out, "has_more", page->has_more);
        wt_buf_json_kv(&out, "after", page->next[0] != '\0' ? page->next : NULL);
        wt_buf_str(&out, "}");
        puts(out.data);
        wt_buf_free(&out);
        wt_buf_free(b);
        return EXIT_DONE;
}
