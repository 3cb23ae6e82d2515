#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "workers/chipset/uart.h"

enum {
    RBR = 0,
    THR = 0,
    DLL = 0,
    IER = 1,
    DLM = 1,
    IIR = 2,
    FCR = 2,
    LCR = 3,
    MCR = 4,
    LSR = 5,
    MSR = 6,
    SCR = 7,
    NO_INTERRUPT = 0x01,
    MCR_READY = 0x0b, /* DTR, RTS, OUT2: as a driver leaves it */
    MCR_LOOP = 0x10,
};

static struct uart u;

static void reset(void)
{
    uart_init(&u);
}

static uint8_t in(uint16_t reg)
{
    struct io io = {.port = (uint16_t)(0x3f8 + reg), .size = 1};

    uart_access(&u, &io);
    ck_assert(!io.unknown);
    ck_assert_uint_le(io.data, 0xff);
    return (uint8_t)io.data;
}

static bool in_changes(uint16_t reg)
{
    struct io io = {.port = (uint16_t)(0x3f8 + reg), .size = 1};

    uart_access(&u, &io);
    return io.changed;
}

static void out(uint16_t reg, uint8_t v)
{
    struct io io = {.port = (uint16_t)(0x3f8 + reg), .size = 1, .write = true, .data = v};

    uart_access(&u, &io);
    ck_assert(io.changed);
    ck_assert_int_eq(io.effect, PORT_EFFECT_NONE);
}

static bool took_edge(void)
{
    bool edge = u.edge;

    u.edge = false;
    return edge;
}

static void open_port(uint8_t ier)
{
    out(FCR, 0x01);
    out(MCR, MCR_READY);
    out(IER, ier);
    (void)took_edge();
}

static void push(const char *text)
{
    uart_rx_push(&u, (const uint8_t *)text, strlen(text));
}

static void fill_out(size_t n)
{
    for (size_t i = 0; i < n; i++)
        out(THR, (uint8_t)i);
}

START_TEST(bytes_go_both_ways)
{
    uint8_t sent[8];

    open_port(0);
    push("hi");
    ck_assert_uint_eq(in(LSR), 0x61);
    ck_assert_uint_eq(in(RBR), 'h');
    ck_assert_uint_eq(in(RBR), 'i');
    ck_assert_uint_eq(in(LSR), 0x60);
    out(THR, 'o');
    out(THR, 'k');
    ck_assert_uint_eq(in(IIR), 0xc1); /* THRE is not enabled */
    ck_assert_uint_eq(uart_out_take(&u, sent, sizeof(sent)), 2);
    ck_assert_mem_eq(sent, "ok", 2);
    ck_assert_uint_eq(uart_out_take(&u, sent, sizeof(sent)), 0);
}
END_TEST

/* The reads and writes of autoconfig() and autoconfig_16550a() in Linux's 8250_port.c. */
START_TEST(linux_takes_it_for_a_16550a)
{
    out(IER, 0);
    ck_assert_uint_eq(in(IER), 0);
    out(IER, 0x0f);
    ck_assert_uint_eq(in(IER), 0x0f);
    out(IER, 0);
    out(MCR, MCR_LOOP | 0x0a);
    ck_assert_uint_eq(in(MSR)&0xf0, 0x90);
    out(MCR, 0);
    out(LCR, 0xbf);
    out(FCR, 0);
    out(LCR, 0);
    out(FCR, 0x01);
    ck_assert_uint_eq(in(IIR) >> 6, 3);
    out(LCR, 0x80);
    ck_assert_uint_ne(in(IIR), 0); /* else an ST16C650V1 */
    out(LCR, 0);
    out(FCR, 0x21);
    ck_assert_uint_eq(in(IIR) >> 5, 6);
    out(LCR, 0x80);
    out(FCR, 0x21);
    ck_assert_uint_eq(in(IIR) >> 5, 6); /* else a TI16750 */
    out(LCR, 0);
    out(IER, 0x40);
    ck_assert_uint_eq(in(IER), 0); /* else an XScale */
}
END_TEST

/* serial8250_THRE_test() and the TXEN test: each rise of THRI is a THRE interrupt. */
START_TEST(thre_interrupts_at_once_when_enabled_while_empty)
{
    open_port(0);
    for (int i = 0; i < 2; i++) {
        out(IER, 0x02);
        ck_assert(took_edge());
        ck_assert_uint_eq(in(IIR), 0xc2);
        ck_assert_uint_eq(in(IIR), 0xc1);
        out(IER, 0);
    }
    ck_assert(!took_edge());
}
END_TEST

START_TEST(enabling_what_is_enabled_is_no_news)
{
    open_port(0x02);
    (void)in(IIR);
    out(IER, 0x02);
    ck_assert(!took_edge());
    ck_assert_uint_eq(in(IIR), 0xc1);
}
END_TEST

START_TEST(each_byte_sent_empties_thr_again)
{
    open_port(0x02);
    ck_assert_uint_eq(in(IIR), 0xc2);
    out(THR, 'a');
    ck_assert(took_edge());
    out(THR, 'b'); /* nothing changed: no second edge */
    ck_assert(!took_edge());
    ck_assert_uint_eq(in(IIR), 0xc2);
}
END_TEST

START_TEST(a_slow_reader_is_flow_control)
{
    uint8_t taken[UART_OUT_BYTES];

    open_port(0x02);
    fill_out(UART_OUT_BYTES - UART_FIFO_BYTES);
    ck_assert_uint_eq(in(LSR), 0x60); /* a whole FIFO still fits */
    out(THR, 'x');
    ck_assert_uint_eq(in(LSR), 0);
    ck_assert_uint_eq(in(IIR), 0xc1);
    out(IER, 0);
    out(IER, 0x02); /* enabled, but not empty */
    ck_assert_uint_eq(in(IIR), 0xc1);
    (void)took_edge();
    ck_assert_uint_eq(uart_out_take(&u, taken, 1), 1);
    ck_assert(took_edge());
    ck_assert_uint_eq(in(LSR), 0x60);
    ck_assert_uint_eq(in(IIR), 0xc2);
}
END_TEST

START_TEST(taking_more_of_what_is_not_full_is_no_news)
{
    uint8_t taken[2];

    open_port(0x02);
    fill_out(4);
    (void)in(IIR);
    (void)took_edge();
    (void)uart_out_take(&u, taken, 2);
    ck_assert_uint_eq(in(IIR), 0xc1);
    ck_assert(!took_edge());
}
END_TEST

START_TEST(bytes_written_without_looking_are_dropped_and_counted)
{
    uint8_t taken[UART_OUT_BYTES];

    fill_out(UART_OUT_BYTES + 3);
    ck_assert_uint_eq(u.dropped, 3);
    ck_assert_uint_eq(uart_out_take(&u, taken, sizeof(taken)), UART_OUT_BYTES);
    ck_assert_uint_eq(taken[0], 0);
    ck_assert_uint_eq(taken[UART_OUT_BYTES - 1], 0xff);
}
END_TEST

START_TEST(what_is_returned_comes_first)
{
    uint8_t taken[8];

    fill_out(4);
    ck_assert_uint_eq(uart_out_take(&u, taken, 3), 3);
    uart_out_return(&u, taken + 1, 2);
    ck_assert_uint_eq(uart_out_take(&u, taken, sizeof(taken)), 3);
    ck_assert_mem_eq(taken, "\1\2\3", 3);
}
END_TEST

START_TEST(what_is_returned_can_fill_it_again)
{
    uint8_t taken[UART_OUT_BYTES];

    open_port(0x02);
    fill_out(UART_OUT_BYTES);
    (void)uart_out_take(&u, taken, UART_FIFO_BYTES);
    uart_out_return(&u, taken, UART_FIFO_BYTES);
    ck_assert_uint_eq(in(LSR), 0);
    ck_assert_uint_eq(in(IIR), 0xc1);
}
END_TEST

START_TEST(received_data_interrupts)
{
    open_port(0x01);
    push("x");
    ck_assert(took_edge());
    ck_assert_uint_eq(in(IIR), 0xc4);
    ck_assert_uint_eq(in(IIR), 0xc4); /* looking does not clear it */
    (void)in(RBR);
    ck_assert_uint_eq(in(IIR), 0xc1);
    ck_assert(!took_edge());
}
END_TEST

START_TEST(each_arrival_is_an_edge)
{
    open_port(0x01);
    push("x");
    ck_assert(took_edge());
    push("y");
    ck_assert(took_edge());
}
END_TEST

START_TEST(below_the_trigger_level_it_is_a_timeout)
{
    open_port(0x01);
    out(FCR, 0x81); /* 8 bytes */
    push("1234567");
    ck_assert_uint_eq(in(IIR), 0xcc);
    push("8");
    ck_assert_uint_eq(in(IIR), 0xc4);
}
END_TEST

START_TEST(data_goes_before_thre_and_thre_remains)
{
    open_port(0x03);
    push("x");
    (void)took_edge();
    ck_assert_uint_eq(in(IIR), 0xc4);
    (void)in(RBR);
    ck_assert(took_edge()); /* one was served, another remains: raised again */
    ck_assert_uint_eq(in(IIR), 0xc2);
    ck_assert_uint_eq(in(IIR), 0xc1);
}
END_TEST

START_TEST(overrun_goes_first_and_is_cleared_by_lsr)
{
    out(FCR, 0x01);
    out(IER, 0x05);
    out(MCR, MCR_LOOP);
    fill_out(UART_FIFO_BYTES + 1);
    ck_assert_uint_eq(in(IIR), 0xc6);
    ck_assert_uint_eq(in(LSR), 0x63);
    ck_assert_uint_eq(in(LSR), 0x61);
    ck_assert_uint_eq(in(IIR), 0xc4);
    for (unsigned i = 0; i < UART_FIFO_BYTES; i++)
        ck_assert_uint_eq(in(RBR), i); /* the byte that came too late is lost */
    ck_assert_uint_eq(in(LSR), 0x60);
}
END_TEST

START_TEST(overrun_does_not_interrupt_unless_enabled)
{
    out(FCR, 0x01);
    out(MCR, MCR_LOOP);
    fill_out(UART_FIFO_BYTES + 1);
    ck_assert_uint_eq(in(IIR), 0xc1);
}
END_TEST

START_TEST(without_fifo_the_second_byte_overruns)
{
    out(MCR, MCR_LOOP);
    fill_out(2);
    ck_assert_uint_eq(in(LSR), 0x63);
    ck_assert_uint_eq(in(RBR), 0);
    ck_assert_uint_eq(in(LSR), 0x60);
}
END_TEST

START_TEST(without_out2_the_line_stays_down)
{
    open_port(0);
    out(MCR, 0x03);
    out(IER, 0x02);
    ck_assert(!took_edge());
    ck_assert(!uart_interrupting(&u));
    ck_assert_uint_eq(in(IIR), 0xc2);
    out(IER, 0);
    out(IER, 0x02);
    out(MCR, 0x0b);
    ck_assert(took_edge());
    ck_assert(uart_interrupting(&u));
}
END_TEST

START_TEST(loop_mode_cuts_the_line)
{
    open_port(0x02);
    out(MCR, MCR_READY | MCR_LOOP);
    ck_assert(!uart_interrupting(&u));
    ck_assert_uint_eq(uart_rx_room(&u), 0);
}
END_TEST

START_TEST(loop_mode_returns_bytes_and_sends_none)
{
    uint8_t taken[4];

    out(FCR, 0x01);
    out(MCR, MCR_LOOP);
    out(THR, 'z');
    ck_assert_uint_eq(in(RBR), 'z');
    ck_assert_uint_eq(uart_out_take(&u, taken, sizeof(taken)), 0);
}
END_TEST

START_TEST(loop_mode_returns_modem_lines)
{
    static const uint8_t expected[][2] = {
        {0x01, 0x20},
        {0x02, 0x10},
        {0x04, 0x40},
        {0x08, 0x80}
    };

    for (unsigned i = 0; i < COUNT_OF(expected); i++) {
        out(MCR, MCR_LOOP | expected[i][0]);
        ck_assert_uint_eq(in(MSR), expected[i][1]);
    }
    out(MCR, 0);
    ck_assert_uint_eq(in(MSR), 0xb0);
}
END_TEST

START_TEST(without_fifo_there_is_room_for_one)
{
    out(MCR, MCR_READY);
    ck_assert_uint_eq(uart_rx_room(&u), 1);
    push("a");
    ck_assert_uint_eq(uart_rx_room(&u), 0);
    ck_assert_uint_eq(in(IIR), NO_INTERRUPT);
    out(IER, 0x01);
    ck_assert_uint_eq(in(IIR), 0x04);
}
END_TEST

START_TEST(input_waits_until_the_guest_is_ready)
{
    out(FCR, 0x01);
    ck_assert_uint_eq(uart_rx_room(&u), 0);
    out(MCR, 0x01);
    ck_assert_uint_eq(uart_rx_room(&u), UART_FIFO_BYTES);
    out(MCR, 0x02);
    ck_assert_uint_eq(uart_rx_room(&u), UART_FIFO_BYTES);
    out(MCR, 0);
    out(IER, 0x01);
    ck_assert_uint_eq(uart_rx_room(&u), UART_FIFO_BYTES);
}
END_TEST

START_TEST(fcr_clears_what_was_received)
{
    open_port(0x01);
    push("abc");
    out(FCR, 0x03);
    ck_assert_uint_eq(in(LSR), 0x60);
    ck_assert_uint_eq(in(IIR), 0xc1);
    push("abc");
    out(FCR, 0x01); /* nothing asked for */
    ck_assert_uint_eq(in(LSR), 0x61);
    out(FCR, 0x00); /* switching the FIFO clears it */
    ck_assert_uint_eq(in(LSR), 0x60);
    ck_assert_uint_eq(in(IIR), NO_INTERRUPT);
}
END_TEST

START_TEST(a_trigger_level_needs_a_fifo)
{
    uint8_t buf[UART_STATE_MAX] = {0};
    struct wr w = wr_over(buf, sizeof(buf));
    struct rd r = rd_over(buf, sizeof(buf));

    out(FCR, 0xc0);
    ck_assert_uint_eq(in(IIR), NO_INTERRUPT);
    uart_save(&u, &w);
    ck_assert_int_eq(uart_load(&r, &u), 0);
}
END_TEST

START_TEST(mcr_has_five_bits)
{
    out(MCR, 0xff);
    ck_assert_uint_eq(in(MCR), 0x1f);
}
END_TEST

START_TEST(fcr_does_not_recall_what_was_sent)
{
    uint8_t taken[4];

    out(FCR, 0x01);
    out(THR, 'a');
    out(FCR, 0x07);
    ck_assert_uint_eq(uart_out_take(&u, taken, sizeof(taken)), 1);
}
END_TEST

START_TEST(registers_are_behind_dlab)
{
    uint8_t taken[4];

    out(IER, 0x05);
    out(SCR, 0x5a);
    out(LCR, 0x83);
    out(DLL, 0x34);
    out(DLM, 0x12);
    ck_assert_uint_eq(in(DLL), 0x34);
    ck_assert_uint_eq(in(DLM), 0x12);
    out(LCR, 0x03);
    ck_assert_uint_eq(in(LCR), 0x03);
    ck_assert_uint_eq(in(IER), 0x05);
    ck_assert_uint_eq(in(RBR), 0);
    ck_assert_uint_eq(in(SCR), 0x5a);
    ck_assert_uint_eq(uart_out_take(&u, taken, sizeof(taken)), 0);
}
END_TEST

START_TEST(lsr_and_msr_cannot_be_written)
{
    out(LSR, 0xff);
    out(MSR, 0xff);
    ck_assert_uint_eq(in(LSR), 0x60);
    ck_assert_uint_eq(in(MSR), 0xb0);
}
END_TEST

START_TEST(only_reads_that_change_say_so)
{
    open_port(0x03);
    ck_assert(in_changes(IIR)); /* THRE */
    ck_assert(!in_changes(IIR));
    ck_assert(!in_changes(LSR));
    ck_assert(!in_changes(RBR));
    push("x");
    ck_assert(!in_changes(IIR));
    ck_assert(!in_changes(LSR));
    ck_assert(in_changes(RBR));
    ck_assert(!in_changes(MSR));
    u.overrun = true;
    ck_assert(in_changes(LSR));
    ck_assert(!in_changes(LSR));
}
END_TEST

/* serial8250_interrupt(): serve until IIR says none. From any state this ends. */
START_TEST(the_handler_loop_ends)
{
    open_port(0x0f);
    push("0123456789abcdef");
    for (int left = 40;; left--) {
        uint8_t iir = in(IIR);
        uint8_t lsr;

        if ((iir & NO_INTERRUPT) != 0)
            break;
        ck_assert_int_gt(left, 0);
        lsr = in(LSR);
        if ((lsr & 0x01) != 0)
            (void)in(RBR);
        if ((lsr & 0x20) != 0 && left < 30)
            out(IER, 0x0d); /* nothing more to send */
    }
    ck_assert(!uart_interrupting(&u));
}
END_TEST

static size_t save(uint8_t *buf, size_t len)
{
    struct wr w = wr_over(buf, len);
    size_t used;

    uart_save(&u, &w);
    ck_assert_int_eq(wr_finish(&w, &used), 0);
    return used;
}

static void fill_all(void)
{
    open_port(0x07);
    out(LCR, 0x83);
    out(DLL, 1);
    out(DLM, 2);
    out(LCR, 3);
    out(SCR, 9);
    out(FCR, 0xc1);
    push("0123456789abcdef");
    fill_out(UART_OUT_BYTES);
    u.overrun = true;
    u.thre = true;
}

START_TEST(the_longest_state_survives)
{
    uint8_t before[UART_STATE_MAX] = {0};
    uint8_t after[UART_STATE_MAX];
    struct rd r = rd_over(before, sizeof(before));

    fill_all();
    ck_assert_uint_eq(save(before, sizeof(before)), UART_STATE_MAX);
    reset();
    ck_assert_int_eq(uart_load(&r, &u), 0);
    ck_assert_int_eq(rd_finish(&r), 0);
    ck_assert_uint_eq(save(after, sizeof(after)), UART_STATE_MAX);
    ck_assert_mem_eq(before, after, sizeof(before));
    ck_assert(uart_interrupting(&u));
    ck_assert_uint_eq(in(IIR), 0xc6);
    ck_assert_uint_eq(in(LSR), 0x03);
    ck_assert_uint_eq(in(RBR), '0');
    ck_assert_uint_eq(in(SCR), 9);
}
END_TEST

/* Load buf after one byte of it was replaced. */
static void expect_refusal(uint8_t *buf, size_t len, size_t at, uint8_t lie)
{
    struct uart target;
    struct uart before;
    uint8_t truth = buf[at];
    struct rd r = rd_over(buf, len);

    memset(&target, 0x77, sizeof(target));
    before = target;
    buf[at] = lie;
    ck_assert_int_eq(uart_load(&r, &target), -EBADMSG);
    ck_assert_mem_eq(&target, &before, sizeof(target));
    buf[at] = truth;
}

enum {
    AT_IER = 0,
    AT_FCR = 1,
    AT_MCR = 3,
    AT_RX_LEN = 9,
    LONG = UART_STATE_MAX + 256, /* so that a longer length is not merely a truncated state */
};

START_TEST(registers_that_cannot_be_are_refused)
{
    uint8_t buf[UART_STATE_MAX] = {0};
    size_t len = save(buf, sizeof(buf));

    expect_refusal(buf, len, AT_IER, 0x10);
    expect_refusal(buf, len, AT_FCR, 0x03);
    expect_refusal(buf, len, AT_FCR, 0x40); /* a trigger level without a FIFO */
    expect_refusal(buf, len, AT_MCR, 0x20);
}
END_TEST

START_TEST(more_received_than_a_fifo_is_refused)
{
    uint8_t buf[LONG] = {0};

    open_port(0x01);
    push("0123456789abcdef");
    (void)save(buf, sizeof(buf));
    expect_refusal(buf, sizeof(buf), AT_RX_LEN, UART_FIFO_BYTES + 1);
}
END_TEST

START_TEST(more_than_one_byte_without_fifo_is_refused)
{
    uint8_t buf[LONG] = {0};

    out(MCR, MCR_READY);
    push("a");
    (void)save(buf, sizeof(buf));
    expect_refusal(buf, sizeof(buf), AT_RX_LEN, 2);
}
END_TEST

START_TEST(more_sent_than_the_buffer_is_refused)
{
    uint8_t buf[LONG] = {0};

    (void)save(buf, sizeof(buf));
    buf[AT_RX_LEN + 2] = UART_OUT_BYTES / 256;
    expect_refusal(buf, sizeof(buf), AT_RX_LEN + 1, UART_OUT_BYTES % 256 + 1);
}
END_TEST

START_TEST(a_truncated_state_is_refused)
{
    uint8_t buf[UART_STATE_MAX];
    size_t len;

    open_port(0x01);
    push("abc");
    out(THR, 'x');
    len = save(buf, sizeof(buf));
    for (size_t cut = 0; cut < len; cut++) {
        struct uart target = {.scr = 77};
        struct rd r = rd_over(buf, cut);

        ck_assert_int_eq(uart_load(&r, &target), -EBADMSG);
        ck_assert_uint_eq(target.scr, 77);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uart");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, NULL);
    tcase_add_test(c, bytes_go_both_ways);
    tcase_add_test(c, linux_takes_it_for_a_16550a);
    tcase_add_test(c, thre_interrupts_at_once_when_enabled_while_empty);
    tcase_add_test(c, enabling_what_is_enabled_is_no_news);
    tcase_add_test(c, each_byte_sent_empties_thr_again);
    tcase_add_test(c, a_slow_reader_is_flow_control);
    tcase_add_test(c, taking_more_of_what_is_not_full_is_no_news);
    tcase_add_test(c, bytes_written_without_looking_are_dropped_and_counted);
    tcase_add_test(c, what_is_returned_comes_first);
    tcase_add_test(c, what_is_returned_can_fill_it_again);
    tcase_add_test(c, received_data_interrupts);
    tcase_add_test(c, each_arrival_is_an_edge);
    tcase_add_test(c, below_the_trigger_level_it_is_a_timeout);
    tcase_add_test(c, data_goes_before_thre_and_thre_remains);
    tcase_add_test(c, overrun_goes_first_and_is_cleared_by_lsr);
    tcase_add_test(c, overrun_does_not_interrupt_unless_enabled);
    tcase_add_test(c, without_fifo_the_second_byte_overruns);
    tcase_add_test(c, without_out2_the_line_stays_down);
    tcase_add_test(c, loop_mode_cuts_the_line);
    tcase_add_test(c, loop_mode_returns_bytes_and_sends_none);
    tcase_add_test(c, loop_mode_returns_modem_lines);
    tcase_add_test(c, without_fifo_there_is_room_for_one);
    tcase_add_test(c, input_waits_until_the_guest_is_ready);
    tcase_add_test(c, fcr_clears_what_was_received);
    tcase_add_test(c, a_trigger_level_needs_a_fifo);
    tcase_add_test(c, mcr_has_five_bits);
    tcase_add_test(c, fcr_does_not_recall_what_was_sent);
    tcase_add_test(c, registers_are_behind_dlab);
    tcase_add_test(c, lsr_and_msr_cannot_be_written);
    tcase_add_test(c, only_reads_that_change_say_so);
    tcase_add_test(c, the_handler_loop_ends);
    tcase_add_test(c, the_longest_state_survives);
    tcase_add_test(c, registers_that_cannot_be_are_refused);
    tcase_add_test(c, more_received_than_a_fifo_is_refused);
    tcase_add_test(c, more_than_one_byte_without_fifo_is_refused);
    tcase_add_test(c, more_sent_than_the_buffer_is_refused);
    tcase_add_test(c, a_truncated_state_is_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
