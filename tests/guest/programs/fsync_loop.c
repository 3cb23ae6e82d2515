/*
 * tests/guest/programs/fsync_loop.c - runs in the guest: writes records and files, and says which are
 * durable.
 *
 *   fsync_loop FOLDER
 *
 * Goes on where FOLDER/records ends, until it is killed. The n-th record is a line of 64 bytes;
 * "acked N" is printed when fsync() of it has returned. Every 16th is also a file of its own, made under
 * another name and renamed; "file N" is printed when its folder is durable too. The model is
 * tests/guest/test-unclean.sh. Exits with 1 on the first error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    RECORD_BYTES = 64,
    FILE_EVERY = 16,
};

static void fill(char record[RECORD_BYTES + 1], unsigned n)
{
    (void)snprintf(record, RECORD_BYTES + 1, "record %010u %045u\n", n, n * 7);
}

static int put(int fd, unsigned n, off_t at)
{
    char record[RECORD_BYTES + 1];

    fill(record, n);
    if (pwrite(fd, record, RECORD_BYTES, at) != RECORD_BYTES || fsync(fd) < 0)
        return -errno;
    return 0;
}

/* A whole file appears, or none. */
static int put_file(int folder, unsigned n)
{
    char name[32];
    AUTO_FD fd = openat(folder, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return -errno;
    r = put(fd, n, 0);
    if (r < 0)
        return r;
    (void)snprintf(name, sizeof(name), "file-%u", n);
    if (renameat(folder, "new", folder, name) < 0 || fsync(folder) < 0)
        return -errno;
    printf("file %u\n", n);
    return 0;
}

static int write_on(int folder, int records)
{
    struct stat st;
    int r = fstat(records, &st) < 0 ? -errno : 0;

    for (unsigned n = r < 0 ? 0 : (unsigned)(st.st_size / RECORD_BYTES); r == 0; n++) {
        r = put(records, n, (off_t)n * RECORD_BYTES);
        if (r == 0)
            printf("acked %u\n", n);
        if (r == 0 && n % FILE_EVERY == 0)
            r = put_file(folder, n);
        (void)fflush(stdout);
    }
    return r;
}

int main(int argc, char **argv)
{
    AUTO_FD folder = -1;
    AUTO_FD records = -1;
    int r;

    if (argc != 2)
        return 2;
    folder = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0)
        records = openat(folder, "records", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    r = records < 0 ? -errno : write_on(folder, records);
    printf("error: %s\n", strerror(-r));
    return 1;
}
