#include <check.h>

#include "tests/fakes/hv.h"

enum {
    POST = 0x5c,
    SIGNAL = 0x5d,
    FAST = 0x10000,
    BLOCK = 0x4000,
    VP = 2,
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

static uint64_t call(uint64_t control, uint64_t input)
{
    const struct vm_hypercall h = {
        .control = control, .input = input, .privileged = true, .long_mode = true};

    return hv_hypercall(&f->hv, VP, &h);
}

static void put_post(uint64_t gpa, uint32_t connection, uint32_t type, uint32_t len)
{
    struct wr w = wr_over(f->ram + gpa, 256);

    wr_le32(&w, connection);
    wr_le32(&w, 0);
    wr_le32(&w, type);
    wr_le32(&w, len);
    for (unsigned i = 0; i < 240; i++)
        wr_u8(&w, (uint8_t)(i + 1));
}

static uint64_t post(uint32_t connection, uint32_t type, uint32_t len)
{
    put_post(BLOCK, connection, type, len);
    return call(POST, BLOCK);
}

START_TEST(a_message_reaches_the_worker)
{
    const struct vmbus_post *p = &f->posts[VP];

    ck_assert_uint_eq(post(4, 1, 40), HV_SUCCESS);
    ck_assert_uint_eq(f->n_posts, 1);
    ck_assert_uint_eq(f->post_vp, VP);
    ck_assert_uint_eq(p->connection, 4);
    ck_assert_uint_eq(p->type, 1);
    ck_assert_uint_eq(p->len, 40);
    for (unsigned i = 0; i < 240; i++)
        ck_assert_uint_eq(p->payload[i], i < 40 ? i + 1 : 0);
}
END_TEST

START_TEST(messages_of_every_length_and_no_more)
{
    for (uint32_t len = 0; len <= 240; len++)
        ck_assert_uint_eq(post(1, 1, len), HV_SUCCESS);
    ck_assert_uint_eq(post(1, 1, 241), HV_INVALID_PARAMETER);
    ck_assert_uint_eq(post(1, 1, UINT32_MAX), HV_INVALID_PARAMETER);
    ck_assert_uint_eq(f->n_posts, 241);
    ck_assert_uint_eq(f->posts[VP].len, 240);
}
END_TEST

START_TEST(types_of_the_hypervisor_are_not_the_guests)
{
    ck_assert_uint_eq(post(1, 0, 8), HV_INVALID_PARAMETER);
    ck_assert_uint_eq(post(1, 0x80000000, 8), HV_INVALID_PARAMETER);
    ck_assert_uint_eq(post(1, UINT32_MAX, 8), HV_INVALID_PARAMETER);
    ck_assert_uint_eq(post(1, 0x7fffffff, 8), HV_SUCCESS);
    ck_assert_uint_eq(f->n_posts, 1);
}
END_TEST

START_TEST(connections_have_24_bits)
{
    ck_assert_uint_eq(post(0x1000001, 1, 8), HV_INVALID_CONNECTION);
    ck_assert_uint_eq(post(UINT32_MAX, 1, 8), HV_INVALID_CONNECTION);
    ck_assert_uint_eq(f->n_posts, 0);
    ck_assert_uint_eq(post(0xffffff, 1, 8), HV_SUCCESS); /* the worker knows which there are */
}
END_TEST

START_TEST(the_workers_answer_is_the_guests)
{
    f->post_status = HV_INSUFFICIENT_BUFFERS;
    ck_assert_uint_eq(post(1, 1, 8), HV_INSUFFICIENT_BUFFERS);
    f->post_status = HV_INVALID_CONNECTION;
    ck_assert_uint_eq(post(1, 1, 8), HV_INVALID_CONNECTION);
}
END_TEST

START_TEST(input_is_aligned)
{
    for (uint64_t off = 1; off < 8; off++) {
        ck_assert_uint_eq(call(POST, BLOCK + off), HV_INVALID_ALIGNMENT);
        ck_assert_uint_eq(call(SIGNAL, BLOCK + off), HV_INVALID_ALIGNMENT);
    }
    ck_assert_uint_eq(f->n_posts, 0);
}
END_TEST

START_TEST(input_is_in_one_page)
{
    put_post(BLOCK + HV_PAGE_BYTES - 256, 1, 1, 240);
    ck_assert_uint_eq(call(POST, BLOCK + HV_PAGE_BYTES - 256), HV_SUCCESS);
    for (uint64_t back = 8; back < 256; back += 8)
        ck_assert_uint_eq(call(POST, BLOCK + HV_PAGE_BYTES - back), HV_INVALID_ALIGNMENT);
    ck_assert_uint_eq(f->n_posts, 1);
}
END_TEST

START_TEST(input_is_in_ram)
{
    static const uint64_t outside[] = {FAKE_RAM_BYTES, 0xfed40000, 0xfffffffffffff000,
                                       0xffffffffffffff00};

    for (size_t i = 0; i < COUNT_OF(outside); i++) {
        ck_assert_uint_eq(call(POST, outside[i]), HV_INVALID_PARAMETER);
        ck_assert_uint_eq(call(SIGNAL, outside[i]), HV_INVALID_PARAMETER);
    }
    put_post(FAKE_RAM_BYTES - 256, 1, 1, 1);
    ck_assert_uint_eq(call(POST, FAKE_RAM_BYTES - 256), HV_SUCCESS);
}
END_TEST

START_TEST(only_the_kernel_makes_hypercalls)
{
    const struct vm_hypercall h = {.control = POST, .input = BLOCK, .long_mode = true};

    put_post(BLOCK, 1, 1, 8);
    ck_assert_uint_eq(hv_hypercall(&f->hv, VP, &h), HV_ACCESS_DENIED);
    ck_assert_uint_eq(f->n_posts, 0);
}
END_TEST

START_TEST(unknown_calls_are_refused)
{
    unsigned known = 0;

    for (uint64_t code = 0; code <= 0xffff; code++) {
        if (code == 8 || code == POST || code == SIGNAL) {
            known++;
            continue;
        }
        ck_assert_uint_eq(call(code, BLOCK), HV_INVALID_CODE);
        ck_assert_uint_eq(call(code | FAST, BLOCK), HV_INVALID_CODE);
    }
    ck_assert_uint_eq(known, 3);
    ck_assert_uint_eq(f->n_posts, 0);
}
END_TEST

/* Variable header, reserved, nested, repetitions, reserved: none of these is for simple calls. */
START_TEST(every_other_bit_of_control_is_zero)
{
    put_post(BLOCK, 1, 1, 8);
    for (unsigned bit = 17; bit < 64; bit++) {
        ck_assert_uint_eq(call(POST | UINT64_C(1) << bit, BLOCK), HV_INVALID_INPUT);
        ck_assert_uint_eq(call(SIGNAL | FAST | UINT64_C(1) << bit, 0x2001), HV_INVALID_INPUT);
    }
    ck_assert_uint_eq(call(POST | FAST, BLOCK), HV_INVALID_INPUT); /* 16 bytes hold no message */
    ck_assert_uint_eq(f->n_posts, 0);
    ck_assert_uint_eq(fake_hv_rings(f->hv.config.bells[0]), 0);
}
END_TEST

START_TEST(a_signal_rings_the_devices_bell)
{
    ck_assert_uint_eq(call(SIGNAL | FAST, 0x2001), HV_SUCCESS);
    ck_assert_uint_eq(call(SIGNAL | FAST, 0x2008), HV_SUCCESS);
    ck_assert_uint_eq(fake_hv_rings(f->hv.config.bells[0]), 2);
    ck_assert_uint_eq(fake_hv_rings(f->hv.config.bells[1]), 0);
    ck_assert_uint_eq(call(SIGNAL | FAST, 0x2009), HV_SUCCESS);
    ck_assert_uint_eq(fake_hv_rings(f->hv.config.bells[1]), 1);
    ck_assert_uint_eq(atomic_load(&f->hv.vps[VP].row_signals->value), 3);
}
END_TEST

START_TEST(a_slow_signal_too)
{
    struct wr w = wr_over(f->ram + BLOCK, 8);

    wr_le64(&w, 0x2001);
    ck_assert_uint_eq(call(SIGNAL, BLOCK), HV_SUCCESS);
    ck_assert_uint_eq(call(SIGNAL, BLOCK + 8), HV_INVALID_CONNECTION); /* 0 is none */
    ck_assert_uint_eq(fake_hv_rings(f->hv.config.bells[0]), 1);
}
END_TEST

START_TEST(signals_of_other_flags_are_refused)
{
    static const uint64_t flags[] = {1, 2047, 2048, 0xffff, 0x10000};

    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        struct wr w = wr_over(f->ram + BLOCK, 8);

        wr_le64(&w, flags[i] << 32 | 0x2001);
        ck_assert_uint_eq(call(SIGNAL, BLOCK), HV_INVALID_PARAMETER);
        ck_assert_uint_eq(call(SIGNAL | FAST, flags[i] << 32 | 0x2001), HV_INVALID_PARAMETER);
    }
    ck_assert_uint_eq(fake_hv_rings(f->hv.config.bells[0]), 0);
}
END_TEST

START_TEST(connections_without_a_device_are_refused)
{
    static const uint32_t none[] = {
        0, 1, 0x2000, 0x2011 /* no such device */, 0x2040, 0x2041, 0x3001, 0x1002001, 0xffffffff};

    for (size_t i = 0; i < COUNT_OF(none); i++) {
        ck_assert_uint_eq(call(SIGNAL | FAST, none[i]), HV_INVALID_CONNECTION);
        ck_assert(!hv_signal(&f->hv, VP, none[i]));
    }
}
END_TEST

START_TEST(spinning_is_reported_for_nothing)
{
    ck_assert_uint_eq(call(8 | FAST, 1), HV_SUCCESS);
}
END_TEST

START_TEST(calls_are_counted)
{
    (void)call(1, 0);
    (void)post(1, 1, 8);
    (void)post(1, 0, 8);
    ck_assert_uint_eq(atomic_load(&f->hv.vps[VP].row_hypercalls->value), 3);
    ck_assert_uint_eq(atomic_load(&f->hv.vps[VP].row_posts->value), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hv_hypercall");
    TCase *t = tcase_create("hv_hypercall");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_message_reaches_the_worker);
    tcase_add_test(t, messages_of_every_length_and_no_more);
    tcase_add_test(t, types_of_the_hypervisor_are_not_the_guests);
    tcase_add_test(t, connections_have_24_bits);
    tcase_add_test(t, the_workers_answer_is_the_guests);
    tcase_add_test(t, input_is_aligned);
    tcase_add_test(t, input_is_in_one_page);
    tcase_add_test(t, input_is_in_ram);
    tcase_add_test(t, only_the_kernel_makes_hypercalls);
    tcase_add_test(t, unknown_calls_are_refused);
    tcase_add_test(t, every_other_bit_of_control_is_zero);
    tcase_add_test(t, a_signal_rings_the_devices_bell);
    tcase_add_test(t, a_slow_signal_too);
    tcase_add_test(t, signals_of_other_flags_are_refused);
    tcase_add_test(t, connections_without_a_device_are_refused);
    tcase_add_test(t, spinning_is_reported_for_nothing);
    tcase_add_test(t, calls_are_counted);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
