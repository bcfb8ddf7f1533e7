/* crc32c.h - CRC-32C (Castagnoli), as iSCSI and ext4 use it: finds torn and flipped bytes. */
#ifndef WITAN_AUDIT_CRC32C_H
#define WITAN_AUDIT_CRC32C_H
#include <stddef.h>
#include <stdint.h>

/* Goes on from crc (0 at first). */
uint32_t wt_crc32c(uint32_t crc, const void *data, size_t len);
uint32_t wt_crc32c_plain(uint32_t crc, const void *data, size_t len);   /* the table, for tests */
#endif
