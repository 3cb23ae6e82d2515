#include "workers/chipset/uart.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
    RBR_THR = 0, /* DLL while LCR.DLAB is set */
    IER = 1,     /* DLM while LCR.DLAB is set */
    IIR_FCR = 2,
    LCR = 3,
    MCR = 4,
    LSR = 5,
    MSR = 6,
    SCR = 7,

    IER_RDI = 0x01,
    IER_THRI = 0x02,
    IER_RLSI = 0x04,
    IER_BITS = 0x0f,

    IIR_NONE = 0x01,
    IIR_THRE = 0x02,
    IIR_DATA = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFO = 0xc0,

    FCR_ENABLE = 0x01,
    FCR_CLEAR_RX = 0x02,
    FCR_STORED = 0xc1, /* enable, trigger level */

    LCR_DLAB = 0x80,

    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08, /* on a PC this gates the interrupt line */
    MCR_LOOP = 0x10,
    MCR_BITS = 0x1f,

    LSR_DR = 0x01,
    LSR_OE = 0x02,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,

    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,

    /* What interrupts, as a set. */
    WANT_LINE = 1,
    WANT_DATA = 2,
    WANT_THRE = 4,

    RESET_DIVISOR = 12, /* 9600 baud; any will do, the stream has no speed */
};

void uart_init(struct uart *u)
{
    *u = (struct uart){.dll = RESET_DIVISOR};
}

static bool looped(const struct uart *u)
{
    return (u->mcr & MCR_LOOP) != 0;
}

static size_t rx_capacity(const struct uart *u)
{
    return (u->fcr & FCR_ENABLE) != 0 ? UART_FIFO_BYTES : 1;
}

/* A driver that sees THRE writes up to a whole FIFO without looking again. */
static bool thr_empty(const struct uart *u)
{
    return UART_OUT_BYTES - u->out_len >= UART_FIFO_BYTES;
}

static unsigned wanted(const struct uart *u)
{
    unsigned want = 0;

    if (u->overrun && (u->ier & IER_RLSI) != 0)
        want |= WANT_LINE;
    if (u->rx_len > 0 && (u->ier & IER_RDI) != 0)
        want |= WANT_DATA;
    if (u->thre && (u->ier & IER_THRI) != 0)
        want |= WANT_THRE;
    return want;
}

/* The set on the interrupt line: OUT2 connects it, loop mode cuts OUT2 off. */
static unsigned on_line(const struct uart *u)
{
    return (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2 ? wanted(u) : 0;
}

bool uart_interrupting(const struct uart *u)
{
    return on_line(u) != 0;
}

/*
 * The line is edge-triggered at the other end, so each change of what interrupts is an edge: a
 * condition that remains when another was served is announced again. One edge too many costs the
 * guest a look at IIR; one too few would hang it.
 */
static void announce(struct uart *u, unsigned before)
{
    unsigned now = on_line(u);

    if (now != 0 && now != before)
        u->edge = true;
}

static void rx_clear(struct uart *u)
{
    u->rx_len = 0;
}

static void rx_put(struct uart *u, uint8_t byte)
{
    if (u->rx_len < rx_capacity(u))
        u->rx[u->rx_len++] = byte;
    else
        u->overrun = true;
}

static uint8_t rx_get(struct uart *u)
{
    uint8_t byte;

    if (u->rx_len == 0)
        return 0;
    byte = u->rx[0];
    u->rx_len--;
    memmove(u->rx, u->rx + 1, u->rx_len);
    return byte;
}

static void out_put(struct uart *u, uint8_t byte)
{
    if (u->out_len < UART_OUT_BYTES)
        u->out[u->out_len++] = byte;
    else
        u->dropped++;
}

static uint8_t rx_trigger(const struct uart *u)
{
    static const uint8_t levels[] = {1, 4, 8, 14};

    return (u->fcr & FCR_ENABLE) != 0 ? levels[u->fcr >> 6] : 1;
}

/* Below the trigger level the timeout has always run out: bytes come in bursts, or not at all. */
static uint8_t iir(const struct uart *u)
{
    unsigned want = wanted(u);
    uint8_t fifo = (u->fcr & FCR_ENABLE) != 0 ? IIR_FIFO : 0;

    if ((want & WANT_LINE) != 0)
        return fifo | IIR_LINE;
    if ((want & WANT_DATA) != 0)
        return fifo | (u->rx_len >= rx_trigger(u) ? IIR_DATA : IIR_TIMEOUT);
    if ((want & WANT_THRE) != 0)
        return fifo | IIR_THRE;
    return fifo | IIR_NONE;
}

static uint8_t lsr(const struct uart *u)
{
    uint8_t v = 0;

    if (u->rx_len > 0)
        v |= LSR_DR;
    if (u->overrun)
        v |= LSR_OE;
    if (thr_empty(u))
        v |= LSR_THRE | LSR_TEMT;
    return v;
}

/* Clear to send, data set ready, carrier: always up. In loop mode our own outputs come back. */
static uint8_t msr(const struct uart *u)
{
    uint8_t v = 0;

    if (!looped(u))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    if ((u->mcr & MCR_RTS) != 0)
        v |= MSR_CTS;
    if ((u->mcr & MCR_DTR) != 0)
        v |= MSR_DSR;
    if ((u->mcr & MCR_OUT1) != 0)
        v |= MSR_RI;
    if ((u->mcr & MCR_OUT2) != 0)
        v |= MSR_DCD;
    return v;
}

static uint8_t read_rbr(struct uart *u, struct io *io)
{
    if (u->rx_len > 0)
        io->changed = true;
    return rx_get(u);
}

static uint8_t read_iir(struct uart *u, struct io *io)
{
    uint8_t v = iir(u);

    if ((v & ~IIR_FIFO) == IIR_THRE) { /* saying it clears it */
        u->thre = false;
        io->changed = true;
    }
    return v;
}

static uint8_t read_lsr(struct uart *u, struct io *io)
{
    uint8_t v = lsr(u);

    if (u->overrun) {
        u->overrun = false;
        io->changed = true;
    }
    return v;
}

static uint8_t read_register(struct uart *u, unsigned reg, struct io *io)
{
    bool dlab = (u->lcr & LCR_DLAB) != 0;

    switch (reg) {
    case RBR_THR:
        return dlab ? u->dll : read_rbr(u, io);
    case IER:
        return dlab ? u->dlm : u->ier;
    case IIR_FCR:
        return read_iir(u, io);
    case LCR:
        return u->lcr;
    case MCR:
        return u->mcr;
    case LSR:
        return read_lsr(u, io);
    case MSR:
        return msr(u);
    default:
        return u->scr;
    }
}

static void write_thr(struct uart *u, uint8_t v)
{
    if (looped(u))
        rx_put(u, v);
    else
        out_put(u, v);
    u->thre = thr_empty(u); /* the byte has passed the FIFO already */
}

static void write_ier(struct uart *u, uint8_t v)
{
    if ((v & IER_THRI) != 0 && (u->ier & IER_THRI) == 0)
        u->thre = thr_empty(u); /* switched on while empty: it says so at once */
    u->ier = v & IER_BITS;
}

/* There is nothing to clear on the sending side: what the guest has sent is on the wire. */
static void write_fcr(struct uart *u, uint8_t v)
{
    bool switched = ((v ^ u->fcr) & FCR_ENABLE) != 0;

    if (switched || (v & FCR_CLEAR_RX) != 0)
        rx_clear(u);
    u->fcr = (v & FCR_ENABLE) != 0 ? v & FCR_STORED : 0;
}

static void write_register(struct uart *u, unsigned reg, uint8_t v)
{
    bool dlab = (u->lcr & LCR_DLAB) != 0;

    switch (reg) {
    case RBR_THR:
        if (dlab)
            u->dll = v;
        else
            write_thr(u, v);
        break;
    case IER:
        if (dlab)
            u->dlm = v;
        else
            write_ier(u, v);
        break;
    case IIR_FCR:
        write_fcr(u, v);
        break;
    case LCR:
        u->lcr = v;
        break;
    case MCR:
        u->mcr = v & MCR_BITS;
        break;
    case SCR:
        u->scr = v;
        break;
    default: /* LSR and MSR are read-only */
        break;
    }
}

void uart_access(struct uart *u, struct io *io)
{
    unsigned before = on_line(u);
    unsigned reg = io->port % 8;

    if (io->write) {
        io->changed = true;
        write_register(u, reg, (uint8_t)io->data);
    } else {
        io->data = read_register(u, reg, io);
    }
    announce(u, before);
}

size_t uart_rx_room(const struct uart *u)
{
    bool ready = (u->mcr & (MCR_DTR | MCR_RTS)) != 0 || (u->ier & IER_RDI) != 0;

    return ready && !looped(u) ? rx_capacity(u) - u->rx_len : 0;
}

void uart_rx_push(struct uart *u, const uint8_t *bytes, size_t len)
{
    assert(len <= uart_rx_room(u));
    for (size_t i = 0; i < len; i++)
        rx_put(u, bytes[i]);
    announce(u, 0); /* each arrival is an edge */
}

size_t uart_out_take(struct uart *u, uint8_t *out, size_t max)
{
    unsigned before = on_line(u);
    bool was_empty = thr_empty(u);
    size_t len = u->out_len < max ? u->out_len : max;

    memcpy(out, u->out, len);
    u->out_len = (uint16_t)(u->out_len - len);
    memmove(u->out, u->out + len, u->out_len);
    if (!was_empty && thr_empty(u))
        u->thre = true;
    announce(u, before);
    return len;
}

void uart_out_return(struct uart *u, const uint8_t *bytes, size_t len)
{
    assert(len <= (size_t)UART_OUT_BYTES - u->out_len);
    memmove(u->out + len, u->out, u->out_len);
    memcpy(u->out, bytes, len);
    u->out_len = (uint16_t)(u->out_len + len);
    u->thre = u->thre && thr_empty(u);
}

void uart_save(const struct uart *u, struct wr *w)
{
    wr_u8(w, u->ier);
    wr_u8(w, u->fcr);
    wr_u8(w, u->lcr);
    wr_u8(w, u->mcr);
    wr_u8(w, u->scr);
    wr_u8(w, u->dll);
    wr_u8(w, u->dlm);
    wr_u8(w, u->overrun);
    wr_u8(w, u->thre);
    wr_u8(w, u->rx_len);
    wr_bytes(w, u->rx, u->rx_len);
    wr_le16(w, u->out_len);
    wr_bytes(w, u->out, u->out_len);
}

static void read_registers(struct rd *r, struct uart *u)
{
    u->ier = rd_u8(r);
    u->fcr = rd_u8(r);
    u->lcr = rd_u8(r);
    u->mcr = rd_u8(r);
    u->scr = rd_u8(r);
    u->dll = rd_u8(r);
    u->dlm = rd_u8(r);
    u->overrun = rd_u8(r) != 0;
    u->thre = rd_u8(r) != 0;
}

static bool registers_valid(const struct uart *u)
{
    return (u->ier & ~IER_BITS) == 0 && (u->fcr & ~FCR_STORED) == 0 && (u->mcr & ~MCR_BITS) == 0 &&
           ((u->fcr & FCR_ENABLE) != 0 || u->fcr == 0);
}

int uart_load(struct rd *r, struct uart *ret)
{
    struct uart u = {0};

    read_registers(r, &u);
    u.rx_len = rd_u8(r);
    if (!rd_ok(r) || !registers_valid(&u) || u.rx_len > rx_capacity(&u))
        return -EBADMSG;
    rd_copy(r, u.rx, u.rx_len);
    u.out_len = rd_le16(r);
    if (!rd_ok(r) || u.out_len > UART_OUT_BYTES)
        return -EBADMSG;
    rd_copy(r, u.out, u.out_len);
    if (!rd_ok(r))
        return -EBADMSG;
    *ret = u;
    return 0;
}
