#include "supervisor/partition/pieces.h"

#include <assert.h>
#include <string.h>

enum {
    ACCESS_MAX_BYTES = 8,
};

/* The largest power of two of at most left bytes: 8, 4, 2 or 1. */
static uint8_t mmio_size(uint32_t left)
{
    uint8_t size = ACCESS_MAX_BYTES;

    while (size > left)
        size /= 2;
    return size;
}

bool pieces_left(const struct pieces *p)
{
    return p->left != 0;
}

void pieces_next(struct pieces *p, struct vm_access *ret)
{
    assert(p->left != 0);
    assert(p->out == 0); /* else the caller forgot vcpu_finish */
    p->out = p->io_size != 0 ? p->io_size : mmio_size(p->left);
    *ret = (struct vm_access){
        .space = p->io_size != 0 ? ACCESS_IO : ACCESS_MMIO,
        .write = p->write,
        .size = p->out,
        .addr = p->addr,
    };
    if (p->write)
        memcpy(&ret->data, p->at, p->out);
}

void pieces_finish(struct pieces *p, uint64_t data)
{
    assert(p->out != 0);
    if (!p->write)
        memcpy(p->at, &data, p->out);
    p->at += p->out;
    p->left -= p->out;
    p->addr += p->io_size != 0 ? 0 : p->out;
    p->out = 0;
}
