/* cpu.c - the processor as a compute plugin: handles, memory and the table of stages. The layers
 * themselves are lib/model/layers, which the trainer runs too. Work is done before a call returns,
 * so events are trivial. Two plugins come out of this file: "cpu" with the fastest kernels that the
 * machine runs, and "cpu-ref" with the plain loops that are the meaning of the profile. */
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "base/pool.h"
#include "base/trace.h"
#include "model/layers/layers.h"

struct wt_compute { struct wt_stage stage; };
struct wt_event { int done; };

static struct wt_event always = { 1 };

static int open_with(wt_compute **out, const struct wt_host *host,
                     const struct wt_compute_conf *conf, const char *kernels)
{
        const struct wt_kernels *k = wt_kernels_pick(kernels);
        wt_compute *c;
        int err;

        if (!k)
                return host->fail(WT_EUNSUPPORTED,
                                  "compute: this processor lacks AVX2, FMA or F16C, which "
                                  "the build asks for; build on this machine");
        if (wt_trace_on)
                k = wt_kernels_traced(k);
        if ((err = wt_float_ground()))
                return host->fail(err, "compute: %s", wt_words());
        if (!(c = calloc(1, sizeof *c)))
                return host->fail(WT_ENOMEM, "compute: no memory to open");
        if ((err = wt_stage_init(&c->stage, k, host, conf))) {
                free(c);
                return err;
        }
        *out = c;
        return WT_OK;
}

static int cpu_open(wt_compute **out, const struct wt_host *host,
                    const struct wt_compute_conf *conf)
{
        return open_with(out, host, conf, NULL);
}

static int ref_open(wt_compute **out, const struct wt_host *host,
                    const struct wt_compute_conf *conf)
{
        return open_with(out, host, conf, "ref");
}

static void cpu_close(wt_compute *c)
{
        if (!c)
                return;
        wt_stage_fini(&c->stage);
        free(c);
}

/* ---- weights and memory ---------------------------------------------------------------------- */

static int upload(wt_compute *c, const struct wt_matrix *m, const void *blob, wt_weight **out)
{
        wt_weight *w;

        if (!blob || wt_pack_bytes(m) == 0)
                return c->stage.host.fail(WT_EINVAL,
                                          "upload: form %u, dtype %u, %u x (%u, %u) cannot be "
                                          "read by layout p16",
                                          m->form, m->dtype, m->n_mat, m->n_out, m->n_in);
        if ((uintptr_t)blob % 64)
                return c->stage.host.fail(WT_EINVAL,
                                          "upload: a blob must start at a multiple of 64 bytes");
        if (!(w = malloc(sizeof *w)))
                return c->stage.host.fail(WT_ENOMEM, "upload: no memory for a handle");
        *w = (wt_weight){ .m = *m, .data = blob };
        *out = w;
        return WT_OK;
}

static void drop(wt_compute *c, wt_weight *w)
{
        (void)c;
        free(w);
}

/* 64-aligned and zeroed, the untouched part by the system: a large KV buffer costs nothing until it
 * is used. The pointer that free wants stands before the block. */
static void *block_new(size_t bytes)
{
        char *raw = bytes <= SIZE_MAX - 128 ? calloc(1, bytes + 128) : NULL, *p;

        if (!raw)
                return NULL;
        p = (char *)(((uintptr_t)raw + sizeof raw + 63) & ~(uintptr_t)63);
        memcpy(p - sizeof raw, &raw, sizeof raw);
        return p;
}

static void block_free(void *p)
{
        char *raw;

        if (!p)
                return;
        memcpy(&raw, (char *)p - sizeof raw, sizeof raw);
        free(raw);
}

static int buffer_new(wt_compute *c, size_t bytes, wt_buffer **out)
{
        wt_buffer *b = malloc(sizeof *b);

        if (!b || !(b->data = block_new(bytes))) {
                free(b);
                return c->stage.host.fail(WT_ENOMEM, "compute: no memory for a buffer of %zu bytes",
                                          bytes);
        }
        b->bytes = bytes;
        *out = b;
        return WT_OK;
}

static void buffer_free(wt_compute *c, wt_buffer *b)
{
        (void)c;
        if (b)
                block_free(b->data);
        free(b);
}

static int host_alloc(wt_compute *c, size_t bytes, void **out)
{
        void *p = block_new(bytes);

        if (!p)
                return c->stage.host.fail(WT_ENOMEM, "compute: no memory for %zu bytes", bytes);
        *out = p;
        return WT_OK;
}

static void host_free(wt_compute *c, void *p)
{
        (void)c;
        block_free(p);
}

static int copy_check(wt_compute *c, const wt_buffer *b, size_t at, size_t bytes)
{
        if (at <= b->bytes && bytes <= b->bytes - at)
                return WT_OK;
        return c->stage.host.fail(WT_EINVAL, "copy: %zu bytes at %zu are outside a buffer of %zu",
                                  bytes, at, b->bytes);
}

static int copy_in(wt_compute *c, wt_buffer *dst, size_t at, const void *src, size_t bytes)
{
        int err = copy_check(c, dst, at, bytes);

        if (!err)
                memcpy((char *)dst->data + at, src, bytes);
        return err;
}

static int copy_out(wt_compute *c, void *dst, const wt_buffer *src, size_t at, size_t bytes)
{
        int err = copy_check(c, src, at, bytes);

        if (!err)
                memcpy(dst, (const char *)src->data + at, bytes);
        return err;
}

/* ---- stages ---------------------------------------------------------------------------------- */

static int embed(wt_compute *c, const struct wt_embed_args *a)
{
        return wt_layer_embed(&c->stage, a);
}
static int attend(wt_compute *c, const struct wt_attend_args *a)
{
        return wt_layer_attend(&c->stage, a);
}
static int gate(wt_compute *c, const struct wt_gate_args *a) { return wt_layer_gate(&c->stage, a); }
static int ffn(wt_compute *c, const struct wt_ffn_args *a) { return wt_layer_ffn(&c->stage, a); }
static int experts(wt_compute *c, const struct wt_expert_args *a)
{
        return wt_layer_experts(&c->stage, a);
}
static int fold(wt_compute *c, const struct wt_fold_args *a) { return wt_layer_fold(&c->stage, a); }
static int combine(wt_compute *c, const struct wt_combine_args *a)
{
        return wt_layer_combine(&c->stage, a);
}
static int head(wt_compute *c, const struct wt_head_args *a) { return wt_layer_head(&c->stage, a); }

static int event_new(wt_compute *c, wt_event **out)
{
        (void)c;
        *out = &always;
        return WT_OK;
}

static void event_free(wt_compute *c, wt_event *e)
{
        (void)c;
        (void)e;
}

static int event_done(wt_compute *c, wt_event *e)
{
        (void)c;
        (void)e;
        return WT_OK;
}

static int done(wt_compute *c)
{
        (void)c;
        return WT_OK;
}

#define CPU_OPS(open_fn)                                                                           \
        {                                                                                          \
                .size = sizeof(struct wt_compute_ops), .profile = "wn1/f32", .layout = "p16",      \
                .pack_bytes = wt_pack_bytes, .pack = wt_pack, .open = open_fn, .close = cpu_close, \
                .upload = upload, .drop = drop, .buffer_new = buffer_new,                          \
                .buffer_free = buffer_free, .host_alloc = host_alloc, .host_free = host_free,      \
                .copy_in = copy_in, .copy_out = copy_out, .kv_page_bytes = wt_layer_page_bytes,    \
                .embed = embed, .attend = attend, .gate = gate, .ffn = ffn, .expert_ffn = experts, \
                .fold = fold, .combine = combine, .head = head, .event_new = event_new,            \
                .event_free = event_free, .event_record = event_done, .event_wait = event_done,    \
                .sync = done                                                                       \
        }

static const struct wt_compute_ops cpu_ops = CPU_OPS(cpu_open);
static const struct wt_compute_ops ref_ops = CPU_OPS(ref_open);

WT_PLUGIN(.kind = WT_COMPUTE, .name = "cpu", .version = "1.0", .ops = &cpu_ops,
          .about = "the processor: AVX2 where there is one, the same bits everywhere");

#undef WT_PLUGIN_ENTRY
#define WT_PLUGIN_ENTRY wt_plugin_compute_cpu_ref
WT_PLUGIN(.kind = WT_COMPUTE, .name = "cpu-ref", .version = "1.0", .ops = &ref_ops,
          .about = "the processor by plain loops: the meaning of the profile, and slow");
