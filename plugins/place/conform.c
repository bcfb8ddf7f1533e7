/* conform.c - see conform.h. */
#include "conform.h"
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "steps.h"

static bool listed(const struct step *s, const uint32_t *got)
{
        for (uint32_t i = 0; i < s->n; i++) {
                uint32_t h = s->first[i];

                while (h < s->first[i + 1] && s->holder[h] != got[i])
                        h++;
                if (h == s->first[i + 1])
                        return false;
        }
        return true;
}

static bool only_listed_holders(const struct wt_plugin *p)
{
        bool ok = true;

        for (uint32_t seed = 0; seed < N_RANDOM && ok; seed++) {
                struct step s = step_random(seed);
                uint32_t *got = place_block(s.n);

                memset(got, 0xee, s.n * sizeof *got);
                step_run(p, &s, got);
                ok = listed(&s, got);
                free(got);
                step_free(&s);
        }
        return ok;
}

static bool same(const uint32_t *a, const uint32_t *b, size_t n)
{
        return memcmp(a, b, n * sizeof *a) == 0;
}

static bool input_is_left_alone(const struct wt_plugin *p)
{
        bool ok = true;

        for (uint32_t seed = 0; seed < 50 && ok; seed++) {
                struct step s = step_random(seed), t = step_random(seed);
                uint32_t *got = place_block(s.n);

                step_run(p, &s, got);
                ok = same(s.expert, t.expert, s.n) && same(s.rows, t.rows, s.n) &&
                     same(s.first, t.first, s.n + 1) && same(s.holder, t.holder, s.first[s.n]) &&
                     same(s.load, t.load, s.n_workers);
                free(got);
                step_free(&s);
                step_free(&t);
        }
        return ok;
}

/* Asks once more, with scratch that earlier calls used and with other bytes behind the arrays. */
static bool again(const struct wt_plugin *p, const struct step *s, void *used, int fill)
{
        const struct wt_place_ops *ops = p->ops;
        size_t n = s->n, nw = s->n_workers, nh = s->first[s->n], all = 3 * n + 1 + nh + nw + 5 * 8;
        uint32_t *got = place_block(n), *second = place_block(n + 1), *copy = place_block(all),
                 *at = copy;
        struct wt_place_in in = { .size = sizeof in, .n_items = s->n, .n_workers = s->n_workers };
        bool ok;

        step_run(p, s, got);
        memset(copy, fill, all * sizeof *copy);
        in.expert = memcpy(at, s->expert, n * sizeof *at), at += n + 8;
        in.rows = memcpy(at, s->rows, n * sizeof *at), at += n + 8;
        in.holder_first = memcpy(at, s->first, (n + 1) * sizeof *at), at += n + 1 + 8;
        in.holder = memcpy(at, s->holder, nh * sizeof *at), at += nh + 8;
        in.load = memcpy(at, s->load, nw * sizeof *at);
        second[n] = 0xabcdef01;
        ops->place(used, &in, second);
        ok = same(got, second, n) && second[n] == 0xabcdef01;
        free(got);
        free(second);
        free(copy);
        return ok;
}

static bool function_of_its_input(const struct wt_plugin *p)
{
        const struct wt_place_ops *ops = p->ops;
        void *used = calloc(1, ops->state_size + 1);
        bool ok = true;

        WT_ASSERT(used != NULL);
        for (uint32_t seed = 0; seed < N_RANDOM && ok; seed++) {
                struct step s = step_random(seed);

                ok = again(p, &s, used, seed & 1 ? 0xff : 0x01);
                step_free(&s);
        }
        free(used);
        return ok;
}

static bool no_items_is_fine(const struct wt_plugin *p)
{
        struct step s = step_uniform(0, 3, 1);
        uint32_t untouched = 7;

        step_run(p, &s, &untouched);
        step_free(&s);
        return untouched == 7;
}

uint32_t wt_conform_place(const struct wt_plugin *p, const struct wt_conform_places *c)
{
        static const struct {
                const char *what, *words;
                bool (*holds)(const struct wt_plugin *);
        } all[] = {
                {"only listed holders", "it chose a worker that does not hold the expert",
                 only_listed_holders},
                {"input is left alone", "it wrote to its input", input_is_left_alone},
                {"a function of its input",
                 "the same input gave another answer: scratch or bytes beyond "
                 "the arrays were read",
                 function_of_its_input},
                {"no items is fine", "it wrote an answer where none was asked", no_items_is_fine},
        };
        uint32_t faults = 0;

        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
                bool ok = all[i].holds(p);

                faults += !ok;
                c->note(c->arg, all[i].what, ok, ok ? "" : all[i].words);
        }
        return faults;
}
