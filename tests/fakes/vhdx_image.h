/*
 * tests/fakes/vhdx_image.h - VHDX files made from the specification, not by the code under test (but
 * for its CRC).
 */
#pragma once

#include "base/crc32c.h"
#include "tests/fakes/store.h"

enum {
    XI_MIB = 1 << 20,
    XI_HEADER_1 = 64 << 10,
    XI_HEADER_2 = 128 << 10,
    XI_REGIONS_1 = 192 << 10,
    XI_REGIONS_2 = 256 << 10,
    XI_TABLE = 64 << 10,
    XI_LOG_AT = 1 * XI_MIB,
    XI_LOG_BYTES = XI_MIB,
    XI_METADATA_AT = 2 * XI_MIB,
    XI_BAT_AT = 3 * XI_MIB,
    XI_ITEMS_AT = XI_METADATA_AT + XI_TABLE,
    /* fields of a header */
    XI_H_SUM = 4,
    XI_H_SEQUENCE = 8,
    XI_H_LOG_GUID = 48,
    XI_H_LOG_VERSION = 64,
    XI_H_VERSION = 66,
    XI_H_LOG_BYTES = 68,
    XI_H_LOG_AT = 72,
    /* items, each 16 bytes further */
    XI_PARAMETERS = 0,
    XI_SIZE = 1,
    XI_PAGE_83 = 2,
    XI_LOGICAL = 3,
    XI_PHYSICAL = 4,
    XI_ITEMS = 5,
};

struct xi_spec {
    uint64_t bytes;
    uint32_t block_bytes;
    uint32_t sector_bytes;
};

static const uint8_t xi_bat_guid[16] = {0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
                                        0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08};
static const uint8_t xi_metadata_guid[16] = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                             0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};
static const uint8_t xi_item_guids[XI_ITEMS][16] = {
    {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7,
     0x6b},
    {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4,
     0xb8},
    {0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7,
     0x46},
    {0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab,
     0x5f},
    {0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44, 0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5,
     0x56},
};

static inline void xi_le(uint8_t *at, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

static inline void xi_put(struct store *s, uint64_t at, uint64_t v, int bytes)
{
    uint8_t raw[8];

    xi_le(raw, v, bytes);
    store_write(s, at, raw, (size_t)bytes);
}

static inline uint64_t xi_get(const struct store *s, uint64_t at, int bytes)
{
    uint8_t raw[8];
    uint64_t v = 0;

    store_read(s, at, raw, (size_t)bytes);
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | raw[i];
    return v;
}

/* The checksum at bytes 4 to 7 of a structure. */
static inline void xi_sum(struct store *s, uint64_t at, size_t len)
{
    uint8_t *raw = malloc(len);

    if (raw == NULL)
        abort();
    xi_put(s, at + XI_H_SUM, 0, 4);
    store_read(s, at, raw, len);
    xi_put(s, at + XI_H_SUM, crc32c(0, raw, len), 4);
    free(raw);
}

static inline void xi_fix_sums(struct store *s)
{
    if (s->bytes < XI_REGIONS_2 + XI_TABLE)
        return;
    xi_sum(s, XI_HEADER_1, 4096);
    xi_sum(s, XI_HEADER_2, 4096);
    xi_sum(s, XI_REGIONS_1, XI_TABLE);
    xi_sum(s, XI_REGIONS_2, XI_TABLE);
}

static inline void xi_header(struct store *s, uint64_t at, uint64_t sequence)
{
    store_write(s, at, "head", 4);
    xi_put(s, at + XI_H_SEQUENCE, sequence, 8);
    xi_put(s, at + 16, 0x1111, 8);
    xi_put(s, at + 32, 0x2222, 8);
    xi_put(s, at + XI_H_VERSION, 1, 2);
    xi_put(s, at + XI_H_LOG_BYTES, XI_LOG_BYTES, 4);
    xi_put(s, at + XI_H_LOG_AT, XI_LOG_AT, 8);
}

static inline void xi_region(struct store *s, uint64_t at, const uint8_t guid[16], uint64_t offset,
                             uint64_t len)
{
    store_write(s, at, guid, 16);
    xi_put(s, at + 16, offset, 8);
    xi_put(s, at + 24, len, 4);
    xi_put(s, at + 28, 1, 4);
}

static inline void xi_regions(struct store *s, uint64_t at, uint64_t bat_bytes)
{
    store_write(s, at, "regi", 4);
    xi_put(s, at + 8, 2, 4);
    xi_region(s, at + 16, xi_bat_guid, XI_BAT_AT, bat_bytes);
    xi_region(s, at + 48, xi_metadata_guid, XI_METADATA_AT, XI_MIB);
}

static inline uint64_t xi_item_at(int item)
{
    return XI_ITEMS_AT + 16 * (uint64_t)item;
}

static inline uint64_t xi_item_row(int item)
{
    return XI_METADATA_AT + 32 * (uint64_t)(item + 1);
}

static inline void xi_metadata(struct store *s, const struct xi_spec *spec)
{
    static const int lengths[XI_ITEMS] = {8, 8, 16, 4, 4};

    store_write(s, XI_METADATA_AT, "metadata", 8);
    xi_put(s, XI_METADATA_AT + 10, XI_ITEMS, 2);
    for (int i = 0; i < XI_ITEMS; i++) {
        store_write(s, xi_item_row(i), xi_item_guids[i], 16);
        xi_put(s, xi_item_row(i) + 16, xi_item_at(i) - XI_METADATA_AT, 4);
        xi_put(s, xi_item_row(i) + 20, (uint64_t)lengths[i], 4);
        xi_put(s, xi_item_row(i) + 24, i == XI_PARAMETERS ? 4 : 6, 4);
    }
    xi_put(s, xi_item_at(XI_PARAMETERS), spec->block_bytes, 4);
    xi_put(s, xi_item_at(XI_SIZE), spec->bytes, 8);
    xi_put(s, xi_item_at(XI_PAGE_83), 0x8383838383838383, 8);
    xi_put(s, xi_item_at(XI_LOGICAL), spec->sector_bytes, 4);
    xi_put(s, xi_item_at(XI_PHYSICAL), 4096, 4);
}

static inline uint64_t xi_ratio(const struct xi_spec *spec)
{
    return ((uint64_t)spec->sector_bytes << 23) / spec->block_bytes;
}

static inline uint64_t xi_bat_bytes(const struct xi_spec *spec)
{
    uint64_t n = (spec->bytes + spec->block_bytes - 1) / spec->block_bytes;
    uint64_t entries = n + (n - 1) / xi_ratio(spec);

    return (entries * 8 + XI_MIB - 1) / XI_MIB * XI_MIB;
}

/* An empty dynamic image; its first block would be at the returned offset. */
static inline uint64_t xi_make(struct store *s, const struct xi_spec *spec)
{
    uint64_t bat_bytes = xi_bat_bytes(spec);

    store_free(s);
    store_resize(s, XI_BAT_AT + bat_bytes);
    store_write(s, 0, "vhdxfile", 8);
    xi_header(s, XI_HEADER_1, 7);
    xi_header(s, XI_HEADER_2, 6);
    xi_regions(s, XI_REGIONS_1, bat_bytes);
    xi_regions(s, XI_REGIONS_2, bat_bytes);
    xi_metadata(s, spec);
    xi_fix_sums(s);
    return XI_BAT_AT + bat_bytes;
}

/* An entry of the log with n sectors of data, each for its place in the file. */
struct xi_write {
    uint64_t offset;
    const uint8_t *bytes; /* 4096; NULL: zeros, as many as len */
    uint64_t len;
};

struct xi_entry {
    uint32_t at; /* in the log, where it may wrap around */
    uint32_t tail;
    uint64_t sequence;
    uint64_t flushed_bytes;
    uint64_t last_bytes;
    const struct xi_write *writes;
    uint32_t n;
};

static inline void xi_descriptor(uint8_t *at, const struct xi_write *w, uint64_t sequence)
{
    memcpy(at, w->bytes != NULL ? "desc" : "zero", 4);
    if (w->bytes != NULL) {
        memcpy(at + 4, w->bytes + 4092, 4);
        memcpy(at + 8, w->bytes, 8);
    } else {
        xi_le(at + 8, w->len, 8);
    }
    xi_le(at + 16, w->offset, 8);
    xi_le(at + 24, sequence, 8);
}

static inline uint32_t xi_log_entry(struct store *s, uint64_t log_bytes, const uint8_t guid[16],
                                    const struct xi_entry *e)
{
    uint32_t len = (e->n + 2 + 127) / 128 * 4096; /* of the header and the descriptors */
    uint8_t *raw = calloc(1, len + 4096 * (size_t)e->n);

    if (raw == NULL)
        abort();
    for (uint32_t i = 0; i < e->n; i++) {
        uint8_t *data = raw + len;

        xi_descriptor(raw + 64 + 32 * (size_t)i, &e->writes[i], e->sequence);
        if (e->writes[i].bytes == NULL)
            continue;
        memcpy(data, e->writes[i].bytes, 4096);
        memcpy(data, "data", 4);
        xi_le(data + 4, e->sequence >> 32, 4);
        xi_le(data + 4092, e->sequence, 4);
        len += 4096;
    }
    memcpy(raw, "loge", 4);
    xi_le(raw + 8, len, 4);
    xi_le(raw + 12, e->tail, 4);
    xi_le(raw + 16, e->sequence, 8);
    xi_le(raw + 24, e->n, 4);
    memcpy(raw + 32, guid, 16);
    xi_le(raw + 48, e->flushed_bytes, 8);
    xi_le(raw + 56, e->last_bytes, 8);
    xi_le(raw + 4, crc32c(0, raw, len), 4);
    for (uint32_t done = 0; done < len; done += 4096)
        store_write(s, XI_LOG_AT + (e->at + done) % log_bytes, raw + done, 4096);
    free(raw);
    return len;
}
