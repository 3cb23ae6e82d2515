/*
 * ipc/records.h - what has happened to this VM, for operators: OBJECT_RECORDS, a ring of events and one of crashes.
 *
 * init makes the page, the supervisor alone writes it, diag reads it. It outlives every worker and every diag, so that a
 * death is told by somebody who did not die of it. The oldest records are overwritten; a reader that was too slow knows how
 * many it missed.
 *
 * Records are of one size, and hold numbers and enumerations: no text but a build id, and the last lines of a dead process's
 * log. Whoever reads copies a record once and checks the copy.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/board.h"
#include "base/macro.h"

enum {
    RECORDS_EVENTS = 1024,
    RECORDS_CRASHES = 64,
    RECORDS_LINES = 8, /* of a log, with a crash */
    RECORDS_BUILD_ID_BYTES = 48,
    RECORDS_VM = UINT8_MAX, /* in the place of a process: it is about the VM */
};

/* Why a process has ended. */
enum cause {
    CAUSE_NONE,
    CAUSE_CRASH, /* a signal or an exit of its own: see its wait status */
    CAUSE_KILLED,
    CAUSE_FORBIDDEN_CALL,
    CAUSE_REPLACED,
    CAUSE_HANG,
    CAUSE_PROTOCOL,
    CAUSE_SANDBOX,
    CAUSE_REFUSED,
    CAUSE_START,
    CAUSE_MEMORY,
    CAUSES,
};

/* One row each in records.c. */
enum event_kind {
    EVENT_NONE,
    /* a process */
    EVENT_STARTING,
    EVENT_RUNNING,
    EVENT_DIED, /* with its cause, and the number of its crash record if it has one */
    EVENT_SPARE_DIED,
    EVENT_RESTARTING,
    EVENT_REPLACED,
    EVENT_PARKED,
    EVENT_REVIVED,
    EVENT_DEAD,
    EVENT_SANDBOX_VERIFIED,
    EVENT_SANDBOX_FAILED,
    /* the VM */
    EVENT_STARTED,
    EVENT_PAUSED,
    EVENT_RESUMED,
    EVENT_LINK_UP,
    EVENT_LINK_DOWN,
    EVENT_DISK_ADDED,
    EVENT_DISK_REMOVED,
    EVENT_DISK_RESIZED,
    EVENT_DISK_INSERTED,
    EVENT_DISK_EJECTED,
    EVENT_GUEST_CRASH, /* it reports one, by Hyper-V's registers */
    EVENT_POWER_OFF,
    EVENT_RESET,
    EVENT_PANIC,
    EVENT_TRIPLE_FAULT,
    EVENT_FAILED,
    EVENT_KINDS,
};

enum {
    EVENT_NUMBERS = 2,
};

struct event_record {
    uint64_t seq;     /* 1 and up */
    uint64_t time_ns; /* CLOCK_REALTIME */
    uint64_t monotonic_ns;
    uint16_t kind;   /* enum event_kind */
    uint8_t process; /* enum process, or RECORDS_VM */
    uint8_t cause;   /* enum cause */
    uint32_t generation;
    int32_t pid;
    uint32_t crash;                  /* seq of its crash record; 0: none */
    uint32_t numbers[EVENT_NUMBERS]; /* what they are, records_event_numbers() tells */
    uint8_t spare[8];
};
_Static_assert(sizeof(struct event_record) == 56, "layout");

/* What kind of request a worker was executing; the code is an enumeration of the request's own kind. */
enum doing {
    DOING_NONE,
    DOING_PORT_IO, /* code: the port */
    DOING_MMIO,    /* code: the address */
    DOING_VMBUS,   /* a message of the guest's; code: its type */
    DOING_TPM,     /* code: the command's */
    DOING_STORVSP, /* code: the operation's */
    DOING_SCSI,    /* code: the operation's */
    DOING_NVSP,    /* code: the message's type */
    DOING_RNDIS,   /* code: the message's type */
    DOINGS,
};

struct crash_line {
    uint64_t monotonic_ns;
    uint32_t generation;
    uint16_t level; /* enum log_level */
    uint16_t len;
    char text[BOARD_LOG_TEXT_BYTES];
};
_Static_assert(sizeof(struct crash_line) == 240, "layout");

struct crash_record {
    uint64_t seq;     /* 1 and up: the crash's number */
    uint64_t time_ns; /* CLOCK_REALTIME */
    uint64_t monotonic_ns;
    uint64_t served_ns; /* how long the generation had served */
    uint64_t
        code; /* has_code: where in its program it was, as an offset that addr2line understands */
    int32_t wait_status; /* as waitpid(2) */
    int32_t pid;
    uint32_t generation;
    uint32_t restarts; /* of the process, so far */
    uint32_t doing_code;
    uint8_t process;  /* enum process */
    uint8_t cause;    /* enum cause */
    uint8_t doing;    /* enum doing */
    uint8_t has_code; /* 0 or 1 */
    uint8_t is_spare; /* 1: it did not serve, but stood by */
    uint8_t n_lines;
    char build_id[RECORDS_BUILD_ID_BYTES];
    uint8_t spare[6];
    struct crash_line lines[RECORDS_LINES]; /* the newest, the oldest of them first */
};
_Static_assert(sizeof(struct crash_record) == 2040, "layout");

struct event_slot {
    _Atomic uint64_t written; /* the seq of what is in it; 0: it is being written */
    struct event_record event;
};

struct crash_slot {
    _Atomic uint64_t written;
    struct crash_record crash;
};

struct records_page {
    _Atomic uint64_t n_events; /* the seq of the newest */
    _Atomic uint64_t n_crashes;
    uint8_t pad[4096 - 16];
    struct event_slot events[RECORDS_EVENTS]; /* seq modulo RECORDS_EVENTS */
    struct crash_slot crashes[RECORDS_CRASHES];
};
_Static_assert(sizeof(struct records_page) == 4096 + 64 * RECORDS_EVENTS + 2048 * RECORDS_CRASHES,
               "layout");

/* --- the writer's end; one at a time --- */

/* Add a record: its seq and times are made here. Returns its seq. */
uint64_t records_add_event(struct records_page *page, struct event_record *event);
uint64_t records_add_crash(struct records_page *page, struct crash_record *crash);

/* --- a reader --- */

/* Where a reader is in one of the rings. */
struct records_cursor {
    uint64_t at;   /* the newest that it has seen */
    uint64_t lost; /* so many were overwritten before it saw them, or made no sense */
};

/* At the oldest that there is. */
struct records_cursor records_oldest_event(const struct records_page *page);
struct records_cursor records_oldest_crash(const struct records_page *page);

/* The next event: 0, or -EAGAIN: there is none now. */
int MUST_USE records_next_event(const struct records_page *page, struct records_cursor *c,
                                struct event_record *ret);

/* The next crash: 0, or -EAGAIN. Its texts are printable and end with a zero. */
int MUST_USE records_next_crash(const struct records_page *page, struct records_cursor *c,
                                struct crash_record *ret);

/* The crash of that number: 0, or -ENOENT: there was none, or it is there no more. */
int MUST_USE records_find_crash(const struct records_page *page, uint64_t number,
                                struct crash_record *ret);

/* For operators; NULL: no such, or nothing to be said. */
const char *records_cause_name(unsigned cause);
const char *records_event_name(unsigned kind);
const char *records_doing_name(unsigned doing);

/* What the numbers of an event are; NULL ends it. */
const char *const *records_event_numbers(unsigned kind);
