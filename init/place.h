/*
 * init/place.h - where init runs: in a PID namespace of a plain host, or as the PID 1 of a VM.
 *
 * Both end in the same set of descriptors; from there on nothing depends on the place.
 */
#pragma once

#include <stdbool.h>

#include "base/macro.h"
#include "init/why.h"
#include "ipc/manifest.h"
#include "ipc/nets.h"

enum {
    PLACE_ENDS = NETS_MAX + 1,
};

struct place {
    bool nested;
    int config_fd;
    int report_fd;
    int com_fds[COM_COUNT];
    int end_fds
        [PLACE_ENDS]; /* what NICs are plugged into, then what operators connect to; -1: nothing */
    int vtl2_fd;      /* where the output of the vtl2 script goes; -1: nowhere */
};

/* All -1. */
void place_init(struct place *p);

/*
 * On a plain host: claim what `bulkhead run` hands down (3 configuration, 4 reports, 5 to 8
 * com1 to com4, 9 vtl2 output, from 10 on one for each NIC, then what remote operators connect to), make the mounts private and mount a /proc of our own.
 */
int MUST_USE place_hosted(struct place *p, struct why *why);

/* In a VM: mount, load modules, wait for the virtio ports and open them. */
int MUST_USE place_nested(struct place *p, struct why *why);

/* Say a line on the VM's kernel console: for what cannot be reported. */
void place_nested_say(const char *text);

/* End the VM that we are PID 1 of. Does not return. */
_Noreturn void place_nested_end(void);

/* Close what nobody took over. */
void place_done(struct place *p);
