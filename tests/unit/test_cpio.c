#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cpio.h"

enum {
    OUTPUT_BYTES = 4096,
};

static int new_file(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static void run_cpio(int archive, char *const argv[], int out)
{
    if (lseek(archive, 0, SEEK_SET) < 0 || dup2(archive, STDIN_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0)
        _exit(126);
    (void)execvp(argv[0], argv);
    _exit(127);
}

/* What the cpio program says when it reads the archive. */
static void read_with_cpio(int archive, char *const argv[], char output[OUTPUT_BYTES])
{
    AUTO_FD out = new_file();
    pid_t pid = fork();
    ssize_t len;
    int status;

    if (pid == 0)
        run_cpio(archive, argv, out);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "cpio: %d", status);
    len = pread(out, output, OUTPUT_BYTES - 1, 0);
    ck_assert_int_ge(len, 0);
    output[len] = '\0';
}

static void list(int archive, char output[OUTPUT_BYTES])
{
    char *argv[] = {(char[]){"cpio"}, (char[]){"-it"}, (char[]){"--quiet"}, NULL};

    read_with_cpio(archive, argv, output);
}

static void show(int archive, char *name, char output[OUTPUT_BYTES])
{
    char *argv[] = {(char[]){"cpio"},        (char[]){"-i"}, (char[]){"--quiet"},
                    (char[]){"--to-stdout"}, name,           NULL};

    read_with_cpio(archive, argv, output);
}

START_TEST(cpio_reads_what_we_write)
{
    AUTO_FD archive = new_file();
    AUTO_FD source = new_file();
    struct cpio c = cpio_over(archive, 0);
    char output[OUTPUT_BYTES];

    ck_assert_int_eq(write(source, "from a file", 11), 11);
    cpio_folder(&c, "/etc");
    cpio_bytes(&c, "/etc/one", 0600, "1", 1);
    cpio_bytes(&c, "/etc/empty", 0600, "", 0);
    cpio_copy(&c, "/copy", 0700, source);
    ck_assert_int_eq(cpio_finish(&c), 0);
    list(archive, output);
    ck_assert_str_eq(output, "etc\netc/one\netc/empty\ncopy\n");
    show(archive, (char[]){"copy"}, output);
    ck_assert_str_eq(output, "from a file");
    show(archive, (char[]){"etc/one"}, output);
    ck_assert_str_eq(output, "1");
}
END_TEST

START_TEST(every_length_keeps_the_next_header_in_place)
{
    AUTO_FD archive = new_file();
    struct cpio c = cpio_over(archive, 0);
    char output[OUTPUT_BYTES];
    char name[16];

    for (unsigned i = 0; i < 9; i++) {
        (void)snprintf(name, sizeof(name), "/%.*s", (int)i + 1, "aaaaaaaaaa");
        cpio_bytes(&c, name, 0600, "0123456789", i);
    }
    ck_assert_int_eq(cpio_finish(&c), 0);
    list(archive, output);
    ck_assert_str_eq(output, "a\naa\naaa\naaaa\naaaaa\naaaaaa\naaaaaaa\naaaaaaaa\naaaaaaaaa\n");
    show(archive, (char[]){"aaaa"}, output);
    ck_assert_str_eq(output, "012");
}
END_TEST

START_TEST(a_second_archive_starts_aligned)
{
    AUTO_FD archive = new_file();
    struct cpio c;
    char byte[8];

    ck_assert_int_eq(write(archive, "12345", 5), 5);
    c = cpio_over(archive, 5);
    cpio_bytes(&c, "x", 0600, "", 0);
    ck_assert_int_eq(cpio_finish(&c), 0);
    ck_assert_int_eq(pread(archive, byte, sizeof(byte), 5), sizeof(byte));
    ck_assert_mem_eq(byte,
                     "\0\0\0"
                     "07070",
                     sizeof(byte));
}
END_TEST

START_TEST(modes_and_kinds)
{
    AUTO_FD archive = new_file();
    struct cpio c = cpio_over(archive, 0);
    char header[111] = "";

    cpio_bytes(&c, "script", 0700, "", 0);
    ck_assert_int_eq(cpio_finish(&c), 0);
    ck_assert_int_eq(pread(archive, header, 110, 0), 110);
    ck_assert_mem_eq(header, "070701", 6);
    ck_assert_mem_eq(header + 14, "000081c0", 8); /* S_IFREG | 0700 */
    ck_assert_mem_eq(header + 94, "00000007", 8); /* "script" and its end */
}
END_TEST

START_TEST(the_first_error_is_kept)
{
    struct cpio c = cpio_over(-1, 0);

    cpio_folder(&c, "/etc");
    cpio_bytes(&c, "/etc/one", 0600, "1", 1);
    ck_assert_int_eq(cpio_finish(&c), -EBADF);
}
END_TEST

START_TEST(four_gigabytes_are_too_many)
{
    AUTO_FD archive = new_file();
    AUTO_FD source = new_file();
    struct cpio c = cpio_over(archive, 0);

    ck_assert_int_eq(ftruncate(source, INT64_C(1) << 32), 0);
    cpio_copy(&c, "/large", 0600, source);
    ck_assert_int_eq(cpio_finish(&c), -EOVERFLOW);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cpio");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, cpio_reads_what_we_write);
    tcase_add_test(tests, every_length_keeps_the_next_header_in_place);
    tcase_add_test(tests, a_second_archive_starts_aligned);
    tcase_add_test(tests, modes_and_kinds);
    tcase_add_test(tests, the_first_error_is_kept);
    tcase_add_test(tests, four_gigabytes_are_too_many);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
