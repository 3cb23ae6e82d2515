#include "workers/debug/gdb_packet.h"

#include <string.h>

enum {
    INTERRUPT = 0x03,
    ESCAPE = '}',
    ESCAPED_BIT = 0x20,
};

static const char digits[] = "0123456789abcdef";

int gdb_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static enum gdb_token outside(struct gdb_packet *p, uint8_t byte)
{
    switch (byte) {
    case '$':
        p->state = PACKET_BODY;
        p->sum = 0;
        p->len = 0;
        p->too_long = false;
        return GDB_NOTHING;
    case '+':
        return GDB_ACK;
    case '-':
        return GDB_NAK;
    case INTERRUPT:
        return GDB_INTERRUPT;
    default:
        return GDB_NOTHING; /* between packets, all else is noise */
    }
}

static void add(struct gdb_packet *p, uint8_t byte)
{
    if (p->len < GDB_PACKET_MAX)
        p->body[p->len++] = byte;
    else
        p->too_long = true;
}

static enum gdb_token inside(struct gdb_packet *p, uint8_t byte)
{
    if (byte == '#') {
        p->state = PACKET_SUM_1;
        return GDB_NOTHING;
    }
    if (byte == '$') /* what came before was cut off */
        return outside(p, byte);
    p->sum = (uint8_t)(p->sum + byte);
    if (byte == ESCAPE)
        p->state = PACKET_ESCAPED;
    else
        add(p, byte);
    return GDB_NOTHING;
}

static enum gdb_token finish(struct gdb_packet *p, uint8_t byte)
{
    const int low = gdb_digit(byte);
    const int claimed = p->claimed < 0 || low < 0 ? -1 : p->claimed << 4 | low;

    p->state = PACKET_OUTSIDE;
    p->body[p->len] = '\0';
    return claimed == p->sum && !p->too_long ? GDB_PACKET : GDB_BAD;
}

enum gdb_token gdb_packet_take(struct gdb_packet *p, uint8_t byte)
{
    switch (p->state) {
    case PACKET_OUTSIDE:
        return outside(p, byte);
    case PACKET_BODY:
        return inside(p, byte);
    case PACKET_ESCAPED:
        p->sum = (uint8_t)(p->sum + byte);
        add(p, byte ^ ESCAPED_BIT);
        p->state = PACKET_BODY;
        return GDB_NOTHING;
    case PACKET_SUM_1:
        p->claimed = gdb_digit(byte);
        p->state = PACKET_SUM_2;
        return GDB_NOTHING;
    case PACKET_SUM_2:
        return finish(p, byte);
    }
    return GDB_NOTHING;
}

size_t gdb_packet_make(const char *body, size_t len, uint8_t *out)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + (uint8_t)body[i]);
    out[0] = '$';
    memcpy(out + 1, body, len);
    out[len + 1] = '#';
    out[len + 2] = (uint8_t)digits[sum >> 4];
    out[len + 3] = (uint8_t)digits[sum & 0xf];
    return len + 4;
}
