#include <check.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/fakes/init_disks.h"

enum {
    NOBODY = 65534,
};

/* --- wrong files --- */

static void expect_refused(char *path, bool read_only, const char *text)
{
    Bulkhead__Disk d = disk_at(0, path);
    int r;

    d.read_only = read_only;
    r = start(&one, &d, NULL);
    ck_assert_int_lt(r, 0);
    expect_line(text);
    ck_assert_ptr_nonnull(strstr(why.text, "disk 0:0: "));
    ck_assert_uint_eq(page_of(&one)->n_rows, 0);
}

START_TEST(a_file_must_be_there)
{
    expect_refused(in_folder("a"), false, "no such file");
}
END_TEST

START_TEST(a_part_of_a_path_must_be_a_folder)
{
    char *path = make_file("a", 512);

    memcpy(path + strlen(path), "/b", 3);
    expect_refused(path, false, "no such file");
}
END_TEST

START_TEST(a_directory_is_no_disk)
{
    ck_assert_int_eq(mkdir(in_folder("folder"), 0755), 0);
    expect_refused(in_folder("folder"), false, "it is a directory");
}
END_TEST

START_TEST(a_pipe_is_no_disk_and_nobody_waits)
{
    ck_assert_int_eq(mkfifo(in_folder("pipe"), 0644), 0);
    expect_refused(in_folder("pipe"), true, "it is a pipe");
}
END_TEST

START_TEST(a_socket_is_no_disk)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%.90s", in_folder("socket"));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    expect_refused(in_folder("socket"), false, "it is a socket");
}
END_TEST

START_TEST(a_character_device_is_no_disk)
{
    char path[] = "/dev/null";

    expect_refused(path, false, "it is a character device");
}
END_TEST

START_TEST(an_empty_file_is_no_disk)
{
    expect_refused(make_file("a", 0), false, "it is empty: give it a size");
}
END_TEST

START_TEST(a_cut_file_is_no_disk)
{
    expect_refused(make_file("a", 1000), false, "its 1000 bytes are no multiple of 512");
}
END_TEST

START_TEST(blocks_must_fill_the_file)
{
    Bulkhead__Disk d = disk_at(0, make_file("a", 4096 + 512));

    d.block_bytes = 4096;
    ck_assert_int_eq(start(&one, &d, NULL), -EINVAL);
    expect_line("no multiple of 4096");
}
END_TEST

START_TEST(a_disc_has_blocks_of_its_own)
{
    Bulkhead__Disk d = disk_at(0, make_file("a", 2048 + 512));

    d.kind = DISK_DVD;
    ck_assert_int_eq(start(&one, &d, NULL), -EINVAL);
    expect_line("no multiple of 2048");
}
END_TEST

START_TEST(links_in_a_circle_are_no_disk)
{
    ck_assert_int_eq(symlink(in_folder("link"), in_folder("link")), 0);
    expect_refused(in_folder("link"), false, "round in circles");
}
END_TEST

START_TEST(a_file_that_may_not_be_written_can_be_read)
{
    char *path = make_file("a", 512);
    Bulkhead__Disk d;

    ck_assert_int_eq(chmod(path, 0444), 0);
    ck_assert_int_eq(seteuid(NOBODY), 0);
    expect_refused(path, false, "make the disk read-only");
    ck_assert_int_eq(seteuid(0), 0);
    stage_done(&one);
    stage_init(&one);
    ck_assert_int_eq(seteuid(NOBODY), 0);
    d = disk_at(0, path);
    d.read_only = true;
    ck_assert_msg(start(&one, &d, NULL) == 0, "%s", why.text);
    ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(a_file_that_may_not_be_read_is_no_disk)
{
    char *path = make_file("a", 512);

    ck_assert_int_eq(chmod(path, 0), 0);
    ck_assert_int_eq(seteuid(NOBODY), 0);
    expect_refused(path, true, "no permission to read it");
    ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(files_and_devices_are_not_mixed)
{
    Bulkhead__Disk d = disk_at(0, make_file("a", 512));
    char path[] = "/dev/loop0";

    if (access(path, R_OK) < 0)
        return;
    paths_of[1] = path;
    d.n_paths = 2;
    d.chunk_bytes = 4096;
    d.read_only = true;
    ck_assert_int_lt(start(&one, &d, NULL), 0);
}
END_TEST

/* A line has room for the longest path's end and what is wrong with it. */
START_TEST(a_long_path_is_shown_by_its_end)
{
    static char path[4000];

    memset(path, 'x', sizeof(path) - 1);
    for (size_t i = 0; i < sizeof(path) - 1; i += 100)
        path[i] = '/';
    memcpy(path + sizeof(path) - 10, "/disk.img", 10);
    expect_refused(path, false, "/disk.img: there is no such file: create it, or correct the path");
}
END_TEST

/* --- what is there --- */

START_TEST(the_page_says_what_was_opened)
{
    static char serial[] = "ABC 123";
    char *own[] = {make_file("a", MIB)};
    Bulkhead__Disk a = disk_at(3, own[0]), b = disk_at(4, NULL);
    const struct disks_page *p;
    char byte = 'x';

    a.paths = own;
    a.controller = 2;
    a.serial = serial;
    a.block_bytes = 512;
    b.kind = DISK_DVD;
    ck_assert_msg(start(&one, &a, &b) == 0, "%s", why.text);
    p = page_of(&one);
    ck_assert_uint_eq(p->n_rows, 2);
    ck_assert_uint_eq(p->rows[0].kind, DISK_DISK);
    ck_assert_uint_eq(p->rows[0].controller, 2);
    ck_assert_uint_eq(p->rows[0].lun, 3);
    ck_assert_uint_eq(p->rows[0].flags, 0);
    ck_assert_uint_eq(p->rows[0].n_members, 1);
    ck_assert_uint_eq(p->rows[0].epoch, 1);
    ck_assert_str_eq(p->rows[0].serial, serial);
    ck_assert_mem_eq(p->rows[0].identity, identity, sizeof(identity));
    ck_assert_uint_eq(p->files[p->rows[0].members[0]].bytes, MIB);
    ck_assert_uint_eq(p->files[p->rows[0].members[0]].in_use, 1);
    ck_assert_uint_eq(p->rows[1].kind, DISK_DVD);
    ck_assert_uint_eq(p->rows[1].flags, DISK_READ_ONLY | DISK_EMPTY);
    ck_assert_int_eq(read_slot(&one, p->rows[0].members[0], &byte), 1);
    ck_assert_int_eq(byte, 0);
    ck_assert_int_eq(read_slot(&one, p->rows[0].members[0] + 1, &byte), -EBADF);
}
END_TEST

START_TEST(memory_is_a_file_that_nobody_sees)
{
    Bulkhead__Disk d = disk_at(0, NULL);
    const struct disks_page *p;
    char byte = 'x';

    d.format = DISK_RAM;
    d.ram_bytes = MIB;
    ck_assert_msg(start(&one, &d, NULL) == 0, "%s", why.text);
    p = page_of(&one);
    ck_assert_uint_eq(p->rows[0].format, DISK_RAM);
    ck_assert_uint_eq(p->rows[0].ram_bytes, MIB);
    ck_assert_uint_eq(p->rows[0].n_members, 1);
    ck_assert_uint_eq(p->files[p->rows[0].members[0]].bytes, MIB);
    ck_assert_int_eq(read_slot(&one, p->rows[0].members[0], &byte), 1);
    ck_assert_int_eq(byte, 0);
}
END_TEST

/* --- alone --- */

static void expect_second(bool first_read_only, bool second_read_only, const char *text)
{
    Bulkhead__Disk a = disk_at(0, make_file("a", 512));
    AUTO_FD fd = open_given("a", O_RDWR);

    a.read_only = first_read_only;
    ck_assert_msg(start(&one, &a, NULL) == 0, "%s", why.text);
    ck_assert_int_eq(start(&two, NULL, NULL), 0);
    a.read_only = second_read_only;
    if (text == NULL) {
        ck_assert_msg(change(&two, ADD, &a, fd) == 0, "%s", why.text);
        return;
    }
    ck_assert_int_eq(change(&two, ADD, &a, fd), -EBUSY);
    expect_line(text);
}

/* A VM that starts waits a little for one that ends. */
START_TEST(a_vm_does_not_start_with_a_file_in_use)
{
    Bulkhead__Disk a = disk_at(0, make_file("a", 512));
    uint64_t began_ns = clock_now_ns();

    ck_assert_int_eq(start(&one, &a, NULL), 0);
    ck_assert_int_eq(start(&two, &a, NULL), -EBUSY);
    expect_line("in use by another VM");
    ck_assert_uint_ge(clock_now_ns() - began_ns, NS_PER_S);
}
END_TEST

START_TEST(two_vms_do_not_write_one_file)
{
    expect_second(false, false, "in use by another VM: end it");
}
END_TEST

START_TEST(one_vm_does_not_read_what_another_writes)
{
    expect_second(false, true, "in use by another VM, which writes it");
}
END_TEST

START_TEST(one_vm_does_not_write_what_another_reads)
{
    expect_second(true, false, "in use by another VM");
}
END_TEST

START_TEST(two_vms_read_one_file)
{
    expect_second(true, true, NULL);
}
END_TEST

START_TEST(one_file_is_one_disk)
{
    Bulkhead__Disk a = disk_at(0, make_file("a", 512));
    AUTO_FD fd = open_given("a", O_RDWR);

    ck_assert_int_eq(start(&one, &a, NULL), 0);
    a.lun = 1;
    ck_assert_int_eq(change(&one, ADD, &a, fd), -EBUSY);
    expect_line("disk 0:1: ");
    expect_line("it is already a disk of this VM");
}
END_TEST

START_TEST(a_file_is_free_once_its_vm_has_ended)
{
    Bulkhead__Disk a = disk_at(0, make_file("a", 512));

    ck_assert_int_eq(start(&one, &a, NULL), 0);
    stage_done(&one);
    ck_assert_msg(start(&two, &a, NULL) == 0, "%s", why.text);
}
END_TEST

/* Through the descriptors of a VM that has only lost init's, the ring's keeps the lock. */
START_TEST(the_ring_keeps_the_lock)
{
    Bulkhead__Disk a = disk_at(0, make_file("a", 512));
    AUTO_FD fd = open_given("a", O_RDWR);
    struct disk_opened *file;

    ck_assert_int_eq(start(&one, &a, NULL), 0);
    ck_assert_int_eq(start(&two, NULL, NULL), 0);
    file = &one.disks.slots[page_of(&one)->rows[0].members[0]].file;
    disk_close(file);
    ck_assert_int_eq(change(&two, ADD, &a, fd), -EBUSY);
}
END_TEST

START_TEST(a_device_is_opened_alone)
{
    AUTO_FD control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    AUTO_FD backing = open(make_file("a", MIB), O_RDWR | O_CLOEXEC);
    AUTO_FD holder = -1;
    AUTO_FD loop = -1;
    char path[32];
    int n = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
    const struct disks_page *p;
    Bulkhead__Disk d;

    (void)snprintf(path, sizeof(path), "/dev/loop%d", n);
    loop = n < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (loop < 0 || ioctl(loop, LOOP_SET_FD, backing) < 0)
        return;                                         /* a machine without loop devices */
    holder = open(path, O_RDONLY | O_EXCL | O_CLOEXEC); /* as a mount does */
    d = disk_at(0, path);
    ck_assert_int_eq(start(&one, &d, NULL), -EBUSY);
    expect_line("the device is in use: unmount it");
    fd_closep(&holder);
    stage_done(&one);
    stage_init(&one);
    ck_assert_msg(start(&one, &d, NULL) == 0, "%s", why.text);
    p = page_of(&one);
    ck_assert_uint_eq(p->rows[0].flags, DISK_BLOCK_DEVICE);
    ck_assert_uint_eq(p->files[p->rows[0].members[0]].bytes, MIB);
    d.lun = 1;
    ck_assert_int_eq(change(&one, ADD, &d, loop), -EBUSY);
    expect_line("it is already a disk of this VM");
    (void)ioctl(loop, LOOP_CLR_FD);
}
END_TEST

static TCase *files_case(void)
{
    TCase *t = tcase_create("files");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_file_must_be_there);
    tcase_add_test(t, a_part_of_a_path_must_be_a_folder);
    tcase_add_test(t, a_directory_is_no_disk);
    tcase_add_test(t, a_pipe_is_no_disk_and_nobody_waits);
    tcase_add_test(t, a_socket_is_no_disk);
    tcase_add_test(t, a_character_device_is_no_disk);
    tcase_add_test(t, an_empty_file_is_no_disk);
    tcase_add_test(t, a_cut_file_is_no_disk);
    tcase_add_test(t, blocks_must_fill_the_file);
    tcase_add_test(t, a_disc_has_blocks_of_its_own);
    tcase_add_test(t, links_in_a_circle_are_no_disk);
    tcase_add_test(t, a_file_that_may_not_be_written_can_be_read);
    tcase_add_test(t, a_file_that_may_not_be_read_is_no_disk);
    tcase_add_test(t, files_and_devices_are_not_mixed);
    tcase_add_test(t, a_long_path_is_shown_by_its_end);
    tcase_add_test(t, the_page_says_what_was_opened);
    tcase_add_test(t, memory_is_a_file_that_nobody_sees);
    return t;
}

static TCase *locks_case(void)
{
    TCase *t = tcase_create("locks");

    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_vm_does_not_start_with_a_file_in_use);
    tcase_add_test(t, two_vms_do_not_write_one_file);
    tcase_add_test(t, one_vm_does_not_read_what_another_writes);
    tcase_add_test(t, one_vm_does_not_write_what_another_reads);
    tcase_add_test(t, two_vms_read_one_file);
    tcase_add_test(t, one_file_is_one_disk);
    tcase_add_test(t, a_file_is_free_once_its_vm_has_ended);
    tcase_add_test(t, the_ring_keeps_the_lock);
    tcase_add_test(t, a_device_is_opened_alone);
    return t;
}

int main(void)
{
    Suite *s = suite_create("init_disks");
    SRunner *r = srunner_create(s);
    int failed;

    suite_add_tcase(s, files_case());
    suite_add_tcase(s, locks_case());
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
