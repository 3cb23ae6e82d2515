/*
 * tests/fault/faulty_vtpm.h - what sets its faults off; see faulty_vtpm.c.
 */
#pragma once

enum {
    FAULT_CRASH_BYTES = 61,
    FAULT_HANG_BYTES = 62,
    FAULT_LOOP_FIRST = 20,
    FAULT_LOOP_LAST = 25, /* six faults: one more than are borne */
};
