#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/nets.h"
#include "cli/payload_nets.h"
#include "cli/say.h"

struct settled {
    struct net_list list;
    struct pool pool;
    struct nets_plan plan;
    char why[OPTION_WHY_BYTES];
    char error[NETS_ERROR_BYTES];
};

static int parse(struct settled *s, const char *text)
{
    s->why[0] = '\0';
    return net_option_parse(text, &s->list, &s->pool, s->why);
}

static int settle(struct settled *s, const char *vm_name)
{
    s->error[0] = '\0';
    return nets_check(vm_name, &s->list, &s->plan, s->error);
}

static void settled_done(struct settled *s)
{
    nets_done(&s->plan);
    pool_done(&s->pool);
}

START_TEST(what_is_not_said_has_a_default)
{
    struct settled s = {0};

    ck_assert_int_eq(parse(&s, "user"), 0);
    ck_assert_int_eq(parse(&s, "none"), 0);
    ck_assert_int_eq(settle(&s, "vm"), 0);
    ck_assert_uint_eq(s.plan.n, 2);
    ck_assert_uint_eq(s.plan.at[0].kind, NET_STREAM);
    ck_assert_uint_eq(s.plan.at[0].mtu, 1500);
    ck_assert_uint_eq(s.plan.at[0].channels, VMBUS_SUBCHANNELS);
    ck_assert_uint_eq(s.plan.at[0].n_forwards, 0);
    ck_assert_uint_eq(s.plan.at[1].kind, NET_DISCARD);
    ck_assert(nets_need_passt(&s.plan));
    settled_done(&s);
}
END_TEST

START_TEST(every_key)
{
    static const uint8_t mac[NET_MAC_BYTES] = {0x52, 0x54, 0x00, 0xab, 0xcd, 0xef};
    struct settled s = {0};

    ck_assert_int_eq(parse(&s, "tap=tap0,mac=52:54:00:aB:Cd:ef,mtu=9000,queues=2"), 0);
    ck_assert_int_eq(parse(&s, "mtu=68,peer=/run/a,,b"), 0);
    ck_assert_int_eq(settle(&s, "vm"), 0);
    ck_assert_uint_eq(s.plan.at[0].kind, NET_TAP);
    ck_assert_str_eq(s.plan.at[0].option->tap, "tap0");
    ck_assert_mem_eq(s.plan.at[0].mac, mac, sizeof(mac));
    ck_assert_uint_eq(s.plan.at[0].mtu, 9000);
    ck_assert_uint_eq(s.plan.at[0].channels, 2);
    ck_assert_uint_eq(s.plan.at[1].kind, NET_DATAGRAM);
    ck_assert_str_eq(s.plan.at[1].option->peer, "/run/a,b");
    ck_assert_uint_eq(s.plan.at[1].mtu, 68);
    ck_assert(!nets_need_passt(&s.plan));
    settled_done(&s);
}
END_TEST

static const struct {
    const char *text, *spec;
    bool udp;
} forwards[] = {
    {"tcp:8022:22",             "127.0.0.1/8022:22", false},
    {"udp:1:65535",             "127.0.0.1/1:65535", true },
    {"tcp:192.0.2.1:80:8080",   "192.0.2.1/80:8080", false},
    {"udp:0.0.0.0:53:53",       "0.0.0.0/53:53",     true },
    {"tcp:[::1]:80:80",         "::1/80:80",         false},
    {"tcp:[2001:db8::1]:80:81", "2001:db8::1/80:81", false},
};

START_TEST(a_link_that_operators_took_down_is_down_at_the_next_start)
{
    struct settled s = {0};
    Bulkhead__VmConfig config;

    bulkhead__vm_config__init(&config);
    ck_assert_int_eq(parse(&s, "none"), 0);
    ck_assert_int_eq(parse(&s, "none"), 0);
    ck_assert_int_eq(settle(&s, "vm"), 0);
    nets_set_links_down(&s.plan, 1u << 1 | 1u << 31);
    ck_assert_int_eq(payload_nets(&s.plan, &s.pool, &config), 0);
    ck_assert(!config.nets[0]->link_down);
    ck_assert(config.nets[1]->link_down);
    nets_set_links_down(&s.plan, 1u << 0);
    ck_assert_int_eq(payload_nets(&s.plan, &s.pool, &config), 0);
    ck_assert(config.nets[0]->link_down);
    ck_assert(!config.nets[1]->link_down);
    settled_done(&s);
}
END_TEST

START_TEST(forwards_are_passts)
{
    struct settled s = {0};
    char text[128];

    (void)snprintf(text, sizeof(text), "user,forward=tcp:1:2,forward=%s", forwards[_i].text);
    ck_assert_int_eq(parse(&s, text), 0);
    ck_assert_int_eq(settle(&s, "vm"), 0);
    ck_assert_uint_eq(s.plan.at[0].n_forwards, 2);
    ck_assert_str_eq(s.plan.at[0].forwards[1].spec, forwards[_i].spec);
    ck_assert_int_eq(s.plan.at[0].forwards[1].udp, forwards[_i].udp);
    settled_done(&s);
}
END_TEST

START_TEST(an_address_is_of_the_vm_and_the_place)
{
    uint8_t a[NET_MAC_BYTES], b[NET_MAC_BYTES];

    nets_default_mac("vm", 0, a);
    nets_default_mac("vm", 0, b);
    ck_assert_mem_eq(a, b, sizeof(a));
    ck_assert_uint_eq(a[0], 2);
    nets_default_mac("vm", 1, b);
    ck_assert_mem_ne(a, b, sizeof(a));
    nets_default_mac("vn", 0, b);
    ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

/* --- what is wrong --- */

static const struct {
    const char *text, *says;
} no_options[] = {
    {"usr",                                              "unknown key usr: user, tap, peer, none, mac" },
    {"",                                                 "there is nothing before or after a comma"    },
    {"user,",                                            "there is nothing before or after a comma"    },
    {"user=1",                                           "user takes no value"                         },
    {"user,loopback=no",                                 "loopback takes no value"                     },
    {"tap",                                              "tap needs a value: tap=NAME"                 },
    {"tap=",                                             "tap=: the value is empty"                    },
    {"user,mtu=67",                                      "mtu=67: a number from 68 to 9000 is wanted"  },
    {"user,mtu=9001",                                    "mtu=9001: a number from 68 to 9000 is wanted"},
    {"user,queues=0",                                    "queues=0: a number from 1 to 8 is wanted"    },
    {"user,queues=9",                                    "queues=9: a number from 1 to 8 is wanted"    },
    {"user,mac=02:00:00:00:00:01,mac=02:00:00:00:00:02", "mac is given twice"                          },
};

START_TEST(what_is_no_option_is_not_added)
{
    struct settled s = {0};

    ck_assert_int_eq(parse(&s, no_options[_i].text), -EINVAL);
    ck_assert_msg(strstr(s.why, no_options[_i].says) != NULL, "%s: %s", no_options[_i].text, s.why);
    ck_assert_uint_eq(s.list.n, 0);
    settled_done(&s);
}
END_TEST

static const struct {
    const char *text, *says;
} no_nets[] = {
    {"mtu=1500",                    "--net: one of user, tap=NAME, peer=PATH and none is"  },
    {"user,none",                   "--net user: only one of user, tap=NAME"               },
    {"tap=a,peer=b",                "only one of"                                          },
    {"none,forward=tcp:1:2",        "--net none: forward is for user: leave it out"        },
    {"tap=a,forward=tcp:1:2",       "--net tap=a: forward is for user"                     },
    {"none,loopback",               "--net none: loopback is for user: leave it out"       },
    {"tap=0123456789abcdef",        "a device's name has at most 15 characters"            },
    {"tap=a b",                     "a device's name has no spaces"                        },
    {"tap=tap%d",                   "none of / : %"                                        },
    {"tap=a/b",                     "none of / : %"                                        },
    {"tap=..",                      "no name of a device"                                  },
    {"none,mac=2:0:0:0:0:1",        "mac=2:0:0:0:0:1: six bytes like 02:12:34:56:78:9a"    },
    {"none,mac=02:00:00:00:00",     "six bytes like"                                       },
    {"none,mac=02:00:00:00:00:01:", "six bytes like"                                       },
    {"none,mac=02:00:00:00:00:0g",  "six bytes like"                                       },
    {"none,mac=02-00-00-00-00-01",  "six bytes like"                                       },
    {"none,mac=03:00:00:00:00:01",  "the first byte has to be even"                        },
    {"none,mac=ff:ff:ff:ff:ff:ff",  "the first byte has to be even"                        },
    {"none,mac=00:00:00:00:00:00",  "nobody's address"                                     },
    {"user,forward=tcp:22",         "forward=tcp:22: tcp:PORT:GUESTPORT, or udp, is wanted"},
    {"user,forward=sctp:1:2",       "forward=sctp:1:2: tcp:PORT"                           },
    {"user,forward=tcp",            "forward=tcp: tcp:PORT"                                },
    {"user,forward=tcp:0:22",       "tcp:PORT:GUESTPORT"                                   },
    {"user,forward=tcp:1:65536",    "tcp:PORT:GUESTPORT"                                   },
    {"user,forward=tcp:1:",         "tcp:PORT:GUESTPORT"                                   },
    {"user,forward=tcp::1:2",       "tcp:PORT:GUESTPORT"                                   },
    {"user,forward=tcp:host:1:2",   "tcp:PORT:GUESTPORT"                                   },
    {"user,forward=tcp:::1:1:2",    "tcp:PORT:GUESTPORT"                                   },
    {"user,forward=tcp:[::1:1:2",   "tcp:PORT:GUESTPORT"                                   },
    {"user,forward=tcp:[]:1:2",     "tcp:PORT:GUESTPORT"                                   },
};

START_TEST(what_cannot_be_is_said)
{
    struct settled s = {0};

    ck_assert_int_eq(parse(&s, no_nets[_i].text), 0);
    ck_assert_int_eq(settle(&s, "vm"), EXIT_USAGE);
    ck_assert_msg(strstr(s.error, no_nets[_i].says) != NULL, "%s: %s", no_nets[_i].text, s.error);
    ck_assert_ptr_null(strchr(s.error, '\n'));
    settled_done(&s);
}
END_TEST

START_TEST(a_path_has_a_longest)
{
    struct settled s = {0};
    char text[128] = "peer=";

    memset(text + 5, 'a', NET_PEER_PATH_MAX);
    ck_assert_int_eq(parse(&s, text), 0);
    ck_assert_int_eq(settle(&s, "vm"), 0);
    text[5 + NET_PEER_PATH_MAX] = 'a';
    ck_assert_int_eq(parse(&s, text), 0);
    nets_done(&s.plan);
    ck_assert_int_eq(settle(&s, "vm"), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(s.error, "the path has 106 characters, at most 105"));
    settled_done(&s);
}
END_TEST

START_TEST(each_has_an_address_of_its_own)
{
    struct settled s = {0};

    ck_assert_int_eq(parse(&s, "none,mac=02:00:00:00:00:01"), 0);
    ck_assert_int_eq(parse(&s, "user"), 0);
    ck_assert_int_eq(settle(&s, "vm"), 0);
    ck_assert_int_eq(parse(&s, "none,mac=02:00:00:00:00:01"), 0);
    ck_assert_int_eq(settle(&s, "vm"), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(s.error, "mac=02:00:00:00:00:01 is another NIC's"));
    settled_done(&s);
}
END_TEST

START_TEST(as_many_as_there_are_places)
{
    struct settled s = {0};

    for (unsigned i = 0; i < NETS_MAX; i++)
        ck_assert_int_eq(parse(&s, "none"), 0);
    ck_assert_int_eq(parse(&s, "none"), -EINVAL);
    ck_assert_str_eq(s.why, "that is too many NICs, at most 4 are possible");
    ck_assert_uint_eq(s.list.n, NETS_MAX);
    settled_done(&s);
}
END_TEST

START_TEST(a_message_has_the_files_place)
{
    struct settled s = {0};

    ck_assert_int_eq(parse(&s, "none,tap=x"), 0);
    s.list.at[0].from = "vm.json:3:5: net";
    ck_assert_int_eq(settle(&s, "vm"), EXIT_USAGE);
    ck_assert_str_eq(s.error,
                     "vm.json:3:5: net: only one of user, tap=NAME, peer=PATH and none is wanted");
    settled_done(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nets");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, what_is_not_said_has_a_default);
    tcase_add_test(tests, every_key);
    tcase_add_test(tests, a_link_that_operators_took_down_is_down_at_the_next_start);
    tcase_add_loop_test(tests, forwards_are_passts, 0, COUNT_OF(forwards));
    tcase_add_test(tests, an_address_is_of_the_vm_and_the_place);
    tcase_add_loop_test(tests, what_is_no_option_is_not_added, 0, COUNT_OF(no_options));
    tcase_add_loop_test(tests, what_cannot_be_is_said, 0, COUNT_OF(no_nets));
    tcase_add_test(tests, a_path_has_a_longest);
    tcase_add_test(tests, each_has_an_address_of_its_own);
    tcase_add_test(tests, as_many_as_there_are_places);
    tcase_add_test(tests, a_message_has_the_files_place);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
