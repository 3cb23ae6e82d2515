/*
 * tests/bench/guest_tpm_loop.c - inside a guest: the time of a command through the guest's driver.
 *
 *   guest_tpm_loop WHO [COUNT]
 *
 * Opens /dev/tpm0, as any program may; one write and one read a command.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/bench/tpm_series.h"
#include "tests/sim/tpm_client.h"

enum {
    WARM_UP = 20,
    DEFAULT_COUNT = 200,
};

static int call(void *self, const uint8_t *cmd, size_t len, uint8_t *rsp, size_t *ret_len)
{
    const int *fd = self;
    ssize_t n;

    if (write(*fd, cmd, len) != (ssize_t)len)
        return -EIO;
    n = read(*fd, rsp, TPM_CLIENT_BYTES);
    if (n < 0)
        return -errno;
    *ret_len = (size_t)n;
    return 0;
}

static void say(void *self, const char *line)
{
    (void)self;
    (void)fputs(line, stdout);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    AUTO_FD fd = open("/dev/tpm0", O_RDWR | O_CLOEXEC);
    struct tpm_series s = {
        .who = argc > 1 ? argv[1] : "guest",
        .placement = "guest",
        .count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : DEFAULT_COUNT,
        .warm_up = WARM_UP,
        .call = call,
        .say = say,
        .self = &fd,
    };
    int r = fd < 0 ? -errno : tpm_series_run(&s);

    if (r < 0)
        fprintf(stderr, "guest_tpm_loop: %s\n", strerror(-r));
    return r < 0;
}
