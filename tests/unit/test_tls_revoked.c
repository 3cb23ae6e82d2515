#include <check.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "tests/fakes/certificate.h"
#include "tests/fakes/tls_ends.h"
#include "workers/diag/diag.h"
#include "workers/diag/https.h"
#include "workers/diag/revoked.h"
#include "workers/diag/tls.h"
#include "workers/diag/tls_revoked.h"

enum {
    NO_NUMBER = -1,
    DAY_S = 24 * 3600,
};

static const char viewer[] = "URI:urn:bulkhead:role:viewer";

/* What is in a list. */
struct list {
    const struct made *by;
    const struct made *revoked; /* NULL: nobody */
    long number;
    long from_s, to_s; /* in force */
    int extra;         /* an extension besides, critical; 0: none */
    unsigned others;   /* certificates of nobody here */
};

static void add_row(X509_CRL *crl, const ASN1_INTEGER *serial, ASN1_TIME *when)
{
    X509_REVOKED *r = X509_REVOKED_new();

    (void)X509_REVOKED_set_serialNumber(r, (ASN1_INTEGER *)(uintptr_t)serial);
    (void)X509_REVOKED_set_revocationDate(r, when);
    ck_assert_int_eq(X509_CRL_add0_revoked(crl, r), 1);
}

static void add_rows(X509_CRL *crl, const struct list *l, ASN1_TIME *when)
{
    ASN1_INTEGER *serial = ASN1_INTEGER_new();

    if (l->revoked != NULL)
        add_row(crl, X509_get0_serialNumber(l->revoked->x), when);
    for (unsigned i = 0; i < l->others; i++) {
        (void)ASN1_INTEGER_set(serial, (long)i % 100);
        add_row(crl, serial, when);
    }
    ASN1_INTEGER_free(serial);
}

static void add_extensions(X509_CRL *crl, const struct list *l)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();

    (void)ASN1_INTEGER_set(number, l->number);
    if (l->number != NO_NUMBER)
        ck_assert_int_eq(X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0), 1);
    if (l->extra != 0)
        ck_assert_int_eq(X509_CRL_add1_ext_i2d(crl, l->extra, number, 1, 0), 1);
    ASN1_INTEGER_free(number);
}

/* In PEM; its length. */
static size_t write_list(const struct list *l, char ret[4 * TLS_PART_BYTES])
{
    X509_CRL *crl = X509_CRL_new();
    BIO *b = BIO_new(BIO_s_mem());
    ASN1_TIME *from = X509_gmtime_adj(NULL, l->from_s), *to = X509_gmtime_adj(NULL, l->to_s);
    int len;

    (void)X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    (void)X509_CRL_set_issuer_name(crl, X509_get_subject_name(l->by->x));
    (void)X509_CRL_set1_lastUpdate(crl, from);
    (void)X509_CRL_set1_nextUpdate(crl, to);
    add_rows(crl, l, from);
    add_extensions(crl, l);
    ck_assert_int_gt(X509_CRL_sign(crl, l->by->key, EVP_sha256()), 0);
    ck_assert_int_eq(PEM_write_bio_X509_CRL(b, crl), 1);
    len = BIO_read(b, ret, 4 * TLS_PART_BYTES);
    BIO_free(b);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    X509_CRL_free(crl);
    return (size_t)len;
}

/* --- a server --- */

static struct made ca, other_ca, server, alice, bob;
static SSL_CTX *tls;

static void set_up(void)
{
    static struct tls_page page;
    const char *why;

    ca = make_certificate(NULL, "ca", 2, NULL, 1);
    other_ca = make_certificate(NULL, "ca", 2, NULL, 1);
    server = make_certificate(&ca, "server", 6, "DNS:server", 1);
    alice = make_certificate(&ca, "alice", 5, viewer, 2);
    bob = make_certificate(&ca, "bob", 3, viewer, 3);
    put_ends(&page, &ca, &server);
    ck_assert_int_eq(tls_new(&page, &tls, &why), 0);
}

static void tear_down(void)
{
    struct made *all[] = {&ca, &other_ca, &server, &alice, &bob};

    for (size_t i = 0; i < COUNT_OF(all); i++)
        made_done(all[i]);
    SSL_CTX_free(tls);
}

static const char *bring(struct list l, bool *ret_new)
{
    static char text[4 * TLS_PART_BYTES];
    size_t len;

    if (l.by == NULL)
        l.by = &ca;
    if (l.to_s == 0)
        l.to_s = DAY_S;
    if (l.from_s == 0)
        l.from_s = -DAY_S;
    len = write_list(&l, text);
    return tls_revoke(tls, text, len, ret_new);
}

static SSL *come(const struct made *who, bool expected)
{
    SSL *client = client_of(who, TLS1_3_VERSION), *ret;

    ck_assert_int_eq(shake_hands(tls, client, &ret) == 1, expected);
    SSL_free(client);
    return ret;
}

/* --- what counts --- */

START_TEST(a_newer_list_takes_the_place_of_the_old_one)
{
    SSL *one, *other;
    bool is_new;

    one = come(&alice, true);
    other = come(&bob, true);
    ck_assert(tls_counts(tls, one) && tls_counts(tls, other));
    ck_assert_ptr_null(bring((struct list){.number = 7, .revoked = &alice}, &is_new));
    ck_assert(is_new);
    ck_assert(!tls_counts(tls, one) && tls_counts(tls, other));
    SSL_free(come(&alice, false));
    SSL_free(come(&bob, true));
    ck_assert_ptr_null(bring((struct list){.number = 8, .revoked = &bob}, &is_new));
    ck_assert(is_new);
    ck_assert(tls_counts(tls, one) && !tls_counts(tls, other)); /* whoever is not on it counts */
    SSL_free(come(&bob, false));
    SSL_free(one);
    SSL_free(other);
}
END_TEST

START_TEST(the_same_one_again_is_no_news)
{
    static char text[4 * TLS_PART_BYTES];
    const struct list l = {.by = &ca, .number = 7, .from_s = -DAY_S, .to_s = DAY_S};
    size_t len = write_list(&l, text);
    bool is_new;

    ck_assert_ptr_null(tls_revoke(tls, text, len, &is_new));
    ck_assert(is_new);
    ck_assert_ptr_null(tls_revoke(tls, text, len, &is_new));
    ck_assert(!is_new);
}
END_TEST

START_TEST(one_that_has_expired_counts)
{
    SSL *s;
    bool is_new;

    ck_assert_ptr_null(
        bring((struct list){.number = 7, .revoked = &alice, .from_s = -9 * DAY_S, .to_s = -DAY_S},
              &is_new));
    SSL_free(come(&alice, false));
    s = come(&bob, true);
    ck_assert(tls_counts(tls, s));
    SSL_free(s);
}
END_TEST

/* --- what does not --- */

START_TEST(others_change_nothing)
{
    const struct {
        struct list list;
        const char *why;
    } wrong[] = {
        {{.number = 6, .revoked = &bob},                                     "higher number" },
        {{.number = 7, .revoked = &bob},                                     "higher number" },
        {{.number = NO_NUMBER, .revoked = &bob},                             "higher number" },
        {{.number = -100, .revoked = &bob},                                  "higher number" },
        {{.number = 8, .revoked = &bob, .by = &other_ca},                    "has not signed"},
        {{.number = 8, .revoked = &bob, .by = &alice},                       "has not signed"},
        {{.number = 8, .revoked = &bob, .from_s = DAY_S, .to_s = 2 * DAY_S}, "not yet valid" },
        {{.number = 8, .revoked = &bob, .extra = NID_delta_crl},             "a whole list"  },
        {{.number = 8, .revoked = &bob, .extra = NID_netscape_comment},      "critical"      },
        {{.number = 8, .others = 2000},                                      "32 KiB"        },
    };
    bool is_new = true;

    ck_assert_ptr_null(bring((struct list){.number = 7, .revoked = &alice}, &is_new));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        const char *why = bring(wrong[i].list, &is_new);

        ck_assert_msg(why != NULL && strstr(why, wrong[i].why) != NULL, "row %zu: %s", i, why);
        SSL_free(come(&alice, false));
        SSL_free(come(&bob, true));
    }
}
END_TEST

/* OpenSSL must not ask for the password of one that is enciphered: there is no terminal, and opening it is death. */
START_TEST(what_is_no_list_changes_nothing)
{
    static const char enciphered[] = "-----BEGIN X509 CRL-----\n"
                                     "Proc-Type: 4,ENCRYPTED\n"
                                     "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                                     "AAAAAAAAAAAAAAAAAAAAAA==\n"
                                     "-----END X509 CRL-----\n";
    static const char *const texts[] = {
        "",
        "x",
        "-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n",
        "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
        enciphered,
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    };
    bool is_new;

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        ck_assert_ptr_nonnull(tls_revoke(tls, texts[i], strlen(texts[i]), &is_new));
    SSL_free(come(&alice, true));
}
END_TEST

/* --- what another generation of diag has left --- */

/* What is in the page then; len: as it says. */
static void leave(struct revoked_page *page, const void *text, size_t text_len, uint32_t len)
{
    page->seq++;
    memcpy(page->text[page->seq % 2], text, text_len);
    page->len[page->seq % 2] = len;
}

START_TEST(what_was_left_is_looked_at_as_an_operators)
{
    static char text[4 * TLS_PART_BYTES];
    struct list l = {.by = &ca, .number = 7, .revoked = &alice, .from_s = -DAY_S, .to_s = DAY_S};
    struct revoked_page *page = calloc(1, sizeof(*page));
    struct board_page *shown = calloc(1, sizeof(*shown));
    struct diag *d = calloc(1, sizeof(*d));
    struct board board;
    size_t len;

    board_attach(&board, shown, 1);
    d->board = &board;
    d->revoked = page;
    d->https.diag = d;
    d->https.tls = tls;
    revoked_restore(&d->https); /* nothing was left */
    leave(page, "garbage", 7, 7);
    revoked_restore(&d->https);
    leave(page, "x", 1, UINT32_MAX);
    revoked_restore(&d->https);
    SSL_free(come(&alice, true));
    ck_assert_uint_eq(shown->log_seq, 2); /* one line for each, and not again */
    revoked_restore(&d->https);
    ck_assert_uint_eq(shown->log_seq, 2);
    len = write_list(&l, text);
    leave(page, text, len, (uint32_t)len);
    revoked_restore(&d->https);
    SSL_free(come(&alice, false));
    l.number = 6;
    l.revoked = &bob;
    len = write_list(&l, text);
    leave(page, text, len, (uint32_t)len);
    revoked_restore(&d->https);
    SSL_free(come(&alice, false));
    SSL_free(come(&bob, true));
    free(d);
    free(shown);
    free(page);
}
END_TEST

/* The longest ones there may be, two of them, fit into what diag has put by for them. */
START_TEST(the_longest_fits)
{
    static char text[4 * TLS_PART_BYTES];
    struct list l = {.by = &ca, .number = 1, .from_s = -DAY_S, .to_s = DAY_S, .others = 1200};
    size_t before, len;
    const char *why;
    bool is_new;

    for (len = TLS_PART_BYTES + 1; len > TLS_PART_BYTES; l.others -= 10)
        len = write_list(&l, text);
    ck_assert_uint_gt(len, TLS_PART_BYTES - 1024);
    before = mallinfo2().uordblks;
    why = tls_revoke(tls, text, len, &is_new);
    ck_assert_msg(why == NULL, "%s", why);
    ck_assert_uint_lt(2 * (mallinfo2().uordblks - before), HTTPS_REVOKED_HEAP_BYTES);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls_revoked");
    TCase *t = tcase_create("tls_revoked");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_newer_list_takes_the_place_of_the_old_one);
    tcase_add_test(t, the_same_one_again_is_no_news);
    tcase_add_test(t, one_that_has_expired_counts);
    tcase_add_test(t, others_change_nothing);
    tcase_add_test(t, what_is_no_list_changes_nothing);
    tcase_add_test(t, what_was_left_is_looked_at_as_an_operators);
    tcase_add_test(t, the_longest_fits);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
