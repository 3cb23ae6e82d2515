/*
 * tests/sim/halt_poll.h - how a halted vCPU waits for its interrupt: KVM's halt polling (virt/kvm/kvm_main.c).
 *
 * KVM looks for an interrupt for a while before it lets the CPU go; for how long follows from how long the last halts
 * took: from 10 us on twice as long each time, up to halt_poll_ns, none after one that took longer. It sleeps at once
 * when something else can run on that CPU; so whoever puts the device on the same CPU sets most_ns to 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

static const uint64_t HALT_POLL_NS = 200 * NS_PER_US; /* halt_poll_ns of kvm.ko, unless it is set */

struct halt_poll {
    uint64_t most_ns;
    uint64_t poll_ns; /* now */
};

/* Wait until the only descriptor of epoll_fd can be read; timeout as of epoll_wait. False: the time is up. */
bool halt_poll_wait(struct halt_poll *h, int epoll_fd, int timeout_ms);
