/*
 * init/nested_disks.h - in a VM: which device is the disk that the configuration names.
 *
 * `bulkhead run` gives each file of a disk to the outer VM as a virtio disk with a serial number, and
 * names it "serial:NUMBER": what a device is called in /dev depends on the order in which they appear.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "control.pb-c.h"
#include "init/why.h"

/*
 * Put the device's path, "/dev/vda", in the place of every "serial:NUMBER" of the configuration's
 * disks; waits for devices that have not appeared yet. Other paths stay as they are.
 *   0            every disk has a path
 *   -ETIMEDOUT   there is no such device
 * blocks: the folder to look into, "/sys/block"; wait_ns: how long in all.
 */
int MUST_USE nested_disks_find(Bulkhead__VmConfig *config, const char *blocks, uint64_t wait_ns,
                               struct why *why);
