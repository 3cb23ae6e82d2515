/*
 * tests/integration/evil_protocol.h - the wrong things, one a generation, in this order.
 */
#pragma once

enum {
    GUEST_SLOT = 1, /* of the port: which vCPU makes the accesses */
};

enum evil_act {
    EVIL_WRONG_GENERATION = 1,
    EVIL_GARBAGE,
    EVIL_TOO_LONG,
    EVIL_FORBIDDEN_MESSAGE,
    EVIL_EMPTY_MESSAGE,
    EVIL_CRASH_AT_START,
    EVIL_NO_FILTER,
    EVIL_DUMPABLE,
    EVIL_READY_TWICE,
    EVIL_ADMIN_REQUEST,
    EVIL_NEVER_ANSWER,
    EVIL_FORBIDDEN_CALL,
    EVIL_WRONG_SEQUENCE,
    EVIL_WIDE_ANSWER,
    EVIL_POWER_OFF,
    EVIL_UNKNOWN_EFFECT,
    EVIL_SCRIBBLE_BOARD,
    EVIL_LOG_FLOOD,
    EVIL_LIE_ABOUT_EXECUTING,
    EVIL_SCRIBBLE_PORT,
    EVIL_SCRIBBLE_AND_ANSWER,
    EVIL_SIGNS_OF_LIFE_ONLY,
    EVIL_ANSWER_LATE, /* what the one before did not */
    EVIL_ACTS,
};
