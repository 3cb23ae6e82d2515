/*
 * tests/fakes/vhd_image.h - VHD files made from the specification, not by the code under test.
 */
#pragma once

#include "tests/fakes/store.h"

enum {
    VI_FOOTER = 512,
    VI_HEADER_AT = 512,
    VI_TABLE_AT = 1536,
    /* fields of the footer */
    VI_F_FEATURES = 8,
    VI_F_VERSION = 12,
    VI_F_HEADER_AT = 16,
    VI_F_BYTES = 48,
    VI_F_TYPE = 60,
    VI_F_SUM = 64,
    VI_F_ID = 68,
    /* of the dynamic header */
    VI_H_TABLE_AT = 16,
    VI_H_VERSION = 24,
    VI_H_N = 28,
    VI_H_BLOCK = 32,
    VI_H_SUM = 36,
};

static inline void vi_be32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> (24 - 8 * i));
}

static inline void vi_be64(uint8_t *at, uint64_t v)
{
    vi_be32(at, (uint32_t)(v >> 32));
    vi_be32(at + 4, (uint32_t)v);
}

static inline void vi_sum(uint8_t *raw, size_t len, size_t at)
{
    uint32_t sum = 0;

    vi_be32(raw + at, 0);
    for (size_t i = 0; i < len; i++)
        sum += raw[i];
    vi_be32(raw + at, ~sum);
}

static inline void vi_footer(uint8_t raw[VI_FOOTER], uint64_t bytes, uint32_t type)
{
    memset(raw, 0, VI_FOOTER);
    memcpy(raw, "conectix", 8);
    vi_be32(raw + VI_F_FEATURES, 2);
    vi_be32(raw + VI_F_VERSION, 0x10000);
    vi_be64(raw + VI_F_HEADER_AT, type == 2 ? UINT64_MAX : VI_HEADER_AT);
    memcpy(raw + 28, "test", 4);
    vi_be64(raw + 40, bytes);
    vi_be64(raw + VI_F_BYTES, bytes);
    vi_be32(raw + VI_F_TYPE, type);
    memset(raw + VI_F_ID, 0x5a, 16);
    vi_sum(raw, VI_FOOTER, VI_F_SUM);
}

static inline void vi_make_fixed(struct store *s, uint64_t bytes)
{
    uint8_t raw[VI_FOOTER];

    store_free(s);
    vi_footer(raw, bytes, 2);
    store_write(s, bytes, raw, sizeof(raw));
}

static inline uint64_t vi_table_bytes(uint64_t n_blocks)
{
    return (n_blocks * 4 + 511) / 512 * 512;
}

/* An empty dynamic image. */
static inline void vi_make_dynamic(struct store *s, uint64_t bytes, uint32_t block_bytes)
{
    uint64_t n = (bytes + block_bytes - 1) / block_bytes;
    uint64_t end = VI_TABLE_AT + vi_table_bytes(n);
    uint8_t footer[VI_FOOTER];
    uint8_t header[1024] = {0};
    uint8_t ones[512];

    store_free(s);
    memset(ones, 0xff, sizeof(ones));
    vi_footer(footer, bytes, 3);
    memcpy(header, "cxsparse", 8);
    vi_be64(header + 8, UINT64_MAX);
    vi_be64(header + VI_H_TABLE_AT, VI_TABLE_AT);
    vi_be32(header + VI_H_VERSION, 0x10000);
    vi_be32(header + VI_H_N, (uint32_t)n);
    vi_be32(header + VI_H_BLOCK, block_bytes);
    vi_sum(header, sizeof(header), VI_H_SUM);
    store_write(s, 0, footer, sizeof(footer));
    store_write(s, VI_HEADER_AT, header, sizeof(header));
    for (uint64_t at = VI_TABLE_AT; at < end; at += sizeof(ones))
        store_write(s, at, ones, sizeof(ones));
    store_write(s, end, footer, sizeof(footer));
}

/* The checksums of footers and header as they ought to be. */
static inline void vi_fix_sums(struct store *s)
{
    uint8_t raw[1024];
    uint64_t end = s->bytes < VI_FOOTER ? 0 : s->bytes - VI_FOOTER;

    if (s->bytes < VI_TABLE_AT)
        return;
    store_read(s, end, raw, VI_FOOTER);
    vi_sum(raw, VI_FOOTER, VI_F_SUM);
    store_write(s, end, raw, VI_FOOTER);
    store_read(s, 0, raw, VI_FOOTER);
    if (memcmp(raw, "conectix", 8) == 0) {
        vi_sum(raw, VI_FOOTER, VI_F_SUM);
        store_write(s, 0, raw, VI_FOOTER);
    }
    store_read(s, VI_HEADER_AT, raw, sizeof(raw));
    vi_sum(raw, sizeof(raw), VI_H_SUM);
    store_write(s, VI_HEADER_AT, raw, sizeof(raw));
}
