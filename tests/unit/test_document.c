#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/document.h"

static int parse(const char *text, struct document **ret, size_t *at, char *why)
{
    return document_parse(text, strlen(text), ret, at, why);
}

START_TEST(a_tree_with_places)
{
    static const char text[] = "{\n  \"a\": [1, \"\\u00e4\\n\", true],\n  \"b\": {}\n}\n";
    struct document *d = NULL;
    char why[DOCUMENT_WHY_BYTES];
    size_t at = 0;
    const struct node *a, *b;
    struct document_position where;

    ck_assert_int_eq(parse(text, &d, &at, why), 0);
    ck_assert_int_eq(document_root(d)->kind, NODE_OBJECT);
    a = node_member(document_root(d), "a");
    b = node_member(document_root(d), "b");
    ck_assert_int_eq(a->kind, NODE_ARRAY);
    ck_assert_str_eq(a->first->text, "1");
    ck_assert_str_eq(a->first->next->text, "\xc3\xa4\n");
    ck_assert_int_eq(a->first->next->next->kind, NODE_TRUE);
    ck_assert_ptr_null(a->first->next->next->next);
    ck_assert_int_eq(b->kind, NODE_OBJECT);
    ck_assert_ptr_null(b->first);
    ck_assert_ptr_null(node_member(document_root(d), "c"));
    ck_assert_ptr_null(node_member(a, "c"));
    where = document_position_of(text, sizeof(text) - 1, b->at);
    ck_assert_uint_eq(where.line, 3);
    ck_assert_uint_eq(where.column, 8);
    where = document_position_of(text, sizeof(text) - 1, b->key_at);
    ck_assert_uint_eq(where.column, 3);
    document_free(d);
    where = document_position_of("\"\xc3\xa4\" x", 6, 5); /* characters, not bytes */
    ck_assert_uint_eq(where.column, 5);
}
END_TEST

static const char *const good[] = {
    "{}",
    "[]",
    " [ ] ",
    "\"\"",
    "0",
    "-0.5e+10",
    "1E5",
    "[1,2,[3]]",
    "{\"a\":null,\"b\":false}",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\ud83d\\ude00\"",
    "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
};

/* The other parser decides, and what strings hold is compared too. */
START_TEST(what_is_json_is_read)
{
    struct document *d = NULL;
    char why[DOCUMENT_WHY_BYTES] = "";
    size_t at = 0;
    json_t *other = json_loads(good[_i], JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

    ck_assert_ptr_nonnull(other);
    ck_assert_msg(parse(good[_i], &d, &at, why) == 0, "%s: %s", good[_i], why);
    if (json_is_string(other))
        ck_assert_str_eq(document_root(d)->text, json_string_value(other));
    document_free(d);
    json_decref(other);
}
END_TEST

static const struct {
    const char *text;
    size_t at;
    const char *says;
} wrongs[] = {
    {"",                     0, "a value is missing at the end"        },
    {" ",                    1, "a value is missing at the end"        },
    {"{",                    1, "a key is wanted here"                 },
    {"{\"a\"",               4, "a colon is wanted here"               },
    {"{\"a\":",              5, "a value is missing at the end"        },
    {"{\"a\":1",             6, "a comma or } is wanted here"          },
    {"{\"a\":1,",            7, "a key is wanted here"                 },
    {"{\"a\":1,}",           7, "a key is wanted here"                 },
    {"{a:1}",                1, "a key is wanted here, in quotation"   },
    {"{\"a\":1,\"a\":2}",    7, "this key is here twice"               },
    {"[1 2]",                3, "a comma or ] is wanted here"          },
    {"[1,]",                 3, "a value is wanted here"               },
    {"{} x",                 3, "something follows after the end"      },
    {"tru",                  0, "a value is wanted here"               },
    {"True",                 0, "a value is wanted here"               },
    {"01",                   1, "something follows after the end"      },
    {"-",                    0, "this is not a number as JSON has them"},
    {"1.",                   0, "this is not a number as JSON has them"},
    {"1e",                   0, "this is not a number as JSON has them"},
    {"\"abc",                0, "a string without an end"              },
    {"\"abc\\",              4, "no such escape sequence in a string"  },
    {"\"a\tb\"",             2, "a control character in a string must" },
    {"\"\\x\"",              1, "no such escape sequence in a string"  },
    {"\"\\u12g4\"",          5, "\\u wants four hexadecimal digits"    },
    {"\"\\u0000\"",          1, "a string cannot hold a NUL character" },
    {"\"\\ud800\"",          1, "half of a surrogate pair"             },
    {"\"\\udc00\"",          1, "half of a surrogate pair"             },
    {"\"\\ud800\\u0041\"",   1, "half of a surrogate pair"             },
    {"\"\xff\"",             1, "this is not UTF-8"                    },
    {"\"\xc0\x80\"",         1, "this is not UTF-8"                    },
    {"\"\xed\xa0\x80\"",     1, "this is not UTF-8"                    },
    {"\"\xf4\x90\x80\x80\"", 1, "this is not UTF-8"                    },
    {"\"\xe2\x82",           1, "this is not UTF-8"                    },
    {"/* no */ {}",          0, "a value is wanted here"               },
};

START_TEST(what_is_not_says_where)
{
    struct document *d = NULL;
    char why[DOCUMENT_WHY_BYTES];
    size_t at = 99;
    json_t *other = json_loads(wrongs[_i].text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

    ck_assert_ptr_null(other);
    ck_assert_int_eq(parse(wrongs[_i].text, &d, &at, why), -EBADMSG);
    ck_assert_msg(strstr(why, wrongs[_i].says) != NULL, "%s: %s", wrongs[_i].text, why);
    ck_assert_msg(at == wrongs[_i].at, "%s: at %zu", wrongs[_i].text, at);
    ck_assert_ptr_null(d);
}
END_TEST

START_TEST(no_deeper_than_is_sane)
{
    char text[2 * DOCUMENT_MAX_DEPTH + 3] = "";
    struct document *d = NULL;
    char why[DOCUMENT_WHY_BYTES];
    size_t at;

    memset(text, '[', DOCUMENT_MAX_DEPTH);
    memset(text + DOCUMENT_MAX_DEPTH, ']', DOCUMENT_MAX_DEPTH);
    ck_assert_int_eq(parse(text, &d, &at, why), 0);
    document_free(d);
    memset(text, '[', DOCUMENT_MAX_DEPTH + 1);
    memset(text + DOCUMENT_MAX_DEPTH + 1, ']', DOCUMENT_MAX_DEPTH + 1);
    ck_assert_int_eq(parse(text, &d, &at, why), -EBADMSG);
    ck_assert_uint_eq(at, DOCUMENT_MAX_DEPTH);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("document");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, a_tree_with_places);
    tcase_add_loop_test(tests, what_is_json_is_read, 0, COUNT_OF(good));
    tcase_add_loop_test(tests, what_is_not_says_where, 0, COUNT_OF(wrongs));
    tcase_add_test(tests, no_deeper_than_is_sane);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
