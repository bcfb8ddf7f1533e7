/* inspect.c - witan models inspect: what a model folder holds and what it needs, before it is
 * served. */
#include "inspect.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "machine.h"
#include "units.h"
#include "weigh.h"

enum { MAX_SIZES = 10 };

/* Sizes of workers that somebody may have: 4 GiB, doubled until one holds all. */
struct size { uint64_t bytes; uint32_t workers, each; };

static int sizes(const struct weigh *w, struct size *out)
{
        int n = 0;

        for (uint64_t g = 4; g <= 2048 && n < MAX_SIZES && w->slots > 0; g *= 2) {
                struct size s = { .bytes = g << 30 };
                s.workers = weigh_workers(w, s.bytes, &s.each);
                if (s.workers == 0 || s.workers > 256)
                        continue;
                out[n++] = s;
                if (s.workers == 1)
                        break;
        }
        return n;
}

static uint64_t need(const struct weigh *w, const wt_conf *conf)
{
        return w->total_bytes + wt_conf_u64(conf, WT_SET_kv_bytes);
}

static void put_layers(struct wt_buf *b, const struct wt_shape *s)
{
        wt_buf_json_key(b, "layers");
        wt_buf_str(b, "[");
        for (uint32_t l = 0; l < s->n_layers; l++) {
                const struct wt_layer *y = &s->layers[l];
                wt_buf_json_sep(b);
                wt_buf_str(b, "{");
                wt_buf_json_kv(b, "attention", y->attn == WT_ATTN_MLA ? "mla" : "gqa");
                wt_buf_json_ku(b, "heads", y->n_heads);
                if (y->attn == WT_ATTN_MLA)
                        wt_buf_json_ku(b, "kv_rank", y->kv_rank);
                else
                        wt_buf_json_ku(b, "kv_heads", y->n_kv_heads);
                wt_buf_json_kv(b, "ffn", y->ffn == WT_FFN_MOE ? "moe" : "dense");
                wt_buf_json_ku(b, "hidden", y->ffn == WT_FFN_MOE ? y->expert_hidden : y->hidden);
                if (y->ffn == WT_FFN_MOE) {
                        wt_buf_json_ku(b, "experts", y->n_experts);
                        wt_buf_json_ku(b, "picks", y->n_picks);
                        wt_buf_json_ku(b, "shared_hidden", y->shared_hidden);
                }
                wt_buf_str(b, "}");
        }
        wt_buf_str(b, "]");
}

static void put_kinds(struct wt_buf *b, const struct weigh *w)
{
        wt_buf_json_key(b, "kinds");
        wt_buf_str(b, "[");
        for (int k = 0; k < N_WEIGH; k++) {
                if (w->params[k] == 0)
                        continue;
                wt_buf_json_sep(b);
                wt_buf_str(b, "{");
                wt_buf_json_kv(b, "kind", weigh_names[k]);
                wt_buf_json_ku(b, "parameters", w->params[k]);
                wt_buf_json_ku(b, "bytes", w->bytes[k]);
                wt_buf_str(b, "}");
        }
        wt_buf_str(b, "]");
}

static void put_machine(struct wt_buf *b, const struct weigh *w, const struct machine *m,
                        const wt_conf *conf)
{
        struct size s[MAX_SIZES];
        int n = sizes(w, s);

        wt_buf_json_key(b, "machine");
        wt_buf_str(b, "{");
        wt_buf_json_ku(b, "memory_bytes", machine_room(m));
        wt_buf_json_ku(b, "needed_bytes", need(w, conf));
        wt_buf_json_kb(b, "fits", need(w, conf) <= machine_room(m));
        wt_buf_str(b, "}");
        wt_buf_json_key(b, "workers");
        wt_buf_str(b, "[");
        for (int i = 0; i < n; i++) {
                wt_buf_json_sep(b);
                wt_buf_str(b, "{");
                wt_buf_json_ku(b, "memory_bytes", s[i].bytes);
                wt_buf_json_ku(b, "workers", s[i].workers);
                wt_buf_json_ku(b, "experts_each", s[i].each);
                wt_buf_str(b, "}");
        }
        wt_buf_str(b, "]");
}

static void print_json(const struct weigh *w, const struct machine *m, const struct call *c)
{
        const struct wt_shape *s = w->shape;
        struct wt_buf b = { 0 };

        wt_buf_str(&b, "{");
        wt_buf_json_kv(&b, "folder", c->words[1]);
        wt_buf_json_kv(&b, "family", s->family);
        wt_buf_json_kv(&b, "weights", w->from_files ? w->dtypes : NULL);
        wt_buf_json_ku(&b, "width", s->width);
        wt_buf_json_ku(&b, "vocabulary", s->vocab);
        wt_buf_json_ku(&b, "context", s->max_positions);
        wt_buf_json_kb(&b, "tied", s->tied);
        wt_buf_json_ku(&b, "parameters", w->total);
        wt_buf_json_ku(&b, "active_parameters", w->active);
        wt_buf_json_ku(&b, "bytes", w->total_bytes);
        wt_buf_json_ku(&b, "unused_bytes", w->unused_bytes);
        wt_buf_json_ku(&b, "expert_bytes", w->expert_bytes);
        wt_buf_json_ku(&b, "router_bytes", weigh_trunk(w));
        wt_buf_json_ku(&b, "kv_bytes_per_token", w->kv_token);
        wt_buf_json_kv(&b, "notes", w->notes);
        put_kinds(&b, w);
        put_layers(&b, s);
        put_machine(&b, w, m, c->conf);
        wt_buf_str(&b, "}");
        puts(b.data);
        wt_buf_free(&b);
}

/* Runs of like layers: "1-5   mla, 8 heads, latent 64; 16 experts of 96, 2 picked, shared 96". */
static void print_layers(const struct wt_shape *s)
{
        for (uint32_t l = 0, end; l < s->n_layers; l = end) {
                const struct wt_layer *y = &s->layers[l];
                struct wt_layer same;
                char range[24];

                for (end = l + 1; end < s->n_layers; end++) {
                        same = s->layers[end];
                        same.index = y->index;
                        if (memcmp(&same, y, sizeof same) != 0)
                                break;
                }
                snprintf(range, sizeof range, end - l > 1 ? "%u-%u" : "%u", l, end - 1);
                printf("  %-18s ", range);
                if (y->attn == WT_ATTN_MLA)
                        printf("MLA, %u heads, latent %u, rotary %u; ", y->n_heads, y->kv_rank,
                               y->rope_dim);
                else
                        printf("GQA, %u heads of %u, %u for keys and values; ", y->n_heads,
                               y->head_dim, y->n_kv_heads);
                if (y->ffn == WT_FFN_DENSE)
                        printf("dense %u\n", y->hidden);
                else
                        printf("%u experts of %u, %u picked, shared %u\n", y->n_experts,
                               y->expert_hidden, y->n_picks, y->shared_hidden);
        }
}

static void print_kinds(const struct weigh *w)
{
        char n[32], bytes[32];

        for (int k = 0; k < N_WEIGH; k++) {
                if (w->params[k] == 0)
                        continue;
                units_count((double)w->params[k], n);
                units_bytes(w->bytes[k], bytes);
                printf("  %-18s %10s %12s %5.1f %%\n", weigh_names[k], n, bytes,
                       100.0 * (double)w->bytes[k] / (double)w->total_bytes);
        }
}

static void print_fit(const struct weigh *w, const struct machine *m, const wt_conf *conf)
{
        struct size s[MAX_SIZES];
        uint64_t room = machine_room(m), wants = need(w, conf);
        char have[32], want[32], kv[32], trunk[32], expert[32];
        int n = sizes(w, s);

        units_bytes(room, have);
        units_bytes(wants, want);
        units_bytes(wt_conf_u64(conf, WT_SET_kv_bytes), kv);
        units_bytes(weigh_trunk(w), trunk);
        units_bytes(w->expert_bytes, expert);
        printf("\nthis machine\n  %s: it needs %s (with %s of KV cache), there are %s%s\n",
               wants <= room ? "fits" : "does not fit", want, kv, have,
               m->limit < m->memory ? " by the memory limit of the control group" : "");
        printf("\nin a cluster\n  each router holds %s and the KV cache\n", trunk);
        if (w->slots > 0)
                printf("  %u experts of %s each, held once by\n", w->slots, expert);
        for (int i = 0; i < n; i++) {
                units_bytes(s[i].bytes, have);
                printf("  %4u worker%s of %s, %u experts each\n", s[i].workers,
                       s[i].workers == 1 ? " " : "s", have, s[i].each);
        }
}

static void print(const struct weigh *w, const struct machine *m, const struct call *c)
{
        const struct wt_shape *s = w->shape;
        char total[32], active[32], bytes[32], unused[32];

        units_count((double)w->total, total);
        units_count((double)w->active, active);
        units_bytes(w->total_bytes, bytes);
        units_bytes(w->unused_bytes, unused);
        printf("family               %s\nwidth                %u\nvocabulary           %u\ncontext "
               "             %u\n"
               "parameters           %s, of which a token uses %s\nweights              "
               "%s%s%s%s%s\n"
               "KV cache             %" PRIu64 " bytes per token\n",
               s->family, s->width, s->vocab, s->max_positions, total, active, bytes,
               w->from_files ? " in " : " if they were BF16: the folder has no weights", w->dtypes,
               w->unused_bytes > 0 ? "; not used: " : "", w->unused_bytes > 0 ? unused : "",
               w->kv_token);
        if (w->notes[0] != '\0')
                printf("notes                %s\n", w->notes);
        puts("\nlayers");
        print_layers(s);
        puts("\nby kind");
        print_kinds(w);
        print_fit(w, m, c->conf);
}

int inspect_run(struct call *c)
{
        struct weigh w;
        struct machine m;

        if (c->n_words < 2)
                return verb_usage(c, "inspect takes a model folder, or a config.json");
        if (weigh_open(&w, c->words[1]) != WT_OK)
                return verb_fail(c,
                                 strchr(wt_words(), ';') != NULL
                                         ? "%s"
                                         : "%s; name a folder as Hugging Face ships it",
                                 wt_words());
        machine_look(&m, "");
        if (c->json)
                print_json(&w, &m, c);
        else
                print(&w, &m, c);
        weigh_close(&w);
        return EXIT_DONE;
}
