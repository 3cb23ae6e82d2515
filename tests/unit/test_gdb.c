#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fakes/debug_guest.h"
#include "workers/debug/gdb.h"
#include "workers/debug/gdb_target.h"

static struct debug_guest fake;
static struct guest guest;
static struct gdb g;

static void put(const char *text)
{
    uint8_t packet[GDB_OUT_MAX];
    const size_t n = gdb_packet_make(text, strlen(text), packet);

    ck_assert_uint_eq(gdb_input(&g, packet, n), n);
}

/* What GDB hears, without what is around it; empty when it hears nothing. */
static const char *hear(void)
{
    static char text[GDB_OUT_MAX + 1];
    uint8_t bytes[GDB_OUT_MAX + 1];
    size_t n = gdb_output(&g, bytes, sizeof(bytes));
    size_t at = n > 0 && bytes[0] == '+' ? 1 : 0;

    text[0] = '\0';
    if (n == at)
        return text;
    ck_assert_uint_eq(bytes[at], '$');
    ck_assert_uint_eq(bytes[n - 3], '#');
    (void)snprintf(text, sizeof(text), "%.*s", (int)(n - at - 4), (const char *)bytes + at + 1);
    return text;
}

static void expect(const char *packet, const char *answer)
{
    put(packet);
    ck_assert_str_eq(hear(), answer);
}

static void stop(enum gdb_why why, unsigned vcpu, uint64_t address)
{
    fake.running = false;
    gdb_stopped(&g, &(struct gdb_stop){.why = why, .vcpu = vcpu, .address = address});
}

static void set_up(void)
{
    guest = debug_guest_make(&fake);
    ck_assert_int_eq(gdb_begin(&g, &guest), 0);
    ck_assert_uint_eq(fake.stops, 1);
    stop(GDB_ASKED, 0, 0);
    for (unsigned i = 0; i < GUEST_REGS; i++)
        fake.regs[1].v[i] = 0x100 + i;
    fake.regs[1].v[GUEST_CR0] = 1;
}

/* GDB asks at once when it has connected. */
START_TEST(what_comes_before_the_first_stop_waits)
{
    uint8_t packet[16];
    const size_t n = gdb_packet_make("?", 1, packet);

    guest = debug_guest_make(&fake);
    ck_assert_int_eq(gdb_begin(&g, &guest), 0);
    ck_assert_uint_eq(gdb_input(&g, packet, n), 0);
    ck_assert_str_eq(hear(), "");
    stop(GDB_ASKED, 0, 0);
    ck_assert_uint_eq(gdb_input(&g, packet, n), n);
    ck_assert_str_eq(hear(), "T02thread:1;");
}
END_TEST

/* One answer is taken before the next question is looked at. */
START_TEST(questions_wait_for_answers_to_be_taken)
{
    uint8_t packets[32];
    size_t first = gdb_packet_make("qC", 2, packets);
    size_t n = first + gdb_packet_make("qAttached", 9, packets + first);

    ck_assert_uint_eq(gdb_input(&g, packets, n), first);
    ck_assert_uint_eq(gdb_input(&g, packets + first, n - first), 0);
    ck_assert_str_eq(hear(), "QC1");
    ck_assert_uint_eq(gdb_input(&g, packets + first, n - first), n - first);
    ck_assert_str_eq(hear(), "1");
}
END_TEST

START_TEST(who_it_is)
{
    put("qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386");
    ck_assert_ptr_nonnull(strstr(hear(), "qXfer:features:read+"));
    ck_assert(g.sw_break && g.hw_break);
    expect("vMustReplyEmpty", "");
    expect("qfThreadInfo", "m1,2");
    expect("qsThreadInfo", "l");
    expect("qThreadExtraInfo,2", "764350552031"); /* vCPU 1 */
    expect("T2", "OK");
    expect("T3", "E16");
    expect("Hg2", "OK");
    expect("qC", "QC2");
    expect("Hg-1", "OK");
    expect("qC", "QC2");
    expect("qCRC:1000,10", "");
    expect("Hx1", "E16");
    expect("vCont?", "vCont;c;C;s;S");
}
END_TEST

START_TEST(the_description_comes_in_pieces)
{
    char xml[8192];
    size_t len = 0;
    const char *piece;

    do {
        char ask[64];

        (void)snprintf(ask, sizeof(ask), "qXfer:features:read:target.xml:%zx,200", len);
        put(ask);
        piece = hear();
        ck_assert(piece[0] == 'm' || piece[0] == 'l');
        len += (size_t)snprintf(xml + len, sizeof(xml) - len, "%s", piece + 1);
    } while (piece[0] == 'm');
    ck_assert_uint_eq(len, gdb_target_xml_len);
    ck_assert_str_eq(xml, gdb_target_xml);
    ck_assert_ptr_null(strpbrk(xml, "$#}*"));
    expect("qXfer:features:read:target.xml:ffff,10", "l");
}
END_TEST

START_TEST(registers_are_read)
{
    const char *all;

    expect("Hg2", "OK");
    expect("p10", "1001000000000000");
    expect("p11", "11010000");
    expect("p18", "xxxxxxxxxxxxxxxxxxxx");
    expect("p28", "1801000000000000"); /* fs_base */
    expect("p30", "E16");
    put("g");
    all = hear();
    ck_assert_uint_eq(strlen(all), 2 * (17 * 8 + 7 * 4 + 8 * 10 + 8 * 4 + 8 * 8));
    ck_assert_int_eq(strncmp(all, "00010000000000000101", 20), 0);
}
END_TEST

START_TEST(registers_are_changed)
{
    expect("P3=efbeadde00000000", "OK");
    ck_assert_uint_eq(fake.regs[0].v[GUEST_RDX], 0xdeadbeef);
    expect("P10=0000000081ffffff", "OK");
    ck_assert_uint_eq(fake.regs[0].v[GUEST_RIP], 0xffffff8100000000);
    expect("P12=10000000", "E16"); /* cs is not ours to change */
    expect("P3=ef", "E16");
    expect("P3", "E16");
    expect("G00", "E16");
}
END_TEST

/* As GDB gives back what it was told; with one that it does not know. */
START_TEST(all_registers_are_changed)
{
    char packet[GDB_REPLY_MAX] = "G";

    for (unsigned i = 0; i < 17; i++)
        (void)snprintf(packet + 1 + 16 * i, 17, i == 4 ? "xxxxxxxxxxxxxxxx" : "%02x00000000000000",
                       i);
    (void)snprintf(packet + 1 + 16 * 17, 9, "46020000");
    fake.regs[0].v[GUEST_RSI] = 77;
    expect(packet, "OK");
    ck_assert_uint_eq(fake.regs[0].v[GUEST_RCX], 2);
    ck_assert_uint_eq(fake.regs[0].v[GUEST_RSI], 77);
    ck_assert_uint_eq(fake.regs[0].v[GUEST_RIP], 16);
    ck_assert_uint_eq(fake.regs[0].v[GUEST_RFLAGS], 0x246);
}
END_TEST

START_TEST(memory_is_read_and_changed)
{
    memcpy(fake.memory + 0xffe, "abcdef", 6);
    expect("mffe,6", "616263646566"); /* over the end of a page */
    expect("Mfff,2:5859", "OK");
    expect("mffe,4", "61585964");
    expect("X1000,0:", "OK");
    expect("m3fff,10", "00"); /* as far as there is any */
    expect("m4000,1", "E0e");
    expect("m,1", "E16");
    expect("mffffffffffffffff0,1", "E16");
    expect("M3fff,2:5859", "E0e");
    expect("M1000,2:58", "E16");
    expect("X1000,5:ab", "E16");
}
END_TEST

START_TEST(binary_memory_may_hold_everything)
{
    static const uint8_t packet[] = {'$', 'X', '1', '0', '0',  ',', '4', ':', 0,
                                     '}', 3,   '}', 4,   0xff, '#', '8', '3'};
    uint8_t ack;
    size_t n = gdb_input(&g, packet, sizeof(packet));

    ck_assert_uint_eq(n, sizeof(packet));
    ck_assert_uint_eq(gdb_output(&g, &ack, 1), 1);
    ck_assert_uint_eq(ack, '+');
    ck_assert_str_eq(hear(), "OK");
    ck_assert_mem_eq(fake.memory + 0x100, "\0#$\xff", 4);
}
END_TEST

START_TEST(breakpoints_are_the_processors)
{
    expect("Z0,ffffffff81000010,1", "OK");
    expect("Z1,1000,1", "OK");
    expect("Z2,2000,8", "OK");
    expect("Z4,2008,4", "OK");
    ck_assert_uint_eq(fake.n_breaks, 4);
    ck_assert_uint_eq(fake.breaks[0].address, 0xffffffff81000010);
    ck_assert_uint_eq(fake.breaks[2].kind, GUEST_BREAK_WRITE);
    ck_assert_uint_eq(fake.breaks[3].kind, GUEST_BREAK_ACCESS);
    expect("Z1,1000,1", "OK"); /* it is there */
    expect("Z1,3000,1", "E1c");
    expect("z2,2000,8", "OK");
    expect("Z1,3000,1", "OK");
    expect("z1,5000,1", "OK"); /* it is not there */
    ck_assert_uint_eq(fake.n_breaks, 4);
    expect("Z3,1000,1", ""); /* x86 has none for reads */
    expect("Z2,1001,4", "E16");
    expect("Z2,1000,3", "E16");
    expect("Z1,1000", "E16");
}
END_TEST

START_TEST(one_that_cannot_be_had_is_forgotten)
{
    expect("Z1,1000,1", "OK");
    fake.fails = -EIO;
    expect("Z1,2000,1", "E0e");
    fake.fails = 0;
    expect("z1,2000,1", "OK");
    ck_assert_uint_eq(fake.n_breaks, 1);
    ck_assert_uint_eq(fake.breaks[0].address, 0x1000);
}
END_TEST

START_TEST(it_goes_on_and_stops)
{
    expect("Z1,1000,1", "OK");
    put("qSupported:swbreak+;hwbreak+");
    (void)hear();
    expect("vCont;c", "");
    ck_assert_uint_eq(fake.go, 3);
    ck_assert_uint_eq(fake.step, 0);
    stop(GDB_BREAK, 1, 0);
    ck_assert_str_eq(hear(), "T05hwbreak:;thread:2;");
    expect("qC", "QC2");
    expect("vCont;s:2;c", "");
    ck_assert_uint_eq(fake.go, 1);
    ck_assert_uint_eq(fake.step, 2);
    stop(GDB_STEPPED, 1, 0);
    ck_assert_str_eq(hear(), "T05thread:2;");
    expect("s", "");
    ck_assert_uint_eq(fake.go, 0);
    ck_assert_uint_eq(fake.step, 2);
    stop(GDB_STEPPED, 1, 0);
    (void)hear();
    expect("c4000", "");
    ck_assert_uint_eq(fake.regs[1].v[GUEST_RIP], 0x4000);
    ck_assert_uint_eq(fake.go, 3);
    stop(GDB_WATCH, 0, 0xffff8880deadbeef);
    ck_assert_str_eq(hear(), "T05watch:ffff8880deadbeef;thread:1;");
    expect("vCont", "E16");
    expect("vCont;x", "E16");
    expect("vCont;s:3", "E16");
    ck_assert_uint_eq(fake.goes, 4);
}
END_TEST

START_TEST(ctrl_c_stops_it)
{
    const uint8_t c = 3;

    ck_assert_uint_eq(gdb_input(&g, &c, 1), 1);
    ck_assert_uint_eq(fake.stops, 1); /* it stands already */
    expect("c", "");
    ck_assert_uint_eq(gdb_input(&g, &c, 1), 1);
    ck_assert_uint_eq(fake.stops, 2);
    ck_assert_str_eq(hear(), "");
    stop(GDB_ASKED, 0, 0);
    ck_assert_str_eq(hear(), "T02thread:1;");
}
END_TEST

/* A stop that nobody waits for is no answer: an operator's, for instance. */
START_TEST(what_runs_answers_nothing)
{
    expect("c", "");
    expect("g", "");
    expect("m0,4", "");
    stop(GDB_ASKED, 0, 0);
    ck_assert_str_eq(hear(), "T02thread:1;");
    stop(GDB_ASKED, 0, 0);
    ck_assert_str_eq(hear(), "");
}
END_TEST

START_TEST(a_bad_packet_is_asked_for_again)
{
    static const char packet[] = "$g#00";
    uint8_t answer[4];

    ck_assert_uint_eq(gdb_input(&g, (const uint8_t *)packet, 5), 5);
    ck_assert_uint_eq(gdb_output(&g, answer, sizeof(answer)), 1);
    ck_assert_uint_eq(answer[0], '-');
    expect("qC", "QC1");
    ck_assert_uint_eq(gdb_input(&g, (const uint8_t *)"-", 1), 1);
    ck_assert_str_eq(hear(), "QC1"); /* once more */
}
END_TEST

static const struct {
    const char *says, *answer;
} leaves[] = {
    {"D",       "OK"},
    {"vKill;1", "OK"},
    {"k",       ""  },
};

START_TEST(it_leaves)
{
    expect(leaves[_i].says, leaves[_i].answer);
    ck_assert(g.over);
    ck_assert_uint_eq(gdb_input(&g, (const uint8_t *)"$g#67", 5), 0);
}
END_TEST

START_TEST(without_acknowledgements)
{
    uint8_t out[16];

    expect("QStartNoAckMode", "OK");
    put("qC");
    ck_assert_uint_eq(gdb_output(&g, out, sizeof(out)), 7);
    ck_assert_mem_eq(out, "$QC1#", 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gdb");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, what_comes_before_the_first_stop_waits);
    tcase_add_test(tests, questions_wait_for_answers_to_be_taken);
    tcase_add_test(tests, who_it_is);
    tcase_add_test(tests, the_description_comes_in_pieces);
    tcase_add_test(tests, registers_are_read);
    tcase_add_test(tests, registers_are_changed);
    tcase_add_test(tests, all_registers_are_changed);
    tcase_add_test(tests, memory_is_read_and_changed);
    tcase_add_test(tests, binary_memory_may_hold_everything);
    tcase_add_test(tests, breakpoints_are_the_processors);
    tcase_add_test(tests, one_that_cannot_be_had_is_forgotten);
    tcase_add_test(tests, it_goes_on_and_stops);
    tcase_add_test(tests, ctrl_c_stops_it);
    tcase_add_test(tests, what_runs_answers_nothing);
    tcase_add_test(tests, a_bad_packet_is_asked_for_again);
    tcase_add_loop_test(tests, it_leaves, 0, COUNT_OF(leaves));
    tcase_add_test(tests, without_acknowledgements);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
