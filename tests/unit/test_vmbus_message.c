#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workers/vmbus/message.h"

static uint8_t out[VMBUS_MESSAGE_BYTES];

static void setup(void)
{
    memset(out, 0xaa, sizeof(out));
}

static void says(uint32_t len, const uint8_t *bytes, size_t n)
{
    ck_assert_uint_eq(len, n);
    ck_assert_mem_eq(out, bytes, n);
    for (size_t i = n; i < sizeof(out); i++)
        ck_assert_uint_eq(out[i], 0xaa); /* nothing past the end */
}

START_TEST(an_offer_is_196_bytes)
{
    static const uint8_t want[196] = {
        [0] = 1, /* type */
        [8] = 0xd9,   0x63, 0x61, 0xba, 0xa1, 0x04, 0x29, 0x4d,
        0xb6,         0x05, 0x72, 0xe2, 0xff, 0xb1, 0xdc, 0x7f, /* SCSI controller */
        0xad,         0x4e, 0xc0, 0xb1, 0x00, 0x00, 0x5b, 0x4d,
        0xa0,         0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, /* the third one */
        [56] = 1,                                               /* a device for the guest */
        [180] = 5,                                              /* subchannel */
        [184] = 22,                                             /* relid: 1 + 2 * 8 + 5 */
        [188] = 0xff,                                           /* no monitor */
        [190] = 1,                                              /* dedicated interrupt */
        [192] = 22,   0x20, 0x00, 0x00,                         /* connection id */
    };

    says(message_offer(out, 2, 5), want, sizeof(want));
}
END_TEST

START_TEST(a_version_response_is_16_bytes)
{
    static const uint8_t yes[16] = {15, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4};
    static const uint8_t no[16] = {15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 2, 0};

    says(message_version(out, true, 4), yes, sizeof(yes));
    setup();
    says(message_version(out, false, 0x20004), no, sizeof(no));
}
END_TEST

START_TEST(results_are_20_bytes)
{
    static const uint8_t opened[20] = {6, 0, 0, 0, 0, 0, 0, 0, 4, 3,
                                       2, 1, 8, 7, 6, 5, 1, 0, 0, 0xc0};
    static const uint8_t created[20] = {10, 0, 0, 0, 0, 0, 0,    0, 9, 0,
                                        0,  0, 1, 2, 3, 4, 0x9a, 0, 0, 0xc0};

    says(message_open_result(out, 0x01020304, 0x05060708, VMBUS_STATUS_UNSUCCESSFUL), opened,
         sizeof(opened));
    setup();
    says(message_created(out, 9, 0x04030201, VMBUS_STATUS_NO_RESOURCES), created, sizeof(created));
}
END_TEST

START_TEST(the_rest_is_a_head_and_numbers)
{
    static const uint8_t plain[8] = {17};
    static const uint8_t one[12] = {12, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x1e, 0x0e, 0};
    static const uint8_t two[16] = {24, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x0d, 0, 0, 0xc0};

    says(message_plain(out, VMBUS_UNLOAD_RESPONSE), plain, sizeof(plain));
    setup();
    says(message_one(out, VMBUS_GPADL_TORNDOWN, 0xe1e10), one, sizeof(one));
    setup();
    says(message_two(out, VMBUS_MODIFY_RESPONSE, 1, VMBUS_STATUS_INVALID_PARAMETER), two,
         sizeof(two));
}
END_TEST

START_TEST(no_offer_is_longer_than_a_message)
{
    for (unsigned d = 0; d < VMBUS_DEVICES; d++) {
        for (unsigned s = 0; s < VMBUS_SUBCHANNELS; s++)
            ck_assert_uint_eq(message_offer(out, d, s), 196);
    }
}
END_TEST

/* --- the guest's, without their heads; every byte differs, so that no field is read elsewhere --- */

static const uint8_t bytes[232] = {
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
    23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44,
};

START_TEST(a_contact_is_read)
{
    struct rd r = rd_over(bytes, 32);
    struct message_contact m;

    ck_assert_int_eq(message_read_contact(&r, &m), 0);
    ck_assert_uint_eq(m.version, 0x04030201);
    ck_assert_uint_eq(m.target_vp, 0x08070605);
}
END_TEST

START_TEST(an_open_is_read)
{
    struct rd r = rd_over(bytes, 140);
    struct message_open m;

    ck_assert_int_eq(message_read_open(&r, &m), 0);
    ck_assert_uint_eq(m.relid, 0x04030201);
    ck_assert_uint_eq(m.open_id, 0x08070605);
    ck_assert_uint_eq(m.gpadl, 0x0c0b0a09);
    ck_assert_uint_eq(m.target_vp, 0x100f0e0d);
    ck_assert_uint_eq(m.downstream, 0x14131211);
}
END_TEST

START_TEST(a_gpadl_is_read)
{
    struct rd r = rd_over(bytes, 43);
    struct message_gpadl m;

    ck_assert_int_eq(message_read_gpadl(&r, &m), 0);
    ck_assert_uint_eq(m.relid, 0x04030201);
    ck_assert_uint_eq(m.gpadl, 0x08070605);
    ck_assert_uint_eq(m.said, 0x0a09);
    ck_assert_uint_eq(m.n_ranges, 0x0c0b);
    ck_assert_uint_eq(m.bytes, 0x100f0e0d);
    ck_assert_uint_eq(m.offset, 0x14131211);
    ck_assert_ptr_eq(m.pfns.at, bytes + 20);
    ck_assert_uint_eq(m.pfns.len, 16); /* 23 bytes are two numbers and a rest */
}
END_TEST

START_TEST(pages_of_a_gpadl_do_not_wrap)
{
    static const struct {
        uint32_t bytes, offset, pages;
    } cases[] = {
        {1,          0,          1      },
        {4096,       0,          1      },
        {4096,       1,          2      },
        {4097,       0,          2      },
        {1,          4095,       1      },
        {2,          4095,       2      },
        {UINT32_MAX, 0,          1 << 20},
        {UINT32_MAX, UINT32_MAX, 2 << 20},
        {0,          0,          0      },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t words[5] = {1, 2, 8 | 1 << 16, cases[i].bytes, cases[i].offset};
        struct rd r = rd_over(words, sizeof(words));
        struct message_gpadl m;

        ck_assert_int_eq(message_read_gpadl(&r, &m), 0);
        ck_assert_uint_eq(m.pages, cases[i].pages);
        ck_assert_uint_eq(m.pfns.len, 0);
    }
}
END_TEST

START_TEST(a_body_is_read)
{
    struct rd r = rd_over(bytes, 232);
    struct message_body m;

    ck_assert_int_eq(message_read_body(&r, &m), 0);
    ck_assert_uint_eq(m.gpadl, 0x08070605); /* its number is not looked at */
    ck_assert_ptr_eq(m.pfns.at, bytes + 8);
    ck_assert_uint_eq(m.pfns.len, MESSAGE_PFNS_MAX * 8);
}
END_TEST

START_TEST(short_ones_are_read)
{
    struct rd r = rd_over(bytes, 8);
    struct message_modify m;
    uint32_t a, b;

    ck_assert_int_eq(message_read_modify(&r, &m), 0);
    ck_assert_uint_eq(m.relid, 0x04030201);
    ck_assert_uint_eq(m.target_vp, 0x08070605);
    r = rd_over(bytes, 8);
    ck_assert_int_eq(message_read_teardown(&r, &a, &b), 0);
    ck_assert_uint_eq(a, 0x04030201);
    ck_assert_uint_eq(b, 0x08070605);
    r = rd_over(bytes, 4);
    ck_assert_int_eq(message_read_u32(&r, &a), 0);
    ck_assert_uint_eq(a, 0x04030201);
}
END_TEST

union any {
    struct message_contact contact;
    struct message_open open;
    struct message_gpadl gpadl;
    struct message_body body;
    struct message_modify modify;
    uint32_t numbers[2];
};

static int read_contact(struct rd *r, union any *m)
{
    return message_read_contact(r, &m->contact);
}

static int read_open(struct rd *r, union any *m)
{
    return message_read_open(r, &m->open);
}

static int read_gpadl(struct rd *r, union any *m)
{
    return message_read_gpadl(r, &m->gpadl);
}

static int read_body(struct rd *r, union any *m)
{
    return message_read_body(r, &m->body);
}

static int read_modify(struct rd *r, union any *m)
{
    return message_read_modify(r, &m->modify);
}

static int read_u32(struct rd *r, union any *m)
{
    return message_read_u32(r, &m->numbers[0]);
}

static int read_teardown(struct rd *r, union any *m)
{
    return message_read_teardown(r, &m->numbers[0], &m->numbers[1]);
}

START_TEST(every_truncation_is_refused_and_leaves_outputs)
{
    static const struct {
        size_t least;
        int (*read)(struct rd *r, union any *m);
    } cases[] = {
        {32, read_contact },
        {20, read_open    },
        {20, read_gpadl   },
        {16, read_body    },
        {8,  read_modify  },
        {4,  read_u32     },
        {8,  read_teardown},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t len = 0; len <= cases[i].least; len++) {
            uint8_t *copy = malloc(len + 1); /* of its own, so that a sanitizer sees its end */
            union any m, before;
            struct rd r;

            ck_assert_ptr_nonnull(copy);
            memcpy(copy + 1, bytes, len);
            r = rd_over(copy + 1, len);
            memset(&m, 0x77, sizeof(m));
            before = m;
            if (len == cases[i].least) {
                ck_assert_int_eq(cases[i].read(&r, &m), 0);
            } else {
                ck_assert_int_eq(cases[i].read(&r, &m), -EBADMSG);
                ck_assert_mem_eq(&m, &before, sizeof(m));
            }
            free(copy);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmbus_message");
    TCase *t = tcase_create("vmbus_message");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, an_offer_is_196_bytes);
    tcase_add_test(t, a_version_response_is_16_bytes);
    tcase_add_test(t, results_are_20_bytes);
    tcase_add_test(t, the_rest_is_a_head_and_numbers);
    tcase_add_test(t, no_offer_is_longer_than_a_message);
    tcase_add_test(t, a_contact_is_read);
    tcase_add_test(t, an_open_is_read);
    tcase_add_test(t, a_gpadl_is_read);
    tcase_add_test(t, pages_of_a_gpadl_do_not_wrap);
    tcase_add_test(t, a_body_is_read);
    tcase_add_test(t, short_ones_are_read);
    tcase_add_test(t, every_truncation_is_refused_and_leaves_outputs);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
