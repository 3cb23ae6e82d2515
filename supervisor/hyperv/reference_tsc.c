#include "supervisor/hyperv/reference_tsc.h"

#include <errno.h>

#include "base/wr.h"
#include "supervisor/hyperv/hv.h"
#include "supervisor/hyperv/msr.h"

enum {
    TICKS_PER_SECOND = 10 * 1000 * 1000,
    SEQUENCE_VALID = 1, /* 0 sends the reader to the MSR, an exit each time */
    PAGE_SCALE = 8,     /* offsets */
    PAGE_VALUES_BYTES = 16,
};

static uint64_t high_of_product(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;

    return (uint64_t)((u128)a * b >> 64);
}

int reference_tsc_start(struct hv *hv)
{
    const struct hv_backend *backend = &hv->config.backend;
    uint64_t hz = (uint64_t)hv->config.tsc_khz * 1000;
    __extension__ typedef unsigned __int128 u128;

    if (hz <= TICKS_PER_SECOND) /* the scale would have more than 64 bits */
        return -EOPNOTSUPP;
    hv->tsc_scale = (uint64_t)(((u128)TICKS_PER_SECOND << 64) / hz);
    hv->tsc_offset = -high_of_product(backend->tsc(backend->self, 0), hv->tsc_scale);
    return 0;
}

uint64_t reference_tsc_now(const struct hv *hv, unsigned vp)
{
    const struct hv_backend *backend = &hv->config.backend;

    return high_of_product(backend->tsc(backend->self, vp), hv->tsc_scale) + hv->tsc_offset;
}

/* Other processors may be reading it: values are only changed while the page says that it is not valid. */
static int fill(const struct hv *hv, uint64_t gpa)
{
    const struct gmem *m = hv->config.memory;
    uint8_t values[PAGE_VALUES_BYTES];
    struct wr w = wr_over(values, sizeof(values));
    int r;

    wr_le64(&w, hv->tsc_scale);
    wr_le64(&w, hv->tsc_offset);
    r = hv_page_zero(hv, gpa);
    if (r == 0)
        r = gmem_copy_out(m, (struct gpa){gpa + PAGE_SCALE}, values, sizeof(values));
    if (r == 0)
        r = gmem_store_le32(m, (struct gpa){gpa}, SEQUENCE_VALID);
    return r;
}

/* At once: until the page is there, every look at the clock would be an exit. */
int reference_tsc_write(struct hv *hv, uint64_t data)
{
    if (hv_page_enabled(data) && fill(hv, hv_page_gpa(data)) < 0)
        return -EACCES;
    hv->reference_tsc = data;
    return 0;
}
