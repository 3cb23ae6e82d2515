/*
 * tests/fault/faulty_storage.h - what sets its faults off; see faulty_storage.c.
 */
#pragma once

enum {
    FAULT_OPCODE = 0x12, /* INQUIRY of a page that nobody has */
    FAULT_CRASH_PAGE = 0xf1,
    FAULT_HANG_PAGE = 0xf2,
    FAULT_LOOP_FIRST = 20,
    FAULT_LOOP_LAST = 25, /* six faults: one more than are borne */
};
