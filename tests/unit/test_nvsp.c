#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workers/net/nvsp.h"

enum {
    MTU = 1500,
    SECTION = 1808, /* 1500 + 256 + 14 + 36, aligned up to 8 */
    OLD_BYTES = 28,
    STATE_MAX = 512,
    GPADL_RECEIVE = 7,
    GPADL_SEND = 8,
    GPADL_TINY = 9,
    GPADL_SHORT = 10, /* one section too few for a receive buffer */
    GPADL_HUGE = 11,
};

static const struct nic_config config = {
    .mac = {0x02, 1, 2, 3, 4, 5},
      .mtu = MTU, .channels = 4, .link_up = true
};
static struct nvsp nic, before;
static uint8_t answer[NVSP_MESSAGE_MAX];
static uint32_t answer_len;

static uint64_t bytes_of(void *self, uint32_t gpadl)
{
    ck_assert_ptr_eq(self, &nic);
    switch (gpadl) {
    case GPADL_RECEIVE:
        return 40 * SECTION + 7;
    case GPADL_SEND:
        return 3 * NVSP_SEND_SECTION_BYTES + 100;
    case GPADL_TINY:
        return 100;
    case GPADL_SHORT:
        return 32 * SECTION - 1;
    case GPADL_HUGE:
        return UINT64_C(1) << 60;
    default:
        return 0;
    }
}

static void set_up(void)
{
    memset(&nic, 0xee, sizeof(nic));
    nvsp_reset(&nic, &config);
}

static uint32_t answer_at(uint32_t at)
{
    uint32_t v;

    ck_assert_uint_le(at + 4, answer_len);
    memcpy(&v, answer + at, sizeof(v));
    return v;
}

static void send(const void *message, uint32_t len)
{
    before = nic;
    memset(answer, 0xee, sizeof(answer));
    answer_len = nvsp_message(&nic, &config, message, len, bytes_of, &nic, answer);
    ck_assert_uint_le(answer_len, sizeof(answer));
}

/* A message of a type and three words; what follows is zeros, as Linux sends it. */
static void say(uint32_t type, uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t message[10] = {type, a, b, c};

    send(message, sizeof(message));
}

static void must_be_unchanged(void)
{
    ck_assert_mem_eq(&nic, &before, sizeof(nic));
}

static void agree_on(uint32_t version)
{
    say(NVSP_INIT, version, version, 0);
    ck_assert_uint_eq(answer_at(12), NVSP_SUCCESS);
    ck_assert_uint_eq(nic.version, version);
}

static void lend_both(void)
{
    say(NVSP_SEND_RECEIVE_BUFFER, GPADL_RECEIVE, NVSP_RECEIVE_BUFFER, 0);
    ck_assert_uint_eq(answer_at(4), NVSP_SUCCESS);
    say(NVSP_SEND_SEND_BUFFER, GPADL_SEND, 0, 0);
    ck_assert_uint_eq(answer_at(4), NVSP_SUCCESS);
}

/* Type of the answer, and where its status is. */
START_TEST(what_is_not_executed_is_refused_in_its_own_form)
{
    static const uint32_t forms[][3] = {
        {NVSP_INIT,                NVSP_INIT_COMPLETE,                12},
        {NVSP_SEND_RECEIVE_BUFFER, NVSP_SEND_RECEIVE_BUFFER_COMPLETE, 4 },
        {NVSP_SEND_SEND_BUFFER,    NVSP_SEND_SEND_BUFFER_COMPLETE,    4 },
        {NVSP_SUBCHANNEL,          NVSP_SUBCHANNEL,                   4 },
        {NVSP_SWITCH_DATA_PATH,    NVSP_SWITCH_DATA_PATH,             4 },
        {77,                       0,                                 4 },
    };

    before = nic;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        const uint32_t message[10] = {forms[i][0], NVSP_VERSION_1, NVSP_VERSION_1};

        answer_len = nvsp_refuse(&nic, (const uint8_t *)message, sizeof(message), answer);
        ck_assert_uint_ge(answer_len, 28);
        ck_assert_uint_eq(answer_at(0), forms[i][1]);
        ck_assert_uint_eq(answer_at(forms[i][2]), NVSP_FAILURE);
    }
    must_be_unchanged();
}
END_TEST

START_TEST(a_nic_begins_as_its_configuration_says)
{
    ck_assert_uint_eq(nic.version, 0);
    ck_assert_uint_eq(nic.mtu, MTU);
    ck_assert_uint_eq(nic.channels, 1);
    ck_assert_uint_eq(nic.told_link_up, 1);
    ck_assert_uint_eq(nic.filter, 0);
    ck_assert_mem_eq(nic.mac, config.mac, sizeof(nic.mac));
}
END_TEST

START_TEST(every_known_version_is_agreed_on)
{
    static const struct {
        uint32_t version, answer_len, said;
    } all[] = {
        {NVSP_VERSION_1,   28, 2         },
        {NVSP_VERSION_2,   28, UINT32_MAX},
        {NVSP_VERSION_4,   28, UINT32_MAX},
        {NVSP_VERSION_5,   28, UINT32_MAX},
        {NVSP_VERSION_6,   28, UINT32_MAX},
        {NVSP_VERSION_6_1, 40, UINT32_MAX},
    };

    for (unsigned i = 0; i < COUNT_OF(all); i++) {
        set_up();
        agree_on(all[i].version);
        ck_assert_uint_eq(answer_len, all[i].answer_len);
        ck_assert_uint_eq(answer_at(0), NVSP_INIT_COMPLETE);
        ck_assert_uint_eq(answer_at(4), all[i].said);
        ck_assert_uint_eq(answer_at(8), 34);
        ck_assert_uint_eq(answer_at(answer_len - 4), 0);
    }
}
END_TEST

START_TEST(an_unknown_version_is_refused_and_a_known_one_may_follow)
{
    static const uint32_t all[] = {0, 1, 3, 0x30001, 0x60002, 0x70000, UINT32_MAX};

    for (unsigned i = 0; i < COUNT_OF(all); i++) {
        say(NVSP_INIT, all[i], all[i], 0);
        ck_assert_uint_eq(answer_len, OLD_BYTES);
        ck_assert_uint_ne(answer_at(12), NVSP_SUCCESS);
        must_be_unchanged();
    }
    say(NVSP_INIT, NVSP_VERSION_6, NVSP_VERSION_5, 0);
    ck_assert_uint_ne(answer_at(12), NVSP_SUCCESS);
    must_be_unchanged();
    agree_on(NVSP_VERSION_5);
}
END_TEST

START_TEST(no_version_changes_while_a_buffer_is_lent)
{
    agree_on(NVSP_VERSION_6_1);
    lend_both();
    say(NVSP_INIT, NVSP_VERSION_5, NVSP_VERSION_5, 0);
    ck_assert_uint_ne(answer_at(12), NVSP_SUCCESS);
    must_be_unchanged();
}
END_TEST

START_TEST(the_mtu_is_set_within_its_limits_and_before_the_buffer)
{
    agree_on(NVSP_VERSION_6);
    say(NVSP_SEND_NDIS_CONFIG, 9014, 0, 0);
    ck_assert_uint_eq(nic.mtu, 9000);
    say(NVSP_SEND_NDIS_CONFIG, 68 + 14, 0, 0);
    ck_assert_uint_eq(nic.mtu, 68);
    say(NVSP_SEND_NDIS_CONFIG, 9015, 0, 0);
    must_be_unchanged();
    say(NVSP_SEND_NDIS_CONFIG, 68 + 13, 0, 0);
    must_be_unchanged();
    say(NVSP_SEND_NDIS_CONFIG, 0, 0, 0);
    must_be_unchanged();
    say(NVSP_SEND_NDIS_CONFIG, UINT32_MAX, 0, 0);
    must_be_unchanged();
    say(NVSP_SEND_NDIS_CONFIG, MTU + 14, 0, 0);
    ck_assert_uint_eq(nic.mtu, MTU);
    lend_both();
    say(NVSP_SEND_NDIS_CONFIG, 1014, 0, 0);
    must_be_unchanged();
}
END_TEST

START_TEST(nothing_is_set_before_a_version)
{
    say(NVSP_SEND_NDIS_CONFIG, 1014, 0, 0);
    must_be_unchanged();
    say(NVSP_SEND_NDIS_VERSION, 6, 30, 0);
    must_be_unchanged();
    say(NVSP_SEND_RECEIVE_BUFFER, GPADL_RECEIVE, 1, 0);
    ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
    must_be_unchanged();
    say(NVSP_SEND_SEND_BUFFER, GPADL_SEND, 1, 0);
    ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
    must_be_unchanged();
    agree_on(NVSP_VERSION_1);
    say(NVSP_SEND_NDIS_CONFIG, 1014, 0, 0); /* there is none in this version */
    must_be_unchanged();
    say(NVSP_SEND_NDIS_VERSION, 6, 30, 0);
    ck_assert_uint_eq(nic.ndis_major, 6);
    ck_assert_uint_eq(nic.ndis_minor, 30);
}
END_TEST

START_TEST(a_receive_buffer_is_cut_into_sections)
{
    agree_on(NVSP_VERSION_6);
    say(NVSP_SEND_RECEIVE_BUFFER, GPADL_RECEIVE, NVSP_RECEIVE_BUFFER, 0);
    ck_assert_uint_eq(answer_len, OLD_BYTES);
    ck_assert_uint_eq(answer_at(0), NVSP_SEND_RECEIVE_BUFFER_COMPLETE);
    ck_assert_uint_eq(answer_at(4), NVSP_SUCCESS);
    ck_assert_uint_eq(answer_at(8), 1);
    ck_assert_uint_eq(answer_at(12), 0);
    ck_assert_uint_eq(answer_at(16), SECTION);
    ck_assert_uint_eq(answer_at(20), 40);
    ck_assert_uint_eq(answer_at(24), 40 * SECTION);
    ck_assert_uint_eq(nic.receive.gpadl, GPADL_RECEIVE);
    ck_assert_uint_eq(nic.receive.id, NVSP_RECEIVE_BUFFER);
    ck_assert_uint_eq(nic.receive.section_bytes, SECTION);
    ck_assert_uint_eq(nic.receive.sections, 40);
    say(NVSP_SEND_RECEIVE_BUFFER, GPADL_HUGE, NVSP_RECEIVE_BUFFER, 0); /* there is one */
    ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
    must_be_unchanged();
}
END_TEST

START_TEST(a_receive_buffer_that_cannot_do_is_refused)
{
    static const uint32_t bad[] = {0, 1, GPADL_TINY, GPADL_SHORT};

    agree_on(NVSP_VERSION_6_1);
    for (unsigned i = 0; i < COUNT_OF(bad); i++) {
        say(NVSP_SEND_RECEIVE_BUFFER, bad[i], NVSP_RECEIVE_BUFFER, 0);
        ck_assert_uint_eq(answer_len, NVSP_HEAD_BYTES);
        ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
        ck_assert_uint_eq(answer_at(8), 0);
        ck_assert_uint_eq(answer_at(16), 0);
        must_be_unchanged();
    }
}
END_TEST

START_TEST(there_are_never_more_sections_than_can_be_counted)
{
    agree_on(NVSP_VERSION_6);
    say(NVSP_SEND_NDIS_CONFIG, NIC_MTU_MAX + NIC_HEAD_BYTES, 0, 0);
    say(NVSP_SEND_RECEIVE_BUFFER, GPADL_HUGE, 1, 0);
    ck_assert_uint_eq(nic.receive.section_bytes, 9312);
    ck_assert_uint_eq(nic.receive.sections, NVSP_RECEIVE_SECTIONS_MAX);
    ck_assert_uint_eq(answer_at(24), 9312u * NVSP_RECEIVE_SECTIONS_MAX);
    say(NVSP_SEND_SEND_BUFFER, GPADL_HUGE, 1, 0);
    ck_assert_uint_eq(nic.send.sections, NVSP_SEND_SECTIONS_MAX);
}
END_TEST

START_TEST(a_send_buffer_has_sections_of_one_size)
{
    agree_on(NVSP_VERSION_6);
    say(NVSP_SEND_SEND_BUFFER, GPADL_TINY, 0, 0);
    ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
    ck_assert_uint_eq(answer_at(8), 0);
    must_be_unchanged();
    say(NVSP_SEND_SEND_BUFFER, GPADL_SEND, 0, 0);
    ck_assert_uint_eq(answer_len, OLD_BYTES);
    ck_assert_uint_eq(answer_at(0), NVSP_SEND_SEND_BUFFER_COMPLETE);
    ck_assert_uint_eq(answer_at(4), NVSP_SUCCESS);
    ck_assert_uint_eq(answer_at(8), NVSP_SEND_SECTION_BYTES);
    ck_assert_uint_eq(nic.send.sections, 3);
    say(NVSP_SEND_SEND_BUFFER, GPADL_SEND, 0, 0);
    ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
    must_be_unchanged();
}
END_TEST

START_TEST(a_buffer_is_taken_back_by_its_number_alone)
{
    agree_on(NVSP_VERSION_6);
    lend_both();
    say(NVSP_REVOKE_RECEIVE_BUFFER, 1, 0, 0);
    must_be_unchanged();
    say(NVSP_REVOKE_SEND_BUFFER, 1, 0, 0);
    must_be_unchanged();
    say(NVSP_REVOKE_RECEIVE_BUFFER, NVSP_RECEIVE_BUFFER, 0, 0);
    ck_assert_uint_eq(nic.receive.gpadl, 0);
    ck_assert_uint_eq(nic.receive.sections, 0);
    ck_assert_uint_eq(nic.send.gpadl, GPADL_SEND);
    say(NVSP_REVOKE_SEND_BUFFER, 0, 0, 0);
    ck_assert_uint_eq(nic.send.gpadl, 0);
    lend_both();
}
END_TEST

START_TEST(channels_are_granted_once_and_no_more_than_there_are)
{
    agree_on(NVSP_VERSION_5);
    lend_both();
    say(NVSP_SUBCHANNEL, 1, 63, 0);
    ck_assert_uint_eq(answer_at(0), NVSP_SUBCHANNEL);
    ck_assert_uint_eq(answer_at(4), NVSP_SUCCESS);
    ck_assert_uint_eq(answer_at(8), 3);
    ck_assert_uint_eq(nic.channels, 4);
    ck_assert_uint_eq(nic.table_is_due, 1);
    say(NVSP_SUBCHANNEL, 1, 1, 0);
    ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
    ck_assert_uint_eq(answer_at(8), 0);
    must_be_unchanged();
}
END_TEST

START_TEST(as_many_channels_as_are_asked_for)
{
    agree_on(NVSP_VERSION_6_1);
    lend_both();
    say(NVSP_SUBCHANNEL, 1, 2, 0);
    ck_assert_uint_eq(answer_at(8), 2);
    ck_assert_uint_eq(nic.channels, 3);
}
END_TEST

START_TEST(channels_are_refused_to_whoever_is_not_ready)
{
    say(NVSP_SUBCHANNEL, 1, 2, 0);
    ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
    must_be_unchanged();
    agree_on(NVSP_VERSION_4);
    lend_both();
    say(NVSP_SUBCHANNEL, 1, 2, 0); /* not in this version */
    ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
    must_be_unchanged();
    set_up();
    agree_on(NVSP_VERSION_6);
    say(NVSP_SEND_RECEIVE_BUFFER, GPADL_RECEIVE, 1, 0);
    say(NVSP_SUBCHANNEL, 1, 2, 0); /* without a send buffer */
    ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
    must_be_unchanged();
    set_up();
    agree_on(NVSP_VERSION_6);
    say(NVSP_SEND_SEND_BUFFER, GPADL_SEND, 1, 0);
    say(NVSP_SUBCHANNEL, 1, 2, 0); /* without one for receiving */
    ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
    must_be_unchanged();
    say(NVSP_SEND_RECEIVE_BUFFER, GPADL_RECEIVE, 1, 0);
    say(NVSP_SUBCHANNEL, 2, 2, 0); /* another operation than allocating */
    ck_assert_uint_eq(answer_at(4), NVSP_FAILURE);
    must_be_unchanged();
}
END_TEST

START_TEST(there_is_no_other_data_path)
{
    agree_on(NVSP_VERSION_6);
    say(NVSP_SWITCH_DATA_PATH, 1, 0, 0);
    ck_assert_uint_ne(answer_at(4), NVSP_SUCCESS);
    must_be_unchanged();
}
END_TEST

START_TEST(an_unknown_message_changes_nothing)
{
    static const uint32_t all[] = {0,   2,   3,   99,  102,  105,       109,
                                   120, 128, 131, 135, 1000, UINT32_MAX};

    agree_on(NVSP_VERSION_6);
    for (unsigned i = 0; i < COUNT_OF(all); i++) {
        say(all[i], 1, 1, 1);
        must_be_unchanged();
        ck_assert_uint_ge(answer_len, OLD_BYTES);
        ck_assert_uint_eq(answer_at(0), 0);
    }
}
END_TEST

START_TEST(a_message_that_is_cut_off_changes_nothing)
{
    static const struct {
        uint32_t type, a, b, needs;
    } all[] = {
        {NVSP_INIT,                  NVSP_VERSION_6, NVSP_VERSION_6,      12},
        {NVSP_SEND_NDIS_VERSION,     6,              30,                  12},
        {NVSP_SEND_NDIS_CONFIG,      1014,           0,                   8 },
        {NVSP_SEND_RECEIVE_BUFFER,   GPADL_RECEIVE,  NVSP_RECEIVE_BUFFER, 10},
        {NVSP_SEND_SEND_BUFFER,      GPADL_SEND,     0,                   10},
        {NVSP_SUBCHANNEL,            1,              2,                   12},
        {NVSP_REVOKE_RECEIVE_BUFFER, 0xcafe,         0,                   6 },
    };

    for (unsigned i = 0; i < COUNT_OF(all); i++) {
        const uint32_t message[] = {all[i].type, all[i].a, all[i].b};

        for (uint32_t len = 0; len <= all[i].needs; len++) {
            uint8_t *exact = malloc(len + 1);

            set_up();
            if (all[i].type != NVSP_INIT)
                agree_on(NVSP_VERSION_5);
            if (all[i].type == NVSP_SUBCHANNEL || all[i].type == NVSP_REVOKE_RECEIVE_BUFFER)
                lend_both();
            ck_assert_ptr_nonnull(exact);
            memcpy(exact, message, len);
            send(exact, len);
            free(exact);
            ck_assert_int_eq(memcmp(&nic, &before, sizeof(nic)) == 0, len < all[i].needs);
        }
    }
}
END_TEST

START_TEST(the_indirection_table_spreads_over_all_channels)
{
    nic.channels = 3;
    nic.version = NVSP_VERSION_6_1;
    answer_len = nvsp_indirection_table(&nic, answer);
    ck_assert_uint_eq(answer_len, 76); /* a longer one Linux takes for another layout */
    ck_assert_uint_eq(answer_at(0), NVSP_SEND_INDIRECTION_TABLE);
    ck_assert_uint_eq(answer_at(4), 16);
    ck_assert_uint_eq(answer_at(8), 12);
    for (uint32_t i = 0; i < 16; i++)
        ck_assert_uint_eq(answer_at(12 + 4 * i), i % 3);
}
END_TEST

/* --- frames --- */

START_TEST(a_packet_of_rndis_is_read)
{
    uint32_t message[4] = {NVSP_SEND_RNDIS_PACKET, NVSP_CHANNEL_CONTROL, 5, 77};
    struct nvsp_rndis_packet p;

    ck_assert(nvsp_parse_rndis_packet((uint8_t *)message, sizeof(message), &p));
    ck_assert_uint_eq(p.channel_type, NVSP_CHANNEL_CONTROL);
    ck_assert_uint_eq(p.section, 5);
    ck_assert_uint_eq(p.section_bytes, 77);
}
END_TEST

START_TEST(what_is_no_packet_of_rndis_leaves_the_result_alone)
{
    uint32_t message[4] = {NVSP_SEND_RNDIS_PACKET, NVSP_CHANNEL_DATA, 5, 77};
    struct nvsp_rndis_packet p = {.section = 99};

    for (uint32_t len = 0; len < sizeof(message); len++)
        ck_assert(!nvsp_parse_rndis_packet((uint8_t *)message, len, &p));
    message[1] = 2;
    ck_assert(!nvsp_parse_rndis_packet((uint8_t *)message, sizeof(message), &p));
    message[1] = NVSP_CHANNEL_DATA;
    message[0] = NVSP_SEND_RNDIS_PACKET_COMPLETE;
    ck_assert(!nvsp_parse_rndis_packet((uint8_t *)message, sizeof(message), &p));
    ck_assert_uint_eq(p.section, 99);
}
END_TEST

START_TEST(our_packets_are_as_long_as_the_version_wants)
{
    nic.version = NVSP_VERSION_6;
    answer_len = nvsp_rndis_packet(&nic, NVSP_CHANNEL_CONTROL, answer);
    ck_assert_uint_eq(answer_len, OLD_BYTES);
    ck_assert_uint_eq(answer_at(0), NVSP_SEND_RNDIS_PACKET);
    ck_assert_uint_eq(answer_at(4), NVSP_CHANNEL_CONTROL);
    ck_assert_uint_eq(answer_at(8), NVSP_NO_SECTION);
    ck_assert_uint_eq(answer_at(12), 0);
    nic.version = NVSP_VERSION_6_1;
    answer_len = nvsp_rndis_complete(&nic, NVSP_INVALID_RNDIS, answer);
    ck_assert_uint_eq(answer_len, NVSP_HEAD_BYTES);
    ck_assert_uint_eq(answer_at(4), NVSP_INVALID_RNDIS);
}
END_TEST

/* --- saved --- */

static size_t save(uint8_t bytes[STATE_MAX])
{
    struct wr w = wr_over(bytes, STATE_MAX);
    size_t len = 0;

    nvsp_save(&nic, &w);
    ck_assert_int_eq(wr_finish(&w, &len), 0);
    return len;
}

static int load(const uint8_t *bytes, size_t len, struct nvsp *ret)
{
    struct rd r = rd_over(bytes, len);
    int e = nvsp_load(ret, &config, &r);

    return e < 0 ? e : rd_finish(&r);
}

static void make_busy(void)
{
    agree_on(NVSP_VERSION_6_1);
    lend_both();
    say(NVSP_SUBCHANNEL, 1, 3, 0);
    nic.rndis_initialized = 1;
    nic.filter = NIC_FILTER_DIRECTED | NIC_FILTER_BROADCAST;
    nic.rss.enabled = 1;
    nic.rss.table_entries = 4;
    for (uint8_t i = 0; i < 4; i++)
        nic.rss.table[i] = i;
    nic.rss.key[39] = 9;
}

START_TEST(what_is_saved_is_loaded)
{
    uint8_t bytes[STATE_MAX];
    struct nvsp loaded;
    size_t len;

    make_busy();
    len = save(bytes);
    memset(&loaded, 0xee, sizeof(loaded));
    for (size_t cut = 0; cut < len; cut++)
        ck_assert_int_eq(load(bytes, cut, &loaded), -EBADMSG);
    ck_assert_uint_eq(loaded.mtu, 0xeeeeeeee);
    ck_assert_int_eq(load(bytes, len, &loaded), 0);
    ck_assert_mem_eq(&loaded, &nic, sizeof(nic));
    set_up();
    len = save(bytes);
    ck_assert_int_eq(load(bytes, len, &loaded), 0);
    ck_assert_mem_eq(&loaded, &nic, sizeof(nic));
}
END_TEST

static void must_not_load(void)
{
    uint8_t bytes[STATE_MAX];
    size_t len = save(bytes);
    struct nvsp loaded;

    memset(&loaded, 0xee, sizeof(loaded));
    ck_assert_int_eq(load(bytes, len, &loaded), -EBADMSG);
    ck_assert_uint_eq(loaded.version, 0xeeeeeeee);
    set_up();
    make_busy();
}

START_TEST(what_we_cannot_have_saved_is_refused)
{
    make_busy();
    nic.version = 3;
    must_not_load();
    nic.version = 0; /* with buffers */
    must_not_load();
    nic.mtu = NIC_MTU_MIN - 1;
    must_not_load();
    nic.mtu = UINT32_MAX;
    must_not_load();
    nic.mtu = 1400; /* for which sections are smaller */
    must_not_load();
    nic.receive.sections = 31;
    must_not_load();
    nic.receive.sections = NVSP_RECEIVE_SECTIONS_MAX + 1;
    must_not_load();
    nic.receive.section_bytes++;
    must_not_load();
    nic.receive.id = 0x10000;
    must_not_load();
    nic.receive.gpadl = 0; /* and sections nevertheless */
    must_not_load();
    nic.send.sections = 0;
    must_not_load();
    nic.send.sections = NVSP_SEND_SECTIONS_MAX + 1;
    must_not_load();
    nic.send.section_bytes = 1;
    must_not_load();
    nic.channels = 0;
    must_not_load();
    nic.channels = config.channels + 1;
    must_not_load();
    nic.table_is_due = 2;
    must_not_load();
    nic.rndis_initialized = 2;
    must_not_load();
    nic.filter = NIC_FILTERS + 1;
    must_not_load();
    nic.offloads = NIC_LSO_V4; /* that this NIC does not have */
    must_not_load();
    nic.told_link_up = 2;
    must_not_load();
    nic.offloads_are_due = 2;
    must_not_load();
    nic.rss.enabled = 2;
    must_not_load();
    nic.rss.table_entries = 3;
    must_not_load();
    nic.rss.table_entries = 2 * NIC_RSS_TABLE;
    must_not_load();
    nic.rss.table_entries = 0; /* but enabled */
    must_not_load();
    nic.rss.table[3] = 4;
    must_not_load();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nvsp");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, a_nic_begins_as_its_configuration_says);
    tcase_add_test(c, what_is_not_executed_is_refused_in_its_own_form);
    tcase_add_test(c, every_known_version_is_agreed_on);
    tcase_add_test(c, an_unknown_version_is_refused_and_a_known_one_may_follow);
    tcase_add_test(c, no_version_changes_while_a_buffer_is_lent);
    tcase_add_test(c, the_mtu_is_set_within_its_limits_and_before_the_buffer);
    tcase_add_test(c, nothing_is_set_before_a_version);
    tcase_add_test(c, a_receive_buffer_is_cut_into_sections);
    tcase_add_test(c, a_receive_buffer_that_cannot_do_is_refused);
    tcase_add_test(c, there_are_never_more_sections_than_can_be_counted);
    tcase_add_test(c, a_send_buffer_has_sections_of_one_size);
    tcase_add_test(c, a_buffer_is_taken_back_by_its_number_alone);
    tcase_add_test(c, channels_are_granted_once_and_no_more_than_there_are);
    tcase_add_test(c, as_many_channels_as_are_asked_for);
    tcase_add_test(c, channels_are_refused_to_whoever_is_not_ready);
    tcase_add_test(c, there_is_no_other_data_path);
    tcase_add_test(c, an_unknown_message_changes_nothing);
    tcase_add_test(c, a_message_that_is_cut_off_changes_nothing);
    tcase_add_test(c, the_indirection_table_spreads_over_all_channels);
    tcase_add_test(c, a_packet_of_rndis_is_read);
    tcase_add_test(c, what_is_no_packet_of_rndis_leaves_the_result_alone);
    tcase_add_test(c, our_packets_are_as_long_as_the_version_wants);
    tcase_add_test(c, what_is_saved_is_loaded);
    tcase_add_test(c, what_we_cannot_have_saved_is_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
