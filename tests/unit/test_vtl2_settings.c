#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/vtl2_fields.h"
#include "cli/vtl2_settings.h"

#define ID_A   "0bf355d1-0cae-411e-9662-86c3035556ae"
#define ID_B   "0bf355d2-0cae-411e-9662-86c3035556ae"
#define PATH_A "3217a48a-c820-4727-8c4c-3e2086aba839"

/* Pieces of documents. */
#define DEVICE(n)                                                                                  \
    "{\"device_type\": \"nvme\", \"device_path\": \"" PATH_A "\", \"sub_device_path\": " n "}"
#define SINGLE "\"physical_devices\": {\"type\": \"single\", \"device\": " DEVICE("1") "}"
#define CONTROLLER(luns)                                                                           \
    "{\"instance_id\": \"" ID_A "\", \"protocol\": \"SCSI\", \"luns\": [" luns "]}"
#define DOCUMENT(controllers)                                                                      \
    "{\"version\": \"V1\", \"dynamic\": {\"storage_controllers\": [" controllers "]}}"
#define LUN(fields) DOCUMENT(CONTROLLER("{" fields "}"))

struct applied {
    struct disk_list disks;
    struct vtl2_notes notes;
    struct pool pool;
    char error[JSON_FILE_ERROR_BYTES];
};

static int apply(struct applied *a, const char *text)
{
    struct pair_list devices = {0};
    struct json_file f;
    char why[OPTION_WHY_BYTES];
    int r;

    *a = (struct applied){0};
    for (unsigned i = 1; i <= 20; i++) {
        ck_assert_int_eq(option_add_pair(&devices, pool_printf(&a->pool, "NVMe:" PATH_A ":%u", i),
                                         pool_printf(&a->pool, "disk%u.img", i), &a->pool, why),
                         0);
    }
    r = json_file_parse("f", text, strlen(text), &f, a->error);
    if (r == 0)
        r = vtl2_settings_apply(&f, &devices, &a->disks, &a->notes, &a->pool, a->error);
    json_file_done(&f);
    return r;
}

static bool noted(const struct applied *a, const char *text)
{
    for (size_t i = 0; i < a->notes.n; i++) {
        if (strstr(a->notes.at[i], text) != NULL)
            return true;
    }
    return false;
}

START_TEST(a_whole_document)
{
    struct applied a;
    const struct disk_option *d;

    ck_assert_int_eq(
        apply(
            &a,
            "{\"version\": \"V1\", \"fixed\": {\"scsi_sub_channels\": 31}, \"dynamic\": {"
            "\"nic_devices\": [{\"instance_id\": \"" ID_A
            "\"}], \"storage_controllers\": [" CONTROLLER(
                "{\"location\": 5, \"device_id\": \"an id\", \"vendor_id\": \"Msft\","
                " \"product_id\": \"Virtual Disk\", \"serial_number\": \"S\","
                " \"fua\": false, \"write_cache\": true, "
                "\"physical_sector_size\": 4096, " SINGLE "},"
                "{\"is_dvd\": true, \"location\": 6}") ", {\"instance_id\": \"" ID_B
                                                       "\", \"protocol\": 1, \"luns\": [{\"location\": 2,"
                                                       " \"chunk_size_in_kb\": 64, \"physical_devices\": {\"type\": \"striping\","
                                                       " \"devices\": [" DEVICE("2") "," DEVICE(
                                                           "3") "]}}]}]}}"),
        0);
    ck_assert_uint_eq(a.disks.n, 3);
    d = &a.disks.at[0];
    ck_assert_str_eq(d->file, "disk1.img");
    ck_assert_uint_eq(d->controller, 0);
    ck_assert_uint_eq(d->lun, 5);
    ck_assert_str_eq(d->serial, "S");
    ck_assert_str_eq(d->identity, "an id");
    ck_assert_uint_eq(d->physical_block_bytes, 4096);
    ck_assert_uint_eq(d->kind, DISK_OPTION_DISK);
    d = &a.disks.at[1];
    ck_assert_uint_eq(d->kind, DISK_OPTION_DVD);
    ck_assert_ptr_null(d->file);
    ck_assert_uint_eq(d->lun, 6);
    d = &a.disks.at[2];
    ck_assert_uint_eq(d->controller, 1);
    ck_assert_str_eq(d->file, "disk2.img");
    ck_assert_uint_eq(d->members.n, 1);
    ck_assert_str_eq(d->members.at[0], "disk3.img");
    ck_assert_uint_eq(d->chunk_bytes, 64 << 10);
    ck_assert(noted(&a, "network adapters are read"));
    ck_assert(noted(&a, "scsi_sub_channels of fixed is read"));
    ck_assert(noted(&a, "fua is not used"));
    ck_assert(!noted(&a, "vendor_id"));
    pool_done(&a.pool);
}
END_TEST

/* As protobuf's JSON: either form of a name, numbers as texts, null as nothing. */
static const char *const spellings[] = {
    "{\"location\": 0, " SINGLE "}",
    "{" SINGLE "}",
    "{\"location\": \"0\", \"serial_number\": null, \"isDvd\": false, " SINGLE "}",
    ("{\"physicalDevices\": {\"type\": 1, \"device\": {\"deviceType\": 1, \"devicePath\": \"" PATH_A
     "\", \"subDevicePath\": \"1\"}, \"devices\": []}}"),
    "{\"device_type\": \"nvme\", \"device_path\": \"" PATH_A "\", \"sub_device_path\": \"1\"}",
    ("{\"physical_devices\": {\"type\": \"SINGLE\", \"device\": {\"device_type\": \"NVMe\","
     " \"device_path\": \"3217A48A-C820-4727-8C4C-3E2086ABA839\", \"sub_device_path\": 1}}}"),
};

START_TEST(the_same_disk_in_other_words)
{
    struct applied a;
    char text[1024];
    int r;

    (void)snprintf(text, sizeof(text), DOCUMENT(CONTROLLER("%s")), spellings[_i]);
    r = apply(&a, text);
    ck_assert_msg(r == 0, "%s: %s", text, a.error);
    ck_assert_uint_eq(a.disks.n, 1);
    ck_assert_str_eq(a.disks.at[0].file, "disk1.img");
    ck_assert_uint_eq(a.disks.at[0].lun, 0);
    pool_done(&a.pool);
}
END_TEST

START_TEST(namespaces)
{
    struct applied a;

    /* {"version":"V1","dynamic":{"storage_controllers":[]}} and {"nic_devices":[{}]} */
    ck_assert_int_eq(
        apply(&a, "{\"namespace_settings\": [{\"namespace\": \"Base\", \"settings\": "
                  "\"eyJ2ZXJzaW9uIjoiVjEiLCJkeW5hbWljIjp7InN0b3JhZ2VfY29udHJvbGxlcnMiOltdfX0=\"},"
                  "{\"namespace\": \"NetworkDevice\", \"settings\": "
                  "\"eyJuaWNfZGV2aWNlcyI6W3t9XX0\"}]}"),
        0);
    ck_assert(noted(&a, "network adapters are read"));
    pool_done(&a.pool);
    /* {"version":"V1","dynamo":{}} */
    ck_assert_int_eq(apply(&a, "{\"namespace_settings\": [{\"namespace\": \"Base\", \"settings\": "
                               "\"eyJ2ZXJzaW9uIjoiVjEiLCJkeW5hbW8iOnt9fQ==\"}]}"),
                     -EINVAL);
    ck_assert_str_eq(a.error, "f:1:59: in Base:1:17: dynamo is no field of the settings");
    pool_done(&a.pool);
}
END_TEST

#define STRIPE(devices)                                                                            \
    LUN("\"physical_devices\": {\"type\": \"striped\", \"devices\": [" devices "]}")

static const struct {
    const char *text, *says;
} wrongs[] = {
    {"{}",                                                                                                                                                   "f:1:1: version: \"V1\" is wanted"               },
    {"{\"version\": \"V2\"}",                                                                                                                                "f:1:13: version: one of UNKNOWN|V1 is wanted"   },
    {"[]",                                                                                                                                                   "the settings: an object is wanted, not an array"},
    {"{\"version\": \"V1\", \"what\": 1}",                                                                                                                   "f:1:19: what is no field of the settings"       },
    {"{\"version\": \"V1\", \"dynamic\": []}",                                                                                                               "dynamic: an object is wanted, not an array"     },
    {LUN("\"colour\": 1"),                                                                                                                                   "colour is no field of a LUN"                    },
    {LUN("\"location\": 64, " SINGLE),                                                                                                                       "location: a number from 0 to 63 is wanted"      },
    {LUN("\"location\": 4294967296, " SINGLE),                                                                                                               "location: a number from 0 to 4294967295"        },
    {LUN("\"location\": true, " SINGLE),                                                                                                                     "location: a number is wanted, not true"         },
    {LUN("\"is_dvd\": 1"),                                                                                                                                   "is_dvd: true or false is wanted, not a number"  },
    {LUN("\"is_dvd\": true, \"isDvd\": true"),                                                                                                               "is_dvd is here twice"                           },
    {LUN("\"location\": 1"),                                                                                                                                 "physical_devices is missing: only a DVD drive"  },
    {LUN("\"device_type\": \"nvme\", " SINGLE),                                                                                                              "do not go with physical_devices"                },
    {LUN("\"device_path\": \"x\""),                                                                                                                          "device_path: x is not a GUID"                   },
    {LUN("\"device_path\": \"" PATH_A "\""),                                                                                                                 "device_type is missing, or UNKNOWN"             },
    {LUN("\"device_type\": \"vscsi\", \"device_path\": \"" PATH_A "\""),
     "vscsi:" PATH_A ":0 is no file here: say which, --device vscsi:" PATH_A ":0=FILE"                                                                                                                        },
    {LUN("\"physical_devices\": {}"),                                                                                                                        "type is missing, or UNKNOWN"                    },
    {LUN("\"physical_devices\": {\"type\": \"single\"}"),                                                                                                    "a single disk has one device"                   },
    {LUN("\"physical_devices\": {\"type\": \"single\", \"device\": " DEVICE(
         "1") ", \"devices\": [" DEVICE("2") "]}"),
     "a single disk has one device"                                                                                                                                                                           },
    {STRIPE(DEVICE("1")),                                                                                                                                    "a striped disk has at least two devices"        },
    {STRIPE(DEVICE("1") "," DEVICE("99")),                                                                                                                   "nvme:" PATH_A ":99 is no file here"             },
    {STRIPE(DEVICE("1") "," DEVICE("2") "," DEVICE("3") "," DEVICE("4") "," DEVICE("5") "," DEVICE("6") "," DEVICE("7") "," DEVICE("8") "," DEVICE(
         "9") "," DEVICE("10") "," DEVICE("11") "," DEVICE("12") "," DEVICE("13") "," DEVICE("14") "," DEVICE("15") "," DEVICE("16") "," DEVICE("17")),
     "a striped disk has at most 16 devices here"                                                                                                                                                             },
    {LUN("\"medium_rotation_rate\": 7200, " SINGLE),                                                                                                         "medium_rotation_rate: disks do not rotate"      },
    {LUN("\"physical_sector_size\": 520, " SINGLE),                                                                                                          "physical_sector_size: 512 or 4096 is wanted"    },
    {LUN("\"write_cache\": false, " SINGLE),                                                                                                                 "write_cache: disks have one here"               },
    {LUN("\"disable_thin_provisioning\": true, " SINGLE),                                                                                                    "disable_thin_provisioning is not"               },
    {LUN("\"scsi_disk_size_in_bytes\": 1, " SINGLE),                                                                                                         "scsi_disk_size_in_bytes is not supported"       },
    {LUN("\"ntfs_guid\": \"" ID_A "\", " SINGLE),                                                                                                            "ntfs_guid: disks are not formatted here"        },
    {DOCUMENT("{\"protocol\": \"SCSI\"}"),                                                                                                                   "instance_id is missing"                         },
    {DOCUMENT("{\"instance_id\": \"x\"}"),                                                                                                                   "instance_id: x is not a GUID"                   },
    {DOCUMENT("{\"instance_id\": \"" ID_A "\"}"),                                                                                                            "protocol UNKNOWN is not supported"              },
    {DOCUMENT("{\"instance_id\": \"" ID_A "\", \"protocol\": \"IDE\"}"),
     "protocol IDE is not supported: make it a SCSI controller"                                                                                                                                               },
    {DOCUMENT(CONTROLLER("") "," CONTROLLER("")),                                                                                                            "instance_id: another controller has the same"   },
    {"{\"namespace_settings\": [{\"namespace\": \"Base\"}]}",                                                                                                "settings is missing"                            },
    {"{\"namespace_settings\": [{\"namespace\": \"Best\", \"settings\": \"e30=\"}]}",
     "no such namespace: Best"                                                                                                                                                                                },
    {"{\"namespace_settings\": [{\"namespace\": \"Base\", \"settings\": \"e30*\"}]}",
     "settings: base64 is wanted"                                                                                                                                                                             },
    {"{\"namespace_settings\": [{\"namespace\": \"Base\", \"settings\": \"CAE=\"}]}",
     "settings of Base are not JSON: protocol buffers are not read here"                                                                                                                                      },
    {"{\"version\": 1, \"namespace_settings\": [{\"namespace\": \"Base\", \"settings\": \"e30=\"}]}",
     "namespace_settings do not go with settings outside of them"                                                                                                                                             },
};

START_TEST(what_cannot_be_had_is_refused)
{
    struct applied a;

    ck_assert_int_eq(apply(&a, wrongs[_i].text), -EINVAL);
    ck_assert_msg(strstr(a.error, wrongs[_i].says) != NULL, "%s: %s", wrongs[_i].text, a.error);
    ck_assert_msg(strncmp(a.error, "f:1:", 4) == 0, "%s", a.error);
    ck_assert_ptr_null(strchr(a.error, '\n'));
    pool_done(&a.pool);
}
END_TEST

START_TEST(five_controllers_are_too_many)
{
    struct applied a;
    char text[2048] = "{\"version\": 1, \"dynamic\": {\"storage_controllers\": [";
    size_t len = strlen(text);

    for (unsigned i = 0; i < DISK_CONTROLLERS + 1; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "%s{\"protocol\": \"SCSI\", \"instance_id\": "
                                "\"0bf355d%u-0cae-411e-9662-86c3035556ae\"}",
                                i == 0 ? "" : ",", i);
    (void)snprintf(text + len, sizeof(text) - len, "]}}");
    ck_assert_int_eq(apply(&a, text), -EINVAL);
    ck_assert_ptr_nonnull(strstr(a.error, "at most 4 SCSI controllers are possible"));
    pool_done(&a.pool);
}
END_TEST

START_TEST(base64)
{
    struct pool pool = {0};
    char *bytes;
    size_t len;

    ck_assert_int_eq(vtl2_base64("", &pool, &bytes, &len), 0);
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(vtl2_base64("YQ==", &pool, &bytes, &len), 0);
    ck_assert_str_eq(bytes, "a");
    ck_assert_int_eq(vtl2_base64("YWI", &pool, &bytes, &len), 0);
    ck_assert_str_eq(bytes, "ab");
    ck_assert_int_eq(vtl2_base64("YWJjZA==", &pool, &bytes, &len), 0);
    ck_assert_str_eq(bytes, "abcd");
    ck_assert_int_eq(vtl2_base64("-_+/", &pool, &bytes, &len), 0);
    ck_assert_mem_eq(bytes, "\xfb\xff\xbf", 3);
    ck_assert_int_eq(vtl2_base64("Y", &pool, &bytes, &len), -EBADMSG);
    ck_assert_int_eq(vtl2_base64("YQ==YQ==", &pool, &bytes, &len), -EBADMSG);
    ck_assert_int_eq(vtl2_base64("YQ===", &pool, &bytes, &len), -EBADMSG);
    ck_assert_int_eq(vtl2_base64("Y Q=", &pool, &bytes, &len), -EBADMSG);
    pool_done(&pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vtl2_settings");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, a_whole_document);
    tcase_add_loop_test(tests, the_same_disk_in_other_words, 0, COUNT_OF(spellings));
    tcase_add_test(tests, namespaces);
    tcase_add_loop_test(tests, what_cannot_be_had_is_refused, 0, COUNT_OF(wrongs));
    tcase_add_test(tests, five_controllers_are_too_many);
    tcase_add_test(tests, base64);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
