/*
 * tests/guest/programs/extend_loop.c - runs in the guest: extends a PCR through Linux's TPM driver.
 *
 *   extend_loop FILE
 *
 * Until FILE exists, so that whoever makes it decides how long.
 *
 * The n-th extend, from 0 up, uses a digest whose first 8 bytes are n, little-endian, and whose
 * others are 0. Prints "extends N pcr HEX" at the end; the model is outside; and how long the longest
 * took. Exits with 1 on the first error that the driver or the TPM reports.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "tests/sim/tpm_client.h"
#include "tests/sim/tpm_commands.h"

enum {
    PCR = 16,
};

static int call(int tpm, const uint8_t *cmd, size_t len, uint8_t *rsp, size_t *ret_len)
{
    ssize_t n;

    if (write(tpm, cmd, len) != (ssize_t)len)
        return -errno;
    n = read(tpm, rsp, TPM_CLIENT_BYTES);
    if (n < 10)
        return n < 0 ? -errno : -EBADMSG;
    *ret_len = (size_t)n;
    return rsp[6] == 0 && rsp[7] == 0 && rsp[8] == 0 && rsp[9] == 0 ? 0 : -EPROTO;
}

static int extend(int tpm, uint64_t n)
{
    uint8_t digest[TPM_DIGEST_BYTES] = {0};
    uint8_t cmd[TPM_CLIENT_BYTES];
    uint8_t rsp[TPM_CLIENT_BYTES];
    size_t len;

    memcpy(digest, &n, sizeof(n));
    return call(tpm, cmd, tpm_cmd_pcr_extend(cmd, PCR, digest), rsp, &len);
}

static int print_pcr(int tpm, uint64_t n)
{
    uint8_t cmd[TPM_CLIENT_BYTES];
    uint8_t rsp[TPM_CLIENT_BYTES];
    size_t len;
    int r = call(tpm, cmd, tpm_cmd_pcr_read(cmd, PCR), rsp, &len);

    if (r < 0)
        return r;
    printf("extends %llu pcr ", (unsigned long long)n);
    for (size_t i = len - TPM_DIGEST_BYTES; i < len; i++)
        printf("%02x", rsp[i]);
    printf("\n");
    return 0;
}

int main(int argc, char **argv)
{
    AUTO_FD tpm = open("/dev/tpm0", O_RDWR | O_CLOEXEC);
    uint64_t n = 0, longest_ns = 0;
    int r = tpm < 0 ? -errno : 0;

    if (argc != 2)
        return 2;
    while (r == 0 && access(argv[1], F_OK) < 0) {
        uint64_t begun_ns = clock_now_ns(), took_ns;

        r = extend(tpm, n);
        n++;
        took_ns = clock_now_ns() - begun_ns;
        longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
    }
    if (r == 0)
        r = print_pcr(tpm, n);
    if (r == 0)
        printf("longest extend %llu us\n", (unsigned long long)(longest_ns / NS_PER_US));
    if (r < 0)
        printf("error at extend %llu: %s\n", (unsigned long long)n, strerror(-r));
    return r < 0 ? 1 : 0;
}
