#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/config_file.h"
#include "cli/json_file.h"
#include "cli/options.h"
#include "cli/schema.h"

struct applied {
    struct cli_args args;
    char error[JSON_FILE_ERROR_BYTES];
};

static int apply(struct applied *a, const char *path, const char *text)
{
    const struct command *run = command_find("run");
    struct json_file f;
    int r;

    *a = (struct applied){0};
    r = json_file_parse(path, text, strlen(text), &f, a->error);
    if (r == 0)
        r = config_file_apply(&f, run->options, run->n_options, &a->args, &a->args.pool, a->error);
    json_file_done(&f);
    return r;
}

START_TEST(all_kinds_of_values)
{
    struct applied a;

    ck_assert_int_eq(apply(&a, "conf/vm.json",
                           "{\"$schema\": \"x\", \"kernel\": \"k\", \"initrd\": \"/i\","
                           " \"vcpus\": 2, \"memory\": \"1G\", \"mode\": \"nested\","
                           " \"exec\": true, \"json\": false, \"name\": \"n\","
                           " \"devices\": {\"d\": \"e.img\"},"
                           " \"disks\": [{\"file\": \"a.img\", \"lun\": 3, \"readonly\": true,"
                           "   \"members\": [\"b.img\"], \"block-size\": 4096, \"chunk\": 65536},"
                           "   {\"kind\": \"dvd\"}],"
                           " \"nets\": [{\"user\": true, \"mtu\": 9000,"
                           "   \"forwards\": [\"tcp:8022:22\"]}, {\"peer\": \"p\"}]}"),
                     0);
    ck_assert_str_eq(a.args.kernel, "conf/k"); /* relative to the file */
    ck_assert_str_eq(a.args.initrd, "/i");
    ck_assert_str_eq(a.args.name, "n");
    ck_assert_uint_eq(a.args.vcpus, 2);
    ck_assert_uint_eq(a.args.memory_bytes, UINT64_C(1) << 30);
    ck_assert_uint_eq(a.args.mode, RUN_NESTED);
    ck_assert(a.args.exec && !a.args.json);
    ck_assert_str_eq(option_find_pair(&a.args.devices, "d")->file, "conf/e.img");
    ck_assert_uint_eq(a.args.disks.n, 2);
    ck_assert_str_eq(a.args.disks.at[0].file, "conf/a.img");
    ck_assert_str_eq(a.args.disks.at[0].members.at[0], "conf/b.img");
    ck_assert_uint_eq(a.args.disks.at[0].lun, 3);
    ck_assert_uint_eq(a.args.disks.at[0].block_bytes, 4096);
    ck_assert_uint_eq(a.args.disks.at[0].chunk_bytes, 65536);
    ck_assert(a.args.disks.at[0].read_only);
    ck_assert_str_eq(a.args.disks.at[0].from, "conf/vm.json:1:174: disk conf/a.img");
    ck_assert_uint_eq(a.args.disks.at[1].lun, DISK_OPTION_ANY_LUN);
    ck_assert_uint_eq(a.args.nets.n, 2);
    ck_assert(a.args.nets.at[0].user);
    ck_assert_uint_eq(a.args.nets.at[0].mtu, 9000);
    ck_assert_str_eq(a.args.nets.at[0].forwards.at[0], "tcp:8022:22"); /* no file */
    ck_assert_str_eq(a.args.nets.at[0].from, "conf/vm.json:1:310: net");
    ck_assert_str_eq(a.args.nets.at[1].peer, "conf/p");
    ck_assert_uint_eq(a.args.nets.at[1].mtu, 1500);
    options_done(&a.args);
}
END_TEST

static const struct {
    const char *text, *says;
} wrongs[] = {
    {"{\n \"vcpu\": 2}",                        "f:2:2: unknown key vcpu: kernel, initrd, append"       },
    {"{\"config\": \"x\"}",                     "f:1:2: unknown key config"                             },
    {"{\"disk\": []}",                          "f:1:2: unknown key disk"                               },
    {"{\"vcpus\":\n\n   65}",                   "f:3:4: vcpus: a number from 1 to 64 is wanted"         },
    {"{\"vcpus\": 1.5}",                        "f:1:11: vcpus: a number from 1 to 64 is wanted"        },
    {"{\"vcpus\": -1}",                         "f:1:11: vcpus: a number from 1 to 64 is wanted"        },
    {"{\"vcpus\": \"2\"}",                      "f:1:11: vcpus: a number is wanted, not a string"       },
    {"{\"vcpus\": null}",                       "f:1:11: vcpus: a number is wanted, not null"           },
    {"{\"kernel\": 1}",                         "f:1:12: kernel: a string is wanted, not a number"      },
    {"{\"kernel\": \"\"}",                      "f:1:12: kernel: the value is empty"                    },
    {"{\"memory\": \"lots\"}",                  "f:1:12: memory: a size like 512M or 2G is wanted"      },
    {"{\"memory\": true}",                      "memory: a number of bytes, or a string like \"2G\", is"},
    {"{\"memory\": -5}",                        "memory: a size like 512M"                              },
    {"{\"mode\": \"host\"}",                    "f:1:10: mode: one of auto|hosted|nested is wanted"     },
    {"{\"exec\": \"yes\"}",                     "exec: true or false is wanted, not a string"           },
    {"{\"devices\": []}",                       "devices: an object is wanted, not an array"            },
    {"{\"devices\": {\"d\": 1}}",               "f:1:19: d: a file's name is wanted, not a number"      },
    {"{\"devices\": {\"d\": \"\"}}",            "d: the value is empty"                                 },
    {"{\"disks\": {}}",                         "disks: an array of objects is wanted, not an object"   },
    {"{\"disks\": [\"a\"]}",                    "f:1:12: disk: an object is wanted, not a string"       },
    {"{\"disks\": [{\n\"fil\": \"a\"}]}",       "f:2:1: unknown key fil: file, members, kind, format"   },
    {"{\"disks\": [{\"$schema\": \"a\"}]}",     "unknown key $schema"                                   },
    {"{\"disks\": [{\"lun\": 64}]}",            "f:1:20: lun: a number from 0 to 63 is wanted"          },
    {"{\"disks\": [{\"members\": [1]}]}",       "members: a string is wanted, not a number"             },
    {"{\"disks\": [{\"block-size\": 1024}]}",   "block-size: one of 512|4096 is wanted"                 },
    {"{\"disks\": [{\"lun\": 1, \"lun\": 2}]}", "f:1:23: this key is here twice"                        },
    {"{\"nets\": [{\n\"usr\": true}]}",
     "f:2:1: unknown key usr: user, tap, peer, none, mac, mtu, queues, forwards"                        },
    {"{\"nets\": [{\"user\": 1}]}",             "f:1:20: user: true or false is wanted, not a number"   },
    {"{\"nets\": [{\"mtu\": 67}]}",             "f:1:19: mtu: a number from 68 to 9000 is wanted"       },
    {"{\"nets\": [\"user\"]}",                  "f:1:11: net: an object is wanted, not a string"        },
    {"{\"nets\": [{}, {}, {}, {}, {}]}",        "f:1:27: that is too many NICs, at most 4"              },
    {"[]",                                      "f:1:1: the file: an object is wanted, not an array"    },
    {"{\"vcpus\": 1,}",                         "f:1:13: a key is wanted here"                          },
};

START_TEST(wrong_files_say_where)
{
    struct applied a;

    ck_assert_int_eq(apply(&a, "f", wrongs[_i].text), -EINVAL);
    ck_assert_msg(strstr(a.error, wrongs[_i].says) != NULL, "%s: %s", wrongs[_i].text, a.error);
    ck_assert_ptr_null(strchr(a.error, '\n'));
    options_done(&a.args);
}
END_TEST

/* --- the command line over the file --- */

static void write_config(char *path, const char *text)
{
    AUTO_FD fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

START_TEST(the_command_line_counts_more)
{
    char path[] = "/tmp/test-config-XXXXXX";
    char error[OPTIONS_ERROR_BYTES] = "";
    char *argv[] = {(char[]){"run"},
                    (char[]){"--vcpus"},
                    (char[]){"3"},
                    (char[]){"--config"},
                    path,
                    (char[]){"--disk"},
                    (char[]){"c,lun=1"},
                    (char[]){"--disk"},
                    (char[]){"d"},
                    (char[]){"--device"},
                    (char[]){"x=/new"},
                    NULL};
    struct cli_args args;
    int r;

    write_config(path, "{\"vcpus\": 2, \"memory\": \"1G\", \"devices\": {\"X\": \"/old\"},"
                       " \"disks\": [{\"file\": \"/a\", \"lun\": 1}, {\"file\": \"/b\"}]}");
    r = options_parse(command_find("run"), (int)COUNT_OF(argv) - 1, argv, &args, error);
    ck_assert_msg(r == 0, "%s", error);
    ck_assert_uint_eq(args.vcpus, 3);
    ck_assert_uint_eq(args.memory_bytes, UINT64_C(1) << 30);
    ck_assert_str_eq(args.name, "vm");
    ck_assert_uint_eq(args.disks.n, 3);
    ck_assert_str_eq(args.disks.at[0].file, "/b");
    ck_assert_str_eq(args.disks.at[1].file, "c");
    ck_assert_str_eq(args.disks.at[2].file, "d");
    ck_assert_uint_eq(args.devices.n, 1);
    ck_assert_str_eq(args.devices.at[0].file, "/new");
    options_done(&args);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(
        options_parse(command_find("run"), (int)COUNT_OF(argv) - 1, argv, &args, error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error, "No such file or directory"));
}
END_TEST

/* --- the published schema --- */

static json_t *load_schema(void)
{
    json_error_t error;
    json_t *schema = json_load_file(getenv("CONFIG_SCHEMA"), 0, &error);

    ck_assert_msg(schema != NULL, "%s", error.text);
    return schema;
}

START_TEST(the_published_schema_is_that_of_the_tables)
{
    const struct command *run = command_find("run");
    json_t *published = load_schema();
    json_t *made = schema_of(run->options, run->n_options);

    ck_assert_msg(json_equal(published, made),
                  "make it anew: build/cli/bulkhead schema >docs/config.schema.json");
    json_decref(published);
    json_decref(made);
}
END_TEST

/* {"KEY": VALUE}, or that in an object of a list; list NULL: at the top. */
static bool accepts(const char *list, const char *key, json_t *value)
{
    json_t *object = json_pack("{s:O}", key, value);
    json_t *whole = list != NULL ? json_pack("{s:[O]}", list, object) : json_incref(object);
    char *text = json_dumps(whole, 0);
    struct applied a;
    int r = apply(&a, "f", text);

    options_done(&a.args);
    free(text);
    json_decref(whole);
    json_decref(object);
    return r == 0;
}

static bool accepts_new(const char *list, const char *key, json_t *value)
{
    bool r = accepts(list, key, value);

    json_decref(value);
    return r;
}

/* The parser takes what the schema allows, to the limits that it names, and nothing beyond. */
static void walk_property(const char *list, const char *key, const json_t *property)
{
    const json_t *words = json_object_get(property, "enum");
    const char *type = json_string_value(json_object_get(property, "type"));
    json_t *min = json_object_get(property, "minimum");
    json_t *max = json_object_get(property, "maximum");
    size_t i;
    json_t *word;

    json_array_foreach(words, i, word) ck_assert_msg(accepts(list, key, word), "%s", key);
    if (max != NULL) {
        ck_assert_msg(accepts(list, key, min) && accepts(list, key, max), "%s", key);
        ck_assert(!accepts_new(list, key, json_integer(json_integer_value(min) - 1)));
        ck_assert(!accepts_new(list, key, json_integer(json_integer_value(max) + 1)));
    }
    if (type != NULL) {
        bool text = strcmp(type, "string") == 0;

        ck_assert_msg(accepts_new(list, key, json_string("x")) == text, "%s", key);
        ck_assert_msg(accepts_new(list, key, json_true()) == (strcmp(type, "boolean") == 0), "%s",
                      key);
        ck_assert_msg(accepts_new(list, key, json_array()) == (strcmp(type, "array") == 0), "%s",
                      key);
        ck_assert_msg(accepts_new(list, key, json_object()) == (strcmp(type, "object") == 0), "%s",
                      key);
    }
    ck_assert(!accepts_new(list, key, json_string("")));
    ck_assert(!accepts_new(list, key, json_null()));
}

static void walk(const char *list, json_t *object)
{
    const char *key;
    json_t *property;

    ck_assert(json_is_false(json_object_get(object, "additionalProperties")));
    json_object_foreach(json_object_get(object, "properties"), key, property)
    {
        if (strcmp(key, "$schema") != 0)
            walk_property(list, key, property);
    }
}

START_TEST(the_parser_does_what_the_published_schema_says)
{
    json_t *schema = load_schema();
    const json_t *properties = json_object_get(schema, "properties");
    static const char *const lists[] = {"disks", "nets"};

    walk(NULL, schema);
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        walk(lists[i], json_object_get(json_object_get(properties, lists[i]), "items"));
    json_decref(schema);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_file");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, all_kinds_of_values);
    tcase_add_loop_test(tests, wrong_files_say_where, 0, COUNT_OF(wrongs));
    tcase_add_test(tests, the_command_line_counts_more);
    tcase_add_test(tests, the_published_schema_is_that_of_the_tables);
    tcase_add_test(tests, the_parser_does_what_the_published_schema_says);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
