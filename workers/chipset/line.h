/*
 * workers/chipset/line.h - what joins a UART to the world: its byte stream and its interrupt.
 *
 * At most once, in both directions. Bytes that leave are taken out of the UART first, that is
 * committed, and only then they are written: a death in between loses them (at most
 * LINE_TAKE_BYTES, one FIFO), and never sends them twice. What the stream does not accept goes back
 * and is committed again. Bytes that arrive are read first and committed then: a death in between
 * loses at most one FIFO of them. An interrupt is raised after the commit of its cause; a new
 * generation raises what is pending once more.
 *
 * Borrows the UART and both descriptors, which are non-blocking.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/board.h"
#include "workers/chipset/uart.h"

struct pollfd;

enum {
    LINE_TAKE_BYTES = UART_FIFO_BYTES,
};

struct line {
    struct uart *uart;
    int stream_fd; /* bytes, both directions */
    int irq_fd;    /* eventfd */

    bool blocked; /* the stream accepts nothing now */
    bool deaf;    /* end of input */
    bool mute;    /* nobody reads: what is sent is dropped */
    size_t n_taken;
    uint8_t taken[UART_OUT_BYTES]; /* committed as gone, not written yet */

    struct board_row *tx_bytes, *rx_bytes, *tx_dropped, *interrupts;
};

/* Take over a line; announces an interrupt that is pending. */
void line_init(struct line *l, struct uart *uart, int stream_fd, int irq_fd);

/* Add the rows of COM number n (from 1) to the board. */
void line_add_rows(struct line *l, struct board *b, unsigned n);

/*
 * After an access: take out a FIFO's worth when there is one, so that the commit which follows
 * covers it. Less waits for line_polled(), when the guest pauses: bytes leave in batches. At the
 * end of the VM all is taken. True when something was.
 */
bool line_collect(struct line *l, bool all);

/* What to poll the stream for; 0: nothing, and it must be left out of poll(), see POLLHUP. */
short line_events(const struct line *l);

/* After poll(): receive, and take out what is to be sent. True when the UART's state changed. */
bool line_polled(struct line *l, short revents);

/*
 * After the commit: write what was taken. True when some of it went back or was dropped: then
 * commit again before anything else.
 */
bool line_flush(struct line *l);

/* After the last commit: the interrupt, if its line rose. */
void line_announce(struct line *l);
