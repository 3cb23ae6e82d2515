#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pki_name.h"

static const char *const good_names[] = {
    "a",
    "alice",
    "Alice.Smith@example.org",
    "a_b-c",
    "7",
    "key",
    "ca2",
    "servers",
    "crl.pem",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", /* 47 */
};

START_TEST(names_that_are_some)
{
    ck_assert_ptr_null(pki_name_trouble(good_names[_i]));
}
END_TEST

static const struct {
    const char *name, *says;
} bad_names[] = {
    {"",                                                 "1 to 47 letters"     },
    {".",                                                "no '.' or '-' first" },
    {"..",                                               "no '.' or '-' first" },
    {".a",                                               "no '.' or '-' first" },
    {"-a",                                               "no '.' or '-' first" },
    {"a/b",                                              "1 to 47 letters"     },
    {"a b",                                              "1 to 47 letters"     },
    {"a\nb",                                             "1 to 47 letters"     },
    {"\xc3\xa4",                                         "1 to 47 letters"     },
    {"ca",                                               "the folder's own"    },
    {"crl",                                              "the folder's own"    },
    {"server",                                           "the folder's own"    },
    {"ca-key",                                           "files of keys end so"},
    {"a-key",                                            "files of keys end so"},
    {"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", "1 to 47 letters"     },
};

START_TEST(names_that_are_none)
{
    const char *trouble = pki_name_trouble(bad_names[_i].name);

    ck_assert_ptr_nonnull(trouble);
    ck_assert_ptr_nonnull(strstr(trouble, bad_names[_i].says));
}
END_TEST

static const struct {
    const char *uri;
    size_t len;
    int r;
    enum pki_role role;
} uris[] = {
    {"urn:bulkhead:role:viewer",        24, 0,       PKI_ROLE_VIEWER  },
    {"urn:bulkhead:role:operator",      26, 0,       PKI_ROLE_OPERATOR},
    {"urn:bulkhead:role:debugger",      26, 0,       PKI_ROLE_DEBUGGER},
    {"urn:bulkhead:role:debugger",      25, -EINVAL, PKI_ROLE_COUNT   },
    {"urn:bulkhead:role:viewer\0x",     26, -EINVAL, PKI_ROLE_COUNT   },
    {"urn:bulkhead:role:viewer\0",      25, -EINVAL, PKI_ROLE_COUNT   },
    {"urn:bulkhead:role:",              18, -EINVAL, PKI_ROLE_COUNT   },
    {"urn:bulkhead:role:Viewer",        24, -EINVAL, PKI_ROLE_COUNT   },
    {"urn:bulkhead:role:viewer ",       25, -EINVAL, PKI_ROLE_COUNT   },
    {"URN:bulkhead:role:viewer",        24, -EINVAL, PKI_ROLE_COUNT   },
    {"urn:bulkhead:role:viewer|viewer", 31, -EINVAL, PKI_ROLE_COUNT   },
    {"viewer",                          6,  -EINVAL, PKI_ROLE_COUNT   },
    {"",                                0,  -EINVAL, PKI_ROLE_COUNT   },
};

START_TEST(roles)
{
    enum pki_role role = PKI_ROLE_COUNT;

    ck_assert_int_eq(pki_role_of_uri(uris[_i].uri, uris[_i].len, &role), uris[_i].r);
    ck_assert_int_eq(role, uris[_i].role);
}
END_TEST

static const struct {
    const char *host;
    int r;
    enum pki_host kind;
} hosts[] = {
    {"localhost",     0,       PKI_HOST_NAME   },
    {"a.b-c.example", 0,       PKI_HOST_NAME   },
    {"1a.example",    0,       PKI_HOST_NAME   },
    {"1.example1",    0,       PKI_HOST_NAME   },
    {"127.0.0.1",     0,       PKI_HOST_ADDRESS},
    {"::1",           0,       PKI_HOST_ADDRESS},
    {"2001:db8::7",   0,       PKI_HOST_ADDRESS},
    {"",              -EINVAL, PKI_HOST_NAME   },
    {".",             -EINVAL, PKI_HOST_NAME   },
    {"a.",            -EINVAL, PKI_HOST_NAME   },
    {"a..b",          -EINVAL, PKI_HOST_NAME   },
    {"-a",            -EINVAL, PKI_HOST_NAME   },
    {"a-.b",          -EINVAL, PKI_HOST_NAME   },
    {"a_b",           -EINVAL, PKI_HOST_NAME   },
    {"*.example",     -EINVAL, PKI_HOST_NAME   },
    {"192.168.1.300", -EINVAL, PKI_HOST_NAME   },
    {"7",             -EINVAL, PKI_HOST_NAME   },
    {"[::1]",         -EINVAL, PKI_HOST_NAME   },
    {"fe80::1%eth0",  -EINVAL, PKI_HOST_NAME   },
    {"127.0.0.1:443", -EINVAL, PKI_HOST_NAME   },
    {"https://a",     -EINVAL, PKI_HOST_NAME   },
    {"b\xc3\xbc"
     "cher",     -EINVAL, PKI_HOST_NAME   },
};

START_TEST(hosts_are_names_or_addresses)
{
    enum pki_host kind = PKI_HOST_NAME;

    ck_assert_int_eq(pki_host_kind(hosts[_i].host, &kind), hosts[_i].r);
    ck_assert_int_eq(kind, hosts[_i].kind);
}
END_TEST

START_TEST(labels_have_63_bytes_and_names_253)
{
    enum pki_host kind = PKI_HOST_ADDRESS;
    char name[256];

    memset(name, 'a', sizeof(name));
    name[63] = '\0';
    ck_assert_int_eq(pki_host_kind(name, &kind), 0);
    name[63] = 'a';
    name[64] = '\0';
    ck_assert_int_eq(pki_host_kind(name, &kind), -EINVAL);
    for (size_t i = 0; i < 254; i++)
        name[i] = i % 2 == 0 ? 'a' : '.';
    name[253] = '\0';
    ck_assert_int_eq(pki_host_kind(name, &kind), 0);
    memcpy(name + 252, "aa", 3);
    ck_assert_int_eq(pki_host_kind(name, &kind), -EINVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pki_name");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, names_that_are_some, 0, COUNT_OF(good_names));
    tcase_add_loop_test(tests, names_that_are_none, 0, COUNT_OF(bad_names));
    tcase_add_loop_test(tests, roles, 0, COUNT_OF(uris));
    tcase_add_loop_test(tests, hosts_are_names_or_addresses, 0, COUNT_OF(hosts));
    tcase_add_test(tests, labels_have_63_bytes_and_names_253);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
