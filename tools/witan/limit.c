#include "limit.h"
#include <string.h>

bool limit_flags(const struct call *c, int at, struct wt_limits *out, uint32_t *given)
{
        *given = 0;
        for (int i = 0; i < WT_N_LIMITS; i++) {
                const char *value = c->flag[at + i];

                if (value == NULL)
                        continue;
                if (strcmp(value, "none") == 0) {
                        out->most[i] = -1;
                } else if (wt_limit_read((enum wt_limit)i, value, strlen(value), &out->most[i]) !=
                           WT_OK) {
                        verb_usage(c, "--%s: %s; none takes the limit off",
                                   c->verb->flags[at + i].name, wt_words());
                        return false;
                }
                *given |= 1u << i;
        }
        return true;
}

void limit_words(const struct wt_limits *l, struct wt_buf *out)
{
        char text[32];
        bool any = false;

        for (int i = 0; i < WT_N_LIMITS; i++) {
                if (l->most[i] < 0)
                        continue;
                wt_buf_fmt(out, "%s%s %s", any ? ", " : "", wt_limit_name((enum wt_limit)i),
                           wt_limit_text((enum wt_limit)i, l->most[i], text));
                any = true;
        }
        wt_buf_str(out, any ? "" : "-");
}
