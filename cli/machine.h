/*
 * cli/machine.h - what this machine offers to a VM.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

struct machine {
    bool root;
    const char *virtualization; /* "vmx" or "svm"; NULL: none, whatever /dev/kvm says */
    int kvm_error;              /* errno of opening /dev/kvm; 0: it opens */
    uint64_t memory_bytes;
};

/* Look. 0, or negative errno when /proc is not readable. */
int MUST_USE machine_look(struct machine *ret);

/* "vmx" or "svm" when the text of /proc/cpuinfo names it as a flag, else NULL. */
const char *machine_virtualization(const char *cpuinfo);
