/*
 * tests/fuzz/fuzz_uart.c - a guest and a stream that do what they like to a UART, and a successor
 * that takes over after every step.
 *
 * Two bytes a step: what to do, and a value. Promises checked: the successor's state is the same;
 * THRE means that a FIFO fits; no interrupt without an identification; the handler of Linux's
 * driver ends; bytes come out in the order in which they went in.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workers/chipset/uart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    IER = 1,
    IIR = 2,
    LSR = 5,
    HANDLER_BUDGET = 4 * UART_FIFO_BYTES,
};

static uint8_t in(struct uart *u, unsigned reg)
{
    struct io io = {.port = (uint16_t)reg, .size = 1};

    uart_access(u, &io);
    if (io.data > 0xff || io.unknown || io.effect != PORT_EFFECT_NONE)
        abort();
    return (uint8_t)io.data;
}

static void out(struct uart *u, unsigned reg, uint8_t v)
{
    struct io io = {.port = (uint16_t)reg, .size = 1, .write = true, .data = v};

    uart_access(u, &io);
    if (!io.changed)
        abort();
}

static size_t save(const struct uart *u, uint8_t buf[UART_STATE_MAX])
{
    struct wr w = wr_over(buf, UART_STATE_MAX);
    size_t len = 0;

    uart_save(u, &w);
    if (wr_finish(&w, &len) < 0)
        abort();
    return len;
}

static void succeed(struct uart *u)
{
    uint8_t before[UART_STATE_MAX];
    uint8_t after[UART_STATE_MAX];
    size_t len = save(u, before);
    struct rd r = rd_over(before, len);
    struct uart next;

    if (uart_load(&r, &next) < 0 || rd_finish(&r) < 0)
        abort();
    if (save(&next, after) != len || memcmp(before, after, len) != 0)
        abort();
    *u = next;
}

/* Read what is there until IIR says none, as serial8250_interrupt() does; DLAB is off by then. */
static void handle_interrupts(struct uart u)
{
    out(&u, 3, 0);
    for (int budget = HANDLER_BUDGET; (in(&u, IIR) & 1) == 0; budget--) {
        if (budget == 0)
            abort();
        if ((in(&u, LSR) & 1) != 0)
            (void)in(&u, 0);
    }
    if (uart_interrupting(&u))
        abort();
}

static void check(const struct uart *u)
{
    struct uart copy = *u;
    bool empty = (in(&copy, LSR) & 0x20) != 0;

    if (empty != (UART_OUT_BYTES - u->out_len >= UART_FIFO_BYTES))
        abort();
    if (uart_interrupting(u) && (in(&copy, IIR) & 1) != 0 && !u->overrun)
        abort();
    if (uart_rx_room(u) + u->rx_len > UART_FIFO_BYTES)
        abort();
    handle_interrupts(*u);
}

static void receive(struct uart *u, uint8_t value)
{
    uint8_t bytes[UART_FIFO_BYTES];
    size_t room = uart_rx_room(u);

    memset(bytes, value, sizeof(bytes));
    uart_rx_push(u, bytes, room < value ? room : value);
}

static void take(struct uart *u, uint8_t value)
{
    uint8_t bytes[UART_OUT_BYTES];
    uint8_t first = u->out[0];
    size_t len = u->out_len;
    size_t n = uart_out_take(u, bytes, value);

    if (n > value || n + u->out_len != len || (n > 0 && bytes[0] != first))
        abort();
    if (value % 2 != 0) /* half of it did not go */
        uart_out_return(u, bytes + n / 2, n - n / 2);
}

static void step(struct uart *u, uint8_t what, uint8_t value)
{
    switch (what / 8 % 8) {
    case 0:
    case 1:
    case 2:
        out(u, what % 8, value);
        break;
    case 3:
    case 4:
        (void)in(u, what % 8);
        break;
    case 5:
        receive(u, value);
        break;
    case 6:
        take(u, value);
        break;
    default:
        for (unsigned i = 0; i < value; i++)
            out(u, 0, (uint8_t)i);
        break;
    }
}

/* A predecessor that was taken over writes what it likes into its state. */
static void load_foreign(const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);
    struct uart u;

    if (uart_load(&r, &u) == 0)
        check(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct uart u;

    if (size == 0)
        return 0;
    if (data[0] == 0xff) {
        load_foreign(data + 1, size - 1);
        return 0;
    }
    uart_init(&u);
    for (size_t i = 0; i + 1 < size; i += 2) {
        step(&u, data[i], data[i + 1]);
        check(&u);
        succeed(&u);
    }
    return 0;
}
