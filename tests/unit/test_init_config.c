#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "init/config.h"
#include "ipc/nets.h"
#include "ipc/ram.h"
#include "ipc/remote.h"

static Bulkhead__VmConfig c;
static char name[CONFIG_MAX_NAME + 2], kernel[CONFIG_MAX_PATH + 2], initrd[CONFIG_MAX_PATH + 2],
    append[CONFIG_MAX_APPEND + 2], programs[CONFIG_MAX_PATH + 2], operators[CONFIG_MAX_SOCKET + 2],
    script[CONFIG_MAX_PATH + 2];
static struct why why;

static void good(void)
{
    bulkhead__vm_config__init(&c);
    memset(name, 0, sizeof(name));
    memcpy(name, "one", 3);
    c.name = name;
    c.vcpus = 2;
    c.memory_bytes = UINT64_C(256) << 20;
    memset(kernel, 0, sizeof(kernel));
    memset(initrd, 0, sizeof(initrd));
    memset(append, 0, sizeof(append));
    memset(programs, 0, sizeof(programs));
    memset(operators, 0, sizeof(operators));
    memset(script, 0, sizeof(script));
    memcpy(kernel, "/boot/vmlinuz", 13);
    memcpy(programs, "/usr/lib/bulkhead", 17);
    memcpy(operators, "/run/one.sock", 13);
    c.kernel_path = kernel;
    c.initrd_path = initrd;
    c.append = append;
    c.programs_dir = programs;
    c.operator_socket = operators;
    c.vtl2_script = script;
    why.text[0] = '\0';
}

static int parse(Bulkhead__VmConfig **ret)
{
    static uint8_t packed[TLS_PART_BYTES + 8 * CONFIG_MAX_PATH];
    size_t len = bulkhead__vm_config__get_packed_size(&c);

    ck_assert_uint_le(len, sizeof(packed));
    (void)bulkhead__vm_config__pack(&c, packed);
    return config_parse(packed, len, ret, &why);
}

static void expect_refused(const char *text)
{
    Bulkhead__VmConfig untouched, *ret = &untouched;

    ck_assert_int_eq(parse(&ret), -EINVAL);
    ck_assert_ptr_eq(ret, &untouched);
    ck_assert_msg(strstr(why.text, text) != NULL, "'%s' does not name '%s'", why.text, text);
}

static void expect_taken(void)
{
    CLEANUP(config_freep) Bulkhead__VmConfig *ret = NULL;
    int r = parse(&ret);

    ck_assert_msg(r == 0, "%s", why.text);
    ck_assert_ptr_nonnull(ret);
}

START_TEST(a_good_one_comes_out_as_it_went_in)
{
    CLEANUP(config_freep) Bulkhead__VmConfig *ret = NULL;

    ck_assert_int_eq(parse(&ret), 0);
    ck_assert_str_eq(ret->name, "one");
    ck_assert_uint_eq(ret->vcpus, 2);
    ck_assert_uint_eq(ret->memory_bytes, UINT64_C(256) << 20);
    ck_assert_str_eq(ret->kernel_path, "/boot/vmlinuz");
    ck_assert_str_eq(ret->operator_socket, "/run/one.sock");
    ck_assert_str_eq(ret->vtl2_script, "");
}
END_TEST

START_TEST(vcpus_are_1_to_64)
{
    c.vcpus = 0;
    expect_refused("vcpus");
    c.vcpus = 65;
    expect_refused("vcpus");
    c.vcpus = 1;
    expect_taken();
    c.vcpus = 64;
    expect_taken();
}
END_TEST

START_TEST(memory_has_a_least_and_a_most)
{
    c.memory_bytes = RAM_MIN_BYTES - RAM_UNIT_BYTES;
    expect_refused("memory");
    c.memory_bytes = RAM_MIN_BYTES;
    expect_taken();
    c.memory_bytes = RAM_MAX_BYTES;
    expect_taken();
    c.memory_bytes = RAM_MAX_BYTES + RAM_UNIT_BYTES;
    expect_refused("memory");
    c.memory_bytes = UINT64_MAX;
    expect_refused("memory");
    c.memory_bytes = RAM_MIN_BYTES + RAM_UNIT_BYTES / 2;
    expect_refused("memory: 68157440 bytes are not a multiple of 2 MiB");
    c.memory_bytes = RAM_MIN_BYTES + 4096;
    expect_refused("multiple");
}
END_TEST

static const struct {
    char *text;
    size_t max;
    bool needed;
    const char *what;
} texts[] = {
    {name,      CONFIG_MAX_NAME,   false, "name"           },
    {kernel,    CONFIG_MAX_PATH,   true,  "kernel path"    },
    {initrd,    CONFIG_MAX_PATH,   false, "initrd path"    },
    {append,    CONFIG_MAX_APPEND, false, "command line"   },
    {programs,  CONFIG_MAX_PATH,   true,  "programs folder"},
    {operators, CONFIG_MAX_SOCKET, true,  "operator socket"},
    {script,    CONFIG_MAX_PATH,   false, "vtl2 script"    },
};

START_TEST(a_text_has_a_longest)
{
    memset(texts[_i].text, 'a', texts[_i].max);
    texts[_i].text[texts[_i].max] = '\0';
    expect_taken();
    texts[_i].text[texts[_i].max] = 'a';
    texts[_i].text[texts[_i].max + 1] = '\0';
    expect_refused(texts[_i].what);
}
END_TEST

START_TEST(a_text_may_be_missing_or_not)
{
    texts[_i].text[0] = '\0';
    if (texts[_i].needed)
        expect_refused(texts[_i].what);
    else
        expect_taken();
}
END_TEST

START_TEST(a_text_has_no_control_characters)
{
    memcpy(texts[_i].text, "a\nb", 4);
    expect_refused(texts[_i].what);
    memcpy(texts[_i].text, "a\177b", 4);
    expect_refused(texts[_i].what);
    memcpy(texts[_i].text, "a\303\244", 4); /* UTF-8 is none */
    expect_taken();
}
END_TEST

/* --- NICs --- */

static uint8_t mac[6];
static Bulkhead__Net nets[NETS_MAX + 1];
static Bulkhead__Net *net_list[NETS_MAX + 1];

static void with_nets(size_t n)
{
    memcpy(mac, "\2\0\0\0\0\1", sizeof(mac));
    for (size_t i = 0; i < n; i++) {
        bulkhead__net__init(&nets[i]);
        nets[i].kind = NET_TAP;
        nets[i].mac = (ProtobufCBinaryData){sizeof(mac), mac};
        nets[i].mtu = 1500;
        nets[i].channels = VMBUS_SUBCHANNELS;
        net_list[i] = &nets[i];
    }
    c.nets = net_list;
    c.n_nets = n;
}

START_TEST(as_many_nets_as_there_are_places)
{
    with_nets(NETS_MAX);
    expect_taken();
    with_nets(NETS_MAX + 1);
    expect_refused("nets: 5, at most 4 are possible");
}
END_TEST

static const struct {
    size_t offset;
    uint32_t least, most;
    const char *what;
} net_numbers[] = {
    {offsetof(Bulkhead__Net, kind),     NET_DISCARD, NET_DATAGRAM,      "net 1: kind"},
    {offsetof(Bulkhead__Net, mtu),      NET_MTU_MIN, NET_MTU_MAX,       "net 1: mtu" },
    {offsetof(Bulkhead__Net, channels), 1,           VMBUS_SUBCHANNELS, "channels"   },
};

START_TEST(a_nets_numbers_have_a_least_and_a_most)
{
    uint32_t *number = (uint32_t *)(void *)((char *)&nets[1] + net_numbers[_i].offset);

    with_nets(2);
    *number = net_numbers[_i].least;
    expect_taken();
    *number = net_numbers[_i].most;
    expect_taken();
    *number = net_numbers[_i].least - 1;
    expect_refused(net_numbers[_i].what);
    *number = net_numbers[_i].most + 1;
    expect_refused(net_numbers[_i].what);
}
END_TEST

START_TEST(a_nets_address_is_its_own)
{
    with_nets(1);
    mac[0] = 3;
    expect_refused("not one of its own");
    memset(mac, 0, sizeof(mac));
    expect_refused("not one of its own");
    mac[5] = 1;
    expect_taken();
    nets[0].mac.len = 5;
    expect_refused("an address of 5 bytes");
    nets[0].mac.len = 0;
    expect_refused("an address of 0 bytes");
}
END_TEST

START_TEST(a_list_that_was_brought_has_a_longest)
{
    static uint8_t text[TLS_PART_BYTES + 1] = "text";
    ProtobufCBinaryData some = {.data = text, .len = 4};
    Bulkhead__Remote remote = BULKHEAD__REMOTE__INIT;

    remote.certificate = remote.key = remote.client_ca = some;
    remote.brought = (ProtobufCBinaryData){.data = text, .len = TLS_PART_BYTES};
    c.remote = &remote;
    expect_taken();
    remote.brought.len = TLS_PART_BYTES + 1;
    expect_refused("the list that was brought");
}
END_TEST

START_TEST(bytes_that_are_none_are_refused)
{
    static const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff};
    Bulkhead__VmConfig *ret = NULL;

    ck_assert_int_eq(config_parse(bytes, sizeof(bytes), &ret, &why), -EBADMSG);
    ck_assert_ptr_null(ret);
    ck_assert_int_eq(config_parse(bytes, 0, &ret, &why), -EINVAL); /* all fields are missing */
    ck_assert_ptr_null(ret);
}
END_TEST

START_TEST(too_many_bytes_are_refused_unread)
{
    static const uint8_t bytes[CONFIG_MAX_BYTES + 1];
    Bulkhead__VmConfig *ret = NULL;

    ck_assert_int_eq(config_parse(bytes, sizeof(bytes), &ret, &why), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(why.text, "longer"));
}
END_TEST

START_TEST(it_is_read_from_the_beginning)
{
    CLEANUP(config_freep) Bulkhead__VmConfig *ret = NULL;
    AUTO_FD fd = memfd_create("config", MFD_CLOEXEC);
    uint8_t packed[4096];
    size_t len = bulkhead__vm_config__pack(&c, packed);

    ck_assert_int_eq(write(fd, packed, len), (ssize_t)len); /* leaves the offset at the end */
    ck_assert_int_eq(config_read(fd, &ret, &why), 0);
    ck_assert_str_eq(ret->name, "one");
}
END_TEST

START_TEST(a_file_too_long_is_refused)
{
    AUTO_FD fd = memfd_create("config", MFD_CLOEXEC);
    Bulkhead__VmConfig *ret = NULL;

    ck_assert_int_eq(ftruncate(fd, CONFIG_MAX_BYTES + 1), 0);
    ck_assert_int_eq(config_read(fd, &ret, &why), -EBADMSG);
    ck_assert_ptr_null(ret);
}
END_TEST

START_TEST(what_cannot_be_read_is_said)
{
    Bulkhead__VmConfig *ret = NULL;

    ck_assert_int_eq(config_read(-1, &ret, &why), -EBADF);
    ck_assert_ptr_nonnull(strstr(why.text, "cannot read"));
}
END_TEST

START_TEST(more_memory_than_there_is_is_said_with_both_numbers)
{
    ck_assert_int_eq(config_check_memory(UINT64_C(2) << 30, UINT64_C(2) << 30, &why), 0);
    ck_assert_int_eq(config_check_memory(UINT64_C(4) << 30, UINT64_C(2) << 30, &why), -ENOMEM);
    ck_assert_ptr_nonnull(strstr(why.text, "4096 MiB"));
    ck_assert_ptr_nonnull(strstr(why.text, "2048 MiB"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("init_config");
    TCase *t = tcase_create("init_config");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, good, NULL);
    tcase_add_test(t, a_good_one_comes_out_as_it_went_in);
    tcase_add_test(t, vcpus_are_1_to_64);
    tcase_add_test(t, memory_has_a_least_and_a_most);
    tcase_add_loop_test(t, a_text_has_a_longest, 0, (int)COUNT_OF(texts));
    tcase_add_loop_test(t, a_text_may_be_missing_or_not, 0, (int)COUNT_OF(texts));
    tcase_add_loop_test(t, a_text_has_no_control_characters, 0, (int)COUNT_OF(texts));
    tcase_add_test(t, as_many_nets_as_there_are_places);
    tcase_add_loop_test(t, a_nets_numbers_have_a_least_and_a_most, 0, (int)COUNT_OF(net_numbers));
    tcase_add_test(t, a_nets_address_is_its_own);
    tcase_add_test(t, a_list_that_was_brought_has_a_longest);
    tcase_add_test(t, bytes_that_are_none_are_refused);
    tcase_add_test(t, too_many_bytes_are_refused_unread);
    tcase_add_test(t, it_is_read_from_the_beginning);
    tcase_add_test(t, a_file_too_long_is_refused);
    tcase_add_test(t, what_cannot_be_read_is_said);
    tcase_add_test(t, more_memory_than_there_is_is_said_with_both_numbers);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
