#include <arpa/inet.h>
#include <check.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "cli/pki_make.h"
#include "cli/pki_read.h"
#include "cli/remote.h"
#include "cli/say.h"
#include "ipc/remote.h"
#include "tests/fakes/certificate.h"

static char folder[32];
static struct made ca, server, old;

static void path_of(const char *name, char ret[64])
{
    (void)snprintf(ret, 64, "%s/%s", folder, name);
}

static void put(const char *name, X509 *x, EVP_PKEY *key)
{
    char path[64];
    FILE *f;

    path_of(name, path);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    if (x != NULL)
        ck_assert_int_eq(PEM_write_X509(f, x), 1);
    if (key != NULL)
        ck_assert_int_eq(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    ck_assert_int_eq(fclose(f), 0);
}

static void begin(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/test-remote-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ca = make_certificate(NULL, "ca", 2, NULL, 1);
    server = make_certificate(&ca, "server", 6, "DNS:server", 1);
    old = make_certificate(&ca, "old", 3, "DNS:server", -1);
    put("ca.pem", ca.x, NULL);
    put("server.pem", server.x, NULL);
    put("server-key.pem", NULL, server.key);
}

static void end(void)
{
    static const char *const names[] = {"ca.pem", "server.pem", "server-key.pem", "crl.pem"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[64];

        path_of(names[i], path);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    made_done(&ca);
    made_done(&server);
    made_done(&old);
}

static void expect(const char *where, int status, const char *said)
{
    struct remote_plan p;
    char error[REMOTE_ERROR_BYTES] = "";

    ck_assert_int_eq(remote_plan(where, folder, false, &p, error), status);
    ck_assert_msg(strstr(error, said) != NULL, "%s: %s", where, error);
    ck_assert(strchr(error, '\n') == NULL);
    ck_assert_int_eq(p.listener, -1);
    ck_assert(!p.wanted);
    remote_done(&p);
}

/* A port that nobody has, and the socket that takes it. */
static int take_port(char ret_where[32])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)snprintf(ret_where, 32, "127.0.0.1:%u", ntohs(a.sin_port));
    return fd;
}

START_TEST(nobody_comes_unless_it_is_said)
{
    struct remote_plan p;
    char error[REMOTE_ERROR_BYTES];

    ck_assert_int_eq(remote_plan(NULL, folder, false, &p, error), 0);
    ck_assert(!p.wanted);
    remote_done(&p);
}
END_TEST

START_TEST(certificates_go_along_and_the_port_is_taken)
{
    struct remote_plan p;
    char error[REMOTE_ERROR_BYTES], where[32];

    (void)close(take_port(where));
    ck_assert_int_eq(remote_plan(where, folder, false, &p, error), 0);
    ck_assert(p.wanted);
    ck_assert_int_ge(p.listener, 0);
    ck_assert_uint_gt(p.message.certificate.len, 0);
    ck_assert_uint_gt(p.message.key.len, 0);
    ck_assert_uint_gt(p.message.client_ca.len, 0);
    ck_assert_uint_eq(p.message.revoked.len, 0);
    expect(where, EXIT_FAILED, "the port is in use: take another");
    remote_done(&p);
    ck_assert_int_eq(remote_plan(where, folder, true, &p, error), 0); /* QEMU will listen */
    ck_assert(p.wanted);
    ck_assert_int_eq(p.listener, -1);
    remote_done(&p);
}
END_TEST

START_TEST(what_is_no_place_is_refused)
{
    static const char *const wrong[] = {
        "",
        "7443",
        ":7443",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:74x",
        "localhost:7443",
        "::1:7443",
        "[::1:7443",
        "[]:7443",
        "1.2.3.4.5:7443",
        "[127.0.0.1]:7443",
        "vsock:",
        "vsock:0",
        "vsock:4294967295",
        "vsock:-1",
        "vsock:2:7443",
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        expect(wrong[i], EXIT_USAGE, "[ADDRESS]:PORT or vsock:PORT is wanted");
    expect("192.0.2.77:7443", EXIT_FAILED, "this machine has no such address");
}
END_TEST

/* Of the host's address family, and nothing that a nested VM could be reached by. */
START_TEST(a_port_of_vsock_is_taken)
{
    struct remote_plan p;
    char error[REMOTE_ERROR_BYTES];
    struct sockaddr_vm a;
    socklen_t len = sizeof(a);

    ck_assert_int_eq(remote_plan("vsock:7443", folder, true, &p, error), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(error, "nested mode has no vsock"));
    remote_done(&p);
    if (remote_plan("vsock:70443", folder, false, &p, error) != 0) {
        ck_assert_ptr_nonnull(strstr(error, "this kernel has no such sockets"));
    } else {
        ck_assert_int_eq(getsockname(p.listener, (struct sockaddr *)&a, &len), 0);
        ck_assert_uint_eq(a.svm_family, AF_VSOCK);
        ck_assert_uint_eq(a.svm_port, 70443);
        expect("vsock:70443", EXIT_FAILED, "the port is in use");
    }
    remote_done(&p);
}
END_TEST

START_TEST(what_is_no_certificate_is_refused)
{
    char path[64];

    path_of("server.pem", path);
    ck_assert_int_eq(truncate(path, 0), 0);
    expect("127.0.0.1:7443", EXIT_FAILED, "it is empty");
    ck_assert_int_eq(truncate(path, 5), 0);
    expect("127.0.0.1:7443", EXIT_FAILED, "server.pem is no certificate");
    ck_assert_int_eq(truncate(path, 1 << 20), 0);
    expect("127.0.0.1:7443", EXIT_FAILED, "too long to be one");
    ck_assert_int_eq(unlink(path), 0);
    expect("127.0.0.1:7443", EXIT_FAILED, "`bulkhead pki init --dir");
    put("server.pem", old.x, NULL);
    expect("127.0.0.1:7443", EXIT_FAILED, "is not the key of");
    put("server-key.pem", NULL, old.key);
    expect("127.0.0.1:7443", EXIT_FAILED, "has expired: make a new one");
    put("server.pem", server.x, NULL);
    put("server-key.pem", NULL, server.key);
    put("ca.pem", NULL, NULL);
    expect("127.0.0.1:7443", EXIT_FAILED, "it is empty");
}
END_TEST

/* --- what was revoked since --- */

static void put_list(const void *pem, size_t len)
{
    char path[64];
    FILE *f;

    path_of("crl.pem", path);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(pem, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

/* A list of that authority, with the number after old's. */
static X509_CRL *put_next(const struct pki_pair *by, X509_CRL *list)
{
    AUTO_BIO *out = BIO_new(BIO_s_mem());
    AUTO_CRL *next = NULL;
    char *pem;
    long len;

    ck_assert_int_eq(pki_make_crl(by, list, NULL, &next), 0);
    ck_assert_int_eq(PEM_write_bio_X509_CRL(out, next), 1);
    len = BIO_get_mem_data(out, &pem);
    put_list(pem, (size_t)len);
    return pki_read_crl(pem, (size_t)len);
}

static void expect_list(const struct remote_plan *p, const X509_CRL *list)
{
    AUTO_CRL *counts = pki_read_crl(p->message.revoked.data, p->message.revoked.len);

    ck_assert_int_eq(X509_CRL_match(counts, list), 0);
}

static void expect_kept(struct remote_plan *p, const X509_CRL *list, const char *said)
{
    char error[REMOTE_ERROR_BYTES] = "";

    ck_assert_int_eq(remote_read_again(p, folder, error), EXIT_FAILED);
    ck_assert_msg(strstr(error, said) != NULL, "%s", error);
    expect_list(p, list);
}

START_TEST(a_newer_list_of_the_authority_counts_for_the_next_start)
{
    AUTO_PAIR ours = {0};
    AUTO_PAIR other = {0};
    AUTO_CRL *first = NULL, *second = NULL, *third = NULL, *strange = NULL, *again = NULL;
    struct remote_plan p;
    char error[REMOTE_ERROR_BYTES];

    ck_assert_int_eq(pki_make_ca(&ours), 0);
    ck_assert_int_eq(pki_make_ca(&other), 0);
    put("ca.pem", ours.cert, NULL);
    first = put_next(&ours, NULL);
    ck_assert_int_eq(remote_plan("127.0.0.1:7443", folder, true, &p, error), 0);
    ck_assert_int_eq(remote_read_again(&p, folder, error), 0);
    expect_list(&p, first);
    second = put_next(&ours, first);
    third = put_next(&ours, second);
    ck_assert_int_eq(remote_read_again(&p, folder, error), 0);
    expect_list(&p, third);
    strange = put_next(&other, third);
    expect_kept(&p, third, "the VM's authority has not signed it");
    again = put_next(&ours, second);
    expect_kept(&p, third, "it has no higher number");
    put_list("none", 4);
    expect_kept(&p, third, "it is no list");
    put_list("", 0);
    expect_kept(&p, third, "it is empty");
    remote_done(&p);
}
END_TEST

START_TEST(a_list_that_was_brought_is_kept_for_the_next_start)
{
    static uint8_t bytes[TLS_PART_BYTES + 1] = "one";
    ProtobufCBinaryData list = {.data = bytes, .len = 3};
    struct remote_plan p;
    char error[REMOTE_ERROR_BYTES];

    ck_assert_int_eq(remote_plan("127.0.0.1:7443", folder, true, &p, error), 0);
    remote_keep_brought(&p, &list);
    bytes[0] = 'x';
    list.len = 0;
    remote_keep_brought(&p, &list);
    list.len = TLS_PART_BYTES + 1;
    remote_keep_brought(&p, &list);
    ck_assert_uint_eq(p.message.brought.len, 3);
    ck_assert_mem_eq(p.message.brought.data, "one", 3);
    remote_done(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("remote");
    TCase *t = tcase_create("remote");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, nobody_comes_unless_it_is_said);
    tcase_add_test(t, certificates_go_along_and_the_port_is_taken);
    tcase_add_test(t, what_is_no_place_is_refused);
    tcase_add_test(t, a_port_of_vsock_is_taken);
    tcase_add_test(t, what_is_no_certificate_is_refused);
    tcase_add_test(t, a_newer_list_of_the_authority_counts_for_the_next_start);
    tcase_add_test(t, a_list_that_was_brought_is_kept_for_the_next_start);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
