/*
 * workers/storage/scsi_sense.h - why a command failed, as sense data.
 *
 * @spec SPC-4 4.5
 */
#pragma once

#include <stdint.h>

#include "workers/storage/scsi.h"

/* Sense key, additional sense code and its qualifier in one number. */
enum scsi_sense {
    SENSE_NONE = 0,
    SENSE_NOT_READY_STOPPED = 0x020402, /* until it is started */
    SENSE_NOT_READY_MANUAL = 0x020403,  /* until somebody does something */
    SENSE_NO_MEDIUM = 0x023a00,
    SENSE_NO_MEDIUM_CLOSED = 0x023a01,
    SENSE_NO_MEDIUM_OPEN = 0x023a02,
    SENSE_WRITE_ERROR = 0x030c00,
    SENSE_READ_ERROR = 0x031100,
    SENSE_TARGET_FAILURE = 0x044400,
    SENSE_LIST_LENGTH = 0x051a00,
    SENSE_INVALID_OPCODE = 0x052000,
    SENSE_LBA_RANGE = 0x052100,
    SENSE_INVALID_CDB = 0x052400,
    SENSE_INVALID_LIST = 0x052600,
    SENSE_INVALID_RELEASE = 0x052604,
    SENSE_NO_SAVED_PAGES = 0x053900,
    SENSE_REMOVAL_PREVENTED = 0x055302,
    SENSE_NO_REGISTRATION_LEFT = 0x055504,
    SENSE_MEDIUM_CHANGED = 0x062800,
    SENSE_PR_PREEMPTED = 0x062a03,
    SENSE_PR_RELEASED = 0x062a04,
    SENSE_PR_UNREGISTERED = 0x062a05,
    SENSE_CAPACITY_CHANGED = 0x062a09,
    SENSE_LUNS_CHANGED = 0x063f0e,
    SENSE_WRITE_PROTECTED = 0x072700,
    SENSE_NO_SPACE = 0x072707,
    SENSE_TIMEOUT = 0x0b2e02,
    SENSE_ABORTED = 0x0b4400,
    /* No sense at all, but a status of its own. */
    SENSE_CONFLICT = 0x1000000,
};

/* Which byte is wrong: the sense-key specific bytes of 5/24 and 5/26. */
struct scsi_pointer {
    bool valid;
    uint16_t byte;
    int8_t bit; /* -1: the whole byte or field */
};

/* 18 bytes in the fixed format. */
void scsi_sense_fill(uint8_t out[SCSI_SENSE_BYTES], enum scsi_sense s,
                     const struct scsi_pointer *p);

/* Status and sense of the answer; what else it has stays. p may be NULL. */
void scsi_answer_with(struct scsi_answer *a, enum scsi_sense s, const struct scsi_pointer *p);
