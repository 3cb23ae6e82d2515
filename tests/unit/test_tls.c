#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "cli/pki_name.h"
#include "tests/fakes/certificate.h"
#include "tests/fakes/tls_ends.h"
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

/* As `bulkhead pki issue` makes them: no name that it takes is one that diag does not. */
START_TEST(the_longest_name_counts)
{
    static const char viewer[] = "URI:urn:bulkhead:role:viewer";
    char name[PKI_NAME_MAX_BYTES + 2] = {0};
    struct caller c;

    memset(name, 'n', PKI_NAME_MAX_BYTES);
    ck_assert(caller_of(name, PKI_NAME_MAX_BYTES, viewer, &c));
    ck_assert_str_eq(c.name, name);
    name[PKI_NAME_MAX_BYTES] = 'n';
    ck_assert(!caller_of(name, PKI_NAME_MAX_BYTES + 1, viewer, &c));
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

START_TEST(what_is_configured_is_looked_at)
{
    static struct tls_page good, page;
    struct made ca = make_certificate(NULL, "ca", 2, NULL, 1);
    struct made server = make_certificate(&ca, "server", 6, "DNS:server", 1);
    const char *why = NULL;
    SSL_CTX *c;

    put_pem(&good, TLS_CERTIFICATE, server.x, NULL);
    put_pem(&good, TLS_KEY, NULL, server.key);
    put_pem(&good, TLS_CLIENT_CA, ca.x, NULL);
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
    put_pem(&page, TLS_KEY, NULL, ca.key);
    ck_assert_int_lt(tls_new(&page, &c, &why), 0);
    ck_assert_str_eq(why, "the server's key is none, or of another certificate");
    made_done(&ca);
    made_done(&server);
}
END_TEST

/* --- handshakes --- */

/* A list of the authority's that has one certificate, or none, and counts for so many days; less than 0: it did. */
static void put_list(struct tls_page *p, const struct made *ca, const struct made *revoked,
                     long days)
{
    X509_CRL *list = X509_CRL_new();
    BIO *b = BIO_new(BIO_s_mem());
    ASN1_TIME *then = X509_gmtime_adj(NULL, -3600 * 72);
    ASN1_TIME *next = X509_gmtime_adj(NULL, 3600 * 24 * days);

    (void)X509_CRL_set_version(list, 1);
    (void)X509_CRL_set_issuer_name(list, X509_get_subject_name(ca->x));
    (void)X509_CRL_set1_lastUpdate(list, then);
    (void)X509_CRL_set1_nextUpdate(list, next);
    if (revoked != NULL) {
        X509_REVOKED *r = X509_REVOKED_new();

        (void)X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked->x));
        (void)X509_REVOKED_set_revocationDate(r, then);
        ck_assert_int_eq(X509_CRL_add0_revoked(list, r), 1);
    }
    ck_assert_int_gt(X509_CRL_sign(list, ca->key, EVP_sha256()), 0);
    ck_assert_int_eq(PEM_write_bio_X509_CRL(b, list), 1);
    p->len[TLS_REVOKED] = (uint32_t)BIO_read(b, p->text[TLS_REVOKED], TLS_PART_BYTES);
    BIO_free(b);
    ASN1_TIME_free(then);
    ASN1_TIME_free(next);
    X509_CRL_free(list);
}

/* Does whoever it is get in? Else *ret_why says why not. */
static bool gets_in(const struct tls_page *page, const struct made *who, int version,
                    const char **ret_why)
{
    SSL *client = client_of(who, version), *server;
    SSL_CTX *c;
    const char *why;
    int r;

    ck_assert_int_eq(tls_new(page, &c, &why), 0);
    r = shake_hands(c, client, &server);
    *ret_why = tls_refusal(server);
    if (r == 1) /* as libevent's end sees it later */
        ck_assert_int_eq(SSL_get_verify_result(server), X509_V_OK);
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(c);
    return r == 1;
}

START_TEST(who_has_a_certificate_that_counts_gets_in)
{
    static const char viewer[] = "URI:urn:bulkhead:role:viewer";
    struct made ca = make_certificate(NULL, "ca", 2, NULL, 1);
    struct made other_ca = make_certificate(NULL, "ca", 2, NULL, 1);
    struct made server = make_certificate(&ca, "server", 6, "DNS:server", 1);
    struct made good = make_certificate(&ca, "good", 4, viewer, 2);
    struct made expired = make_certificate(&ca, "expired", 7, viewer, -1);
    struct made gone = make_certificate(&ca, "gone", 4, viewer, 3);
    struct made stranger = make_certificate(&other_ca, "good", 4, viewer, 4);
    static struct tls_page page;
    const char *why;

    for (long days = -1; days <= 1; days += 2) { /* a list that has expired, and one that has not */
        put_ends(&page, &ca, &server);
        put_list(&page, &ca, &gone, days);
        ck_assert_msg(gets_in(&page, &good, TLS1_3_VERSION, &why), "%s", why);
        ck_assert(!gets_in(&page, &gone, TLS1_3_VERSION, &why));
        ck_assert_str_eq(why, "certificate revoked");
        ck_assert(!gets_in(&page, &expired, TLS1_3_VERSION, &why));
        ck_assert_str_eq(why, "certificate has expired");
        ck_assert(!gets_in(&page, &stranger, TLS1_3_VERSION, &why));
        ck_assert(!gets_in(&page, NULL, TLS1_3_VERSION, &why));
        ck_assert_str_eq(why, "no certificate");
        ck_assert(!gets_in(&page, &good, TLS1_2_VERSION, &why));
    }
    made_done(&ca);
    made_done(&other_ca);
    made_done(&server);
    made_done(&good);
    made_done(&expired);
    made_done(&gone);
    made_done(&stranger);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls");
    TCase *t = tcase_create("tls");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_test(t, a_certificate_says_who_and_what);
    tcase_add_test(t, the_longest_name_counts);
    tcase_add_test(t, one_that_does_not_is_nobodys);
    tcase_add_test(t, what_is_configured_is_looked_at);
    tcase_add_test(t, who_has_a_certificate_that_counts_gets_in);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
