/* contiguous.c - gives each worker runs of neighbouring expert ids, of about equal work.
 *
 * Neighbours share nodes of the trie of expert ids (numbers.md N7): a worker that has all picks
 * of a node sends one row back for it, so few and well cut runs make short replies. Work is
 * counted in rows: an expert costs its rows and the reading of its weights, READ rows' worth,
 * whatever their number. The plan: the least work T, within a sixteenth, under which the walk
 * below covers all items; then the same walk once more with the cuts moved by up to an eighth of
 * T to where the ids differ in their highest bit. */
#include <stdbool.h>
#include <witan/plugin.h>

enum { MOST_WORKERS = 4096 };                   /* workers beyond carry any work: none is counted */

/* Bytes of weights read a second over rows multiplied a second: about 20 for f32 weights on AVX2
 * with 10 GB/s a core, and more with fewer cores; the plan is not sensitive to it. */
enum { READ = 16 };

struct plan { uint64_t work[MOST_WORKERS]; };    /* rows in flight and given, by worker */

static uint64_t cost(const struct wt_place_in *in, uint32_t i)
{
        return (uint64_t)in->rows[i] + READ;
}

static uint64_t work_of(const struct plan *p, uint32_t w)
{
        return w < MOST_WORKERS ? p->work[w] : 0;
}

static bool holds(const struct wt_place_in *in, uint32_t i, uint32_t w)
{
        const uint32_t *h = in->holder + in->holder_first[i];
        const uint32_t *end = in->holder + in->holder_first[i + 1];

        while (h < end && *h < w)                /* ascending */
                h++;
        return h < end && *h == w;
}

/* The end of the longest run from item i that worker w can take under most. */
static uint32_t run_end(const struct plan *p, const struct wt_place_in *in, uint32_t i, uint32_t w,
                        uint64_t most)
{
        uint64_t sum = work_of(p, w);

        for (; i < in->n_items && holds(in, i, w); i++) {
                sum += cost(in, i);
                if (sum > most)
                        break;
        }
        return i;
}

static bool lower_top_bit(uint32_t a, uint32_t b) { return a < b && a < (a ^ b); }

/* The end, at least `low` work into the run [i, end) of w, before which the ids part in their
 * highest bit: the boundary that the largest subtrees respect. Equal ones: the last that is not
 * above aim. */
static uint32_t best_cut(const struct plan *p, const struct wt_place_in *in, uint32_t i,
                         uint32_t end, uint32_t w, uint64_t low, uint64_t aim)
{
        uint64_t sum = work_of(p, w);
        uint32_t best = end, apart = 0;

        if (end == in->n_items)
                return end;
        for (; i < end; i++) {
                uint32_t differ = in->expert[i] ^ in->expert[i + 1];

                sum += cost(in, i);
                if (sum >= low && (lower_top_bit(apart, differ) ||
                                   (sum <= aim && !lower_top_bit(differ, apart)))) {
                        best = i + 1;
                        apart = differ;
                }
        }
        return best;
}

/* Walks the items once, longest run first; a worker's work stays under aim, or with slack within
 * an eighth of it on either side where that makes a better cut. Returns the number of runs; 0:
 * some item fits no holder. */
static uint32_t walk(struct plan *p, const struct wt_place_in *in, uint64_t aim, bool slack,
                     uint32_t *worker)
{
        uint64_t most = slack ? aim + aim / 8 : aim;
        uint32_t runs = 0;

        for (uint32_t w = 0; w < in->n_workers && w < MOST_WORKERS; w++)
                p->work[w] = in->load[w];
        for (uint32_t i = 0; i < in->n_items;) {
                uint32_t w = 0, end = i;

                for (uint32_t h = in->holder_first[i]; h < in->holder_first[i + 1]; h++) {
                        uint32_t e = run_end(p, in, i, in->holder[h], most);

                        if (e > end) {
                                end = e;
                                w = in->holder[h];
                        }
                }
                if (end == i)
                        return 0;
                runs++;
                if (slack)
                        end = best_cut(p, in, i, end, w, aim - aim / 8, aim);
                for (; i < end; i++) {
                        worker[i] = w;
                        if (w < MOST_WORKERS)
                                p->work[w] += cost(in, i);
                }
        }
        return runs;
}

static void place(void *state, const struct wt_place_in *in, uint32_t *worker)
{
        uint64_t all = 0, loaded = 0, low = 0, high;     /* low: too little, high: enough */
        uint32_t runs, runs_cut;

        for (uint32_t i = 0; i < in->n_items; i++)
                all += cost(in, i);
        for (uint32_t w = 0; w < in->n_workers; w++)
                loaded = in->load[w] > loaded ? in->load[w] : loaded;
        high = all + loaded;
        while (high - low > high / 16 + 1) {
                uint64_t mid = low + (high - low) / 2;

                if (walk(state, in, mid, false, worker))
                        high = mid;
                else
                        low = mid;
        }
        runs = walk(state, in, high, false, worker);
        runs_cut = walk(state, in, high, true, worker);
        if (runs_cut == 0 || runs_cut > runs)
                walk(state, in, high, false, worker);
}

static const struct wt_place_ops ops = { .size = sizeof ops, .state_size = sizeof(struct plan),
                                         .place = place };
WT_PLUGIN(.kind = WT_PLACE, .name = "contiguous", .version = "1.0", .ops = &ops,
          .about = "runs of neighbouring experts of about equal work for each worker");
