#include "audit/merkle.h"
#include <string.h>
#include "base/sha256.h"

#define MOST_LEAVES ((uint64_t)1 << (WT_MERKLE_DEEP - 1))        /* every path then fits */

void wt_merkle_leaf(const void *bytes, size_t len, struct wt_hash *out)
{
        struct wt_sha256 s;

        wt_sha256_init(&s);
        wt_sha256_add(&s, "\0", 1);
        if (len > 0)
                wt_sha256_add(&s, bytes, len);
        wt_sha256_end(&s, out->b);
}

void wt_merkle_node(const struct wt_hash *l, const struct wt_hash *r, struct wt_hash *out)
{
        uint8_t both[65];

        both[0] = 1;
        memcpy(both + 1, l->b, 32);
        memcpy(both + 33, r->b, 32);
        wt_sha256_of(both, sizeof both, out->b);
}

void wt_merkle_add(struct wt_frontier *f, const struct wt_hash *leaf,
                   void (*on_node)(void *arg, uint32_t level, uint64_t index,
                                   const struct wt_hash *h), void *arg)
{
        uint32_t n = (uint32_t)__builtin_popcountll(f->size), level = 0;
        struct wt_hash h = *leaf;

        WT_ASSERT(f->size < MOST_LEAVES);
        if (on_node != NULL)
                on_node(arg, 0, f->size, &h);
        for (uint64_t bits = f->size; bits & 1; bits >>= 1) {
                wt_merkle_node(&f->hash[--n], &h, &h);
                level++;
                if (on_node != NULL)
                        on_node(arg, level, f->size >> level, &h);
        }
        f->hash[n] = h;
        f->size++;
}

/* n subtrees side by side, largest first, as one: the right ones join first. */
static void fold(const struct wt_hash *part, uint32_t n, struct wt_hash *out)
{
        *out = part[n - 1];
        for (uint32_t i = n - 1; i-- > 0;)
                wt_merkle_node(&part[i], out, out);
}

void wt_merkle_root(const struct wt_frontier *f, struct wt_hash *out)
{
        if (f->size == 0)
                wt_sha256_of("", 0, out->b);
        else
                fold(f->hash, (uint32_t)__builtin_popcountll(f->size), out);
}

/* Root of n leaves from leaf `first` on, where first is a multiple of a power of two that is not
 * below n: a node of the tree, perfect or at the right edge. */
static wt_err range(uint64_t first, uint64_t n, wt_merkle_get get, void *arg, struct wt_hash *out)
{
        struct wt_hash part[WT_MERKLE_DEEP];
        uint32_t n_parts = 0;
        wt_err err;

        for (uint32_t level = WT_MERKLE_DEEP; level-- > 0;) {
                if ((n >> level & 1) == 0)
                        continue;
                if ((err = get(arg, level, first >> level, &part[n_parts++])) != WT_OK)
                        return err;
                first += (uint64_t)1 << level;
        }
        fold(part, n_parts, out);
        return WT_OK;
}

/* The largest power of two below n; n is at least 2. */
static uint64_t split(uint64_t n)
{
        return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

/* The ways down find the top of a path first, a path starts at the bottom. */
static void reverse(struct wt_hash *path, uint32_t n)
{
        for (uint32_t i = 0; i < n / 2; i++) {
                struct wt_hash h = path[i];

                path[i] = path[n - 1 - i];
                path[n - 1 - i] = h;
        }
}

/* RFC 6962, 2.1.1: PATH(index, D[size]). */
wt_err wt_merkle_inclusion(uint64_t index, uint64_t size, wt_merkle_get get, void *arg,
                           struct wt_hash *path, uint32_t *n)
{
        uint64_t first = 0, left = size;
        uint32_t k = 0;
        wt_err err;

        if (index >= size || size > MOST_LEAVES)
                return wt_fail(WT_EINVAL, "a log of %llu rows has no row %llu",
                               (unsigned long long)size, (unsigned long long)index);
        while (left > 1) {
                uint64_t half = split(left);
                bool is_left = index - first < half;

                err = is_left ? range(first + half, left - half, get, arg, &path[k++])
                              : range(first, half, get, arg, &path[k++]);
                if (err != WT_OK)
                        return err;
                first += is_left ? 0 : half;
                left = is_left ? half : left - half;
        }
        reverse(path, k);
        *n = k;
        return WT_OK;
}

/* RFC 6962, 2.1.2: PROOF(old, D[size]). From an empty log, and to itself, nothing needs proof. */
wt_err wt_merkle_consistency(uint64_t old_size, uint64_t size, wt_merkle_get get, void *arg,
                             struct wt_hash *path, uint32_t *n)
{
        uint64_t first = 0, left = size, old = old_size;
        bool whole = true;                       /* old is all of what the verifier knows */
        uint32_t k = 0;
        wt_err err = WT_OK;

        if (old_size > size || size > MOST_LEAVES)
                return wt_fail(WT_EINVAL, "a log of %llu rows never had %llu",
                               (unsigned long long)size, (unsigned long long)old_size);
        while (old_size > 0 && old < left && err == WT_OK) {
                uint64_t half = split(left);

                if (old <= half) {
                        err = range(first + half, left - half, get, arg, &path[k++]);
                        left = half;
                } else {
                        err = range(first, half, get, arg, &path[k++]);
                        first += half;
                        left -= half;
                        old -= half;
                        whole = false;
                }
        }
        if (err == WT_OK && !whole)
                err = range(first, left, get, arg, &path[k++]);
        if (err != WT_OK)
                return err;
        reverse(path, k);
        *n = k;
        return WT_OK;
}

/* RFC 9162, 2.1.3.2, which says in steps what RFC 6962 leaves to the reader. */
bool wt_merkle_included(const struct wt_hash *leaf, uint64_t index, uint64_t size,
                        const struct wt_hash *path, uint32_t n, const struct wt_hash *root)
{
        uint64_t at = index, last = size - 1;
        struct wt_hash h = *leaf;

        if (index >= size)
                return false;
        for (uint32_t i = 0; i < n; i++) {
                if (last == 0)
                        return false;            /* the path is longer than the tree is high */
                if ((at & 1) || at == last) {
                        wt_merkle_node(&path[i], &h, &h);
                        while ((at & 1) == 0 && at != 0) {
                                at >>= 1;
                                last >>= 1;
                        }
                } else {
                        wt_merkle_node(&h, &path[i], &h);
                }
                at >>= 1;
                last >>= 1;
        }
        return last == 0 && memcmp(h.b, root->b, 32) == 0;
}

/* RFC 9162, 2.1.4.2, steps 5 to 7: both roots are climbed to at once. */
static bool climb(uint64_t at, uint64_t last, const struct wt_hash *path, uint32_t n,
                  struct wt_hash *old, struct wt_hash *now)
{
        for (uint32_t i = 0; i < n; i++) {
                if (last == 0)
                        return false;
                if ((at & 1) || at == last) {
                        wt_merkle_node(&path[i], old, old);
                        wt_merkle_node(&path[i], now, now);
                        while ((at & 1) == 0 && at != 0) {
                                at >>= 1;
                                last >>= 1;
                        }
                } else {
                        wt_merkle_node(now, &path[i], now);
                }
                at >>= 1;
                last >>= 1;
        }
        return last == 0;
}

bool wt_merkle_consistent(uint64_t old_size, const struct wt_hash *old_root, uint64_t size,
                          const struct wt_hash *root, const struct wt_hash *path, uint32_t n)
{
        uint64_t at = old_size - 1, last = size - 1;
        struct wt_hash old, now, empty;

        if (old_size == 0) {
                wt_sha256_of("", 0, empty.b);
                return n == 0 && memcmp(old_root->b, empty.b, 32) == 0;
        }
        if (old_size >= size)
                return n == 0 && old_size == size && memcmp(old_root->b, root->b, 32) == 0;
        for (; at & 1; at >>= 1)
                last >>= 1;
        if (at == 0) {                           /* old is a perfect subtree: not in the proof */
                old = now = *old_root;
        } else {
                if (n == 0)
                        return false;
                old = now = *path++;
                n--;
        }
        return climb(at, last, path, n, &old, &now) && memcmp(old.b, old_root->b, 32) == 0 &&
               memcmp(now.b, root->b, 32) == 0;
}
