/*
 * init/config.h - the configuration of one VM: bytes in, checked message out.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "control.pb-c.h"
#include "init/why.h"

enum {
    CONFIG_MAX_BYTES = 1 << 20, /* hundreds of disks and their paths */
    CONFIG_MAX_VCPUS = 64,
    CONFIG_MAX_NAME = 63,
    CONFIG_MAX_PATH = 4095,
    CONFIG_MAX_APPEND = 2047, /* what Linux keeps of a command line */
    CONFIG_MAX_SOCKET = 107,  /* what fits in a sockaddr_un */
};

/*
 * Unpack and check. The caller owns *ret and frees it with config_freep().
 *   0          every limit above and those of ipc/ram.h hold, and no text has control characters
 *   -EBADMSG   not a configuration
 *   -EINVAL    a value outside its limits
 * why says which, in one line.
 */
int MUST_USE config_parse(const void *bytes, size_t len, Bulkhead__VmConfig **ret, struct why *why);

/* Read all of fd, from its beginning, and parse it. */
int MUST_USE config_read(int fd, Bulkhead__VmConfig **ret, struct why *why);

/* 0 when the machine has that much memory, else -ENOMEM and both numbers. */
int MUST_USE config_check_memory(uint64_t memory_bytes, uint64_t machine_bytes, struct why *why);

/* Free *config; accepts NULL. For CLEANUP. */
void config_freep(Bulkhead__VmConfig **config);
