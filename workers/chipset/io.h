/*
 * workers/chipset/io.h - one access to one device, and the time at which it happens.
 *
 * Devices are state machines without I/O: what they need of the world comes in here, and what they
 * want of it goes out here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ipc/port.h"

struct io {
    uint16_t port; /* I/O port number */
    uint8_t size;  /* bytes: 1, 2 or 4 */
    bool write;
    uint32_t data;           /* the low size bytes: of a write going in, of a read coming out */
    bool changed;            /* out: state changed that a successor must know */
    bool unknown;            /* out: no register there */
    enum port_effect effect; /* out */
};

/* Both clocks, read once for each access, so that one access sees one instant. */
struct chipset_time {
    int64_t real_s;   /* CLOCK_REALTIME */
    uint32_t real_ns; /* below 1 s */
    uint64_t mono_ns; /* CLOCK_MONOTONIC */
};
