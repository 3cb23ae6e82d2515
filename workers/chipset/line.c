#include "workers/chipset/line.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

void line_init(struct line *l, struct uart *uart, int stream_fd, int irq_fd)
{
    *l = (struct line){.uart = uart, .stream_fd = stream_fd, .irq_fd = irq_fd};
    uart->edge = uart_interrupting(uart);
}

void line_add_rows(struct line *l, struct board *b, unsigned n)
{
    l->tx_bytes = board_addf(b, BOARD_COUNTER, "com%u/tx_bytes", n);
    l->rx_bytes = board_addf(b, BOARD_COUNTER, "com%u/rx_bytes", n);
    l->tx_dropped = board_addf(b, BOARD_COUNTER, "com%u/tx_dropped", n);
    l->interrupts = board_addf(b, BOARD_COUNTER, "com%u/interrupts", n);
}

static void count(struct board_row *row, uint64_t n)
{
    if (row != NULL)
        board_set(row, row->value + n);
}

static void take(struct line *l, size_t max)
{
    assert(l->n_taken == 0);
    l->n_taken = uart_out_take(l->uart, l->taken, max);
}

bool line_collect(struct line *l, bool all)
{
    count(l->tx_dropped, l->uart->dropped);
    l->uart->dropped = 0;
    if (all)
        take(l, UART_OUT_BYTES);
    else if (l->uart->out_len >= LINE_TAKE_BYTES && !l->blocked)
        take(l, LINE_TAKE_BYTES);
    return l->n_taken > 0;
}

short line_events(const struct line *l)
{
    short events = 0;

    if (!l->deaf && uart_rx_room(l->uart) > 0)
        events |= POLLIN;
    if (!l->mute && l->uart->out_len > 0)
        events |= POLLOUT;
    return events;
}

static bool receive(struct line *l)
{
    uint8_t bytes[UART_FIFO_BYTES];
    ssize_t n = read(l->stream_fd, bytes, uart_rx_room(l->uart));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        l->deaf = true;
        return false;
    }
    uart_rx_push(l->uart, bytes, (size_t)n);
    count(l->rx_bytes, (uint64_t)n);
    return true;
}

/* Nobody reads: the buffer must not stay full, or the guest would wait for ever. */
static void go_mute(struct line *l)
{
    uint8_t gone[UART_OUT_BYTES];

    l->mute = true;
    l->blocked = false;
    count(l->tx_dropped, l->n_taken + uart_out_take(l->uart, gone, sizeof(gone)));
    l->n_taken = 0;
}

/* A stream that was closed is written to at each batch all the same: its reader may be back. */
static void unmute(struct line *l)
{
    if (l->mute)
        l->deaf = false;
    l->mute = false;
}

bool line_polled(struct line *l, short revents)
{
    bool gone = (revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
    bool changed = false;

    if (!l->deaf && uart_rx_room(l->uart) > 0 && (gone || (revents & POLLIN) != 0)) {
        changed = receive(l);
        l->deaf |= gone && !changed; /* whatever it says: poll() would not sleep any more */
    }
    if (gone) {
        changed |= l->uart->out_len > 0;
        go_mute(l);
    } else if ((revents & POLLOUT) != 0 && l->uart->out_len > 0) {
        take(l, LINE_TAKE_BYTES);
        changed = true;
    }
    return changed;
}

bool line_flush(struct line *l)
{
    ssize_t n;
    size_t sent;

    if (l->n_taken == 0)
        return false;
    n = write(l->stream_fd, l->taken, l->n_taken);
    if (n < 0 && ((errno != EAGAIN && errno != EINTR) || l->mute)) {
        go_mute(l);
        return true;
    }
    sent = n < 0 ? 0 : (size_t)n;
    if (sent > 0)
        unmute(l);
    count(l->tx_bytes, sent);
    l->blocked = sent < l->n_taken;
    uart_out_return(l->uart, l->taken + sent, l->n_taken - sent);
    l->n_taken = 0;
    return l->blocked;
}

void line_announce(struct line *l)
{
    static const uint64_t one = 1;

    if (!l->uart->edge)
        return;
    l->uart->edge = false;
    (void)!write(l->irq_fd, &one, sizeof(one)); /* full means that it is raised already */
    board_inc(l->interrupts);
}
