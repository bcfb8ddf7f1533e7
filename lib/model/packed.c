/* packed.c - the pack of some parts of a model: its name, its layout, its filling. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/sha256.h"
#include "model/model.h"

enum { NAME_LINE = 256 };                        /* bytes of a part in its pack's name, at most */

struct job { wt_model *m; const struct wt_part *parts; uint32_t n; const size_t *at; };

static const struct wt_tensor_at *tensor_of(const wt_model *m, const struct wt_part *p)
{
        const struct wt_tensor_at *t = wt_source_find(m->source, p->name);

        WT_ASSERT(t != NULL);                    /* wt_model_check saw it */
        return t;
}

static size_t dtype_bytes(uint32_t dtype) { return dtype == WT_F32 ? 4 : 2; }

/* Reads each part's tensor once and packs its view at its place. */
static wt_err fill(void *arg, uint8_t *blob)
{
        const struct job *job = arg;
        wt_err err = WT_OK;

        for (uint32_t i = 0; i < job->n && err == WT_OK; i++) {
                const struct wt_part *p = &job->parts[i];
                const struct wt_tensor_at *t = tensor_of(job->m, p);
                char *src = malloc(t->bytes);

                if (!src)
                        return wt_fail(WT_ENOMEM, "no memory to read %s (%" PRIu64 " bytes)",
                                       p->name, t->bytes);
                err = wt_source_read(job->m->source, t, src);
                if (err == WT_OK)
                        job->m->compute->pack(&p->view, src + p->at * dtype_bytes(p->view.dtype),
                                              blob + job->at[i] - WT_PACK_HEADER);
                free(src);
        }
        return err;
}

/* A pack is called by what it is made of: layout, views, digests of the source bytes. */
static wt_err name_of(wt_model *m, const struct wt_part *parts, uint32_t n, uint8_t name[32])
{
        struct wt_buf b = { 0 };
        uint8_t sha[32];
        char hex[65];
        wt_err err = WT_OK;

        if (!wt_buf_try(&b, 64 + strlen(m->compute->layout) + (size_t)n * NAME_LINE))
                return wt_fail(WT_ENOMEM, "no memory for the name of a pack");
        wt_buf_fmt(&b, "witan pack 1\nlayout %s\n", m->compute->layout);
        for (uint32_t i = 0; i < n && err == WT_OK; i++) {
                const struct wt_matrix *v = &parts[i].view;

                err = wt_source_digest(m->source, tensor_of(m, &parts[i]), m->pack_dir, sha);
                if (err != WT_OK)
                        break;
                wt_hex(sha, 32, hex);
                wt_buf_fmt(&b,
                           "%u %u %u %u %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n",
                           v->form, v->dtype, v->n_mat, v->n_out, v->n_in, v->mat_stride,
                           v->out_stride, v->in_stride, parts[i].at, hex);
        }
        wt_sha256_of(b.data, b.len, name);
        wt_buf_free(&b);
        return err;
}

wt_err wt_model_pack(wt_model *m, struct wt_part *parts, uint32_t n, struct wt_map *map, size_t *at)
{
        struct job job = { .m = m, .parts = parts, .n = n, .at = at };
        size_t end = WT_PACK_HEADER;
        uint8_t name[32];
        wt_err err;

        if (!m->packs || !m->compute)
                return wt_fail(WT_EPRECONDITION,
                               "the model %s was opened without a folder for packs or "
                               "a compute plugin",
                               m->name);
        for (uint32_t i = 0; i < n; i++) {
                size_t bytes;

                parts[i].view.dtype = tensor_of(m, &parts[i])->dtype;
                bytes = m->compute->pack_bytes(&parts[i].view);
                if (bytes == 0)
                        return wt_fail(WT_EUNSUPPORTED, "%s: the layout %s has no form for it",
                                       parts[i].name, m->compute->layout);
                at[i] = end;
                end += (bytes + 63) & ~(size_t)63;
        }
        if ((err = name_of(m, parts, n, name)) != WT_OK)
                return err;
        return wt_packs_get(m->packs, name, m->compute->layout, end - WT_PACK_HEADER, fill, &job,
                            map);
}
