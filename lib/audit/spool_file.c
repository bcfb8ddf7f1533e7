/* spool_file.c - the bytes of a segment, and which of them may be believed. */
#include <inttypes.h>
#include <stdio.h>
#include "audit/crc32c.h"
#include "audit/spool_impl.h"

static const char magic[8] = "WTSPOOL1";

static void put32(uint8_t *p, uint32_t v)
{
        for (int i = 0; i < 4; i++)
                p[i] = (uint8_t)(v >> 8 * i);
}

static void put64(uint8_t *p, uint64_t v)
{
        put32(p, (uint32_t)v);
        put32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t get32(const uint8_t *p)
{
        return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

void spool_put_head(const struct wt_spool *s, uint64_t first, uint8_t out[SEG_HEAD])
{
        memset(out, 0, SEG_HEAD);
        memcpy(out, magic, 8);
        memcpy(out + 8, s->raw_id, 16);
        put64(out + 24, first);
        put32(out + 32, wt_crc32c(0, out, 32));
}

/* {length, CRC of all the rest, sequence, durable, bytes}. */
static uint32_t record_crc(const uint8_t *p, size_t len)
{
        return wt_crc32c(wt_crc32c(0, p, 4), p + 8, REC_HEAD - 8 + len);
}

void spool_put_record(struct wt_buf *out, uint64_t seq, uint64_t durable, const void *data,
                      size_t len)
{
        uint8_t *p = (uint8_t *)out->data + out->len;

        put32(p, (uint32_t)len);
        put64(p + 8, seq);
        put64(p + 16, durable);
        memcpy(p + REC_HEAD, data, len);
        put32(p + 4, record_crc(p, len));
        out->len += REC_HEAD + len;
}

/* seq 0: any. */
static bool get_record(const uint8_t *p, size_t n, uint64_t seq, struct record *r)
{
        if (n < REC_HEAD)
                return false;
        *r = (struct record){ get32(p), get64(p + 8), get64(p + 16), p + REC_HEAD };
        return r->len > 0 && r->len <= WT_SPOOL_MOST && r->len <= n - REC_HEAD &&
               (seq == 0 ? r->seq > 0 : r->seq == seq) && r->durable < r->seq &&
               get32(p + 4) == record_crc(p, r->len);
}

bool spool_get_record(const uint8_t *p, size_t n, uint64_t seq, struct record *r)
{
        return get_record(p, n, seq, r);
}

void spool_path(const struct wt_spool *s, const char *name, char *out, size_t cap)
{
        snprintf(out, cap, "%s/%s", s->folder, name);
}

void spool_name(uint64_t first, char out[SEG_NAME])
{
        snprintf(out, SEG_NAME, "%020" PRIu64 ".seg", first);
}

/* Behind a bad record a good one that was appended when the bad one was durable: damage, and no
 * torn end. A hole of unsynced pages shifts nothing, so sequences lie close. */
static bool was_durable(const uint8_t *p, size_t n, size_t at, uint64_t bad, uint64_t first)
{
        struct record r;

        for (size_t i = at + 1; i + REC_HEAD <= n; i++) {
                uint64_t seq = get64(p + i + 8);

                if (seq > bad && seq - first <= n / REC_HEAD && get64(p + i + 16) >= bad &&
                    get_record(p + i, n - i, seq, &r))
                        return true;
        }
        return false;
}

wt_err spool_scan(const uint8_t *p, size_t n, const uint8_t id[16], uint64_t first, bool newest,
                  uint64_t *last, size_t *end)
{
        uint64_t seq = first;
        size_t at = SEG_HEAD;
        struct record r;

        if (n < SEG_HEAD || memcmp(p, magic, 8) != 0 || get32(p + 32) != wt_crc32c(0, p, 32) ||
            memcmp(p + 8, id, 16) != 0 || get64(p + 24) != first || get32(p + 36) != 0)
                return wt_fail(WT_EDATA, "its head is damaged, or of another spool");
        for (; at < n && get_record(p + at, n - at, seq, &r); at += REC_HEAD + r.len)
                seq++;
        if (at < n && newest && was_durable(p, n, at, seq, first))
                return wt_fail(WT_EDATA, "record %" PRIu64 " at byte %zu is damaged, and it was "
                               "durable", seq, at);
        *last = seq - 1;
        *end = at;
        return WT_OK;
}
