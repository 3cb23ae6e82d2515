#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/sparse_file.h"

static char folder[] = "/tmp/test-sparse-XXXXXX";
static char path[64];
static struct sparse_file f;

static void set_up(void)
{
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/dump", folder);
}

static unsigned files(void)
{
    DIR *d = opendir(folder);
    unsigned n = 0;

    ck_assert_ptr_nonnull(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

static void tear_down(void)
{
    (void)unlink(path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else is left */
}

START_TEST(zeros_are_holes)
{
    static uint8_t all[3 << 20], back[sizeof(all)];
    struct stat st;
    int fd;

    memset(all + 5000, 'a', 3000);
    all[(1 << 20) + 4095] = 1;
    all[sizeof(all) - 4097] = 2;
    ck_assert_int_eq(sparse_file_open(&f, path), 0);
    for (size_t at = 0; at < sizeof(all); at += 15000) {
        const size_t left = sizeof(all) - at;

        ck_assert_int_eq(sparse_file_add(&f, all + at, left < 15000 ? left : 15000), 0);
    }
    ck_assert_uint_eq(sparse_file_bytes(&f), sizeof(all));
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert_int_eq(sparse_file_finish(&f), 0);
    sparse_file_close(&f);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, sizeof(all));
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_le(st.st_blocks * 512, 64 * 1024);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(read(fd, back, sizeof(back)), sizeof(back));
    (void)close(fd);
    ck_assert_mem_eq(back, all, sizeof(all));
    ck_assert_uint_eq(files(), 1);
}
END_TEST

START_TEST(half_a_file_is_none)
{
    ck_assert_int_eq(sparse_file_open(&f, path), 0);
    ck_assert_int_eq(sparse_file_add(&f, "abc", 3), 0);
    sparse_file_close(&f);
    ck_assert_uint_eq(files(), 0);
}
END_TEST

START_TEST(what_was_there_stays_until_it_is_whole)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    struct stat st;

    ck_assert_int_eq(write(fd, "old", 3), 3);
    (void)close(fd);
    ck_assert_int_eq(sparse_file_open(&f, path), 0);
    ck_assert_int_eq(sparse_file_add(&f, "a new one", 9), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 3);
    ck_assert_int_eq(sparse_file_finish(&f), 0);
    sparse_file_close(&f);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 9);
}
END_TEST

START_TEST(what_is_no_file)
{
    static char long_path[2 * PATH_MAX];

    memset(long_path, 'a', sizeof(long_path) - 1);
    ck_assert_int_eq(sparse_file_open(&f, "/dev/null"), -EINVAL);
    ck_assert_int_eq(sparse_file_open(&f, folder), -EISDIR);
    ck_assert_int_eq(sparse_file_open(&f, "/nowhere/at/all"), -ENOENT);
    ck_assert_int_eq(sparse_file_open(&f, long_path), -ENAMETOOLONG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sparse_file");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, zeros_are_holes);
    tcase_add_test(tests, half_a_file_is_none);
    tcase_add_test(tests, what_was_there_stays_until_it_is_whole);
    tcase_add_test(tests, what_is_no_file);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
