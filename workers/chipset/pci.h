/*
 * workers/chipset/pci.h - PCI configuration mechanism 1 on a machine without PCI: the address can
 * be read back, and every register of every device is all-ones.
 *
 * @spec PCI 3.0 3.2.2.3.2
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"
#include "workers/chipset/io.h"

enum {
    PCI_STATE_MAX = 4, /* bytes of pci_save() */
};

struct pci {
    uint32_t address;
};

void pci_init(struct pci *p);

/* An access of any size inside 0xcf8 to 0xcff, but for the byte at 0xcf9 (power.h). */
void pci_access(struct pci *p, struct io *io);

void pci_save(const struct pci *p, struct wr *w);

/* 0, or -EBADMSG with *ret untouched. */
int MUST_USE pci_load(struct rd *r, struct pci *ret);
