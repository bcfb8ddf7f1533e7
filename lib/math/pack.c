/* pack.c - a view of a tensor laid out as the kernels read it (layout "p16", kernels.h). */
#include "math/half.h"
#include "math/kernels.h"

static bool times(size_t *a, size_t b) { return !__builtin_mul_overflow(*a, b, a); }

/* Bytes of one matrix in panels, a multiple of 64; 0 on overflow. */
static size_t matrix_bytes(const struct wt_matrix *m)
{
        size_t n = ((size_t)m->n_out + WT_PANEL - 1) / WT_PANEL;

        if (!times(&n, m->n_in) || !times(&n, WT_PANEL * dtype_bytes(m->dtype)) ||
            n > SIZE_MAX - 63)
                return 0;
        return (n + 63) & ~(size_t)63;
}

size_t wt_pack_bytes(const struct wt_matrix *m)
{
        size_t n = m->n_out;

        if (dtype_bytes(m->dtype) == 0 || m->n_out == 0 || m->n_in == 0 || m->n_mat == 0)
                return 0;
        switch (m->form) {
        case WT_FORM_LINEAR:
                n = matrix_bytes(m);
                return times(&n, m->n_mat) ? n : 0;
        case WT_FORM_VECTOR:
                return m->n_in == 1 && m->n_mat == 1 ? n * sizeof(float) : 0;
        case WT_FORM_ROWS:
                if (m->n_mat == 1 && times(&n, m->n_in) && times(&n, dtype_bytes(m->dtype)))
                        return n;
                return 0;
        }
        return 0;
}

struct wt_packed wt_packed_of(const struct wt_matrix *m, const void *blob, uint32_t i)
{
        return (struct wt_packed){ .data = (const char *)blob + i * matrix_bytes(m),
                                   .dtype = m->dtype, .n = m->n_out, .k = m->n_in };
}

static float element(uint32_t dtype, const void *src, size_t i)
{
        return dtype == WT_F32 ? ((const float *)src)[i]
                               : half_widen(dtype, ((const uint16_t *)src)[i]);
}

/* One panel from o on; at: the element (o, 0). Missing columns stay zero. */
static void pack_panel(const struct wt_matrix *m, uint32_t o, const void *src, size_t at, void *dst)
{
        uint32_t n = m->n_out - o < WT_PANEL ? m->n_out - o : WT_PANEL;

        memset(dst, 0, (size_t)m->n_in * WT_PANEL * dtype_bytes(m->dtype));
        for (uint32_t c = 0; c < n; c++) {
                size_t s = at + c * m->out_stride;

                if (m->dtype == WT_F32) {
                        const float *from = (const float *)src + s;
                        float *d = (float *)dst + c;

                        for (size_t k = 0; k < m->n_in; k++)
                                d[k * WT_PANEL] = from[k * m->in_stride];
                } else {
                        const uint16_t *from = (const uint16_t *)src + s;
                        uint16_t *d = (uint16_t *)dst + half_slot(c);

                        for (size_t k = 0; k < m->n_in; k++)
                                d[k * WT_PANEL] = from[k * m->in_stride];
                }
        }
}

static void pack_linear(const struct wt_matrix *m, const void *src, char *dst)
{
        size_t panel = (size_t)m->n_in * WT_PANEL * dtype_bytes(m->dtype), whole = matrix_bytes(m);

        for (uint32_t i = 0; i < m->n_mat; i++) {
                char *d = dst + i * whole;

                for (uint32_t o = 0; o < m->n_out; o += WT_PANEL, d += panel) {
                        pack_panel(m, o, src, i * m->mat_stride + o * m->out_stride, d);
                        if (m->n_out - o <= WT_PANEL)            /* o may not pass 2^32 */
                                break;
                }
                if (panel % 64 != 0) {                           /* what rounds a matrix up to 64 */
                        size_t used = ((size_t)m->n_out + WT_PANEL - 1) / WT_PANEL * panel;

                        memset(dst + i * whole + used, 0, whole - used);
                }
        }
}

void wt_pack(const struct wt_matrix *m, const void *src, void *dst)
{
        if (m->form == WT_FORM_LINEAR) {
                pack_linear(m, src, (char *)dst);
                return;
        }
        for (uint32_t o = 0; o < m->n_out; o++) {
                for (uint32_t k = 0; k < m->n_in; k++) {
                        size_t s = o * m->out_stride + k * m->in_stride;
                        size_t d = (size_t)o * m->n_in + k;

                        if (m->form == WT_FORM_VECTOR)
                                ((float *)dst)[d] = element(m->dtype, src, s);
                        else if (m->dtype == WT_F32)
                                ((float *)dst)[d] = ((const float *)src)[s];
                        else
                                ((uint16_t *)dst)[d] = ((const uint16_t *)src)[s];
                }
        }
}

void wt_row_widen(const void *rows, uint32_t dtype, size_t row, uint32_t n, float *out)
{
        const char *r = (const char *)rows + row * n * dtype_bytes(dtype);

        for (uint32_t i = 0; i < n; i++)
                out[i] = element(dtype, r, i);
}
