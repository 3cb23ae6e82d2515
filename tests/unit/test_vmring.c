#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "drivers/vmring.h"
#include "tests/fakes/guest_rings.h"

static uint8_t ram[RAM_PAGES * 4096] __attribute__((aligned(4096)));
static struct guest_rings guest;
static struct gmem_pages pages;
static uint8_t *hosts[2 * RING_PAGES];
static struct vmring in, out;

static void set_up(void)
{
    memset(ram, 0, sizeof(ram));
    guest_rings_init(&guest, ram);
    ck_assert_int_eq(gmem_pages_init(&pages, &guest.memory, guest.pfns, 2 * RING_PAGES, hosts), 0);
    in = vmring_over(&pages, 0, RING_PAGES);
    out = vmring_over(&pages, RING_PAGES, RING_PAGES);
}

static void fill(uint8_t packet[PACKET_BYTES], uint8_t value)
{
    for (unsigned i = 0; i < PACKET_BYTES; i++)
        packet[i] = (uint8_t)(value + i);
}

START_TEST(packets_arrive_as_sent_around_the_ring)
{
    uint32_t read = 0;

    for (unsigned i = 0; i < 1000; i++) {
        uint8_t sent[PACKET_BYTES], got[PACKET_BYTES], all[1024];
        struct vmring_packet p;
        uint32_t available, before = read;

        fill(sent, (uint8_t)i);
        ck_assert(guest_request(&guest, i, i % 7, i % 4096, 1 + i * 37 % 60000, sent));
        ck_assert_int_eq(vmring_available(&in, read, &available), 0);
        ck_assert_int_eq(vmring_packet(&in, read, available, &p), 0);
        ck_assert_uint_eq(p.type, VMRING_GPA_DIRECT);
        ck_assert_uint_eq(p.transaction, i);
        ck_assert_uint_eq(p.flags, VMRING_WANTS_COMPLETION);
        ck_assert_uint_eq(p.payload_bytes, PACKET_BYTES);
        vmring_copy(&in, &p, p.head_bytes, got, sizeof(got));
        ck_assert_mem_eq(got, sent, sizeof(sent));
        vmring_copy(&in, &p, 0, all, p.head_bytes + PACKET_BYTES);
        ck_assert_mem_eq(all + p.head_bytes, sent, sizeof(sent));
        ck_assert_mem_eq(all, p.front, VMRING_HEAD_BYTES);
        read = p.next;
        ck_assert(!vmring_consumed(&in, before, read));
        ck_assert_int_eq(vmring_available(&in, read, &available), 0);
        ck_assert_uint_eq(available, 0);
    }
}
END_TEST

START_TEST(completions_arrive_as_put_around_the_ring)
{
    uint32_t write = 0;

    for (unsigned i = 0; i < 1000; i++) {
        uint8_t put[PACKET_BYTES], got[PACKET_BYTES] = {0};
        uint32_t to, room;
        uint64_t tid;
        uint16_t type;

        fill(put, (uint8_t)i);
        ck_assert_int_eq(vmring_room(&out, write, &room), 0);
        ck_assert_uint_eq(room, RING_BYTES - 8);
        to = vmring_put_completion(&out, write, i, put, PACKET_BYTES - i % 8);
        ck_assert(!guest_receive(&guest, &type, &tid, got)); /* not yet shown */
        ck_assert(vmring_produced(&out, write, to));
        write = to;
        ck_assert(guest_receive(&guest, &type, &tid, got));
        ck_assert_uint_eq(type, VMRING_COMPLETION);
        ck_assert_uint_eq(tid, i);
        ck_assert_mem_eq(got, put, PACKET_BYTES - i % 8);
    }
}
END_TEST

START_TEST(the_guest_is_signalled_when_it_had_seen_everything)
{
    uint8_t bytes[PACKET_BYTES] = {0};
    uint32_t one = vmring_put_completion(&out, 0, 1, bytes, sizeof(bytes));
    uint32_t two = vmring_put_completion(&out, one, 2, bytes, sizeof(bytes));

    ck_assert(vmring_produced(&out, 0, one));
    ck_assert(!vmring_produced(&out, one, two)); /* it has not read the first */
    *control(&guest, INCOMING, READ_INDEX) = two;
    *control(&guest, INCOMING, INTERRUPT_MASK) = 1;
    ck_assert(!vmring_produced(&out, two, vmring_put_completion(&out, two, 3, bytes, 8)));
}
END_TEST

START_TEST(a_signal_put_off_is_due_while_something_is_unread)
{
    uint8_t bytes[PACKET_BYTES] = {0};
    uint32_t to = vmring_put_completion(&out, 0, 1, bytes, sizeof(bytes));

    (void)vmring_produced(&out, 0, to);
    ck_assert(vmring_is_unread(&out, to));
    *control(&guest, INCOMING, INTERRUPT_MASK) = 1; /* it is reading */
    ck_assert(!vmring_is_unread(&out, to));
    *control(&guest, INCOMING, INTERRUPT_MASK) = 0;
    ck_assert(vmring_is_unread(&out, to)); /* and left it */
    *control(&guest, INCOMING, READ_INDEX) = to;
    ck_assert(!vmring_is_unread(&out, to));
}
END_TEST

START_TEST(the_guest_is_signalled_when_the_room_it_waits_for_is_there)
{
    uint8_t packet[PACKET_BYTES] = {0};
    uint32_t read = 0, available;
    struct vmring_packet p;
    unsigned signals = 0, packets = 0;

    while (guest_request(&guest, packets, 0, 0, 4096, packet))
        packets++;
    *control(&guest, OUTGOING, PENDING_SEND) = 1000;
    for (unsigned i = 0; i < packets; i++) {
        uint32_t before = read;

        ck_assert_int_eq(vmring_available(&in, read, &available), 0);
        ck_assert_int_eq(vmring_packet(&in, read, available, &p), 0);
        read = p.next;
        signals += vmring_consumed(&in, before, read);
    }
    ck_assert_uint_eq(signals, 1);
}
END_TEST

/* What the guest may write where an index of its own should be. */
START_TEST(an_index_that_is_none_is_refused)
{
    static const uint32_t wrong[] = {1, 4, RING_BYTES, RING_BYTES + 8, UINT32_MAX, 0x80000000};
    uint32_t ignored = 77;

    for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
        *control(&guest, OUTGOING, WRITE_INDEX) = wrong[i];
        *control(&guest, INCOMING, READ_INDEX) = wrong[i];
        ck_assert_int_eq(vmring_available(&in, 0, &ignored), -EBADMSG);
        ck_assert_int_eq(vmring_room(&out, 0, &ignored), -EBADMSG);
    }
    ck_assert_uint_eq(ignored, 77);
}
END_TEST

START_TEST(a_packet_that_is_none_is_refused)
{
    static const struct {
        uint16_t offset8, len8;
        uint32_t available;
    } wrong[] = {
        {2,      3,      16    },
        {1,      3,      64    },
        {0,      3,      64    },
        {4,      3,      64    },
        {2,      8,      64    },
        {2,      1,      64    },
        {2,      0xffff, 12000 },
        {0xffff, 0xffff, 12000 },
        {2,      3,      0     },
        {2,      2,      16 + 7},
    };
    struct vmring_packet p = {.next = 5};

    for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
        const uint16_t words[4] = {6, wrong[i].offset8, wrong[i].len8, 0};

        for (unsigned b = 0; b < sizeof(words); b++)
            *ring_byte(&guest, OUTGOING, b) = ((const uint8_t *)words)[b];
        ck_assert_int_eq(vmring_packet(&in, 0, wrong[i].available, &p), -EBADMSG);
    }
    ck_assert_uint_eq(p.next, 5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmring");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, packets_arrive_as_sent_around_the_ring);
    tcase_add_test(c, completions_arrive_as_put_around_the_ring);
    tcase_add_test(c, the_guest_is_signalled_when_it_had_seen_everything);
    tcase_add_test(c, a_signal_put_off_is_due_while_something_is_unread);
    tcase_add_test(c, the_guest_is_signalled_when_the_room_it_waits_for_is_there);
    tcase_add_test(c, an_index_that_is_none_is_refused);
    tcase_add_test(c, a_packet_that_is_none_is_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
