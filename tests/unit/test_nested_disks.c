#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "init/nested_disks.h"

/* A folder like /sys/block; without a serial number: a device that has none. */
static void add_device(const char *blocks, const char *name, const char *serial)
{
    char path[256];
    AUTO_FD fd = -1;

    (void)snprintf(path, sizeof(path), "%s/%s", blocks, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    if (serial == NULL)
        return;
    (void)snprintf(path, sizeof(path), "%s/%s/serial", blocks, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, serial, strlen(serial)), (ssize_t)strlen(serial));
}

static void remove_folder(const char *blocks)
{
    static const char *const names[] = {"loop0", "vda/serial", "vda", "vdb/serial",
                                        "vdb",   "vdc/serial", "vdc", ""};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/%s", blocks, names[i]);
        ck_assert_int_eq(remove(path), 0);
    }
}

static Bulkhead__VmConfig *make_config(const char *path)
{
    Bulkhead__VmConfig *config = calloc(1, sizeof(*config));
    Bulkhead__Disk *disk = calloc(1, sizeof(*disk));

    bulkhead__vm_config__init(config);
    bulkhead__disk__init(disk);
    disk->n_paths = 1;
    disk->paths = calloc(1, sizeof(*disk->paths));
    disk->paths[0] = strdup(path);
    config->n_disks = 1;
    config->disks = calloc(1, sizeof(Bulkhead__Disk *));
    config->disks[0] = disk;
    return config;
}

static const struct {
    const char *path, *found;
    int r;
} rows[] = {
    {"serial:bulkhead-1",  "/dev/vdb",          0         },
    {"serial:bulkhead-10", "/dev/vdc",          0         },
    {"/dev/vda",           "/dev/vda",          0         },
    {"serial:bulkhead-2",  "serial:bulkhead-2", -ETIMEDOUT},
    {"serial:",            "serial:",           -ETIMEDOUT},
};

START_TEST(disks_are_found_by_serial_number)
{
    char blocks[] = "/tmp/test-nested-XXXXXX";
    Bulkhead__VmConfig *config = make_config(rows[_i].path);
    struct why why = {0};

    ck_assert_ptr_nonnull(mkdtemp(blocks));
    add_device(blocks, "loop0", NULL);
    add_device(blocks, "vda", "");
    add_device(blocks, "vdc", "bulkhead-10\n");
    add_device(blocks, "vdb", "bulkhead-1");
    ck_assert_int_eq(nested_disks_find(config, blocks, 10 * NS_PER_MS, &why), rows[_i].r);
    ck_assert_str_eq(config->disks[0]->paths[0], rows[_i].found);
    ck_assert_int_eq(why.text[0] != '\0', rows[_i].r < 0);
    bulkhead__vm_config__free_unpacked(config, NULL);
    remove_folder(blocks);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nested_disks");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, disks_are_found_by_serial_number, 0, COUNT_OF(rows));
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
