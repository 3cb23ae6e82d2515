/*
 * tests/fuzz/fuzz_hv_hypercall.c - a guest that makes any hypercall with anything in its memory.
 *
 * Input: 1 byte of options, control, input and output of 8 bytes each, then what is at the input if that is in
 * RAM.
 */
#include "tests/fakes/hv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    HEAD_BYTES = 25,
    OPTION_USER = 1,
    OPTION_FOLD = 2, /* the input's address is brought into RAM */
    OPTION_CODE = 4, /* the code is one of those that there are */
    POST_STATUS = 0x13,
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void read_call(uint8_t options, struct rd *r, struct vm_hypercall *ret)
{
    static const uint16_t codes[] = {0x5c, 0x5d, 0x08, 0x5d};

    ret->privileged = (options & OPTION_USER) == 0;
    ret->control = rd_le64(r);
    ret->input = rd_le64(r);
    ret->output = rd_le64(r);
    if ((options & OPTION_FOLD) != 0)
        ret->input %= FAKE_RAM_BYTES;
    if ((options & OPTION_CODE) != 0)
        ret->control = (ret->control & 0x1fff0000) | codes[ret->control % 4];
}

static void put_input(struct fake_hv *f, uint64_t at, const uint8_t *bytes, size_t len)
{
    if (at < FAKE_RAM_BYTES && len <= FAKE_RAM_BYTES - at)
        memcpy(f->ram + at, bytes, len);
}

/* What the worker is given was checked: whatever else the guest does, this holds. */
static void check_post(const struct fake_hv *f, const struct vm_hypercall *h)
{
    const struct vmbus_post *p = &f->posts[1];

    must(h->privileged && h->control == 0x5c && h->input % 8 == 0);
    must(h->input < FAKE_RAM_BYTES && h->input % HV_PAGE_BYTES <= HV_PAGE_BYTES - 256);
    must(f->n_posts == 1 && f->post_vp == 1);
    must(p->len <= VMBUS_MESSAGE_BYTES && p->type != 0 && p->type < 0x80000000);
    must(p->connection < 1 << 24 && p->pad == 0);
    must(memcmp(p->payload, f->ram + h->input + 16, p->len) == 0);
    for (size_t i = p->len; i < VMBUS_MESSAGE_BYTES; i++)
        must(p->payload[i] == 0);
}

static void check(struct fake_hv *f, const struct vm_hypercall *h, uint64_t status)
{
    uint64_t rings = fake_hv_rings(f->hv.config.bells[0]) + fake_hv_rings(f->hv.config.bells[1]);

    must(status <= HV_INSUFFICIENT_BUFFERS);
    must(h->privileged || status == HV_ACCESS_DENIED);
    must(f->n_posts == 0 || status == POST_STATUS);
    must(rings == (status == HV_SUCCESS && (h->control & 0xffff) == 0x5d ? 1 : 0));
    if (f->n_posts != 0)
        check_post(f, h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fake_hv *f;
    struct rd r = rd_over(data, size);
    struct vm_hypercall h = {0};
    uint8_t options;

    if (f == NULL)
        f = fake_hv_new();
    if (size < HEAD_BYTES)
        return 0;
    f->n_posts = 0;
    f->post_status = POST_STATUS;
    options = rd_u8(&r);
    read_call(options, &r, &h);
    put_input(f, h.input, r.at, r.left);
    check(f, &h, hv_hypercall(&f->hv, 1, &h));
    return 0;
}
