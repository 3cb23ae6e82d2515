/*
 * workers/vmbus/message.h - VMBus channel messages: bytes of the guest to values, values to bytes.
 *
 * Every message begins with its type and four bytes of padding. A guest's message may be longer than
 * its fields (UEFI sends bodies of GPADLs at full length); it may not be shorter.
 *
 * @spec Linux include/linux/hyperv.h (vmbus_channel_message_type), as no document has them
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "ipc/vmbus.h"

enum vmbus_type {
    VMBUS_OFFER = 1,
    VMBUS_RESCIND = 2,
    VMBUS_REQUEST_OFFERS = 3,
    VMBUS_ALL_OFFERS = 4,
    VMBUS_OPEN = 5,
    VMBUS_OPEN_RESULT = 6,
    VMBUS_CLOSE = 7,
    VMBUS_GPADL_HEADER = 8,
    VMBUS_GPADL_BODY = 9,
    VMBUS_GPADL_CREATED = 10,
    VMBUS_GPADL_TEARDOWN = 11,
    VMBUS_GPADL_TORNDOWN = 12,
    VMBUS_RELID_RELEASED = 13,
    VMBUS_INITIATE_CONTACT = 14,
    VMBUS_VERSION_RESPONSE = 15,
    VMBUS_UNLOAD = 16,
    VMBUS_UNLOAD_RESPONSE = 17,
    VMBUS_MODIFY_CHANNEL = 22,
    VMBUS_MODIFY_RESPONSE = 24,
};

enum {
    MESSAGE_HEAD_BYTES = 8,
    MESSAGE_PFNS_MAX = 28, /* in one message */
};

/* NTSTATUS values that guests are told. */
static const uint32_t VMBUS_STATUS_SUCCESS = 0;
static const uint32_t VMBUS_STATUS_UNSUCCESSFUL = 0xc0000001;
static const uint32_t VMBUS_STATUS_INVALID_PARAMETER = 0xc000000d;
static const uint32_t VMBUS_STATUS_NO_RESOURCES = 0xc000009a;

struct message_contact {
    uint32_t version;
    uint32_t target_vp;
};

struct message_open {
    uint32_t relid, open_id, gpadl, target_vp;
    uint32_t downstream; /* pages */
};

/* The first message of a GPADL: one range, and its first page frame numbers. */
struct message_gpadl {
    uint32_t relid, gpadl;
    uint32_t n_ranges;
    uint32_t bytes, offset; /* of the first range; offset into its first page */
    uint32_t pages;         /* that bytes and offset make */
    uint32_t said;          /* bytes of all ranges together, as the guest says */
    struct span pfns;       /* u64 each; may be more than there are pages */
};

struct message_body {
    uint32_t gpadl;
    struct span pfns;
};

struct message_modify {
    uint32_t relid, target_vp;
};

/* Read the fields after the head. -EBADMSG when there are too few bytes. */
int MUST_USE message_read_contact(struct rd *r, struct message_contact *ret);
int MUST_USE message_read_open(struct rd *r, struct message_open *ret);
int MUST_USE message_read_gpadl(struct rd *r, struct message_gpadl *ret);
int MUST_USE message_read_body(struct rd *r, struct message_body *ret);
int MUST_USE message_read_modify(struct rd *r, struct message_modify *ret);
int MUST_USE message_read_u32(struct rd *r, uint32_t *ret);
int MUST_USE message_read_teardown(struct rd *r, uint32_t *ret_relid, uint32_t *ret_gpadl);

/* Write a message for the guest; each returns its length, at most VMBUS_MESSAGE_BYTES. */
uint32_t message_offer(uint8_t *to, unsigned device, unsigned subchannel);
uint32_t message_version(uint8_t *to, bool supported, uint32_t connection);
uint32_t message_open_result(uint8_t *to, uint32_t relid, uint32_t open_id, uint32_t status);
uint32_t message_created(uint8_t *to, uint32_t relid, uint32_t gpadl, uint32_t status);
/* For messages of a head and one or two numbers. */
uint32_t message_plain(uint8_t *to, enum vmbus_type type);
uint32_t message_one(uint8_t *to, enum vmbus_type type, uint32_t value);
uint32_t message_two(uint8_t *to, enum vmbus_type type, uint32_t first, uint32_t second);
