/*
 * init/first_cpu.h - a defect of QEMU's emulation, and how a guest lives with it.
 *
 * Where QEMU emulates several CPUs, each FXRSTOR or FLDENV on any of them clears a flag of the first one,
 * IGNNE, by an exchange that is not atomic (cpu_set_fpus() calls cpu_clear_ignne(); seen in 7.2, and there
 * for as long as threads have emulated CPUs). The word holds the flags of SVM, too: nested paging, and the
 * global interrupt flag. If the first CPU is in VMRUN or #VMEXIT just then, it keeps a flag that it has
 * cleared or loses one that it has set: the guest runs on page tables that are not its own and ends in a
 * triple fault, or the kernel below it does. A CPU that runs no guest changes no such flag.
 */
#pragma once

#include <sys/types.h>

#include "base/macro.h"

/* Keep a process, and the threads it will start, off the first CPU, unless that is the only one. */
int MUST_USE first_cpu_avoid(pid_t pid);
