#include <check.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/fakes/init_disks.h"

enum {
    CHANGES = 300,
};

/* --- while it runs --- */

START_TEST(a_disk_comes_and_goes)
{
    Bulkhead__Disk d = disk_at(7, make_file("a", MIB));
    AUTO_FD fd = open_given("a", O_RDWR);
    struct disk_row row;
    char byte;

    ck_assert_int_eq(start(&one, NULL, NULL), 0);
    (void)bell_rang(&one);
    ck_assert_msg(change(&one, ADD, &d, fd) == 0, "%s", why.text);
    ck_assert(bell_rang(&one));
    row = page_of(&one)->rows[0];
    ck_assert_uint_eq(row.lun, 7);
    ck_assert_uint_eq(row.flags, DISK_ADDED);
    ck_assert_int_eq(read_slot(&one, row.members[0], &byte), 1);
    ck_assert_int_eq(change(&one, ADD, &d, fd), -EEXIST);
    expect_line("disk 0:7: there is one already");
    (void)bell_rang(&one);
    ck_assert_int_eq(change(&one, REMOVE, &d, -1), 0);
    ck_assert(bell_rang(&one));
    ck_assert_uint_eq(page_of(&one)->rows[0].kind, DISK_NONE);
    ck_assert_uint_gt(page_of(&one)->rows[0].epoch, row.epoch);
    ck_assert_uint_eq(page_of(&one)->files[row.members[0]].in_use, 0);
    ck_assert_int_eq(read_slot(&one, row.members[0], &byte), -EBADF);
    ck_assert_int_eq(change(&one, REMOVE, &d, -1), -ENOENT);
    expect_line("disk 0:7: there is none");
}
END_TEST

/* A request that was prepared for the old disk must not meet the new one. */
START_TEST(a_slot_rests_before_it_is_used_again)
{
    Bulkhead__Disk d = disk_at(0, make_file("a", MIB));
    AUTO_FD fd = open_given("a", O_RDWR);
    bool used[DISK_FILES] = {false};

    ck_assert_int_eq(start(&one, NULL, NULL), 0);
    for (int i = 0; i < DISK_FILES; i++) {
        uint32_t slot;

        ck_assert_msg(change(&one, ADD, &d, fd) == 0, "%d: %s", i, why.text);
        slot = page_of(&one)->rows[0].members[0];
        ck_assert(!used[slot]);
        used[slot] = true;
        ck_assert_int_eq(change(&one, REMOVE, &d, -1), 0);
        (void)usleep(100);
    }
    ck_assert_int_eq(change(&one, ADD, &d, fd), -ENOSPC);
    expect_line("try again in half a minute");
    one.disks.slots[9].free_ns = 0;
    ck_assert_msg(change(&one, ADD, &d, fd) == 0, "%s", why.text);
    ck_assert_uint_eq(page_of(&one)->rows[0].members[0], 9);
}
END_TEST

START_TEST(a_file_cannot_be_named_while_it_runs)
{
    Bulkhead__Disk d = disk_at(0, make_file("a", MIB));

    ck_assert_int_eq(start(&one, NULL, NULL), 0);
    ck_assert_int_eq(change(&one, ADD, &d, -1), -EPERM);
    expect_line("its file did not come along");
    ck_assert_uint_eq(page_of(&one)->n_rows, 0);
}
END_TEST

START_TEST(a_file_that_came_along_gives_no_more_than_it_could)
{
    Bulkhead__Disk d = disk_at(0, make_file("a", MIB));
    AUTO_FD reading = open_given("a", O_RDONLY);
    AUTO_FD writing = open_given("a", O_WRONLY);
    AUTO_FD looking = open_given("a", O_PATH);
    AUTO_FD null = open("/dev/null", O_RDWR);

    ck_assert_int_eq(start(&one, NULL, NULL), 0);
    ck_assert_int_eq(change(&one, ADD, &d, reading), -EACCES);
    expect_line("not opened for writing");
    ck_assert_int_eq(change(&one, ADD, &d, writing), -EACCES);
    ck_assert_int_eq(change(&one, ADD, &d, looking), -EACCES);
    ck_assert_int_eq(change(&one, ADD, &d, null), -EINVAL);
    expect_line("it is a character device");
    d.read_only = true;
    ck_assert_int_eq(change(&one, ADD, &d, writing), -EACCES);
    ck_assert_int_eq(change(&one, ADD, &d, looking), -EACCES);
    expect_line("not opened for reading");
    ck_assert_msg(change(&one, ADD, &d, reading) == 0, "%s", why.text);
}
END_TEST

START_TEST(no_memory_and_no_stripe_while_it_runs)
{
    Bulkhead__Disk d = disk_at(0, NULL);
    AUTO_FD fd = -1;

    ck_assert_int_eq(start(&one, NULL, NULL), 0);
    d.format = DISK_RAM;
    d.ram_bytes = MIB;
    ck_assert_int_eq(change(&one, ADD, &d, -1), -EPERM);
    expect_line("a disk in memory is given when the VM starts");
    d = disk_at(0, make_file("a", MIB));
    fd = open_given("a", O_RDWR);
    paths_of[1] = make_file("b", MIB);
    d.n_paths = 2;
    d.chunk_bytes = 4096;
    ck_assert_int_eq(change(&one, ADD, &d, fd), -EPERM);
    expect_line("a striped disk is given when the VM starts");
}
END_TEST

START_TEST(a_disk_grows)
{
    Bulkhead__Disk d = disk_at(0, make_file("a", MIB));
    uint32_t epoch;

    ck_assert_int_eq(start(&one, &d, NULL), 0);
    epoch = page_of(&one)->rows[0].epoch;
    ck_assert_int_eq(change(&one, RESIZE, &d, -1), -EINVAL);
    expect_line("1048576 bytes as before");
    ck_assert_int_eq(truncate(in_folder("a"), 2 * MIB), 0);
    disks_measure_again(&one.disks); /* says nothing of a raw disk: the guest was not told */
    ck_assert_uint_eq(page_of(&one)->files[page_of(&one)->rows[0].members[0]].bytes, MIB);
    (void)bell_rang(&one);
    ck_assert_msg(change(&one, RESIZE, &d, -1) == 0, "%s", why.text);
    ck_assert(bell_rang(&one));
    ck_assert_uint_eq(page_of(&one)->rows[0].epoch, epoch + 1);
    ck_assert_uint_eq(page_of(&one)->files[page_of(&one)->rows[0].members[0]].bytes, 2 * MIB);
    ck_assert_int_eq(truncate(in_folder("a"), 2 * MIB + 1), 0);
    ck_assert_int_eq(change(&one, RESIZE, &d, -1), -EINVAL);
    expect_line("no multiple of 512");
    ck_assert_uint_eq(page_of(&one)->files[page_of(&one)->rows[0].members[0]].bytes, 2 * MIB);
}
END_TEST

START_TEST(an_image_that_grew_is_measured_again)
{
    Bulkhead__Disk d = disk_at(0, make_file("a", MIB));

    d.format = DISK_VHDX;
    ck_assert_int_eq(start(&one, &d, NULL), 0);
    ck_assert_int_eq(truncate(in_folder("a"), 3 * MIB), 0);
    disks_measure_again(&one.disks);
    ck_assert_uint_eq(page_of(&one)->files[page_of(&one)->rows[0].members[0]].bytes, 3 * MIB);
    ck_assert_int_eq(change(&one, RESIZE, &d, -1), -EINVAL);
    expect_line("only a raw disk");
}
END_TEST

START_TEST(a_disc_is_ejected_and_another_inserted)
{
    Bulkhead__Disk d = disk_at(0, make_file("a", 4096)), e;
    AUTO_FD fd = -1;
    struct disk_row row;

    d.kind = DISK_DVD;
    ck_assert_int_eq(start(&one, &d, NULL), 0);
    row = page_of(&one)->rows[0];
    ck_assert_uint_eq(row.flags, DISK_READ_ONLY);
    e = disk_at(0, make_file("b", 6144));
    fd = open_given("b", O_RDONLY);
    ck_assert_int_eq(change(&one, INSERT, &e, fd), -EEXIST);
    expect_line("eject it first");
    ck_assert_int_eq(change(&one, EJECT, &e, -1), 0);
    ck_assert_uint_eq(page_of(&one)->rows[0].flags, DISK_READ_ONLY | DISK_EMPTY);
    ck_assert_uint_eq(page_of(&one)->rows[0].n_members, 0);
    ck_assert_int_eq(change(&one, EJECT, &e, -1), -ENOENT);
    ck_assert_int_eq(change(&one, INSERT, &e, -1), -EPERM);
    ck_assert_msg(change(&one, INSERT, &e, fd) == 0, "%s", why.text);
    ck_assert_uint_eq(page_of(&one)->rows[0].flags, DISK_READ_ONLY);
    ck_assert_uint_eq(page_of(&one)->rows[0].epoch, row.epoch + 2);
    ck_assert_mem_eq(page_of(&one)->rows[0].identity, identity, sizeof(identity));
    ck_assert_uint_eq(page_of(&one)->files[page_of(&one)->rows[0].members[0]].bytes, 6144);
}
END_TEST

START_TEST(a_drive_that_was_added_stays_that)
{
    Bulkhead__Disk d = disk_at(0, NULL), disc = disk_at(0, make_file("a", 4096));
    AUTO_FD fd = open_given("a", O_RDONLY);
    uint32_t flags = DISK_READ_ONLY | DISK_ADDED;

    d.kind = DISK_DVD;
    ck_assert_int_eq(start(&one, NULL, NULL), 0);
    ck_assert_msg(change(&one, ADD, &d, -1) == 0, "%s", why.text);
    ck_assert_uint_eq(page_of(&one)->rows[0].flags, flags | DISK_EMPTY);
    ck_assert_msg(change(&one, INSERT, &disc, fd) == 0, "%s", why.text);
    ck_assert_uint_eq(page_of(&one)->rows[0].flags, flags);
    ck_assert_int_eq(change(&one, EJECT, &disc, -1), 0);
    ck_assert_uint_eq(page_of(&one)->rows[0].flags, flags | DISK_EMPTY);
}
END_TEST

START_TEST(what_is_no_drive_has_no_disc)
{
    Bulkhead__Disk d = disk_at(0, make_file("a", 4096));

    ck_assert_int_eq(start(&one, &d, NULL), 0);
    ck_assert_int_eq(change(&one, EJECT, &d, -1), -EINVAL);
    expect_line("it is no dvd drive");
    ck_assert_int_eq(change(&one, INSERT, &d, -1), -EINVAL);
    ck_assert_int_eq(change(&one, (Bulkhead__DiskChange__Action)99, &d, -1), -EINVAL);
    ck_assert_int_eq(change(&one, ADD, NULL, -1), -EINVAL);
    d.lun = DISK_LUNS;
    ck_assert_int_eq(change(&one, REMOVE, &d, -1), -EINVAL);
}
END_TEST

/* --- a reader beside a writer --- */

struct reading {
    _Atomic bool over;
    unsigned good;
};

static void *read_all_the_time(void *arg)
{
    static struct disks_page copy;
    struct reading *r = arg;

    while (!atomic_load(&r->over)) {
        if (!disks_read(one.disks.page, &copy))
            continue;
        r->good++;
        for (uint32_t i = 0; i < copy.n_rows; i++) {
            /* The disk is there with its file, or neither is. */
            bool there = copy.rows[i].kind == DISK_DISK;

            ck_assert(copy.rows[i].n_members == (there ? 1u : 0u));
            ck_assert(!there || copy.files[copy.rows[i].members[0]].bytes == MIB);
        }
    }
    return NULL;
}

START_TEST(a_reader_sees_each_change_whole)
{
    Bulkhead__Disk d = disk_at(0, make_file("a", MIB));
    AUTO_FD fd = open_given("a", O_RDWR);
    struct reading reading = {0};
    pthread_t reader;

    ck_assert_int_eq(start(&one, NULL, NULL), 0);
    ck_assert_int_eq(pthread_create(&reader, NULL, read_all_the_time, &reading), 0);
    for (int i = 0; i < CHANGES; i++) {
        ck_assert_int_eq(change(&one, ADD, &d, fd), 0);
        (void)usleep(100);
        ck_assert_int_eq(change(&one, REMOVE, &d, -1), 0);
        (void)usleep(100);
    }
    atomic_store(&reading.over, true);
    ck_assert_int_eq(pthread_join(reader, NULL), 0);
    ck_assert_uint_gt(reading.good, 0);
}
END_TEST

START_TEST(a_page_that_is_being_written_is_not_read)
{
    ck_assert_int_eq(start(&one, NULL, NULL), 0);
    (void)page_of(&one);
    (void)atomic_fetch_add(&one.disks.page->seq, 1);
    ck_assert(!disks_read(one.disks.page, &one.copy));
}
END_TEST

/* --- a host without io_uring --- */

/* The other stage's ring is not made use of. */
static void be_plain(struct stage *s)
{
    s->objects.plain = true;
    fd_closep(&s->objects.fds[OBJECT_RING][0]);
}

static void expect_granted(unsigned i, const char *path, int access_mode)
{
    struct stat want, is;
    int fd = disks_grant(&one.disks, i);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &is), 0);
    ck_assert_int_eq(stat(path, &want), 0);
    ck_assert(want.st_dev == is.st_dev && want.st_ino == is.st_ino);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, access_mode);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    fd_closep(&fd);
}

START_TEST(without_a_ring_the_worker_gets_what_each_disk_may_be_used_for)
{
    char *paths[] = {make_file("a", MIB), make_file("b", MIB)};
    Bulkhead__Disk a = disk_at(0, paths[0]), b = disk_at(1, paths[1]);

    be_plain(&one);
    b.paths = &paths[1];
    a.paths = &paths[0];
    b.read_only = true;
    ck_assert_uint_eq(disks_n_fds(&one.disks), 0);
    ck_assert_msg(start(&one, &a, &b) == 0, "%s", why.text);
    ck_assert_uint_eq(disks_n_fds(&one.disks), 2);
    ck_assert_uint_eq(page_of(&one)->plain_files, 2);
    ck_assert_uint_eq(page_of(&one)->plain_fd, FD_FIRST_GRANT + manifest_n_fds(PROCESS_STORAGE, 0));
    ck_assert_uint_eq(page_of(&one)->rows[0].members[0], 0);
    ck_assert_uint_eq(page_of(&one)->rows[1].members[0], 1);
    expect_granted(0, paths[0], O_RDWR);
    expect_granted(1, paths[1], O_RDONLY);
}
END_TEST

START_TEST(without_a_ring_no_disk_comes_or_goes)
{
    Bulkhead__Disk a = disk_at(0, make_file("a", MIB)), b = disk_at(1, make_file("b", MIB));
    AUTO_FD fd = open_given("b", O_RDWR);
    static const Bulkhead__DiskChange__Action actions[] = {ADD, REMOVE, INSERT, EJECT};

    be_plain(&one);
    a.paths = (char *[]){in_folder("a")};
    ck_assert_msg(start(&one, &a, NULL) == 0, "%s", why.text);
    (void)bell_rang(&one);
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        ck_assert_int_eq(change(&one, actions[i], i == 0 ? &b : &a, i == 1 ? -1 : fd), -EOPNOTSUPP);
        expect_line("this needs io_uring");
    }
    ck_assert(!bell_rang(&one));
    ck_assert_uint_eq(disks_n_fds(&one.disks), 1);
    ck_assert_int_eq(truncate(in_folder("a"), 2 * MIB), 0);
    ck_assert_msg(change(&one, RESIZE, &a, -1) == 0, "%s", why.text);
    ck_assert_uint_eq(page_of(&one)->files[0].bytes, 2 * MIB);
    ck_assert(bell_rang(&one));
}
END_TEST

static TCase *changes_case(void)
{
    TCase *t = tcase_create("changes");

    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, without_a_ring_the_worker_gets_what_each_disk_may_be_used_for);
    tcase_add_test(t, without_a_ring_no_disk_comes_or_goes);
    tcase_add_test(t, a_disk_comes_and_goes);
    tcase_add_test(t, a_slot_rests_before_it_is_used_again);
    tcase_add_test(t, a_file_cannot_be_named_while_it_runs);
    tcase_add_test(t, a_file_that_came_along_gives_no_more_than_it_could);
    tcase_add_test(t, no_memory_and_no_stripe_while_it_runs);
    tcase_add_test(t, a_disk_grows);
    tcase_add_test(t, an_image_that_grew_is_measured_again);
    tcase_add_test(t, a_disc_is_ejected_and_another_inserted);
    tcase_add_test(t, a_drive_that_was_added_stays_that);
    tcase_add_test(t, what_is_no_drive_has_no_disc);
    tcase_add_test(t, a_reader_sees_each_change_whole);
    tcase_add_test(t, a_page_that_is_being_written_is_not_read);
    return t;
}

int main(void)
{
    Suite *s = suite_create("disk_changes");
    SRunner *r = srunner_create(s);
    int failed;

    suite_add_tcase(s, changes_case());
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
