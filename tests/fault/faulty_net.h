/*
 * tests/fault/faulty_net.h - what sets its faults off; see faulty_net.c.
 */
#pragma once

enum {
    FAULT_CRASH_OID = 0x7ea00001, /* queries of what nobody has */
    FAULT_HANG_OID = 0x7ea00002,
    FAULT_FRAME_TYPE = 0x88b6, /* Ethernet's, of local experiments */
};
