#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/password.h"
#include "cli/pki_make.h"
#include "cli/pki_read.h"

static struct pki_pair ca;

static void make_ca(void)
{
    ck_assert_int_eq(pki_make_ca(&ca), 0);
}

static void free_ca(void)
{
    pki_pair_done(&ca);
}

START_TEST(what_was_made_is_read)
{
    AUTO_PAIR client = {0};
    AUTO_PAIR stranger = {0};
    struct pki_facts facts;

    ck_assert_int_eq(pki_make_client(&ca, "alice", PKI_ROLE_OPERATOR, 7, &client), 0);
    ck_assert_int_eq(pki_read_facts(client.cert, &facts), 0);
    ck_assert_str_eq(facts.name, "alice");
    ck_assert(facts.has_role && !facts.expired);
    ck_assert_int_eq(facts.role, PKI_ROLE_OPERATOR);
    ck_assert_int_ge(facts.days_left, 6);
    ck_assert_int_le(facts.days_left, 7);
    ck_assert_uint_eq(strlen(facts.serial), 32);
    ck_assert(pki_is_from(client.cert, ca.cert));
    ck_assert_int_eq(pki_make_ca(&stranger), 0);
    ck_assert(!pki_is_from(client.cert, stranger.cert));
}
END_TEST

START_TEST(names_are_checked_where_certificates_are_made)
{
    struct pki_pair client = {0};

    ck_assert_int_eq(pki_make_client(&ca, "../alice", PKI_ROLE_VIEWER, 7, &client), -EINVAL);
    ck_assert_ptr_null(client.cert);
}
END_TEST

/* Sign it again with these alternative names, each of which says that it is a URI. */
static void rename_client(struct pki_pair *client, const char *const *uris, size_t n)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();

    for (size_t i = 0; i < n; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_STRING *uri = ASN1_STRING_type_new(V_ASN1_IA5STRING);

        ck_assert_int_eq(ASN1_STRING_set(uri, uris[i], -1), 1);
        GENERAL_NAME_set0_value(name, GEN_URI, uri);
        ck_assert_int_gt(sk_GENERAL_NAME_push(names, name), 0);
    }
    ck_assert_int_eq(
        X509_add1_ext_i2d(client->cert, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE), 1);
    ck_assert_int_gt(X509_sign(client->cert, ca.key, EVP_sha256()), 0);
    GENERAL_NAMES_free(names);
}

START_TEST(one_role_counts_and_two_are_none)
{
    static const char *const uris[] = {"https://example.org/", "urn:bulkhead:role:viewer",
                                       "urn:bulkhead:role:debugger"};
    AUTO_PAIR client = {0};
    struct pki_facts facts;

    ck_assert_int_eq(pki_make_client(&ca, "alice", PKI_ROLE_OPERATOR, 7, &client), 0);
    rename_client(&client, uris, 1);
    ck_assert_int_eq(pki_read_facts(client.cert, &facts), 0);
    ck_assert(!facts.has_role);
    rename_client(&client, uris, 2);
    ck_assert_int_eq(pki_read_facts(client.cert, &facts), 0);
    ck_assert(facts.has_role);
    ck_assert_int_eq(facts.role, PKI_ROLE_VIEWER);
    rename_client(&client, uris, 3);
    ck_assert_int_eq(pki_read_facts(client.cert, &facts), 0);
    ck_assert(!facts.has_role);
}
END_TEST

START_TEST(what_ended_has_expired)
{
    AUTO_PAIR client = {0};
    struct pki_facts facts;

    ck_assert_int_eq(pki_make_client(&ca, "alice", PKI_ROLE_VIEWER, 7, &client), 0);
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(client.cert), -1));
    ck_assert_int_eq(pki_read_facts(client.cert, &facts), 0);
    ck_assert(facts.expired);
    ck_assert_int_eq(facts.days_left, 0);
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(client.cert), 24 * 60 * 60 + 60));
    ck_assert_int_eq(pki_read_facts(client.cert, &facts), 0);
    ck_assert(!facts.expired);
    ck_assert_int_eq(facts.days_left, 1);
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(client.cert), 24 * 60 * 60 - 60));
    ck_assert_int_eq(pki_read_facts(client.cert, &facts), 0);
    ck_assert(!facts.expired);
    ck_assert_int_eq(facts.days_left, 0);
}
END_TEST

START_TEST(lists_grow)
{
    AUTO_PAIR first = {0};
    AUTO_PAIR second = {0};
    AUTO_CRL *none = NULL;
    AUTO_CRL *one = NULL;
    AUTO_CRL *two = NULL;

    ck_assert_int_eq(pki_make_client(&ca, "a", PKI_ROLE_VIEWER, 7, &first), 0);
    ck_assert_int_eq(pki_make_client(&ca, "b", PKI_ROLE_VIEWER, 7, &second), 0);
    ck_assert_int_eq(pki_make_crl(&ca, NULL, NULL, &none), 0);
    ck_assert_int_eq(pki_make_crl(&ca, none, first.cert, &one), 0);
    ck_assert_int_eq(pki_make_crl(&ca, one, second.cert, &two), 0);
    ck_assert(pki_crl_is_from(two, ca.cert));
    ck_assert(pki_crl_is_newer(two, one) && pki_crl_is_newer(none, NULL));
    ck_assert(!pki_crl_is_newer(one, one) && !pki_crl_is_newer(one, two));
    ck_assert(!pki_is_revoked(none, first.cert));
    ck_assert(pki_is_revoked(one, first.cert) && !pki_is_revoked(one, second.cert));
    ck_assert(pki_is_revoked(two, first.cert) && pki_is_revoked(two, second.cert));
}
END_TEST

START_TEST(a_list_of_another_is_none)
{
    AUTO_PAIR stranger = {0};
    AUTO_CRL *crl = NULL;

    ck_assert_int_eq(pki_make_ca(&stranger), 0);
    ck_assert_int_eq(pki_make_crl(&stranger, NULL, NULL, &crl), 0);
    ck_assert(!pki_crl_is_from(crl, ca.cert));
}
END_TEST

/* No length of a good file but its whole. */
START_TEST(half_a_file_is_none)
{
    AUTO_BIO *out = BIO_new(BIO_s_mem());
    char *pem = NULL;
    long len;

    ck_assert_int_eq(PEM_write_bio_X509(out, ca.cert), 1);
    len = BIO_get_mem_data(out, &pem);
    for (long i = 0; i < len - 1; i++)
        ck_assert_ptr_null(pki_read_cert(pem, (size_t)i));
    ck_assert_ptr_null(pki_read_key(pem, (size_t)len));
    ck_assert_ptr_null(pki_read_crl(pem, (size_t)len));
    ck_assert_ptr_null(pki_read_cert(pem, (size_t)PKI_FILE_MAX_BYTES + 1));
}
END_TEST

/* --- passwords --- */

static char path[] = "/tmp/test-password-XXXXXX";

static int read_of(const char *text, struct password *ret)
{
    AUTO_FD fd = mkstemp(path);
    int r;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    r = password_read(path, ret);
    (void)unlink(path);
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    return r;
}

START_TEST(passwords_of_files)
{
    struct password p = {"untouched"};
    char longest[PASSWORD_MAX_BYTES + 3];

    memset(longest, 'x', sizeof(longest));
    ck_assert_int_eq(read_of("", &p), -EBADMSG);
    ck_assert_int_eq(read_of("1234567\n", &p), -EBADMSG);
    ck_assert_int_eq(read_of("\n12345678\n", &p), -EBADMSG);
    ck_assert_int_eq(read_of("1234\t5678\n", &p), -EBADMSG);
    ck_assert_int_eq(read_of("1234\xc3\xa4"
                             "5678\n",
                             &p),
                     -EBADMSG);
    longest[PASSWORD_MAX_BYTES + 1] = '\0';
    ck_assert_int_eq(read_of(longest, &p), -EBADMSG);
    longest[PASSWORD_MAX_BYTES + 1] = 'x';
    longest[PASSWORD_MAX_BYTES + 2] = '\0';
    ck_assert_int_eq(read_of(longest, &p), -EBADMSG);
    ck_assert_str_eq(p.text, "untouched");
    longest[PASSWORD_MAX_BYTES] = '\0';
    ck_assert_int_eq(read_of(longest, &p), 0);
    ck_assert_str_eq(p.text, longest);
    ck_assert_int_eq(read_of("12345678", &p), 0);
    ck_assert_str_eq(p.text, "12345678");
    ck_assert_int_eq(read_of("two words\r\nand more", &p), 0);
    ck_assert_str_eq(p.text, "two words");
    ck_assert_int_eq(password_read("/nowhere/at/all", &p), -ENOENT);
}
END_TEST

START_TEST(passwords_that_are_made_differ)
{
    struct password a, b;

    ck_assert_int_eq(password_make(&a), 0);
    ck_assert_int_eq(password_make(&b), 0);
    ck_assert_uint_eq(strlen(a.text), 24);
    ck_assert_str_ne(a.text, b.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pki_read");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, make_ca, free_ca);
    tcase_add_test(tests, what_was_made_is_read);
    tcase_add_test(tests, names_are_checked_where_certificates_are_made);
    tcase_add_test(tests, one_role_counts_and_two_are_none);
    tcase_add_test(tests, what_ended_has_expired);
    tcase_add_test(tests, lists_grow);
    tcase_add_test(tests, a_list_of_another_is_none);
    tcase_add_test(tests, half_a_file_is_none);
    tcase_add_test(tests, passwords_of_files);
    tcase_add_test(tests, passwords_that_are_made_differ);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
