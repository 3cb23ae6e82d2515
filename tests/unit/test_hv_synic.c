#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "tests/fakes/hv.h"

enum {
    SCONTROL = 0x40000080,
    SIEFP = 0x40000082,
    SIMP = 0x40000083,
    EOM = 0x40000084,
    SINT0 = 0x40000090,
    SINT2 = SINT0 + VMBUS_SINT,
    MASKED = 0x10000,
    AUTO_EOI = 0x20000,
    POLLING = 0x40000,
    OTHER = 0x40000, /* a page besides those of the fake */
};

static struct fake_hv *f;

static void set_up(void)
{
    f = fake_hv_new();
}

static void tear_down(void)
{
    fake_hv_free(f);
}

static void set(unsigned vp, uint32_t index, uint64_t v)
{
    ck_assert_int_eq(hv_msr_write(&f->hv, vp, index, v), 0);
}

static uint64_t get(unsigned vp, uint32_t index)
{
    uint64_t v = 0x7777;

    ck_assert_int_eq(hv_msr_read(&f->hv, vp, index, &v), 0);
    return v;
}

static uint64_t shown(unsigned vp)
{
    return atomic_load(&f->synic.vps[vp].flags_gpa);
}

static void enable(unsigned vp)
{
    ck_assert_int_eq(fake_hv_enable(f, vp), 0);
    (void)fake_hv_interrupts(f, vp);
}

static int64_t take(unsigned vp, bool *pending)
{
    return fake_hv_take(f, vp, pending);
}

static uint64_t siefp_of(unsigned vp)
{
    return FAKE_SIEFP + (uint64_t)vp * HV_PAGE_BYTES;
}

/* --- registers --- */

START_TEST(all_is_off_and_masked_at_first)
{
    ck_assert_uint_eq(f->synic.n_vps, FAKE_VPS);
    ck_assert_uint_eq(atomic_load(&f->outbox.n_vps), FAKE_VPS);
    for (unsigned vp = 0; vp < FAKE_VPS; vp++) {
        ck_assert_uint_eq(get(vp, SCONTROL), 0);
        ck_assert_uint_eq(get(vp, SIEFP), 0);
        ck_assert_uint_eq(get(vp, SIMP), 0);
        for (uint32_t i = 0; i < 16; i++)
            ck_assert_uint_eq(get(vp, SINT0 + i), MASKED);
        ck_assert_uint_eq(shown(vp), 0);
    }
}
END_TEST

START_TEST(each_processor_has_its_own)
{
    set(1, SINT2, 0x55);
    set(1, SIMP, FAKE_SIMP | 1);
    ck_assert_uint_eq(get(1, SINT2), 0x55);
    ck_assert_uint_eq(get(0, SINT2), MASKED);
    ck_assert_uint_eq(get(2, SIMP), 0);
}
END_TEST

START_TEST(reserved_bits_are_kept)
{
    set(0, SIMP, OTHER | 0xffe);
    ck_assert_uint_eq(get(0, SIMP), OTHER | 0xffe);
    set(0, SINT0 + 5, UINT64_C(1) << 63 | MASKED);
    ck_assert_uint_eq(get(0, SINT0 + 5), UINT64_C(1) << 63 | MASKED);
}
END_TEST

START_TEST(vectors_of_exceptions_are_refused)
{
    for (uint32_t source = 0; source < 16; source++) {
        for (uint64_t vector = 0; vector < 16; vector++) {
            ck_assert_int_eq(hv_msr_write(&f->hv, 0, SINT0 + source, vector), -EACCES);
            set(0, SINT0 + source, vector | MASKED);
        }
        set(0, SINT0 + source, 16);
    }
    ck_assert_uint_eq(get(0, SINT2), 16);
}
END_TEST

/* The local APIC would never end the interrupt. */
START_TEST(auto_eoi_is_refused)
{
    ck_assert_int_eq(hv_msr_write(&f->hv, 0, SINT2, AUTO_EOI | FAKE_VECTOR), -EACCES);
    ck_assert_int_eq(hv_msr_write(&f->hv, 0, SINT2, AUTO_EOI | MASKED), -EACCES);
    ck_assert_uint_eq(get(0, SINT2), MASKED);
    ck_assert_uint_eq(f->n_routes, 0);
}
END_TEST

START_TEST(pages_are_zeroed_when_they_are_new)
{
    uint8_t *page = f->ram + OTHER;

    for (uint32_t index = SIEFP; index <= SIMP; index++) {
        memset(page, 0xff, 2 * HV_PAGE_BYTES);
        set(0, index, OTHER);
        ck_assert_uint_eq(page[0], 0xff);
        set(0, index, OTHER | 1);
        ck_assert(page[0] == 0 && page[HV_PAGE_BYTES - 1] == 0 && page[HV_PAGE_BYTES] == 0xff);
        page[7] = 9;
        set(0, index, OTHER | 1);
        ck_assert_uint_eq(page[7], 9);
        set(0, index, (OTHER + HV_PAGE_BYTES) | 1);
        ck_assert(page[7] == 9 && page[HV_PAGE_BYTES] == 0);
        set(0, index, 0);
        set(0, index, OTHER | 1);
        ck_assert_uint_eq(page[7], 0);
    }
}
END_TEST

/* --- what workers see --- */

START_TEST(flags_are_shown_once_all_is_on)
{
    uint64_t gpa = siefp_of(1) + 512;

    set(1, SIEFP, siefp_of(1) | 1);
    ck_assert_uint_eq(shown(1), 0);
    set(1, SCONTROL, 1);
    ck_assert_uint_eq(shown(1), gpa | SYNIC_ENABLED);
    set(1, SINT2, FAKE_VECTOR);
    ck_assert_uint_eq(shown(1), gpa | SYNIC_ENABLED | SYNIC_UNMASKED);
    set(1, SINT2, FAKE_VECTOR | POLLING);
    ck_assert_uint_eq(shown(1), gpa | SYNIC_ENABLED);
    set(1, SINT2, FAKE_VECTOR);
    set(1, SINT2, FAKE_VECTOR | MASKED);
    ck_assert_uint_eq(shown(1), gpa | SYNIC_ENABLED);
    set(1, SIEFP, siefp_of(1));
    ck_assert_uint_eq(shown(1), 0);
    set(1, SIEFP, siefp_of(1) | 1);
    set(1, SCONTROL, 0);
    ck_assert_uint_eq(shown(1), 0);
    ck_assert_uint_eq(shown(0), 0);
}
END_TEST

START_TEST(other_sources_do_not_matter)
{
    enable(0);
    for (uint32_t i = 0; i < 16; i++) {
        if (i != VMBUS_SINT)
            set(0, SINT0 + i, 0x77);
    }
    ck_assert_uint_eq(f->n_routes, 1);
    ck_assert_uint_eq(f->vectors[0], FAKE_VECTOR);
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 0);
}
END_TEST

/* A worker may have set a flag while it saw no interrupt to raise. */
START_TEST(unmasking_makes_up_for_lost_interrupts)
{
    ck_assert_int_eq(fake_hv_enable(f, 0), 0);
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 1);
    set(0, SINT2, FAKE_VECTOR | MASKED);
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 0);
    set(0, SINT2, FAKE_VECTOR);
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 1);
    set(0, SINT2, FAKE_VECTOR); /* nothing has changed */
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 0);
    set(0, SIEFP, OTHER | 1);
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 1);
    ck_assert_uint_eq(fake_hv_interrupts(f, 1), 0);
}
END_TEST

START_TEST(a_new_vector_is_routed_before_it_is_used)
{
    enable(0);
    for (uint64_t vector = 32; vector < 256; vector++) {
        set(0, SINT2, vector);
        ck_assert_uint_eq(f->vectors[0], vector);
        ck_assert_uint_eq(fake_hv_interrupts(f, 0), 1);
    }
}
END_TEST

START_TEST(a_route_that_fails_is_tried_again)
{
    f->route_error = -ENOMEM;
    ck_assert_int_eq(fake_hv_enable(f, 0), 0);
    ck_assert(fake_hv_logged(f, "no route"));
    f->route_error = 0;
    set(0, SINT2, FAKE_VECTOR);
    ck_assert_uint_eq(f->vectors[0], FAKE_VECTOR);
    ck_assert_uint_ge(fake_hv_interrupts(f, 0), 1);
}
END_TEST

/* --- the fence --- */

static void *turn_off(void *arg)
{
    (void)arg;
    (void)!hv_msr_write(&f->hv, 0, SIEFP, 0);
    return NULL;
}

/* Does the thread end within so many ms? */
static bool ends_within(pthread_t thread, long ms)
{
    struct timespec t;

    ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &t), 0);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return pthread_timedjoin_np(thread, NULL, &t) == 0;
}

static pthread_t turn_off_while_a_worker_writes(struct port_server *worker)
{
    pthread_t thread;

    enable(0);
    ck_assert_int_eq(port_server_init(worker, f->writer_page, PORT_ASLEEP_EVENTFD), 0);
    port_section_enter(worker);
    ck_assert_int_eq(pthread_create(&thread, NULL, turn_off, NULL), 0);
    while (shown(0) != 0)
        (void)sched_yield();
    ck_assert(!ends_within(thread, 50));
    /* The rest of the VM goes on meanwhile. */
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
    (void)get(1, SCONTROL);
    return thread;
}

START_TEST(a_page_is_given_back_when_no_worker_writes)
{
    struct port_server worker;
    pthread_t thread = turn_off_while_a_worker_writes(&worker);

    port_section_leave(&worker);
    ck_assert(ends_within(thread, 10000));
}
END_TEST

START_TEST(a_worker_that_comes_back_is_not_waited_for)
{
    struct port_server worker;
    pthread_t thread = turn_off_while_a_worker_writes(&worker);

    port_section_leave(&worker);
    port_section_enter(&worker); /* it sees what is shown now */
    ck_assert(ends_within(thread, 10000));
}
END_TEST

START_TEST(the_dead_write_no_more)
{
    struct port_server worker;
    pthread_t thread = turn_off_while_a_worker_writes(&worker);

    port_server_died(&f->writer);
    ck_assert(ends_within(thread, 10000));
}
END_TEST

START_TEST(the_end_of_the_vm_ends_the_wait)
{
    struct port_server worker;
    pthread_t thread = turn_off_while_a_worker_writes(&worker);

    atomic_store(&f->ended, true);
    ck_assert(ends_within(thread, 10000));
}
END_TEST

START_TEST(a_worker_outside_is_not_waited_for)
{
    struct port_server worker;

    enable(0);
    ck_assert_int_eq(port_server_init(&worker, f->writer_page, PORT_ASLEEP_EVENTFD), 0);
    port_section_enter(&worker);
    port_section_leave(&worker);
    set(0, SIEFP, 0);
}
END_TEST

/* --- messages --- */

START_TEST(a_message_is_put_into_its_place)
{
    const uint8_t *slot = fake_hv_slot(f, 1);
    bool pending;

    enable(1);
    memset(fake_hv_slot(f, 1) + 4, 0xff, 252);
    fake_hv_message(f, 1);
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
    ck_assert_mem_eq(slot, "\1\0\0\0\10\0\0\0\0\0\0\0\0\0\0\0", 16);
    for (unsigned i = 24; i < 256; i++)
        ck_assert_uint_eq(slot[i], 0);
    ck_assert_uint_eq(fake_hv_interrupts(f, 1), 1);
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 0);
    ck_assert_uint_eq(atomic_load(&f->outbox.head), 1);
    ck_assert_int_eq(take(1, &pending), 0);
    ck_assert(!pending);
    ck_assert_uint_eq(atomic_load(&f->hv.row_messages->value), 1);
}
END_TEST

START_TEST(the_next_one_waits_until_the_guest_has_read)
{
    bool pending;

    enable(0);
    for (int i = 0; i < 3; i++)
        fake_hv_message(f, 0);
    ck_assert_int_gt(hv_deliver(&f->hv), 0);
    ck_assert_uint_eq(atomic_load(&f->outbox.head), 1);
    for (int64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(take(0, &pending), i);
        ck_assert_int_eq(pending, i < 2);
        set(0, EOM, 0);
    }
    ck_assert_int_eq(take(0, &pending), -1);
    ck_assert_uint_eq(atomic_load(&f->outbox.head), 3);
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
}
END_TEST

/* One that comes while the place is taken asks for the EOM afterwards. */
START_TEST(a_later_message_asks_for_the_end_of_the_first)
{
    bool pending;

    enable(0);
    fake_hv_message(f, 0);
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
    ck_assert_uint_eq(fake_hv_slot(f, 0)[5], 0);
    fake_hv_message(f, 0);
    ck_assert_int_eq(hv_deliver(&f->hv), (int64_t)NS_PER_MS);
    ck_assert_uint_eq(fake_hv_slot(f, 0)[5], 1);
    ck_assert_int_eq(take(0, &pending), 0);
    ck_assert(pending);
    set(0, EOM, 0);
    ck_assert_int_eq(take(0, &pending), 1);
    ck_assert(!pending);
}
END_TEST

/* A guest that panics looks with interrupts off, and may not say that it has read. */
START_TEST(a_guest_without_eom_gets_its_messages_later)
{
    bool pending;

    enable(0);
    fake_hv_message(f, 0);
    fake_hv_message(f, 0);
    ck_assert_int_gt(hv_deliver(&f->hv), 0);
    ck_assert_int_eq(take(0, &pending), 0);
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
    ck_assert_int_eq(take(0, &pending), 1);
}
END_TEST

START_TEST(a_guest_that_does_not_read_is_reminded)
{
    uint64_t start, rings;

    enable(0);
    fake_hv_message(f, 0);
    fake_hv_message(f, 0);
    ck_assert_int_eq(hv_deliver(&f->hv), (int64_t)NS_PER_MS);
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 1);
    ck_assert_int_eq(hv_deliver(&f->hv), (int64_t)NS_PER_MS);
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 0);
    f->hv.fired_ns -= 100 * NS_PER_MS; /* time passes */
    ck_assert_int_eq(hv_deliver(&f->hv), (int64_t)NS_PER_MS);
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 1);
    f->hv.blocked_ns -= 1000 * NS_PER_MS;
    ck_assert_int_eq(hv_deliver(&f->hv), 100 * (int64_t)NS_PER_MS);
    start = clock_now_ns();
    for (rings = 0; rings < 2; rings += fake_hv_interrupts(f, 0))
        (void)!hv_deliver(&f->hv);
    ck_assert_uint_ge(clock_now_ns() - start, 150 * NS_PER_MS);
    ck_assert_uint_eq(atomic_load(&f->outbox.head), 1); /* nothing is lost, nothing grows */
}
END_TEST

/* Whoever wants no messages is not asked every millisecond: it will say when it does. */
START_TEST(messages_wait_for_a_processor_that_is_off)
{
    bool pending;

    fake_hv_message(f, 0);
    fake_hv_message(f, 0);
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
    ck_assert_uint_eq(atomic_load(&f->outbox.head), 0);
    set(0, SCONTROL, 1);
    ck_assert_uint_eq(atomic_load(&f->outbox.head), 0);
    set(0, SIMP, FAKE_SIMP | 1);
    ck_assert_uint_eq(atomic_load(&f->outbox.head), 1);
    ck_assert_uint_eq(f->n_later, 1);               /* the second one needs time again */
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 0); /* masked */
    ck_assert_int_eq(take(0, &pending), 0);
    set(0, EOM, 0);
    ck_assert_int_eq(take(0, &pending), 1);
}
END_TEST

START_TEST(a_new_connection_discards_what_waits)
{
    bool pending;

    enable(0);
    for (int i = 0; i < 4; i++)
        fake_hv_message(f, 0);
    (void)!hv_deliver(&f->hv);
    atomic_store(&f->outbox.discard, 3);
    ck_assert_int_eq(take(0, &pending), 0);
    set(0, EOM, 0);
    ck_assert_int_eq(take(0, &pending), 3);
    ck_assert_uint_eq(atomic_load(&f->outbox.head), 4);
    atomic_store(&f->outbox.discard, 1); /* of old: is behind us */
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
    ck_assert_uint_eq(atomic_load(&f->outbox.head), 4);
}
END_TEST

START_TEST(the_outbox_goes_round)
{
    bool pending;

    enable(0);
    for (int64_t i = 0; i < 3 * VMBUS_OUTBOX_ENTRIES; i++) {
        fake_hv_message(f, 0);
        ck_assert_int_eq(hv_deliver(&f->hv), 0);
        ck_assert_int_eq(take(0, &pending), i);
    }
}
END_TEST

START_TEST(a_full_outbox_is_delivered_in_order)
{
    bool pending;

    enable(0);
    for (int64_t i = 0; i < VMBUS_OUTBOX_ENTRIES; i++)
        fake_hv_message(f, 0);
    ck_assert_int_gt(hv_deliver(&f->hv), 0);
    for (int64_t i = 0; i < VMBUS_OUTBOX_ENTRIES; i++) {
        ck_assert_int_eq(take(0, &pending), i);
        set(0, EOM, (uint64_t)i);
    }
}
END_TEST

START_TEST(eoms_without_a_message_do_nothing)
{
    enable(0);
    for (int i = 0; i < 10000; i++)
        set(0, EOM, (uint64_t)i);
    ck_assert_uint_eq(fake_hv_interrupts(f, 0), 0);
    ck_assert_uint_eq(fake_hv_slot(f, 0)[0], 0);
}
END_TEST

/* --- both at the same time --- */

/* As Linux takes one: the type back to 0, then, in this order, is another one waiting? */
static void take_at_the_same_time(int64_t *expected)
{
    uint8_t *slot = fake_hv_slot(f, 0);
    uint32_t *type = (uint32_t *)(void *)slot;
    bool pending;

    if (__atomic_load_n(type, __ATOMIC_ACQUIRE) != VMBUS_MESSAGE_TYPE)
        return;
    ck_assert_int_eq((int64_t)fake_hv_u64(f, FAKE_SIMP + 256 * VMBUS_SINT + 16), *expected);
    (*expected)++;
    __atomic_store_n(type, 0, __ATOMIC_SEQ_CST);
    atomic_thread_fence(memory_order_seq_cst);
    pending = (__atomic_load_n(&slot[5], __ATOMIC_RELAXED) & 1) != 0;
    if (pending)
        set(0, EOM, 0);
}

enum {
    RACED_MESSAGES = 5000,
};

/* The worker and the supervisor's loop: each message is delivered once, and never tried again. */
static void *send_them(void *arg)
{
    (void)arg;
    for (int i = 0; i < RACED_MESSAGES; i++) {
        while (atomic_load(&f->outbox.tail) - atomic_load(&f->outbox.head) >= 2)
            (void)sched_yield();
        fake_hv_message(f, 0);
        (void)!hv_deliver(&f->hv);
    }
    return NULL;
}

/* No message waits for time to pass: whoever comes second finds what the first one left. */
START_TEST(guest_and_host_never_miss_each_other)
{
    uint64_t end = clock_now_ns() + 50 * 1000 * NS_PER_MS;
    int64_t expected = 0;
    pthread_t thread;

    enable(0);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_them, NULL), 0);
    while (expected < RACED_MESSAGES) {
        if (fake_hv_interrupts(f, 0) > 0)
            take_at_the_same_time(&expected);
        else
            (void)sched_yield();
        ck_assert_uint_lt(clock_now_ns(), end);
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* --- a worker that was taken over --- */

START_TEST(indices_that_cannot_be_are_a_broken_protocol)
{
    static const uint64_t tails[] = {VMBUS_OUTBOX_ENTRIES + 1, UINT64_MAX, UINT64_C(1) << 63};

    enable(0);
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        atomic_store(&f->outbox.tail, tails[i]);
        ck_assert_int_eq(hv_deliver(&f->hv), -EPROTO);
        ck_assert_uint_eq(fake_hv_slot(f, 0)[0], 0);
    }
    atomic_store(&f->outbox.tail, 0);
    fake_hv_message(f, 0);
    atomic_store(&f->outbox.discard, 2); /* more than there are: not believed */
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
    ck_assert_uint_eq(fake_hv_slot(f, 0)[0], 1);
    atomic_store(&f->outbox.tail, 0); /* takes one back */
    ck_assert_int_eq(hv_deliver(&f->hv), -EPROTO);
}
END_TEST

START_TEST(our_place_in_the_outbox_is_ours)
{
    bool pending;

    enable(0);
    fake_hv_message(f, 0);
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
    ck_assert_int_eq(take(0, &pending), 0);
    atomic_store(&f->outbox.head, 0);
    fake_hv_message(f, 0);
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
    ck_assert_int_eq(take(0, &pending), 1);
    ck_assert_uint_eq(atomic_load(&f->outbox.head), 2);
}
END_TEST

START_TEST(messages_that_cannot_be_are_dropped)
{
    bool pending;

    enable(0);
    for (int i = 0; i < 4; i++)
        fake_hv_message(f, 0);
    f->outbox.entries[0].vp = FAKE_VPS;
    f->outbox.entries[1].len = VMBUS_MESSAGE_BYTES + 1;
    f->outbox.entries[2].vp = UINT32_MAX;
    ck_assert_int_eq(hv_deliver(&f->hv), -EPROTO);
    ck_assert_int_eq(take(0, &pending), 3);
    ck_assert_uint_eq(atomic_load(&f->hv.row_dropped->value), 3);
    ck_assert_uint_eq(atomic_load(&f->hv.row_messages->value), 1);
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
}
END_TEST

START_TEST(a_message_may_be_as_long_as_its_place)
{
    enable(0);
    fake_hv_message(f, 0);
    f->outbox.entries[0].len = VMBUS_MESSAGE_BYTES;
    memset(f->outbox.entries[0].payload, 0xab, VMBUS_MESSAGE_BYTES);
    ck_assert_int_eq(hv_deliver(&f->hv), 0);
    ck_assert_uint_eq(fake_hv_slot(f, 0)[4], 240);
    ck_assert_uint_eq(fake_hv_slot(f, 0)[255], 0xab);
    ck_assert_uint_eq(fake_hv_slot(f, 0)[256], 0);
}
END_TEST

static void add_registers(TCase *t)
{
    tcase_add_test(t, all_is_off_and_masked_at_first);
    tcase_add_test(t, each_processor_has_its_own);
    tcase_add_test(t, reserved_bits_are_kept);
    tcase_add_test(t, vectors_of_exceptions_are_refused);
    tcase_add_test(t, auto_eoi_is_refused);
    tcase_add_test(t, pages_are_zeroed_when_they_are_new);
    tcase_add_test(t, flags_are_shown_once_all_is_on);
    tcase_add_test(t, other_sources_do_not_matter);
    tcase_add_test(t, unmasking_makes_up_for_lost_interrupts);
    tcase_add_test(t, a_new_vector_is_routed_before_it_is_used);
    tcase_add_test(t, a_route_that_fails_is_tried_again);
    tcase_add_test(t, a_page_is_given_back_when_no_worker_writes);
    tcase_add_test(t, a_worker_that_comes_back_is_not_waited_for);
    tcase_add_test(t, the_dead_write_no_more);
    tcase_add_test(t, the_end_of_the_vm_ends_the_wait);
    tcase_add_test(t, a_worker_outside_is_not_waited_for);
}

static void add_messages(TCase *t)
{
    tcase_add_test(t, a_message_is_put_into_its_place);
    tcase_add_test(t, the_next_one_waits_until_the_guest_has_read);
    tcase_add_test(t, a_later_message_asks_for_the_end_of_the_first);
    tcase_add_test(t, a_guest_without_eom_gets_its_messages_later);
    tcase_add_test(t, a_guest_that_does_not_read_is_reminded);
    tcase_add_test(t, messages_wait_for_a_processor_that_is_off);
    tcase_add_test(t, a_new_connection_discards_what_waits);
    tcase_add_test(t, the_outbox_goes_round);
    tcase_add_test(t, a_full_outbox_is_delivered_in_order);
    tcase_add_test(t, eoms_without_a_message_do_nothing);
    tcase_add_test(t, guest_and_host_never_miss_each_other);
    tcase_add_test(t, indices_that_cannot_be_are_a_broken_protocol);
    tcase_add_test(t, our_place_in_the_outbox_is_ours);
    tcase_add_test(t, messages_that_cannot_be_are_dropped);
    tcase_add_test(t, a_message_may_be_as_long_as_its_place);
}

int main(void)
{
    Suite *s = suite_create("hv_synic");
    TCase *t = tcase_create("hv_synic");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    add_registers(t);
    add_messages(t);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
