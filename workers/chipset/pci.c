#include "workers/chipset/pci.h"

#include <errno.h>

enum {
    CONFIG_ADDRESS = 0xcf8, /* 4 bytes at once; anything else there is not for us */
    CONFIG_DATA = 0xcfc,
};

static const uint32_t ADDRESS_BITS = 0x80fffffc; /* enable, bus, device, function, register */

void pci_init(struct pci *p)
{
    *p = (struct pci){0};
}

void pci_access(struct pci *p, struct io *io)
{
    bool address = io->port == CONFIG_ADDRESS && io->size == 4;

    if (io->write && address) {
        io->changed = true;
        p->address = io->data & ADDRESS_BITS;
    } else if (!io->write) {
        io->data = address ? p->address : UINT32_MAX;
    }
    io->unknown = !address && io->port < CONFIG_DATA;
}

void pci_save(const struct pci *p, struct wr *w)
{
    wr_le32(w, p->address);
}

int pci_load(struct rd *r, struct pci *ret)
{
    uint32_t address = rd_le32(r);

    if (!rd_ok(r) || (address & ~ADDRESS_BITS) != 0)
        return -EBADMSG;
    ret->address = address;
    return 0;
}
