/*
 * tests/integration/chipset_worker.c - the real chipset worker: its serial lines, and what it does
 * besides any device. The readers of its streams are the test's; the rest: chipset_process.h.
 */
#include <poll.h>

#include "tests/integration/chipset_process.h"

enum {
    RBR_THR = 0,
    IER = 1,
    IIR_FCR = 2,
    MCR = 4,
    LSR = 5,
    LSR_DR = 0x01,
    LSR_THRE = 0x20,
    FIFO = 16,
    STREAM_BYTES = 1 << 20,
};

static const uint64_t COM1 = 0x3f8;

/* --- the guest --- */

static void open_port(void)
{
    out(COM1 + IIR_FCR, 0x07);
    out(COM1 + MCR, 0x0b);
}

/* Send one byte when THR is empty; false when it did not become so for a while. */
static bool put(uint8_t byte)
{
    for (int tries = 0; tries < 1000; tries++) {
        if ((in(COM1 + LSR) & LSR_THRE) != 0) {
            out(COM1 + RBR_THR, byte);
            return true;
        }
    }
    return false;
}

static void print(const char *text)
{
    for (; *text != '\0'; text++)
        ck_assert(put((uint8_t)*text));
}

/* --- the reader of COM1 --- */

static size_t received(uint8_t *buf, size_t len, int timeout_ms)
{
    struct pollfd fd = {.fd = world.peers[0], .events = POLLIN};
    ssize_t n;

    if (poll(&fd, 1, timeout_ms) <= 0)
        return 0;
    n = read(world.peers[0], buf, len);
    return n < 0 ? 0 : (size_t)n;
}

static void expect_received(const char *text)
{
    uint8_t buf[256];
    size_t got = 0;

    while (got < strlen(text)) {
        size_t n = received(buf + got, sizeof(buf) - got, 5000);

        ck_assert_uint_gt(n, 0);
        got += n;
    }
    ck_assert_uint_eq(got, strlen(text));
    ck_assert_mem_eq(buf, text, got);
}

/* --- tests --- */

START_TEST(output_input_and_interrupts)
{
    uint64_t rises;

    open_port();
    print("hello");
    expect_received("hello");
    out(COM1 + IER, 0x01);
    ck_assert_int_eq(write(world.peers[0], "x", 1), 1);
    for (int tries = 0; (in(COM1 + IIR_FCR) & 1) != 0; tries++)
        ck_assert_int_lt(tries, 1000000);
    ck_assert_int_eq(read(object(OBJECT_IRQ, IRQ_COM1), &rises, sizeof(rises)), sizeof(rises));
    ck_assert_uint_eq(in(COM1 + RBR_THR), 'x');
    ck_assert_uint_eq(in(COM1 + IIR_FCR), 0xc1);
    ck_assert_uint_eq(board_value("com1/tx_bytes"), 5);
    ck_assert_uint_eq(board_value("com1/rx_bytes"), 1);
    ck_assert_uint_eq(in(0x80), 0xff);
    ck_assert_uint_eq(board_value("unknown_accesses"), 1);
}
END_TEST

START_TEST(what_was_sent_before_power_off_is_out_before_the_answer)
{
    print("last words");
    ck_assert_int_eq(forward(PORT_WRITE, 0x604, 2, 0x3400).effect, PORT_EFFECT_POWER_OFF);
    (void)kill(world.pid, SIGSTOP); /* whatever comes later does not count */
    expect_received("last words");
    (void)kill(world.pid, SIGCONT);
}
END_TEST

/* The guest never looks away from LSR: streams must get their turn all the same. */
START_TEST(a_polling_guest_does_not_starve_the_streams)
{
    static const char text[] = "0123456789abcdef0123456789abcdef0123456789abcdef";

    open_port();
    ck_assert_int_eq(write(world.peers[0], text, sizeof(text)), sizeof(text));
    for (unsigned got = 0, tries = 0; got < sizeof(text); tries++) {
        ck_assert_uint_lt(tries, 1000000);
        if ((in(COM1 + LSR) & LSR_DR) != 0)
            ck_assert_uint_eq(in(COM1 + RBR_THR), (uint8_t)text[got++]);
    }
    print("out");
    for (uint64_t end = clock_now_ns() + NS_PER_S; clock_now_ns() < end;) {
        uint8_t buf[4];

        (void)in(COM1 + LSR);
        if (received(buf, sizeof(buf), 0) > 0)
            return;
    }
    ck_abort_msg("nothing came out");
}
END_TEST

START_TEST(a_heartbeat_is_answered_while_the_guest_polls)
{
    port_ping(&world.port);
    for (unsigned tries = 0; !port_ponged(&world.port); tries++) {
        ck_assert_uint_lt(tries, 1000000);
        (void)in(COM1 + LSR);
    }
}
END_TEST

START_TEST(a_slow_reader_gets_all_in_order)
{
    static uint8_t buf[STREAM_BYTES];
    size_t sent = 0;
    size_t got = 0;

    while (put((uint8_t)sent)) {
        sent++;
        ck_assert_uint_lt(sent, STREAM_BYTES);
    }
    kill_worker(); /* what is blocked is remembered */
    start();
    for (size_t n = 1; n > 0; got += n)
        n = received(buf + got, sizeof(buf) - got, 300);
    ck_assert_uint_eq(got, sent);
    for (size_t i = 0; i < got; i++)
        ck_assert_uint_eq(buf[i], (uint8_t)i);
    print("on");
    expect_received("on");
}
END_TEST

START_TEST(closed_streams_cost_nothing_and_block_nothing)
{
    struct timespec half = {.tv_nsec = 500000000};
    uint64_t before = cpu_us_of_children();

    open_port();
    for (unsigned i = 0; i < COM_COUNT; i++)
        (void)close(world.peers[i]);
    for (unsigned i = 0; i < 2000; i++)
        ck_assert(put('x'));
    ck_assert_uint_gt(board_value("com1/tx_dropped"), 1900);
    kill_worker();
    start();
    (void)nanosleep(&half, NULL);
    kill_worker();
    ck_assert_uint_lt(cpu_us_of_children() - before, 250000);
    start();
}
END_TEST

START_TEST(it_goes_on_after_sigstop_and_sigcont)
{
    struct timespec ms = {.tv_nsec = 20000000};

    (void)nanosleep(&ms, NULL); /* asleep in poll() */
    (void)kill(world.pid, SIGSTOP);
    (void)nanosleep(&ms, NULL);
    (void)kill(world.pid, SIGCONT);
    (void)nanosleep(&ms, NULL);
    print("on");
    expect_received("on");
}
END_TEST

START_TEST(a_successor_goes_on_with_timer_and_registers)
{
    uint32_t before = (uint32_t)forward(PORT_READ, 0x608, 4, 0).data;
    uint32_t after;

    out(COM1 + 7, 0x5a);
    kill_worker();
    start();
    after = (uint32_t)forward(PORT_READ, 0x608, 4, 0).data;
    ck_assert_uint_lt(after - before, 10 * 3579545);
    ck_assert_uint_eq(in(COM1 + 7), 0x5a);
}
END_TEST

START_TEST(a_successor_raises_what_is_pending)
{
    uint64_t rises;
    int irq = object(OBJECT_IRQ, IRQ_COM1);

    open_port();
    out(COM1 + IER, 0x02);
    ck_assert_int_eq(read(irq, &rises, sizeof(rises)), sizeof(rises));
    kill_worker();
    start();
    ck_assert_uint_eq(in(COM1 + LSR), 0x60);
    ck_assert_int_eq(read(irq, &rises, sizeof(rises)), sizeof(rises));
}
END_TEST

START_TEST(parked_it_answers_all_ones_and_resets)
{
    open_port();
    kill_worker();
    start_as(true, 0);
    ck_assert_uint_eq(in(COM1 + LSR), 0xff);
    ck_assert_int_eq(forward(PORT_WRITE, 0x64, 1, 0xfe).effect, PORT_EFFECT_RESET);
    kill_worker();
    start();
    ck_assert_uint_eq(in(COM1 + MCR), 0x0b); /* revived, as it was */
}
END_TEST

START_TEST(a_poisonous_request_fails_and_the_next_does_not)
{
    uint64_t next = world.port.seq[0] + 1;

    kill_worker();
    start_as(false, worker_request_id(0, next));
    ck_assert_uint_eq(in(COM1 + LSR), 0xff);
    ck_assert_uint_eq(in(COM1 + LSR), 0x60);
}
END_TEST

/* Bytes with a pattern of 251, so that a repetition shows. Returns how many of them are missing. */
static size_t count_lost(const uint8_t *buf, size_t got, size_t sent)
{
    size_t lost = 0;

    for (size_t i = 0; i < got; i++) {
        size_t expected = (i + lost) % 251;
        size_t skipped = (buf[i] + (size_t)251 - expected) % 251;

        ck_assert_uint_le(skipped, 4 * FIFO); /* more would be a byte of before */
        lost += skipped;
    }
    ck_assert_uint_le(got + lost, sent);
    return sent - got;
}

START_TEST(output_under_kills_is_never_doubled)
{
    static uint8_t buf[STREAM_BYTES];
    pthread_t thread = start_killing();
    size_t sent, got = 0, lost;

    for (sent = 0; sent < 50000; sent++) {
        ck_assert(put((uint8_t)(sent % 251)));
        got += received(buf + got, sizeof(buf) - got, 0);
    }
    stop_killing(thread);
    for (size_t n = 1; n > 0; got += n)
        n = received(buf + got, sizeof(buf) - got, 300);
    lost = count_lost(buf, got, sent);
    printf("output: %zu bytes, %zu lost in %u kills\n", sent, lost, world.kills);
    ck_assert_uint_gt(world.kills, 10);
    ck_assert_uint_le(lost, (size_t)world.kills * FIFO);
}
END_TEST

START_TEST(input_under_kills_is_never_doubled)
{
    static uint8_t buf[STREAM_BYTES];
    pthread_t thread;
    size_t sent = 0, got = 0, lost;
    uint64_t quiet_since;

    open_port();
    thread = start_killing();
    for (quiet_since = clock_now_ns(); clock_now_ns() - quiet_since < 300 * NS_PER_MS;) {
        uint8_t next = (uint8_t)(sent % 251);

        if (sent < 30000 && write(world.peers[0], &next, 1) == 1)
            sent++;
        if (sent == 30000)
            world.killing = false;
        while ((in(COM1 + LSR) & LSR_DR) != 0) {
            buf[got++] = in(COM1 + RBR_THR);
            quiet_since = clock_now_ns();
        }
    }
    stop_killing(thread);
    lost = count_lost(buf, got, sent);
    printf("input: %zu bytes, %zu lost in %u kills\n", sent, lost, world.kills);
    ck_assert_uint_eq(sent, 30000);
    ck_assert_uint_gt(world.kills, 10);
    ck_assert_uint_le(lost, (size_t)world.kills * FIFO);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chipset_worker");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, output_input_and_interrupts);
    tcase_add_test(c, what_was_sent_before_power_off_is_out_before_the_answer);
    tcase_add_test(c, a_polling_guest_does_not_starve_the_streams);
    tcase_add_test(c, a_heartbeat_is_answered_while_the_guest_polls);
    tcase_add_test(c, a_slow_reader_gets_all_in_order);
    tcase_add_test(c, closed_streams_cost_nothing_and_block_nothing);
    tcase_add_test(c, it_goes_on_after_sigstop_and_sigcont);
    tcase_add_test(c, a_successor_goes_on_with_timer_and_registers);
    tcase_add_test(c, a_successor_raises_what_is_pending);
    tcase_add_test(c, parked_it_answers_all_ones_and_resets);
    tcase_add_test(c, a_poisonous_request_fails_and_the_next_does_not);
    tcase_add_test(c, output_under_kills_is_never_doubled);
    tcase_add_test(c, input_under_kills_is_never_doubled);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
