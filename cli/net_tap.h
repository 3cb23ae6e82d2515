/*
 * cli/net_tap.h - a tap device of the host, as the back end of a NIC.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

/*
 * Open the device of that name with struct virtio_net_hdr_mrg_rxbuf before each frame, and offloads; one
 * that does not exist is made, with that MTU, and lasts as long as the descriptor. 0 and *ret_fd, or
 * negative errno, and why says in one line what to do.
 */
int MUST_USE net_tap_open(const char *name, uint32_t mtu, int *ret_fd, char *why, size_t why_len);
