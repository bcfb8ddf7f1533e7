/* first_holder.c - a place plugin, whole: the first live holder of each expert. */
#include <witan/plugin.h>

static void place(void *state, const struct wt_place_in *in, uint32_t *worker)
{
        (void)state;                             /* .state_size is 0: nothing to keep */
        for (uint32_t i = 0; i < in->n_items; i++)
                worker[i] = in->holder[in->holder_first[i]];
}

static const struct wt_place_ops ops = { .size = sizeof ops, .place = place };
WT_PLUGIN(.kind = WT_PLACE, .name = "first-holder", .version = "1.0", .ops = &ops,
          .about = "the first live holder of each expert");
