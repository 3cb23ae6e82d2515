/*
 * workers/storage/storvsp.h - the protocol of a synthetic SCSI controller: bytes of the guest's packets
 * to values, answers to bytes, and the phases of a controller.
 *
 * @spec Linux drivers/scsi/storvsc_drv.c (struct vstor_packet), as no document has it
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"
#include "workers/storage/scsi.h"

enum {
    STORVSP_PACKET_BYTES = 64,     /* from version 5.1 on */
    STORVSP_OLD_PACKET_BYTES = 48, /* before */
    STORVSP_SENSE_MAX = 20,
};

enum storvsp_op {
    STORVSP_COMPLETE = 1,
    STORVSP_EXECUTE_SRB = 3,
    STORVSP_RESET_LUN = 4,
    STORVSP_RESET_ADAPTER = 5,
    STORVSP_RESET_BUS = 6,
    STORVSP_BEGIN_INIT = 7,
    STORVSP_END_INIT = 8,
    STORVSP_QUERY_VERSION = 9,
    STORVSP_QUERY_PROPERTIES = 10,
    STORVSP_ENUMERATE_BUS = 11,
    STORVSP_CREATE_SUBCHANNELS = 13,
};

/* NTSTATUS and SRB status values that guests are told. */
static const uint32_t STORVSP_SUCCESS = 0;
static const uint32_t STORVSP_INVALID_DEVICE_STATE = 0xc0000184;
static const uint32_t STORVSP_REVISION_MISMATCH = 0xc0000059;
static const uint32_t STORVSP_INVALID_REQUEST = 0xc0000010;
static const uint32_t STORVSP_NO_SUCH_LUN = 0xc00000c0;
static const uint32_t STORVSP_IO_ERROR = 0xc0000185;

enum srb_status {
    SRB_SUCCESS = 0x01,
    SRB_ERROR = 0x04,
    SRB_INVALID_REQUEST = 0x06,
    SRB_INVALID_LUN = 0x20,
    SRB_AUTOSENSE_VALID = 0x80,
};

/* A packet of the guest: a private copy. */
struct storvsp_packet {
    uint32_t op;
    uint16_t version;     /* STORVSP_QUERY_VERSION */
    uint16_t subchannels; /* STORVSP_CREATE_SUBCHANNELS */
    /* STORVSP_EXECUTE_SRB; path, target and lun also of STORVSP_RESET_LUN */
    uint8_t path, target, lun;
    uint8_t cdb_len, sense_room;
    uint8_t data_in; /* 0: to the device, 1: from it, 2: neither */
    uint32_t data_len;
    uint8_t cdb[SCSI_CDB_BYTES];
    bool no_sense; /* autosense is not wanted */
};

/* -EBADMSG: too short, or a number that cannot be; then *ret means nothing. */
int MUST_USE storvsp_parse(const void *bytes, uint32_t len, struct storvsp_packet *ret);

/* Is it one of the three resets? */
bool storvsp_is_reset(uint32_t op);

/* What an SRB came to. */
struct storvsp_result {
    uint32_t status;     /* NTSTATUS */
    uint8_t srb_status;  /* enum srb_status and flags */
    uint8_t scsi_status; /* enum scsi_status */
    uint32_t data_len;   /* bytes that were moved */
    uint8_t sense_len;
    uint8_t sense[STORVSP_SENSE_MAX];
};

/*
 * Turn a packet into its answer, of the same length: answers begin as the request. Write to out, which
 * has STORVSP_PACKET_BYTES.
 */
void storvsp_answer_srb(const void *request, uint32_t len, const struct storvsp_result *result,
                        uint8_t *out);
/* The answer to anything else: a status. */
void storvsp_answer_status(const void *request, uint32_t len, uint32_t status, uint8_t *out);
/* And of QUERY_PROPERTIES. */
void storvsp_answer_properties(const void *request, uint32_t len, uint16_t max_subchannels,
                               uint32_t max_bytes, uint8_t *out);

/* --- a controller --- */

enum controller_phase {
    CONTROLLER_CLOSED,
    CONTROLLER_BEGUN,
    CONTROLLER_VERSION, /* agreed on */
    CONTROLLER_PROPERTIES,
    CONTROLLER_READY,
    CONTROLLER_PHASES,
};

struct controller {
    uint32_t phase; /* enum controller_phase */
    uint32_t version;
    uint32_t opening;     /* of the primary channel: another one begins anew */
    uint32_t subchannels; /* that the guest asked for */
};

/* The primary channel was opened anew. */
void controller_open(struct controller *c, uint32_t opening);

/*
 * One of the operations that are not SRBs; fills the answer. May be asked again after a death: it changes
 * the controller to the same. True when the controller changed.
 */
bool controller_execute(struct controller *c, const struct storvsp_packet *p, const void *request,
                        uint32_t len, uint16_t max_subchannels, uint8_t *out);

void controller_save(const struct controller *c, struct wr *w);
int MUST_USE controller_load(struct controller *c, struct rd *r);
