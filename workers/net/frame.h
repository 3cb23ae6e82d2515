/*
 * workers/net/frame.h - what is looked at in an Ethernet frame: for whom it is, its hash, its offloads.
 *
 * All of it is of a hostile guest, or of a hostile network: at is what there is of the frame, the first bytes,
 * which may be fewer than len.
 */
#pragma once

#include "workers/net/rndis.h"

enum {
    FRAME_HEAD_BYTES = 256, /* enough to look at: VLAN, IPv6 with extension headers, TCP */
    FRAME_TCP = 6,          /* the number of that protocol */
    FRAME_TCP_CHECKSUM_AT = 16,
    /* struct virtio_net_hdr_mrg_rxbuf, little endian. @spec virtio 1.1 5.1.6 */
    VNET_HEADER_BYTES = 12,
    VNET_NEEDS_CSUM = 1, /* in the first byte */
    VNET_GSO_NONE = 0,   /* the second byte */
    VNET_GSO_TCPV4 = 1,
    VNET_GSO_TCPV6 = 4,
};

/* Where things are in a frame; 0: there is no such thing. */
struct frame_layout {
    uint32_t ip_at;
    bool is_v6, is_fragment;
    uint8_t protocol;
    uint32_t transport_at;
};
struct frame_layout frame_look_at(const uint8_t *at, uint32_t have);

/* By the address it goes to: NIC_HEAD_BYTES are there. */
enum nic_cast frame_cast(const uint8_t *at);

/* Does the guest want it? By its filter and its MAC addresses: the one it has set, the one it was given. */
bool frame_is_wanted(const struct nvsp *n, const struct nic_config *c, const uint8_t *at,
                     uint32_t have);

/*
 * Toeplitz hash over addresses, and ports of TCP, as far as the guest has asked for that kind.
 * False: it has no such hash. @spec NDIS "RSS Hashing Types"
 */
bool frame_hash(const struct nic_rss *rss, const uint8_t *at, uint32_t have, uint32_t *ret);

/* The channel a frame with that hash is for. */
unsigned frame_channel(const struct nvsp *n, bool has_hash, uint32_t hash);

/*
 * The vnet header of a frame from the guest, for a back end that takes one. The frame's beginning may be changed:
 * a guest that asks for LSO may have left a sum over the pseudo header that counts the length, or not: it
 * is made right. frame_len: of all of it. 0, or -EBADMSG: what is asked for does not fit the frame.
 */
int MUST_USE frame_vnet_tx(const struct rndis_tx *tx, uint8_t *at, uint32_t have,
                           uint32_t frame_len, uint8_t header[VNET_HEADER_BYTES]);

/*
 * The other way: what a vnet header of a frame from the back end tells the guest, in has_checksum and
 * checksum_is_tcp of *rx.
 *   0          the guest may have the frame
 *   -EBADMSG   the header does not fit the frame, or is one of a segment that nobody asked for
 *   -ENOTSUP   the guest looks at a checksum that is not there yet: it may have the frame after frame_complete()
 */
int MUST_USE frame_vnet_rx(const struct nvsp *n, const uint8_t header[VNET_HEADER_BYTES],
                           const uint8_t *at, uint32_t have, uint32_t frame_len,
                           struct rndis_rx *rx);

/*
 * Store the checksum that a vnet header leaves to its reader, in a frame that is there in full. 0, or -EBADMSG: the header
 * leaves none, or one that does not fit the frame.
 */
int MUST_USE frame_complete(const uint8_t header[VNET_HEADER_BYTES], uint8_t *frame, uint32_t len);
