/*
 * ipc/nets.h - which NICs the VM has: OBJECT_NETS, written by init, read by the net worker.
 *
 * A row's back end is one descriptor, OBJECT_NET of the same index: frames go in and out, nothing else is done
 * with it. Written once, before there is a worker; but for what the supervisor writes for operators: link_up, after which it
 * rings net's bell, and whether the NIC's frames are captured (ipc/capture.h), which net sees when there are some.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "ipc/vmbus.h"

enum {
    NETS_MAX = 4,
    NET_FIRST_DEVICE = 4, /* of vmbus_devices: row i is that of device NET_FIRST_DEVICE + i */
    NET_MTU_MIN = 68,
    NET_MTU_MAX = 9000,
    NET_FRAME_MAX = 65536 + 32, /* of any frame, with offloads; without vnet header */
};

enum net_kind {
    NET_NONE = 0,    /* an empty row: no NIC */
    NET_DISCARD = 1, /* a NIC whose frames go nowhere; its descriptor is /dev/null */
    NET_STREAM =
        2, /* a byte stream: before each frame its length, 32 bits, big endian (passt, QEMU) */
    NET_TAP = 3, /* a frame a read or write, struct virtio_net_hdr_mrg_rxbuf (12 bytes) before it */
    NET_DATAGRAM = 4, /* a frame a datagram, of a connected UNIX socket, with the same header */
};

struct net_row {
    uint32_t kind;     /* enum net_kind */
    uint32_t mtu;      /* NET_MTU_MIN to NET_MTU_MAX */
    uint32_t channels; /* at most, 1 to VMBUS_SUBCHANNELS */
    _Atomic uint32_t link_up;
    uint8_t mac[6]; /* unicast */
    uint8_t pad[6];
    _Atomic uint32_t capture_bytes;    /* of each frame, at most */
    _Atomic uint64_t capture_until_ns; /* CLOCK_MONOTONIC; 0: it is not captured */
};

struct nets_page {
    struct net_row rows[NETS_MAX];
};
