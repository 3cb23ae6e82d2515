/*
 * tests/bench/tpm_series.h - the same commands, timed the same way, against whatever TPM answers.
 *
 * The peers of a comparison differ only in call(). Makes no system call of its own, so it runs in
 * the supervisor's jail too.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    TPM_SERIES_MAX = 20000, /* commands of one kind */
    TPM_SERIES_LINE_BYTES = 400,
};

struct tpm_series {
    const char *who;       /* whose figures these are */
    const char *placement; /* "same", "other" */
    unsigned count;        /* commands of each kind that are timed, up to TPM_SERIES_MAX */
    unsigned warm_up;      /* and before them, not timed */
    int (*call)(void *self, const uint8_t *cmd, size_t len, uint8_t *rsp, size_t *ret_len);
    void (*say)(void *self, const char *line); /* one JSON object a line */
    void *self;
};

/*
 * Run PCR_Extend, PCR_Read and GetRandom, one line each. 0, what call() failed with, or -EPROTO when
 * the TPM answered with an error.
 */
int MUST_USE tpm_series_run(const struct tpm_series *s);

/* Sort, without the system call that glibc's qsort makes. */
void tpm_series_sort(uint64_t *values, size_t n);
