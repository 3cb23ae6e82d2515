/*
 * workers/net/rndis.h - RNDIS messages: control requests (OIDs), and the heads of frames. Without I/O.
 *
 * @spec [MS-RNDIS]; NDIS OIDs
 */
#pragma once

#include "ipc/frames.h"
#include "workers/net/nvsp.h"

enum {
    RNDIS_CONTROL_MAX =
        4096, /* of a request that is looked at; of longer ones, what lies beyond is refused */
    RNDIS_ANSWER_MAX = 352, /* and of what is said unasked */
    /* The head of a frame: message, and what is said about the packet. The longest that is looked at. */
    RNDIS_HEAD_MAX = 512,
    RNDIS_PACKET_BYTES = 44,         /* of an RNDIS PACKET message's fixed part */
    RNDIS_RX_HEAD_MAX = 44 + 4 * 16, /* checksum, VLAN, hash, part */
    RNDIS_PACKETS_MAX =
        8, /* PACKET messages that the guest may put into one packet of the channel */
};
_Static_assert((int)RNDIS_ANSWER_MAX <= (int)NIC_MTU_MIN + (int)NVSP_SECTION_EXTRA,
               "an answer fits into the smallest section");

/*
 * A control message of the guest. The answer has room for RNDIS_ANSWER_MAX bytes; its length, 0: none, as nothing
 * has to be answered, or it does not even say what to.
 */
uint32_t rndis_control(struct nvsp *n, const struct nic_config *c,
                       const struct nic_counters *counters, const uint8_t *message, uint32_t len,
                       uint8_t *answer);

/* The answer to a request that is not executed: failure. 0: it wants none. */
uint32_t rndis_refuse(const uint8_t *message, uint32_t len, uint8_t *answer);

/* INDICATE of the link as c has it; told_link_up follows. At most RNDIS_ANSWER_MAX bytes; the length. */
uint32_t rndis_indicate_link(struct nvsp *n, const struct nic_config *c, uint8_t *message);

/* The same of the offloads that are on. */
uint32_t rndis_indicate_offloads(const struct nvsp *n, uint8_t *message);

/* --- frames from the guest --- */

struct rndis_tx {
    uint32_t frame_at;    /* from the beginning of the message */
    uint32_t frame_len;   /* inside of the message */
    uint32_t message_len; /* where the next one begins, if there is one */
    bool has_vlan, checksum_tcp, checksum_udp, checksum_ip, is_v6, lso;
    uint16_t vlan; /* as in the frame: priority, CFI, id */
    uint16_t
        transport_offset; /* of checksum and LSO: from the beginning of the frame; 0: not said */
    uint32_t mss;         /* of LSO */
    bool has_hash;
    uint32_t hash;
};

/*
 * The PACKET message of len bytes in all, of which head (head_len bytes, min(len, RNDIS_HEAD_MAX)) is a private
 * copy. 0, or -EBADMSG: it is none; lengths, offsets or what is said about the packet are wrong, or beyond head.
 */
int MUST_USE rndis_parse_tx(const uint8_t *head, uint32_t head_len, uint32_t len,
                            struct rndis_tx *ret);

/* --- frames for the guest --- */

struct rndis_rx {
    uint32_t frame_len;
    bool has_vlan, has_checksum,
        checksum_is_tcp; /* else UDP: found right, or need not be looked at */
    uint16_t vlan;
    bool has_hash;
    uint32_t hash;
    uint8_t part; /* of a frame that comes in several messages: enum rndis_part; 0: it is whole */
};

enum rndis_part {
    RNDIS_PART = 1,
    RNDIS_PART_FIRST = 2,
    RNDIS_PART_LAST = 4,
};

/* What stands before the frame, at most RNDIS_RX_HEAD_MAX bytes; the length. */
uint32_t rndis_rx_head(const struct rndis_rx *rx, uint8_t *head);
