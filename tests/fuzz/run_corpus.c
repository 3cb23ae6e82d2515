/*
 * tests/fuzz/run_corpus.c - runs every file of a corpus folder through one fuzz target, and then
 * every truncation of it, so that a stored finding stays found without a fuzzer.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    INPUT_BYTES = 1 << 16,
    MAX_TRUNCATED = 512, /* longer inputs are only run whole */
};

/* A copy of exactly len bytes, so that a sanitizer sees the first byte past the end. */
static void run_prefix(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);

    if (copy == NULL)
        abort();
    memcpy(copy, bytes, len);
    (void)LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static int run_file(int dir, const char *name)
{
    static uint8_t bytes[INPUT_BYTES];
    AUTO_FD fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

    if (len < 0)
        return 0;
    run_prefix(bytes, (size_t)len);
    for (size_t cut = 0; len <= MAX_TRUNCATED && cut < (size_t)len; cut++)
        run_prefix(bytes, cut);
    return 1;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    int n = 0;

    if (dir == NULL) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_type == DT_REG)
            n += run_file(dirfd(dir), e->d_name);
    }
    (void)closedir(dir);
    printf("%d corpus files\n", n);
    return n > 0 ? 0 : 1; /* an empty corpus tests nothing */
}
