#include <arpa/inet.h>
#include <check.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

static void expect(const void *address, socklen_t len, const char *host, const char *service)
{
    char h[NI_MAXHOST], s[NI_MAXSERV];

    ck_assert_int_eq(getnameinfo(address, len, h, sizeof(h), s, sizeof(s), 0), 0);
    ck_assert_str_eq(h, host);
    ck_assert_str_eq(s, service);
    ck_assert_int_eq(getnameinfo(address, len, h, 3, s, sizeof(s), 0), EAI_OVERFLOW);
}

START_TEST(each_kind_of_end_has_a_name)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(7443)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(1), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = UINT32_MAX, .svm_port = 70443};
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    (void)inet_pton(AF_INET, "192.0.2.200", &v4.sin_addr);
    expect(&v4, sizeof(v4), "192.0.2.200", "7443");
    expect(&v6, sizeof(v6), "::1", "1");
    expect(&vm, sizeof(vm), "vsock:4294967295", "70443");
    expect(&un, sizeof(un.sun_family), "local", "0");
}
END_TEST

START_TEST(what_is_cut_short_has_none)
{
    static const sa_family_t families[] = {AF_INET, AF_INET6, AF_VSOCK};
    char text[64];

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct sockaddr a = {.sa_family = families[i]};

        ck_assert_int_eq(getnameinfo(&a, 8, text, sizeof(text), NULL, 0, 0), EAI_FAMILY);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("peer_name");
    TCase *t = tcase_create("peer_name");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_test(t, each_kind_of_end_has_a_name);
    tcase_add_test(t, what_is_cut_short_has_none);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
