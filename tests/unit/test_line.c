#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macro.h"
#include "workers/chipset/line.h"

enum {
    THR = 0,
    RBR = 0,
    IER = 1,
    FCR = 2,
    MCR = 4,
    SENT_MAX = 1 << 20,
};

static struct uart uart;
static struct line line;
static int peer;
static int irq;
static struct board board;
static struct board_page *page;

static void reset(void)
{
    int pair[2];

    (void)signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    peer = pair[1];
    irq = eventfd(0, EFD_NONBLOCK);
    ck_assert_int_ge(irq, 0);
    uart_init(&uart);
    line_init(&line, &uart, pair[0], irq);
    page = calloc(1, sizeof(*page));
    ck_assert_ptr_nonnull(page);
    board_attach(&board, page, 1);
    board_take_rows(&board);
    line_add_rows(&line, &board, 1);
}

static void done(void)
{
    (void)close(line.stream_fd);
    (void)close(peer);
    (void)close(irq);
    free(page);
}

static void out(uint16_t reg, uint8_t v)
{
    uart_access(&uart, &(struct io){.port = reg, .size = 1, .write = true, .data = v});
}

static uint8_t in(uint16_t reg)
{
    struct io io = {.port = reg, .size = 1};

    uart_access(&uart, &io);
    return (uint8_t)io.data;
}

static void open_port(void)
{
    out(FCR, 0x01);
    out(MCR, 0x0b);
    out(IER, 0x01);
}

static void print(const char *text)
{
    for (; *text != '\0'; text++)
        out(THR, (uint8_t)*text);
}

/* What poll() says of the events that the line asks for. */
static short poll_line(void)
{
    struct pollfd fd = {.fd = line.stream_fd, .events = line_events(&line)};

    ck_assert_int_ge(poll(&fd, 1, 0), 0);
    return fd.revents;
}

static size_t received(uint8_t *buf, size_t len)
{
    ssize_t n = read(peer, buf, len);

    return n < 0 ? 0 : (size_t)n;
}

static void expect_received(const char *text)
{
    uint8_t buf[UART_OUT_BYTES + 1];

    ck_assert_uint_eq(received(buf, sizeof(buf)), strlen(text));
    ck_assert_mem_eq(buf, text, strlen(text));
}

static uint64_t value(const struct board_row *row)
{
    return row->value;
}

START_TEST(a_fifo_full_leaves_at_once)
{
    print("0123456789abcdef");
    ck_assert(line_collect(&line, false));
    ck_assert_uint_eq(uart.out_len, 0); /* what is committed now says: gone */
    expect_received("");
    ck_assert(!line_flush(&line));
    expect_received("0123456789abcdef");
    ck_assert(!line_flush(&line));
    expect_received("");
    ck_assert_uint_eq(value(line.tx_bytes), 16);
    ck_assert_str_eq(line.tx_bytes->name, "com1/tx_bytes");
}
END_TEST

START_TEST(less_leaves_when_the_guest_pauses)
{
    print("0123456789abcde");
    ck_assert(!line_collect(&line, false));
    ck_assert_int_eq(line_events(&line), POLLOUT);
    ck_assert(line_polled(&line, poll_line()));
    ck_assert_uint_eq(uart.out_len, 0);
    ck_assert(!line_flush(&line));
    expect_received("0123456789abcde");
    ck_assert_int_eq(line_events(&line), 0);
}
END_TEST

START_TEST(no_more_than_a_fifo_is_at_risk)
{
    print("0123456789abcdef0123456789abcdef!");
    ck_assert(line_polled(&line, POLLOUT));
    ck_assert_uint_eq(line.n_taken, LINE_TAKE_BYTES);
    ck_assert_uint_eq(uart.out_len, 17);
}
END_TEST

START_TEST(at_the_end_all_leaves)
{
    print("0123456789abcdef0123456789abcdef!");
    ck_assert(line_collect(&line, true));
    ck_assert(!line_flush(&line));
    expect_received("0123456789abcdef0123456789abcdef!");
    ck_assert(!line_collect(&line, true));
}
END_TEST

/* Send until nothing goes any more. Returns how many bytes the guest sent. */
static size_t block(void)
{
    static const int small = 1;
    size_t n = 0;

    ck_assert_int_eq(setsockopt(line.stream_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    while (!line.blocked) {
        ck_assert_uint_lt(n, SENT_MAX);
        out(THR, (uint8_t)n++);
        (void)line_collect(&line, false);
        (void)line_flush(&line);
    }
    return n;
}

START_TEST(a_slow_reader_gets_every_byte_once)
{
    static uint8_t buf[SENT_MAX];
    size_t sent = block();
    size_t got = 0;

    ck_assert_uint_eq(uart.out_len, 16); /* they came back */
    ck_assert_int_eq(poll_line() & POLLOUT, 0);
    for (int i = 0; i < 20; i++, sent++)
        out(THR, (uint8_t)sent);
    ck_assert(!line_collect(&line, false)); /* blocked: not tried again */
    for (int budget = SENT_MAX; uart.out_len > 0; budget--) {
        ck_assert_int_gt(budget, 0);
        got += received(buf + got, sizeof(buf) - got);
        if (line_polled(&line, poll_line()))
            (void)line_flush(&line);
    }
    got += received(buf + got, sizeof(buf) - got);
    ck_assert_uint_eq(got, sent);
    ck_assert_uint_eq(value(line.tx_bytes), sent);
    ck_assert(!line.blocked);
    for (size_t i = 0; i < got; i++)
        ck_assert_uint_eq(buf[i], (uint8_t)i);
}
END_TEST

/* A file that may not grow as far takes a part. */
START_TEST(of_a_part_that_went_the_rest_comes_back)
{
    struct rlimit most;
    struct rlimit little;
    int file = memfd_create("stream", 0);
    char buf[32];
    bool again;

    ck_assert_int_ge(dup2(file, line.stream_fd), 0);
    print("0123456789abcdef!");
    ck_assert(line_collect(&line, false));
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &most), 0);
    little = most;
    little.rlim_cur = 10;
    (void)setrlimit(RLIMIT_FSIZE, &little); /* no check below it: Check writes to files too */
    again = line_flush(&line);
    (void)setrlimit(RLIMIT_FSIZE, &most);
    ck_assert(again);
    ck_assert(line.blocked);
    ck_assert_uint_eq(uart.out_len, 7);
    ck_assert(line_polled(&line, POLLOUT));
    ck_assert(!line_flush(&line));
    ck_assert(!line.blocked);
    ck_assert_int_eq(pread(file, buf, sizeof(buf), 0), 17);
    ck_assert_mem_eq(buf, "0123456789abcdef!", 17);
    (void)close(file);
}
END_TEST

START_TEST(what_comes_back_is_to_be_committed)
{
    (void)block();
    ck_assert(line_collect(&line, true));
    ck_assert_uint_eq(uart.out_len, 0);
    ck_assert(line_flush(&line));
    ck_assert_uint_eq(uart.out_len, 16);
    ck_assert_uint_eq(line.n_taken, 0);
}
END_TEST

START_TEST(without_a_reader_bytes_are_dropped_and_counted)
{
    (void)shutdown(peer, SHUT_RD);
    print("0123456789abcdef!");
    ck_assert(line_collect(&line, false));
    ck_assert(line_flush(&line)); /* dropped: commit that */
    ck_assert_uint_eq(uart.out_len, 0);
    ck_assert_uint_eq(value(line.tx_dropped), 17);
    ck_assert_uint_eq(value(line.tx_bytes), 0);
    print("!");
    ck_assert_int_eq(line_events(&line), 0); /* else poll() would not sleep */
}
END_TEST

START_TEST(a_reader_that_comes_back_is_found)
{
    int pair[2];

    (void)close(peer);
    print("0123456789abcdef");
    (void)line_collect(&line, true);
    (void)line_flush(&line);
    ck_assert(line.mute);
    line.deaf = true;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    ck_assert_int_ge(dup2(pair[0], line.stream_fd), 0);
    (void)close(pair[0]);
    peer = pair[1];
    print("0123456789ABCDEF");
    ck_assert(line_collect(&line, false));
    ck_assert(!line_flush(&line));
    expect_received("0123456789ABCDEF");
    ck_assert(!line.mute);
    ck_assert(!line.deaf);
}
END_TEST

START_TEST(a_reader_who_is_away_does_not_fill_the_buffer)
{
    (void)block();
    line.mute = true;
    ck_assert(line_collect(&line, true));
    ck_assert(line_flush(&line)); /* EAGAIN, but nobody is there */
    ck_assert_uint_eq(uart.out_len, 0);
    ck_assert(!line.blocked);
}
END_TEST

START_TEST(input_goes_as_far_as_there_is_room)
{
    uint8_t buf[4];

    open_port();
    ck_assert_int_eq(line_events(&line), POLLIN);
    ck_assert_int_eq(write(peer, "0123456789abcdef!?", 18), 18);
    ck_assert(line_polled(&line, poll_line()));
    ck_assert_int_eq(line_events(&line), 0);
    ck_assert_uint_eq(value(line.rx_bytes), 16);
    ck_assert_uint_eq(in(RBR), '0');
    ck_assert(line_polled(&line, poll_line()));
    for (const char *c = "123456789abcdef!"; *c != '\0'; c++)
        ck_assert_uint_eq(in(RBR), (uint8_t)*c);
    ck_assert(line_polled(&line, poll_line()));
    ck_assert_uint_eq(in(RBR), '?');
    ck_assert(!line_polled(&line, POLLIN)); /* nothing there after all */
    ck_assert(!line.deaf);
    ck_assert_uint_eq(received(buf, sizeof(buf)), 0);
}
END_TEST

START_TEST(input_stays_in_the_stream_until_the_guest_is_ready)
{
    ck_assert_int_eq(write(peer, "x", 1), 1);
    ck_assert_int_eq(line_events(&line), 0);
    open_port();
    ck_assert(line_polled(&line, poll_line()));
    ck_assert_uint_eq(in(RBR), 'x');
}
END_TEST

START_TEST(after_the_end_of_input_output_goes_on)
{
    open_port();
    (void)shutdown(peer, SHUT_WR);
    ck_assert(!line_polled(&line, poll_line()));
    ck_assert_int_eq(line_events(&line), 0);
    print("0123456789abcdef");
    (void)line_collect(&line, false);
    ck_assert(!line_flush(&line));
    expect_received("0123456789abcdef");
    ck_assert_int_eq(line_events(&line), 0);
}
END_TEST

START_TEST(what_was_sent_before_a_hangup_is_received)
{
    open_port();
    print("lost");
    ck_assert_int_eq(write(peer, "0123456789abcdef!", 17), 17);
    (void)close(peer);
    ck_assert(line_polled(&line, poll_line()));
    ck_assert_uint_eq(value(line.tx_dropped), 4);
    ck_assert_int_eq(line_events(&line), 0); /* hung up for output, no room for input */
    for (unsigned i = 0; i < 16; i++)
        (void)in(RBR);
    ck_assert(line_polled(&line, poll_line()));
    ck_assert_uint_eq(in(RBR), '!');
    ck_assert(!line_polled(&line, poll_line()));
    ck_assert_int_eq(line_events(&line), 0);
}
END_TEST

START_TEST(a_hangup_that_gives_no_end_of_input_ends_it)
{
    open_port();
    ck_assert(!line_polled(&line, POLLHUP)); /* as a virtio port without a host says */
    ck_assert_int_eq(line_events(&line), 0);
}
END_TEST

START_TEST(a_hangup_empties_a_full_buffer)
{
    open_port();
    out(IER, 0x02);
    for (unsigned i = 0; i < UART_OUT_BYTES; i++)
        print("x");
    ck_assert_uint_eq(in(5) & 0x20, 0);
    uart.edge = false;
    ck_assert(line_polled(&line, POLLHUP));
    ck_assert_uint_eq(in(5) & 0x20, 0x20);
    ck_assert(uart.edge); /* whoever waits for THRE must hear of it */
}
END_TEST

static uint64_t raised(void)
{
    uint64_t n = 0;

    return read(irq, &n, sizeof(n)) < 0 ? 0 : n;
}

START_TEST(an_edge_is_raised_once)
{
    open_port();
    line_announce(&line);
    ck_assert_uint_eq(raised(), 0);
    ck_assert_int_eq(write(peer, "x", 1), 1);
    ck_assert(line_polled(&line, poll_line()));
    line_announce(&line);
    line_announce(&line);
    ck_assert_uint_eq(raised(), 1);
    ck_assert_uint_eq(value(line.interrupts), 1);
}
END_TEST

START_TEST(a_saturated_interrupt_does_not_block)
{
    const uint64_t most = UINT64_MAX - 1;

    ck_assert_int_eq(write(irq, &most, sizeof(most)), sizeof(most));
    uart.edge = true;
    line_announce(&line);
    ck_assert(!uart.edge);
    ck_assert_uint_eq(raised(), most);
}
END_TEST

START_TEST(a_new_owner_raises_what_is_pending)
{
    open_port();
    uart_rx_push(&uart, (const uint8_t *)"x", 1);
    uart.edge = false;
    line_init(&line, &uart, line.stream_fd, irq);
    line_announce(&line);
    ck_assert_uint_eq(raised(), 1);
    (void)in(RBR);
    line_init(&line, &uart, line.stream_fd, irq);
    line_announce(&line);
    ck_assert_uint_eq(raised(), 0);
}
END_TEST

START_TEST(bytes_the_uart_dropped_are_counted)
{
    line.blocked = true;
    for (unsigned i = 0; i < UART_OUT_BYTES + 3; i++)
        print("x");
    ck_assert(!line_collect(&line, false));
    ck_assert(!line_collect(&line, false));
    ck_assert_uint_eq(value(line.tx_dropped), 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("line");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, done);
    tcase_add_test(c, a_fifo_full_leaves_at_once);
    tcase_add_test(c, less_leaves_when_the_guest_pauses);
    tcase_add_test(c, no_more_than_a_fifo_is_at_risk);
    tcase_add_test(c, at_the_end_all_leaves);
    tcase_add_test(c, a_slow_reader_gets_every_byte_once);
    tcase_add_test(c, of_a_part_that_went_the_rest_comes_back);
    tcase_add_test(c, what_comes_back_is_to_be_committed);
    tcase_add_test(c, without_a_reader_bytes_are_dropped_and_counted);
    tcase_add_test(c, a_reader_that_comes_back_is_found);
    tcase_add_test(c, a_reader_who_is_away_does_not_fill_the_buffer);
    tcase_add_test(c, input_goes_as_far_as_there_is_room);
    tcase_add_test(c, input_stays_in_the_stream_until_the_guest_is_ready);
    tcase_add_test(c, after_the_end_of_input_output_goes_on);
    tcase_add_test(c, what_was_sent_before_a_hangup_is_received);
    tcase_add_test(c, a_hangup_that_gives_no_end_of_input_ends_it);
    tcase_add_test(c, a_hangup_empties_a_full_buffer);
    tcase_add_test(c, an_edge_is_raised_once);
    tcase_add_test(c, a_saturated_interrupt_does_not_block);
    tcase_add_test(c, a_new_owner_raises_what_is_pending);
    tcase_add_test(c, bytes_the_uart_dropped_are_counted);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
