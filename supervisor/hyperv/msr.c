#include "supervisor/hyperv/msr.h"

#include <errno.h>

#include "supervisor/hyperv/crash.h"
#include "supervisor/hyperv/hv.h"
#include "supervisor/hyperv/reference_tsc.h"
#include "supervisor/hyperv/synic.h"

enum {
    HYPERCALL_LOCKED = 2,
    SYNIC_VERSION = 1,
    TSC_CONTROL_ENABLE = 1,
};

static const uint64_t APIC_HZ = 1000000000; /* KVM's local APIC */

int hv_page_zero(const struct hv *hv, uint64_t gpa)
{
    return gmem_zero(hv->config.memory, (struct gpa){gpa}, HV_PAGE_BYTES);
}

static int read_os_id(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)vp;
    (void)index;
    *ret = hv->os_id;
    return 0;
}

/* A guest that is no one makes no hypercalls. */
static int write_os_id(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    (void)vp;
    (void)index;
    hv->os_id = data;
    if (data == 0)
        hv->hypercall &= ~(uint64_t)HV_PAGE_ENABLE;
    return 0;
}

static int read_hypercall(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)vp;
    (void)index;
    *ret = hv->hypercall;
    return 0;
}

static int put_hypercall_page(struct hv *hv, uint64_t gpa, bool long_mode)
{
    const struct hv_backend *b = &hv->config.backend;
    uint8_t page[HV_PAGE_BYTES];

    b->hypercall_page(b->self, long_mode, page);
    return gmem_copy_out(hv->config.memory, (struct gpa){gpa}, page, sizeof(page));
}

/* The mode is known only once nothing can fail any more, so 64-bit code is there first. */
static int write_hypercall(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    const struct hv_backend *b = &hv->config.backend;

    (void)index;
    if ((hv->hypercall & HYPERCALL_LOCKED) != 0)
        return -EACCES;
    if (hv->os_id == 0)
        data &= ~(uint64_t)HV_PAGE_ENABLE;
    if (hv_page_enabled(data)) {
        if (put_hypercall_page(hv, hv_page_gpa(data), true) < 0)
            return -EACCES;
        if (!b->long_mode(b->self, vp))
            (void)!put_hypercall_page(hv, hv_page_gpa(data), false); /* where one just was */
    }
    hv->hypercall = data;
    return 0;
}

static int read_vp_index(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)hv;
    (void)index;
    *ret = vp;
    return 0;
}

static int read_time(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)index;
    *ret = reference_tsc_now(hv, vp);
    return 0;
}

static int read_reference_tsc(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)vp;
    (void)index;
    *ret = hv->reference_tsc;
    return 0;
}

static int write_reference_tsc(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    (void)vp;
    (void)index;
    return reference_tsc_write(hv, data);
}

static int read_tsc_frequency(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)vp;
    (void)index;
    *ret = (uint64_t)hv->config.tsc_khz * 1000;
    return 0;
}

static int read_apic_frequency(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)hv;
    (void)vp;
    (void)index;
    *ret = APIC_HZ;
    return 0;
}

static int read_assist(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)index;
    *ret = hv->vps[vp].assist;
    return 0;
}

/* Linux writes it on every processor whatever CPUID says. The page says nothing: it stays zero. */
static int write_assist(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    (void)index;
    if (hv_page_new(hv->vps[vp].assist, data) && hv_page_zero(hv, hv_page_gpa(data)) < 0)
        return -EACCES;
    hv->vps[vp].assist = data;
    return 0;
}

static int read_synic_version(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)hv;
    (void)vp;
    (void)index;
    *ret = SYNIC_VERSION;
    return 0;
}

static int read_tsc_control(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)vp;
    (void)index;
    if (!hv->config.tsc_invariant)
        return -EACCES;
    *ret = hv->tsc_control;
    return 0;
}

/* Once it is set it stays set. */
static int write_tsc_control(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    (void)vp;
    (void)index;
    if (!hv->config.tsc_invariant || (data & ~(uint64_t)TSC_CONTROL_ENABLE) != 0)
        return -EACCES;
    hv->tsc_control |= data;
    return 0;
}

struct msr_row {
    uint32_t first, last;
    int (*read)(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret);
    int (*write)(struct hv *hv, unsigned vp, uint32_t index, uint64_t data);
    bool settle; /* a write may have changed where messages and flags go */
};

/* Of the VM, or of the virtual processor: whatever each function looks at. NULL: a fault. */
static const struct msr_row rows[] = {
    {0x40000000, 0x40000000, read_os_id,          write_os_id,          false},
    {0x40000001, 0x40000001, read_hypercall,      write_hypercall,      false},
    {0x40000002, 0x40000002, read_vp_index,       NULL,                 false},
    {0x40000020, 0x40000020, read_time,           NULL,                 false},
    {0x40000021, 0x40000021, read_reference_tsc,  write_reference_tsc,  false},
    {0x40000022, 0x40000022, read_tsc_frequency,  NULL,                 false},
    {0x40000023, 0x40000023, read_apic_frequency, NULL,                 false},
    {0x40000073, 0x40000073, read_assist,         write_assist,         false},
    {0x40000080, 0x40000080, synic_read_control,  synic_write_control,  true },
    {0x40000081, 0x40000081, read_synic_version,  NULL,                 false},
    {0x40000082, 0x40000082, synic_read_flags,    synic_write_flags,    true },
    {0x40000083, 0x40000083, synic_read_messages, synic_write_messages, true },
    {0x40000084, 0x40000084, synic_read_eom,      synic_write_eom,      true },
    {0x40000090, 0x4000009f, synic_read_source,   synic_write_source,   true },
    {0x40000100, 0x40000104, crash_read,          crash_write,          false},
    {0x40000105, 0x40000105, crash_read_control,  crash_write_control,  false},
    {0x40000118, 0x40000118, read_tsc_control,    write_tsc_control,    false},
};

static const struct msr_row *find(uint32_t index)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (index >= rows[i].first && index <= rows[i].last)
            return &rows[i];
    }
    return NULL;
}

int hv_msr_read(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    const struct msr_row *row = find(index);
    int r;

    board_inc(hv->vps[vp].row_msrs);
    if (row == NULL)
        return -EACCES;
    (void)pthread_mutex_lock(&hv->lock);
    r = row->read(hv, vp, index - row->first, ret);
    (void)pthread_mutex_unlock(&hv->lock);
    return r;
}

int hv_msr_write(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    const struct msr_row *row = find(index);
    int r;

    board_inc(hv->vps[vp].row_msrs);
    if (row == NULL || row->write == NULL)
        return -EACCES;
    (void)pthread_mutex_lock(&hv->lock);
    r = row->write(hv, vp, index - row->first, data);
    (void)pthread_mutex_unlock(&hv->lock);
    if (r == 0 && row->settle)
        synic_settle(hv, vp);
    return r;
}
