/*
 * workers/chipset/uart.h - a 16550A, as a state machine without I/O.
 *
 * Received bytes are pushed in by the owner as there is room; sent bytes pass the FIFO at once and
 * wait in an output buffer until the owner takes them. The buffer is the wire: THR is empty as long
 * as a whole FIFO fits into it, so a slow reader of the stream becomes flow control in the guest.
 *
 * @spec PC16550D 8
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"
#include "workers/chipset/io.h"

enum {
    UART_FIFO_BYTES = 16,
    UART_OUT_BYTES = 512,
    UART_STATE_MAX = 12 + UART_FIFO_BYTES + UART_OUT_BYTES, /* bytes of uart_save() */
};

struct uart {
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
    bool overrun; /* a byte was lost since LSR was read; in loop mode only */
    bool thre;    /* THR became empty, and IIR has not said so yet */
    uint8_t rx_len;
    uint8_t rx[UART_FIFO_BYTES];
    uint16_t out_len;
    uint8_t out[UART_OUT_BYTES];

    /* For the owner to act on; not part of the state. */
    bool edge;        /* the interrupt line rose: raise it once, and clear this */
    uint64_t dropped; /* bytes the guest sent without looking whether there was room */
};

/* As after a hardware reset. */
void uart_init(struct uart *u);

/* One byte access to the register at port % 8. */
void uart_access(struct uart *u, struct io *io);

/*
 * How many received bytes it takes now. None before the guest is ready (DTR, RTS or the receive
 * interrupt): what comes earlier stays in the stream instead of in a FIFO that is about to be reset.
 */
size_t uart_rx_room(const struct uart *u);

/* Receive len bytes, at most uart_rx_room(). */
void uart_rx_push(struct uart *u, const uint8_t *bytes, size_t len);

/* Take at most max sent bytes out. Returns how many. */
size_t uart_out_take(struct uart *u, uint8_t *out, size_t max);

/* Put bytes back that were taken, in front. Only before the next access, else there is no room. */
void uart_out_return(struct uart *u, const uint8_t *bytes, size_t len);

/* Does it want an interrupt? For a new owner, who raises it once more. */
bool uart_interrupting(const struct uart *u);

void uart_save(const struct uart *u, struct wr *w);

/* 0, or -EBADMSG with *ret untouched. */
int MUST_USE uart_load(struct rd *r, struct uart *ret);
