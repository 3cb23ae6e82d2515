#include "tests/sim/net_garbage.h"

#include <string.h>

#include "base/macro.h"
#include "base/wr.h"

enum {
    VNET_BYTES = 12,
    FRAME_MIN = 14,
    HEADS = 64, /* bytes of a frame that are made up with care */
};

static uint32_t chance(uint64_t *random, uint32_t n)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*random >> 33) % n;
}

static uint32_t length(uint64_t *random)
{
    static const uint32_t edges[] = {0,    1,    11,   12,   13,    14,    25,    26,    33,
                                     34,   60,   1500, 1514, 1518,  1519,  1526,  1714,  1807,
                                     2048, 9000, 9314, 9999, 32768, 65535, 65536, 65568, 65600};

    return chance(random, 2) == 0 ? chance(random, 1600) : edges[chance(random, COUNT_OF(edges))];
}

/* Ethernet, often for the guest, often IPv4 or IPv6 with TCP or UDP, and lengths that are none. */
static void make_head(uint64_t *random, unsigned nic, uint8_t head[HEADS])
{
    static const uint16_t types[] = {0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806, 0};
    static const uint8_t protocols[] = {6, 17, 0, 43, 44, 60, 1};
    struct wr w = wr_over(head, HEADS);

    for (unsigned i = 0; i < HEADS; i++)
        head[i] = (uint8_t)chance(random, 256);
    if (chance(random, 4) != 0) {
        wr_bytes(&w, (const uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)(1 + nic)}, 6);
        wr_bytes(&w, (const uint8_t[6]){2, 0, 0, 0, 1, 1}, 6);
        wr_be16(&w, types[chance(random, COUNT_OF(types))]);
        wr_u8(&w, chance(random, 2) == 0 ? 0x45 : chance(random, 2) == 0 ? 0x60 : 0x4f);
        head[20] = protocols[chance(random, COUNT_OF(protocols))];
        head[23] = protocols[chance(random, COUNT_OF(protocols))];
    }
}

static void make_vnet(uint64_t *random, uint32_t len, uint8_t header[VNET_BYTES])
{
    static const uint8_t segments[] = {0, 1, 3, 4, 5, 0x80, 0x81, 0xff};
    const uint16_t places[] = {
        0,  13,     14,    34, 54, (uint16_t)len, (uint16_t)(len - 1), (uint16_t)(len - 2),
        16, 0xfffe, 0xffff};
    struct wr w = wr_over(header, VNET_BYTES);

    wr_u8(&w, (uint8_t)chance(random, chance(random, 4) == 0 ? 256 : 4));
    wr_u8(&w, chance(random, 2) == 0 ? 0 : segments[chance(random, COUNT_OF(segments))]);
    for (unsigned i = 0; i < 4;
         i++) /* head's length, segments' size, a sum's beginning and place */
        wr_le16(&w, chance(random, 2) == 0 ? (uint16_t)chance(random, 65536)
                                           : places[chance(random, COUNT_OF(places))]);
    wr_le16(&w, (uint16_t)chance(random, 3));
}

static void make_frame(uint64_t *random, unsigned nic, uint8_t *frame, uint32_t len)
{
    uint8_t head[HEADS];

    make_head(random, nic, head);
    memset(frame, (int)chance(random, 256), len);
    memcpy(frame, head, len < HEADS ? len : HEADS);
}

uint32_t garbage_datagram(uint64_t *random, unsigned nic, uint8_t bytes[GARBAGE_MAX])
{
    uint32_t len = length(random);
    uint8_t header[VNET_BYTES];

    make_vnet(random, len, header);
    memcpy(bytes, header, len < VNET_BYTES ? len : VNET_BYTES);
    if (len > VNET_BYTES)
        make_frame(random, nic, bytes + VNET_BYTES, len - VNET_BYTES);
    return len;
}

uint32_t garbage_frame(uint64_t *random, unsigned nic, uint8_t bytes[GARBAGE_MAX])
{
    uint32_t len = length(random);

    len = len < FRAME_MIN ? FRAME_MIN : len > 65568 ? 65568 : len;
    make_frame(random, nic, bytes, len);
    return len;
}
