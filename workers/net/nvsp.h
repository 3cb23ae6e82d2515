/*
 * workers/net/nvsp.h - the protocol of a synthetic NIC (NVSP, and RNDIS inside of it), without I/O.
 *
 * What the guest agreed on with us is in struct nvsp, plain data that is saved as it is. nvsp_message() answers
 * the control messages of a channel; RNDIS control messages come inside of those and are rndis_control()'s
 * (rndis.h). Frames are not seen here.
 *
 * @spec Linux include/linux/hyperv.h, drivers/net/hyperv/hyperv_net.h (there is no public one)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"

enum {
    NVSP_HEAD_BYTES = 40, /* of a message, from version 6.1 on; 28 before */
    NVSP_MESSAGE_MAX =
        128, /* of any control message: the longest is an indirection table, 76 bytes */
    NVSP_RECEIVE_BUFFER = 0xcafe, /* its number, as Linux says it; echoed as the guest says */
    NVSP_SEND_SECTION_BYTES = 6144,
    NVSP_SEND_SECTIONS_MAX = 2688,     /* 16 MiB */
    NVSP_RECEIVE_SECTIONS_MAX = 18432, /* 31 MiB of the smallest */
    NVSP_CONTROL_SECTIONS = 16,        /* of the receive buffer, for answers of RNDIS */
    /* Of a receive section, besides the MTU: Ethernet, RNDIS, and 36 to spare. */
    NVSP_SECTION_EXTRA = 306,

    NIC_CHANNELS = 8,
    NIC_MTU_MIN = 68,
    NIC_MTU_MAX = 9000,
    NIC_HEAD_BYTES = 14, /* Ethernet */
    NIC_VLAN_BYTES = 4,
    NIC_RSS_KEY_BYTES = 40,
    NIC_RSS_TABLE = 128,
};

#define NVSP_NO_SECTION UINT32_MAX

enum nvsp_type {
    NVSP_INIT = 1,
    NVSP_INIT_COMPLETE = 2,
    NVSP_SEND_NDIS_VERSION = 100,
    NVSP_SEND_RECEIVE_BUFFER = 101,
    NVSP_SEND_RECEIVE_BUFFER_COMPLETE = 102,
    NVSP_REVOKE_RECEIVE_BUFFER = 103,
    NVSP_SEND_SEND_BUFFER = 104,
    NVSP_SEND_SEND_BUFFER_COMPLETE = 105,
    NVSP_REVOKE_SEND_BUFFER = 106,
    NVSP_SEND_RNDIS_PACKET = 107,
    NVSP_SEND_RNDIS_PACKET_COMPLETE = 108,
    NVSP_SEND_NDIS_CONFIG = 125,
    NVSP_SWITCH_DATA_PATH = 129,
    NVSP_SUBCHANNEL = 133,
    NVSP_SEND_INDIRECTION_TABLE = 134,
};

enum nvsp_version {
    NVSP_VERSION_1 = 2,
    NVSP_VERSION_2 = 0x30002,
    NVSP_VERSION_4 = 0x40000,
    NVSP_VERSION_5 = 0x50000,
    NVSP_VERSION_6 = 0x60000,
    NVSP_VERSION_6_1 = 0x60001,
};

enum nvsp_status {
    NVSP_SUCCESS = 1,
    NVSP_FAILURE = 2,
    NVSP_TOO_NEW = 3,
    NVSP_TOO_OLD = 4,
    NVSP_INVALID_RNDIS = 5,
    NVSP_BUSY = 6,
    NVSP_UNSUPPORTED = 7,
};

/* What the back end can do, or what the guest has asked for: a mask. */
enum nic_offload {
    NIC_TX_CHECKSUM_V4 = 1, /* TCP and UDP */
    NIC_TX_CHECKSUM_V6 = 2,
    NIC_RX_CHECKSUM_V4 = 4,
    NIC_RX_CHECKSUM_V6 = 8,
    NIC_LSO_V4 = 16,
    NIC_LSO_V6 = 32,
    NIC_RSC_V4 = 64, /* segments that follow one another may come as one frame */
    NIC_RSC_V6 = 128,
    NIC_OFFLOADS = 256,
};

/* Bits of the guest's packet filter. @spec NDIS OID_GEN_CURRENT_PACKET_FILTER */
enum nic_filter {
    NIC_FILTER_DIRECTED = 1,
    NIC_FILTER_MULTICAST = 2,
    NIC_FILTER_ALL_MULTICAST = 4,
    NIC_FILTER_BROADCAST = 8,
    NIC_FILTER_PROMISCUOUS = 0x20,
    NIC_FILTERS = 0x2f, /* all of them */
};

/* What the NIC is, from its configuration: it does not change while the guest has it. */
struct nic_config {
    uint8_t mac[6];
    uint32_t mtu;      /* without the header */
    uint32_t offloads; /* mask of enum nic_offload that the back end can do */
    uint32_t channels; /* at most, the primary included */
    bool link_up;      /* this one changes */
};

/* A buffer that the guest lends: a GPADL, in sections of equal size. */
struct nvsp_buffer {
    uint32_t gpadl; /* 0: none */
    uint32_t id;
    uint32_t section_bytes;
    uint32_t sections;
};

struct nic_rss {
    uint32_t enabled;
    uint32_t hash_types;
    uint32_t table_entries; /* a power of two, at most NIC_RSS_TABLE */
    uint8_t key[NIC_RSS_KEY_BYTES];
    uint8_t table[NIC_RSS_TABLE]; /* channel numbers, each below channels */
};

struct nvsp {
    uint32_t version; /* 0: the guest has not begun */
    uint32_t ndis_major, ndis_minor;
    uint32_t mtu; /* what the guest has set, else that of the configuration */
    struct nvsp_buffer receive, send;
    uint32_t channels;     /* granted, the primary included; 1 before the guest asks */
    uint32_t table_is_due; /* the indirection table is to be sent to the guest */
    uint32_t rndis_initialized;
    uint32_t filter;          /* mask of enum nic_filter */
    uint32_t offloads;        /* mask of enum nic_offload that the guest has switched on */
    uint8_t mac[6];           /* as the guest has set it, maybe before its channel was opened */
    uint8_t told_link_up;     /* what the guest believes */
    uint8_t offloads_are_due; /* those that it has switched are to be told it */
    struct nic_rss rss;
};

/* How many bytes the GPADL of that number has; 0: it is not one of this device, or not to be used. */
typedef uint64_t nvsp_gpadl_bytes(void *self, uint32_t gpadl);

/* As it is before the guest's first message. */
void nvsp_reset(struct nvsp *n, const struct nic_config *c);

/*
 * As it is after its channel was closed. The address stays as it was set: Linux sets it once, and closes the channel and
 * opens it again for another MTU, say.
 */
void nvsp_forget(struct nvsp *n, const struct nic_config *c);

/*
 * A control message of the primary channel: any but NVSP_SEND_RNDIS_PACKET. The answer, if any, goes back as the
 * completion of the packet; answer has room for NVSP_MESSAGE_MAX bytes. Its length; 0: none is due.
 * Whatever is wrong with the message, it is answered with a status where it has an answer, and changes nothing.
 */
uint32_t nvsp_message(struct nvsp *n, const struct nic_config *c, const uint8_t *message,
                      uint32_t len, nvsp_gpadl_bytes *gpadl_bytes, void *self, uint8_t *answer);

/* The answer to a message that is not executed: failure, in the form that its sender waits for. */
uint32_t nvsp_refuse(const struct nvsp *n, const uint8_t *message, uint32_t len, uint8_t *answer);

/* The message that tells the guest of the channels of its indirection table, NVSP_MESSAGE_MAX at most. */
uint32_t nvsp_indirection_table(const struct nvsp *n, uint8_t *message);

/* Complete frame of NVSP_SEND_RNDIS_PACKET (host to guest) and of its completion. */
enum {
    NVSP_CHANNEL_DATA = 0,
    NVSP_CHANNEL_CONTROL = 1,
};
struct nvsp_rndis_packet {
    uint32_t channel_type;
    uint32_t section; /* NVSP_NO_SECTION: none */
    uint32_t section_bytes;
};
/* False: it is none. */
bool MUST_USE nvsp_parse_rndis_packet(const uint8_t *message, uint32_t len,
                                      struct nvsp_rndis_packet *ret);
/* Both write a message as long as the version wants it, NVSP_HEAD_BYTES at most; the length. */
uint32_t nvsp_rndis_packet(const struct nvsp *n, uint32_t channel_type, uint8_t *message);
uint32_t nvsp_rndis_complete(const struct nvsp *n, uint32_t status, uint8_t *message);

void nvsp_save(const struct nvsp *n, struct wr *w);
/* -EBADMSG, and nothing changed, when it cannot have been saved by us. */
int MUST_USE nvsp_load(struct nvsp *n, const struct nic_config *c, struct rd *r);
