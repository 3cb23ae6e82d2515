#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "tests/fakes/certificate.h"
#include "workers/diag/tls.h"

static bool caller_of(const char *cn, int len, const char *names, struct caller *ret)
{
    struct made m = make_certificate(NULL, cn, len, names, 1);
    bool good = tls_caller_of(m.x, ret);

    made_done(&m);
    return good;
}

START_TEST(a_certificate_says_who_and_what)
{
    static const struct {
        const char *uri;
        enum role role;
    } roles[] = {
        {"URI:urn:bulkhead:role:viewer",              ROLE_VIEWER  },
        {"URI:urn:bulkhead:role:operator",            ROLE_OPERATOR},
        {"URI:urn:bulkhead:role:debugger,DNS:laptop", ROLE_DEBUGGER},
    };

    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        struct caller c;

        ck_assert(caller_of("alice", 5, roles[i].uri, &c));
        ck_assert_str_eq(c.name, "alice");
        ck_assert_int_eq(c.role, roles[i].role);
        ck_assert(c.remote);
    }
}
END_TEST

START_TEST(one_that_does_not_is_nobodys)
{
    static const char viewer[] = "URI:urn:bulkhead:role:viewer";
    static const struct {
        const char *cn;
        int len;
        const char *names;
    } wrong[] = {
        {"alice",                                             5,  NULL                                                         },
        {"alice",                                             5,  "DNS:urn:bulkhead:role:viewer"                               },
        {"alice",                                             5,  "URI:urn:bulkhead:role:"                                     },
        {"alice",                                             5,  "URI:urn:bulkhead:role:none"                                 },
        {"alice",                                             5,  "URI:urn:bulkhead:role:root"                                 },
        {"alice",                                             5,  "URI:urn:bulkhead:role:viewers"                              },
        {"alice",                                             5,  "URI:urn:bulkhead:role:viewe"                                },
        {"alice",                                             5,  "URI:URN:BULKHEAD:ROLE:VIEWER"                               },
        {"alice",                                             5,  "URI:urn:bulkhead:role:viewer,URI:urn:bulkhead:role:debugger"},
        {"alice",                                             5,  "URI:urn:bulkhead:role:viewer,URI:urn:bulkhead:role:viewer"  },
        {"",                                                  0,  viewer                                                       },
        {"al ice",                                            6,  viewer                                                       },
        {"al\0ce",                                            5,  viewer                                                       },
        {"al\nce",                                            5,  viewer                                                       },
        {"0123456789012345678901234567890123456789012345678", 49, viewer                                                       },
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct caller c;

        ck_assert_msg(!caller_of(wrong[i].cn, wrong[i].len, wrong[i].names, &c), "row %zu counts",
                      i);
    }
}
END_TEST

static void put(struct tls_page *p, enum tls_part part, X509 *x, EVP_PKEY *key)
{
    BIO *b = BIO_new(BIO_s_mem());

    ck_assert_int_eq(x != NULL ? PEM_write_bio_X509(b, x)
                               : PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL),
                     1);
    p->len[part] = (uint32_t)BIO_read(b, p->text[part], TLS_PART_BYTES);
    BIO_free(b);
}

START_TEST(what_is_configured_is_looked_at)
{
    static struct tls_page good, page;
    struct made ca = make_certificate(NULL, "ca", 2, NULL, 1);
    struct made server = make_certificate(&ca, "server", 6, "DNS:server", 1);
    const char *why = NULL;
    SSL_CTX *c;

    put(&good, TLS_CERTIFICATE, server.x, NULL);
    put(&good, TLS_KEY, NULL, server.key);
    put(&good, TLS_CLIENT_CA, ca.x, NULL);
    page = good;
    ck_assert_int_eq(tls_new(&page, &c, &why), 0);
    ck_assert_int_eq(SSL_CTX_get_min_proto_version(c), TLS1_3_VERSION);
    ck_assert_int_eq(SSL_CTX_get_verify_mode(c), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
    SSL_CTX_free(c);
    for (unsigned part = 0; part < TLS_PARTS; part++) {
        page = good;
        page.len[part] = TLS_PART_BYTES;
        memset(page.text[part], 'x', TLS_PART_BYTES);
        ck_assert_int_lt(tls_new(&page, &c, &why), 0);
        page.len[part] = TLS_PART_BYTES + 1;
        ck_assert_int_eq(tls_new(&page, &c, &why) < 0, part != TLS_REVOKED);
        if (part == TLS_REVOKED)
            SSL_CTX_free(c);
    }
    page = good;
    put(&page, TLS_KEY, NULL, ca.key);
    ck_assert_int_lt(tls_new(&page, &c, &why), 0);
    ck_assert_str_eq(why, "the server's key is none, or of another certificate");
    made_done(&ca);
    made_done(&server);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls");
    TCase *t = tcase_create("tls");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_test(t, a_certificate_says_who_and_what);
    tcase_add_test(t, one_that_does_not_is_nobodys);
    tcase_add_test(t, what_is_configured_is_looked_at);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
