#include "workers/debug/page_walk.h"

#include <endian.h>
#include <errno.h>

enum {
    PAGE_BITS = 12,
    INDEX_BITS = 9, /* of a table's entries */
    LEVELS_4 = 4,
    LEVELS_5 = 5,
    LEVEL_2M = 2, /* the last ones that may map a large page themselves */
    LEVEL_1G = 3,
};

static const uint64_t CR0_PG = UINT64_C(1) << 31;
static const uint64_t CR4_LA57 = UINT64_C(1) << 12;
static const uint64_t EFER_LMA = UINT64_C(1) << 10;
static const uint64_t ENTRY_PRESENT = 1;
static const uint64_t ENTRY_LARGE = UINT64_C(1) << 7;
static const uint64_t ENTRY_ADDRESS = UINT64_C(0x000ffffffffff000);

/* Bits of an address that an entry of that level covers. */
static unsigned bits_of(unsigned level)
{
    return PAGE_BITS + INDEX_BITS * (level - 1);
}

static bool is_canonical(uint64_t address, unsigned levels)
{
    const unsigned bits = bits_of(levels + 1);
    const uint64_t top = address >> (bits - 1);

    return top == 0 || top == UINT64_MAX >> (bits - 1);
}

static int read_entry(const struct guest *g, uint64_t table, uint64_t address, unsigned level,
                      uint64_t *ret)
{
    const uint64_t index = address >> bits_of(level) & ((1u << INDEX_BITS) - 1);
    uint64_t entry;
    int r = g->read(g->self, table + index * sizeof(entry), &entry, sizeof(entry));

    if (r < 0)
        return r;
    entry = le64toh(entry);
    if ((entry & ENTRY_PRESENT) == 0)
        return -EFAULT;
    *ret = entry;
    return 0;
}

static bool maps_page(uint64_t entry, unsigned level)
{
    return level == 1 || ((level == LEVEL_2M || level == LEVEL_1G) && (entry & ENTRY_LARGE) != 0);
}

static int walk(const struct guest *g, uint64_t table, unsigned levels, uint64_t address,
                struct page_place *ret)
{
    for (unsigned level = levels; level >= 1; level--) {
        const uint64_t inside = (UINT64_C(1) << bits_of(level)) - 1;
        uint64_t entry;
        int r = read_entry(g, table, address, level, &entry);

        if (r < 0)
            return r;
        table = entry & ENTRY_ADDRESS;
        if (maps_page(entry, level)) {
            *ret = (struct page_place){.gpa = (table & ~inside) | (address & inside),
                                       .left = inside + 1 - (address & inside)};
            return 0;
        }
    }
    return -EFAULT;
}

int page_walk(const struct guest *g, const struct guest_regs *regs, uint64_t address,
              struct page_place *ret)
{
    const unsigned levels = (regs->v[GUEST_CR4] & CR4_LA57) != 0 ? LEVELS_5 : LEVELS_4;

    if ((regs->v[GUEST_CR0] & CR0_PG) == 0) {
        const uint64_t page = UINT64_C(1) << PAGE_BITS;

        *ret = (struct page_place){.gpa = address, .left = page - address % page};
        return 0;
    }
    if ((regs->v[GUEST_EFER] & EFER_LMA) == 0)
        return -EOPNOTSUPP;
    if (!is_canonical(address, levels))
        return -EFAULT;
    return walk(g, regs->v[GUEST_CR3] & ENTRY_ADDRESS, levels, address, ret);
}
