/*
 * workers/net/oid.h - what a driver can ask a NIC for and set in it; private to rndis.c.
 *
 * @spec NDIS OIDs, as [MS-RNDIS] 2.2 carries them
 */
#pragma once

#include "workers/net/rndis.h"

enum rndis_status {
    RNDIS_SUCCESS = 0,
    RNDIS_FAILURE = (int)0xc0000001,
    RNDIS_NOT_SUPPORTED = (int)0xc00000bb,
    RNDIS_INVALID_LENGTH = (int)0xc0010014,
    RNDIS_INVALID_DATA = (int)0xc0010015,
};

/* The value of an OID in w; in: what the query carries. */
enum rndis_status oid_query(const struct nvsp *n, const struct nic_config *c,
                            const struct nic_counters *counters, uint32_t oid, struct rd *in,
                            struct wr *w);

/* NDIS_OFFLOAD: what the guest has switched on. */
void oid_put_offloads(const struct nvsp *n, struct wr *w);

/* in: the new value. Whatever is wrong with it, nothing is changed. */
enum rndis_status oid_set(struct nvsp *n, const struct nic_config *c, uint32_t oid,
                          struct span value);
