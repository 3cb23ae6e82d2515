/*
 * @spec TLFS 3 (hypercall interface), TLFS 11.11 (HvCallPostMessage, HvCallSignalEvent)
 */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/rd.h"
#include "supervisor/hyperv/hv.h"

enum {
    CALL_LONG_SPIN_WAIT = 0x08,
    CALL_POST_MESSAGE = 0x5c,
    CALL_SIGNAL_EVENT = 0x5d,
    POST_BYTES = 256,
    SIGNAL_BYTES = 8,
    INPUT_ALIGNMENT = 8,
    CONNECTION_BITS = 24,
};

static const uint64_t CONTROL_CODE = 0xffff;
static const uint64_t CONTROL_FAST = 1 << 16;
static const uint32_t MESSAGE_TYPE_HYPERVISOR = UINT32_C(1) << 31;

/* Copy the input from where the guest says it is: all in one page of RAM. */
static uint32_t take_input(const struct hv *hv, uint64_t gpa, void *ret, size_t len)
{
    if (gpa % INPUT_ALIGNMENT != 0 || !range_inside(gpa % HV_PAGE_BYTES, len, HV_PAGE_BYTES))
        return HV_INVALID_ALIGNMENT;
    if (gmem_copy_in(hv->config.memory, (struct gpa){gpa}, ret, len) < 0)
        return HV_INVALID_PARAMETER;
    return HV_SUCCESS;
}

/* The copy is checked, then given to the worker; nobody looks at the guest's memory again. */
static uint32_t take_post(const uint8_t bytes[POST_BYTES], struct vmbus_post *ret)
{
    struct rd r = rd_over(bytes, POST_BYTES);
    struct vmbus_post post = {0};
    struct span payload;

    post.connection = rd_le32(&r);
    (void)rd_le32(&r);
    post.type = rd_le32(&r);
    post.len = rd_le32(&r);
    payload = rd_span(&r, VMBUS_MESSAGE_BYTES);
    if (rd_finish(&r) < 0 || post.type == 0 || (post.type & MESSAGE_TYPE_HYPERVISOR) != 0 ||
        post.len > VMBUS_MESSAGE_BYTES)
        return HV_INVALID_PARAMETER;
    if (post.connection >> CONNECTION_BITS != 0)
        return HV_INVALID_CONNECTION;
    memcpy(post.payload, payload.at, post.len);
    *ret = post;
    return HV_SUCCESS;
}

static uint32_t post_message(struct hv *hv, unsigned vp, const struct vm_hypercall *h)
{
    const struct hv_vmbus *vmbus = &hv->config.vmbus;
    struct vmbus_post *post = &hv->config.posts[vp];
    uint8_t bytes[POST_BYTES];
    uint32_t status = take_input(hv, h->input, bytes, sizeof(bytes));

    if (status == HV_SUCCESS)
        status = take_post(bytes, post);
    if (status != HV_SUCCESS)
        return status;
    board_inc(hv->vps[vp].row_posts);
    return vmbus->post(vmbus->self, vp);
}

/* The connection id in the low half, the flag's number in the upper one. */
static uint32_t take_signal(const struct hv *hv, const struct vm_hypercall *h, uint64_t *ret)
{
    uint8_t bytes[SIGNAL_BYTES] = {0};
    struct rd r = rd_over(bytes, sizeof(bytes));
    uint32_t status;

    *ret = h->input;
    if ((h->control & CONTROL_FAST) != 0)
        return HV_SUCCESS;
    status = take_input(hv, h->input, bytes, sizeof(bytes));
    *ret = rd_le64(&r);
    return status;
}

/* Each connection of ours has one flag, number 0. */
static uint32_t signal_event(struct hv *hv, unsigned vp, const struct vm_hypercall *h)
{
    uint64_t input;
    uint32_t status = take_signal(hv, h, &input);

    if (status != HV_SUCCESS)
        return status;
    if (input >> 32 != 0)
        return HV_INVALID_PARAMETER;
    return hv_signal(hv, vp, (uint32_t)input) ? HV_SUCCESS : HV_INVALID_CONNECTION;
}

static uint32_t long_spin_wait(struct hv *hv, unsigned vp, const struct vm_hypercall *h)
{
    (void)hv;
    (void)vp;
    (void)h;
    (void)sched_yield();
    return HV_SUCCESS;
}

struct call {
    uint16_t code;
    bool may_be_fast;
    uint32_t (*execute)(struct hv *hv, unsigned vp, const struct vm_hypercall *h);
};

static const struct call calls[] = {
    {CALL_SIGNAL_EVENT,   true,  signal_event  },
    {CALL_POST_MESSAGE,   false, post_message  },
    {CALL_LONG_SPIN_WAIT, true,  long_spin_wait},
};

static const struct call *find(uint64_t control)
{
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        if (calls[i].code == (control & CONTROL_CODE))
            return &calls[i];
    }
    return NULL;
}

/* Not repeated, no variable header, not nested: all other bits are zero. */
static uint32_t execute(struct hv *hv, unsigned vp, const struct vm_hypercall *h)
{
    const struct call *call = find(h->control);
    bool fast = (h->control & CONTROL_FAST) != 0;

    if (!h->privileged)
        return HV_ACCESS_DENIED;
    if (call == NULL)
        return HV_INVALID_CODE;
    if ((h->control & ~(CONTROL_CODE | CONTROL_FAST)) != 0 || (fast && !call->may_be_fast))
        return HV_INVALID_INPUT;
    return call->execute(hv, vp, h);
}

uint64_t hv_hypercall(struct hv *hv, unsigned vp, const struct vm_hypercall *h)
{
    board_inc(hv->vps[vp].row_hypercalls);
    return execute(hv, vp, h);
}

bool hv_signal(struct hv *hv, unsigned vp, uint32_t connection)
{
    static const uint64_t one = 1;
    uint32_t relid = connection ^ VMBUS_CONNECTION;
    int bell;

    if (relid == 0 || relid > VMBUS_CHANNELS)
        return false;
    bell = hv->config.bells[vmbus_device_of(vmbus_index(relid))];
    if (bell < 0)
        return false;
    board_inc(hv->vps[vp].row_signals);
    (void)!write(bell, &one, sizeof(one)); /* full: it has been rung */
    return true;
}
