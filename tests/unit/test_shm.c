#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shm.h"

enum {
    LEN = 8192,
};

static int fd = -1;

static void make(void)
{
    ck_assert_int_eq(shm_new("test", LEN, &fd), 0);
}

static void done(void)
{
    (void)close(fd);
}

START_TEST(two_mappings_share_zeroed_memory)
{
    uint8_t *a;
    uint8_t *b;

    ck_assert_int_eq(shm_map(fd, LEN, true, (void **)&a), 0);
    ck_assert_int_eq(shm_map(fd, LEN, false, (void **)&b), 0);
    for (unsigned i = 0; i < LEN; i++)
        ck_assert_uint_eq(b[i], 0);
    a[LEN - 1] = 42;
    ck_assert_uint_eq(b[LEN - 1], 42);
    ck_assert_int_eq(munmap(a, LEN), 0);
    ck_assert_int_eq(munmap(b, LEN), 0);
}
END_TEST

START_TEST(it_closes_on_exec)
{
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(nobody_can_resize_it)
{
    ck_assert_int_eq(ftruncate(fd, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(ftruncate(fd, 2 * LEN), -1);
    ck_assert_int_eq(errno, EPERM);
}
END_TEST

START_TEST(nobody_can_seal_it_further)
{
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    ck_assert_int_eq(errno, EPERM);
}
END_TEST

/* Where the kernel has MFD_NOEXEC_SEAL. */
START_TEST(it_has_no_execute_bit)
{
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    if ((fcntl(fd, F_GET_SEALS) & 0x0020) != 0)
        ck_assert_uint_eq(st.st_mode & 0111, 0);
}
END_TEST

static void expect_refusal(int of, size_t len)
{
    void *at = &fd;

    ck_assert_int_eq(shm_map(of, len, true, &at), -EBADMSG);
    ck_assert_ptr_eq(at, &fd);
}

START_TEST(another_size_is_refused)
{
    expect_refusal(fd, LEN - 4096);
    expect_refusal(fd, LEN + 4096);
}
END_TEST

START_TEST(memory_that_can_shrink_is_refused)
{
    int loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_eq(ftruncate(loose, LEN), 0);
    expect_refusal(loose, LEN);
    (void)close(loose);
}
END_TEST

START_TEST(what_has_no_seals_is_refused)
{
    char path[] = "/tmp/test_shm.XXXXXX";
    int file = mkstemp(path);

    ck_assert_int_ge(file, 0);
    (void)unlink(path);
    ck_assert_int_eq(ftruncate(file, LEN), 0);
    expect_refusal(file, LEN);
    (void)close(file);
}
END_TEST

START_TEST(a_closed_descriptor_is_refused)
{
    void *at = &fd;

    ck_assert_int_eq(shm_map(-1, LEN, true, &at), -EBADF);
    ck_assert_ptr_eq(at, &fd);
}
END_TEST

START_TEST(a_read_only_descriptor_cannot_be_mapped_writable)
{
    char path[64];
    void *at = &fd;
    int ro;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ro = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(ro, 0);
    ck_assert_int_eq(shm_map(ro, LEN, true, &at), -EACCES);
    ck_assert_ptr_eq(at, &fd);
    ck_assert_int_eq(shm_map(ro, LEN, false, &at), 0);
    (void)munmap(at, LEN);
    (void)close(ro);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shm");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, make, done);
    tcase_add_test(c, two_mappings_share_zeroed_memory);
    tcase_add_test(c, it_closes_on_exec);
    tcase_add_test(c, nobody_can_resize_it);
    tcase_add_test(c, nobody_can_seal_it_further);
    tcase_add_test(c, it_has_no_execute_bit);
    tcase_add_test(c, another_size_is_refused);
    tcase_add_test(c, memory_that_can_shrink_is_refused);
    tcase_add_test(c, what_has_no_seals_is_refused);
    tcase_add_test(c, a_closed_descriptor_is_refused);
    tcase_add_test(c, a_read_only_descriptor_cannot_be_mapped_writable);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
