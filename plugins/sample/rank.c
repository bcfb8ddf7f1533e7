#include "rank.h"
#include <string.h>

enum { BUCKET_SHIFT = 53, SMALL = 24 };

static void swap(uint64_t *a, uint64_t *b)
{
        uint64_t t = *a;

        *a = *b;
        *b = t;
}

static void insertion_sort(uint64_t *k, uint32_t n)
{
        for (uint32_t i = 1; i < n; i++) {
                uint64_t v = k[i];
                uint32_t j = i;

                for (; j > 0 && k[j - 1] > v; j--)
                        k[j] = k[j - 1];
                k[j] = v;
        }
}

static void sift(uint64_t *k, uint32_t i, uint32_t n)
{
        for (uint32_t c; (c = 2 * i + 1) < n; i = c) {
                c += c + 1 < n && k[c + 1] > k[c];
                if (k[i] >= k[c])
                        return;
                swap(k + i, k + c);
        }
}

static void heap_sort(uint64_t *k, uint32_t n)
{
        for (uint32_t i = n / 2; i-- > 0;)
                sift(k, i, n);
        while (n > 1) {
                swap(k, k + --n);
                sift(k, 0, n);
        }
}

/* Quicksort, median of three; a heap takes over where the pivots are bad, so that no choice of
 * logits makes it quadratic. The smaller side recurses: the depth is at most 32. */
static void sort(uint64_t *k, uint32_t n, uint32_t depth)
{
        while (n > SMALL) {
                if (depth-- == 0) {
                        heap_sort(k, n);
                        return;
                }
                if (k[n / 2] < k[0])
                        swap(k + n / 2, k);
                if (k[n - 1] < k[0])
                        swap(k + n - 1, k);
                if (k[n - 1] < k[n / 2])
                        swap(k + n - 1, k + n / 2);

                uint64_t pivot = k[n / 2];
                uint32_t i = 0, j = n - 1;

                for (;;) {
                        while (k[i] < pivot)
                                i++;
                        while (k[j] > pivot)
                                j--;
                        if (i >= j)
                                break;
                        swap(k + i++, k + j--);
                }
                j++;                             /* [0, j) <= pivot <= [j, n) */
                if (j < n - j) {
                        sort(k, j, depth);
                        k += j;
                        n -= j;
                } else {
                        sort(k + j, n - j, depth);
                        n = j;
                }
        }
        insertion_sort(k, n);
}

void rank_init(struct rank *r, const float *logits, uint32_t n, uint64_t *key, uint32_t *start)
{
        *r = (struct rank){ .key = key, .start = start, .n = n };
        memset(start, 0, (RANK_BUCKETS + 1) * sizeof *start);
        for (uint32_t i = 0; i < n; i++)
                start[(rank_key(logits[i], i) >> BUCKET_SHIFT) + 1]++;
        for (uint32_t b = 0; b < RANK_BUCKETS; b++)
                start[b + 1] += start[b];
        for (uint32_t i = 0; i < n; i++) {
                uint64_t k = rank_key(logits[i], i);

                key[start[k >> BUCKET_SHIFT]++] = k;             /* start[b] ends as the end of b */
        }
}

void rank_sort(struct rank *r, uint32_t want)
{
        while (r->sorted < want && r->sorted < r->n) {
                uint32_t end = r->start[r->bucket++];

                sort(r->key + r->sorted, end - r->sorted, 64);
                r->sorted = end;
        }
}
