#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "cli/frame_parts.h"
#include "cli/packet_filter.h"
#include "cli/pcapng.h"

enum {
    SECTION = 0x0a0d0d0a,
    INTERFACE = 1,
    STATISTICS = 5,
    PACKET = 6,
    OPTIONS_MAX = 8,
};

static uint8_t file[1 << 20];

/* A block as a reader sees it. */
struct block {
    uint32_t type;
    struct span body; /* without both lengths */
};

static struct block block_at(size_t at, size_t *ret_next)
{
    struct rd r = rd_over(file + at, sizeof(file) - at);
    struct block b;
    uint32_t len;

    b.type = rd_le32(&r);
    len = rd_le32(&r);
    ck_assert_uint_eq(len % 4, 0);
    ck_assert_uint_ge(len, 12);
    b.body = rd_span(&r, len - 12);
    ck_assert_uint_eq(rd_le32(&r), len);
    ck_assert(rd_ok(&r));
    *ret_next = at + len;
    return b;
}

/* The option of that code in what is left; a .len of SIZE_MAX: there is none. All end as they must. */
static struct span option_of(struct rd r, uint16_t code)
{
    struct span found = {.len = SIZE_MAX};

    for (int budget = OPTIONS_MAX; budget > 0; budget--) {
        uint16_t now = rd_le16(&r);
        uint16_t len = rd_le16(&r);
        struct span value = rd_span(&r, len);

        (void)rd_span(&r, -(size_t)len & 3);
        ck_assert(rd_ok(&r));
        if (now == code)
            found = value;
        if (now == 0)
            break;
    }
    ck_assert_uint_eq(r.left, 0);
    return found;
}

static void expect_text(struct span s, const char *text)
{
    ck_assert_uint_eq(s.len, strlen(text));
    ck_assert_mem_eq(s.at, text, s.len);
}

START_TEST(a_head_is_a_section_and_an_interface)
{
    static const struct pcapng_interface plain = {.name = "nic3", .snaplen = 96};
    static const struct pcapng_interface filtered = {
        .name = "nic3", .filter = "tcp", .snaplen = 96};
    const bool is_filtered = _i == 1;
    size_t len = pcapng_head(file, is_filtered ? &filtered : &plain);
    size_t at, end;
    struct block section = block_at(0, &at);
    struct block interface = block_at(at, &end);
    struct rd r = rd_over(section.body.at, section.body.len);
    struct span filter;

    ck_assert_uint_eq(end, len);
    ck_assert_uint_eq(section.type, SECTION);
    ck_assert_uint_eq(rd_le32(&r), 0x1a2b3c4d);
    ck_assert_uint_eq(rd_le16(&r), 1);
    ck_assert_uint_eq(rd_le16(&r), 0);
    ck_assert_uint_eq(rd_le64(&r), UINT64_MAX);
    ck_assert_mem_eq(option_of(r, 4).at, "bulkhead ", 9);
    ck_assert_uint_eq(interface.type, INTERFACE);
    r = rd_over(interface.body.at, interface.body.len);
    ck_assert_uint_eq(rd_le16(&r), 1); /* Ethernet */
    (void)rd_le16(&r);
    ck_assert_uint_eq(rd_le32(&r), 96);
    expect_text(option_of(r, 2), "nic3");
    ck_assert_uint_eq(option_of(r, 9).at[0], 9); /* nanoseconds */
    filter = option_of(r, 11);
    ck_assert(is_filtered == (filter.len != SIZE_MAX));
    if (is_filtered)
        ck_assert_mem_eq(filter.at, "\0tcp", 4);
}
END_TEST

START_TEST(the_longest_filter_fits)
{
    static char filter[PACKET_FILTER_TEXT_BYTES];
    const struct pcapng_interface i = {.name = "nic0", .filter = filter, .snaplen = UINT32_MAX};

    memset(filter, 'x', sizeof(filter) - 1);
    ck_assert_uint_le(pcapng_head(file, &i), PCAPNG_HEAD_MAX);
}
END_TEST

START_TEST(a_packet_has_its_bytes_and_its_direction)
{
    static const uint32_t lengths[] = {1, 2, 3, 4, 60, 1514, CAPTURE_FRAME_MAX};
    static uint8_t bytes[CAPTURE_FRAME_MAX];
    const struct pcapng_packet p = {.time_ns = 0x123456789abcdef0,
                                    .len = CAPTURE_FRAME_MAX,
                                    .captured = lengths[_i],
                                    .outbound = _i % 2 == 0};
    size_t len, end;
    struct block b;
    struct rd r;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 11 + 1);
    len = pcapng_packet(file, &p, bytes);
    ck_assert_uint_le(len, PCAPNG_PACKET_MAX);
    b = block_at(0, &end);
    ck_assert_uint_eq(end, len);
    ck_assert_uint_eq(b.type, PACKET);
    r = rd_over(b.body.at, b.body.len);
    ck_assert_uint_eq(rd_le32(&r), 0);
    ck_assert_uint_eq(rd_le32(&r), 0x12345678);
    ck_assert_uint_eq(rd_le32(&r), 0x9abcdef0);
    ck_assert_uint_eq(rd_le32(&r), lengths[_i]);
    ck_assert_uint_eq(rd_le32(&r), CAPTURE_FRAME_MAX);
    ck_assert_mem_eq(rd_span(&r, lengths[_i]).at, bytes, lengths[_i]);
    (void)rd_span(&r, -(size_t)lengths[_i] & 3);
    ck_assert_uint_eq(option_of(r, 2).at[0], p.outbound ? 2 : 1);
}
END_TEST

START_TEST(the_end_has_the_counts)
{
    static const struct pcapng_counts counts = {.began_ns = 5,
                                                .ended_ns = UINT64_C(6) << 32,
                                                .received = 100,
                                                .dropped = 7,
                                                .accepted = 90};
    size_t len = pcapng_end(file, &counts), end;
    struct block b = block_at(0, &end);
    struct rd r = rd_over(b.body.at, b.body.len), o;

    ck_assert_uint_le(len, PCAPNG_END_MAX);
    ck_assert_uint_eq(end, len);
    ck_assert_uint_eq(b.type, STATISTICS);
    ck_assert_uint_eq(rd_le32(&r), 0);
    ck_assert_uint_eq(rd_le32(&r), 6);
    ck_assert_uint_eq(rd_le32(&r), 0);
    ck_assert_mem_eq(option_of(r, 2).at, "\0\0\0\0\5\0\0\0", 8);
    ck_assert_mem_eq(option_of(r, 3).at, "\6\0\0\0\0\0\0\0", 8);
    for (uint16_t code = 4; code <= 6; code++) {
        static const uint64_t wanted[] = {100, 7, 90};

        o = rd_over(option_of(r, code).at, 8);
        ck_assert_uint_eq(rd_le64(&o), wanted[code - 4]);
    }
}
END_TEST

START_TEST(whole_blocks_are_found_however_much_is_there)
{
    static const struct pcapng_interface i = {.name = "nic0", .snaplen = 96};
    const struct pcapng_packet p = {.len = 60, .captured = 60};
    uint8_t bytes[60] = {0};
    size_t ends[4], len;
    uint64_t packets;

    len = pcapng_head(file, &i);
    ends[0] = len;
    for (unsigned n = 1; n < 4; n++)
        ends[n] = len += pcapng_packet(file + len, &p, bytes);
    for (size_t cut = ends[0]; cut <= len; cut++) {
        unsigned n = cut == len ? 3 : cut >= ends[2] ? 2 : cut >= ends[1] ? 1 : 0;

        ck_assert_uint_eq(pcapng_whole(file, cut, &packets), ends[n]);
        ck_assert_uint_eq(packets, n);
    }
    ck_assert_uint_eq(pcapng_whole(file, 0, &packets), 0);
}
END_TEST

/* --- frames of parts --- */

static struct frame_parts parts;

static int take(uint32_t captured, uint32_t len, size_t bytes, bool *complete)
{
    static uint8_t data[2 * CAPTURE_FRAME_MAX];
    Bulkhead__FramePart part;

    bulkhead__frame_part__init(&part);
    part.time_ns = 5;
    part.captured = captured;
    part.len = len;
    part.data = (ProtobufCBinaryData){.data = data, .len = bytes};
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(parts.have + i);
    return frame_parts_take(&parts, &part, complete);
}

START_TEST(a_frame_is_put_together)
{
    bool complete = false;

    parts = (struct frame_parts){0};
    ck_assert_int_eq(take(300, 400, 100, &complete), 0);
    ck_assert(!complete);
    ck_assert_int_eq(take(300, 400, 199, &complete), 0);
    ck_assert(!complete);
    ck_assert_int_eq(take(300, 400, 1, &complete), 0);
    ck_assert(complete);
    for (size_t i = 0; i < 300; i++)
        ck_assert_uint_eq(parts.bytes[i], (uint8_t)i);
    ck_assert_int_eq(take(CAPTURE_FRAME_MAX, CAPTURE_FRAME_MAX, CAPTURE_FRAME_MAX, &complete), 0);
    ck_assert(complete);
}
END_TEST

START_TEST(parts_that_cannot_be_are_not_believed)
{
    bool complete;

    parts = (struct frame_parts){0};
    ck_assert_int_eq(take(CAPTURE_FRAME_MAX + 1, UINT32_MAX, 10, &complete), -EBADMSG);
    ck_assert_int_eq(take(UINT32_MAX, UINT32_MAX, 10, &complete), -EBADMSG);
    ck_assert_int_eq(take(100, 99, 10, &complete), -EBADMSG);
    ck_assert_int_eq(take(100, 100, 101, &complete), -EBADMSG);
    ck_assert_int_eq(take(100, 100, 0, &complete), -EBADMSG); /* for ever */
    ck_assert_int_eq(take(100, 100, 60, &complete), 0);
    ck_assert_int_eq(take(100, 100, 41, &complete), -EBADMSG);
    ck_assert_int_eq(take(50, 100, 10, &complete), -EBADMSG); /* another one */
    ck_assert_int_eq(take(40, 40, 40, &complete), -EBADMSG);
    ck_assert_int_eq(take(100, 100, 40, &complete), 0);
    ck_assert(complete);
}
END_TEST

/* --- filters --- */

START_TEST(a_filter_looks_at_frames)
{
    uint8_t arp[60] = {[12] = 0x08, [13] = 0x06};
    uint8_t ip[60] = {[12] = 0x08, [14] = 0x45, [23] = 1};
    char error[PACKET_FILTER_ERROR_BYTES] = "";
    struct packet_filter *f = NULL;

    if (packet_filter_new("icmp", &f, error) == -EOPNOTSUPP)
        return;
    ck_assert_ptr_nonnull(f);
    ck_assert(packet_filter_matches(f, ip, sizeof(ip), sizeof(ip)));
    ck_assert(!packet_filter_matches(f, arp, sizeof(arp), sizeof(arp)));
    ck_assert(!packet_filter_matches(f, ip, 13, sizeof(ip)));
    packet_filter_free(f);
    ck_assert_int_eq(packet_filter_new("greater 1000", &f, error), 0);
    ck_assert(packet_filter_matches(f, ip, sizeof(ip), 1514));
    ck_assert(!packet_filter_matches(f, ip, sizeof(ip), 60));
    packet_filter_free(f);
    ck_assert(packet_filter_matches(NULL, arp, sizeof(arp), sizeof(arp)));
}
END_TEST

START_TEST(what_is_no_filter_is_told)
{
    static char longest[PACKET_FILTER_TEXT_BYTES + 1];
    char error[PACKET_FILTER_ERROR_BYTES] = "";
    struct packet_filter *f = NULL;

    if (packet_filter_new("tcp or or", &f, error) == -EOPNOTSUPP)
        return;
    ck_assert_ptr_nonnull(strstr(error, "syntax error"));
    memset(longest, ' ', sizeof(longest) - 1);
    ck_assert_int_eq(packet_filter_new(longest, &f, error), -EINVAL);
    ck_assert_str_eq(error, "it is too long");
    ck_assert_ptr_null(f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pcapng");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, a_head_is_a_section_and_an_interface, 0, 2);
    tcase_add_test(tests, the_longest_filter_fits);
    tcase_add_loop_test(tests, a_packet_has_its_bytes_and_its_direction, 0, 7);
    tcase_add_test(tests, the_end_has_the_counts);
    tcase_add_test(tests, whole_blocks_are_found_however_much_is_there);
    tcase_add_test(tests, a_frame_is_put_together);
    tcase_add_test(tests, parts_that_cannot_be_are_not_believed);
    tcase_add_test(tests, a_filter_looks_at_frames);
    tcase_add_test(tests, what_is_no_filter_is_told);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
