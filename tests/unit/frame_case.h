/*
 * tests/unit/frame_case.h - frames for tests, built layer by layer.
 *
 * A test program's own: file-level state, one frame at a time.
 */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "workers/net/frame.h"

enum {
    TCP = 6,
    UDP = 17,
};

static const uint8_t mac[6] = {0x02, 1, 2, 3, 4, 5};
static uint8_t frame[66000];
static uint32_t len, ip_at, transport_at;

/* --- a frame, layer by layer --- */

static inline void put16(uint32_t at, uint32_t v)
{
    frame[at] = (uint8_t)(v >> 8);
    frame[at + 1] = (uint8_t)v;
}

static inline void begin(unsigned tags)
{
    memset(frame, 0, sizeof(frame));
    memcpy(frame, mac, sizeof(mac));
    len = 12;
    for (unsigned i = 0; i < tags; i++) {
        put16(len, i + 1 < tags ? 0x88a8 : 0x8100);
        put16(len + 2, 0x2123);
        len += 4;
    }
    ip_at = len + 2;
}

static inline void put_ipv4(const char *from, const char *to, uint8_t protocol, uint32_t options)
{
    put16(len, 0x0800);
    frame[ip_at] = (uint8_t)(0x40 | (20 + options) / 4);
    frame[ip_at + 8] = 64;
    frame[ip_at + 9] = protocol;
    ck_assert_int_eq(inet_pton(AF_INET, from, frame + ip_at + 12), 1);
    ck_assert_int_eq(inet_pton(AF_INET, to, frame + ip_at + 16), 1);
    transport_at = len = ip_at + 20 + options;
}

static inline void put_ipv6(const char *from, const char *to, uint8_t next)
{
    put16(len, 0x86dd);
    frame[ip_at] = 0x60;
    frame[ip_at + 6] = next;
    ck_assert_int_eq(inet_pton(AF_INET6, from, frame + ip_at + 8), 1);
    ck_assert_int_eq(inet_pton(AF_INET6, to, frame + ip_at + 24), 1);
    transport_at = len = ip_at + 40;
}

/* An extension header of IPv6 with so many units beyond the first. */
static inline void put_extension(uint8_t next, uint8_t units)
{
    frame[transport_at] = next;
    frame[transport_at + 1] = units;
    transport_at += 8 + units * 8u;
    len = transport_at;
}

static inline void end(void)
{
    if (frame[ip_at] >> 4 == 4)
        put16(ip_at + 2, len - ip_at);
    else
        put16(ip_at + 4, len - ip_at - 40);
}

static inline void put_tcp(uint16_t from, uint16_t to, uint32_t data)
{
    put16(transport_at, from);
    put16(transport_at + 2, to);
    frame[transport_at + 12] = 5 << 4;
    for (uint32_t i = 0; i < data; i++)
        frame[transport_at + 20 + i] = (uint8_t)(i * 7 + 1);
    len = transport_at + 20 + data;
    end();
}

/* What there is of a frame is exactly that long, so that a sanitizer sees who reads on. */
static inline uint8_t *exact(uint32_t n)
{
    uint8_t *copy = malloc(n + 1);

    ck_assert_ptr_nonnull(copy);
    return memcpy(copy, frame, n);
}
