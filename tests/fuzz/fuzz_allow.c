/* fuzz_allow.c - an allow-list from anyone: what is taken is whole, each key once, and is found
 * again; what is refused is refused in words that name the line, and nobody is listed then. */
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "bus/allow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct bus_allow *a)
{
        for (uint32_t i = 0; i < a->n; i++) {
                const struct bus_allowed *e = &a->list[i];

                WT_ASSERT(e->name[0] != '\0' && strlen(e->name) <= BUS_NAME_BYTES);
                WT_ASSERT(e->role[0] != '\0' && strlen(e->role) <= BUS_ROLE_BYTES);
                WT_ASSERT(strlen(e->key) == 40 && strpbrk(e->name, " \t\r\n#") == NULL);
                for (uint32_t k = 0; k < i; k++)
                        WT_ASSERT(strcmp(a->list[k].key, e->key) != 0);
        }
}

/* The list as it would be written: the same list. */
static void check_again(const struct bus_allow *a)
{
        struct bus_allow b = { .path = (char *)(uintptr_t)"again" };
        struct wt_buf text = { 0 };

        wt_buf_str(&text, "");
        for (uint32_t i = 0; i < a->n; i++)
                wt_buf_fmt(&text, "\t%s  %s %s \r\n\n# more\n", a->list[i].name, a->list[i].role,
                           a->list[i].key);
        WT_ASSERT(bus_allow_parse(&b, &text) == WT_OK && b.n == a->n);
        for (uint32_t i = 0; i < a->n; i++)
                WT_ASSERT(memcmp(&a->list[i], &b.list[i], sizeof a->list[i]) == 0 ||
                          (strcmp(a->list[i].name, b.list[i].name) == 0 &&
                           strcmp(a->list[i].role, b.list[i].role) == 0 &&
                           strcmp(a->list[i].key, b.list[i].key) == 0));
        wt_buf_free(&text);
        free(b.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct bus_allow a = { .path = (char *)(uintptr_t)"allowed" };
        struct wt_buf text = { 0 };

        wt_buf_str(&text, "");
        wt_buf_add(&text, data, size);
        if (bus_allow_parse(&a, &text) == WT_OK) {
                check(&a);
                check_again(&a);
        } else {
                WT_ASSERT(a.n == 0 && strncmp(wt_words(), "allowed ", 8) == 0);
        }
        wt_buf_free(&text);
        free(a.list);
        return 0;
}
