#include "tests/sim/vmbus_guest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/rd.h"
#include "base/wr.h"
#include "supervisor/hyperv/hv.h"

/* @spec TLFS 11, Linux include/asm-generic/hyperv-tlfs.h */
enum {
    MSR_OS_ID = 0x40000000,
    MSR_HYPERCALL = 0x40000001,
    MSR_SCONTROL = 0x40000080,
    MSR_SIEFP = 0x40000082,
    MSR_SIMP = 0x40000083,
    MSR_EOM = 0x40000084,
    MSR_SINT2 = 0x40000092,
    ENABLE = 1,
    SINT_BYTES = 256,
    SINT = 2,
    SLOT_FLAGS = 5,
    SLOT_LEN = 4,
    SLOT_PAYLOAD = 16,
    SLOT_PENDING = 1,
    CALL_POST = 0x5c,
    POST_BYTES = 256,
    CONNECTION_OLD = 1,
    CONNECTION_NEW = 4,
    TRIES = 20000,   /* of a message that there is no room for */
    PAGES_LOW = 256, /* of RAM: not given out */
};

static const uint64_t OS_ID = UINT64_C(0x8100060100000000); /* an open source one: Linux 6.1 */
static const uint64_t ANSWER_NS = 20 * NS_PER_S;
static const uint64_t LOOK_NS = 20 * NS_PER_MS;

void vmbus_fail(struct vmbus_guest *g, const char *fmt, ...)
{
    char text[100];
    va_list args;

    if (atomic_exchange(&g->failed, true))
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    sim_fail(g->sim, "%s", text);
}

/* --- memory --- */

uint8_t *vmbus_host(const struct vmbus_guest *g, uint64_t gpa)
{
    return g->sim->super.vm.memory.ranges[0].host + gpa;
}

/* So that the lowest is given out first. */
static void free_all_pages(struct vmbus_guest *g)
{
    uint64_t pages = g->sim->super.vm.memory.ranges[0].len / GUEST_PAGE;

    if (pages > GUEST_PAGES_MAX)
        pages = GUEST_PAGES_MAX;
    for (uint64_t pfn = pages; pfn > PAGES_LOW; pfn--)
        g->free_pages[g->n_free++] = (uint32_t)(pfn - 1);
}

/* Every other page has its neighbour after it, so that data lies in pieces of one and two pages. */
static void shuffle_pages(struct vmbus_guest *g, uint64_t random)
{
    unsigned pairs = g->n_free / 2;

    for (unsigned i = 0; i < pairs; i++) {
        unsigned other = (unsigned)(sim_random(&random) % pairs);
        uint32_t pair[2];

        memcpy(pair, &g->free_pages[2 * i], sizeof(pair));
        memcpy(&g->free_pages[2 * i], &g->free_pages[2 * other], sizeof(pair));
        memcpy(&g->free_pages[2 * other], pair, sizeof(pair));
    }
}

uint64_t vmbus_page(struct vmbus_guest *g)
{
    uint64_t pfn = PAGES_LOW;

    (void)pthread_mutex_lock(&g->pages_lock);
    if (g->n_free > 0)
        pfn = g->free_pages[--g->n_free];
    else
        vmbus_fail(g, "the guest needs more memory");
    (void)pthread_mutex_unlock(&g->pages_lock);
    return pfn;
}

void vmbus_page_free(struct vmbus_guest *g, uint64_t pfn)
{
    (void)pthread_mutex_lock(&g->pages_lock);
    g->free_pages[g->n_free++] = (uint32_t)pfn;
    (void)pthread_mutex_unlock(&g->pages_lock);
}

/* --- SynIC --- */

static void wrmsr(struct vmbus_guest *g, unsigned vp, uint32_t index, uint64_t data)
{
    if (hv_msr_write(&g->sim->super.vm.hv, vp, index, data) < 0)
        vmbus_fail(g, "vCPU %u: WRMSR %#x faulted", vp, index);
}

static uint64_t rdmsr(struct vmbus_guest *g, unsigned vp, uint32_t index)
{
    uint64_t data = 0;

    if (hv_msr_read(&g->sim->super.vm.hv, vp, index, &data) < 0)
        vmbus_fail(g, "vCPU %u: RDMSR %#x faulted", vp, index);
    return data;
}

static void start_vp(struct vmbus_guest *g, unsigned vp)
{
    struct guest_vp *v = &g->vps[vp];

    v->messages = vmbus_page(g) * GUEST_PAGE;
    v->flags = vmbus_page(g) * GUEST_PAGE;
    v->input = vmbus_page(g) * GUEST_PAGE;
    wrmsr(g, vp, MSR_SIMP, v->messages | ENABLE);
    wrmsr(g, vp, MSR_SIEFP, v->flags | ENABLE);
    wrmsr(g, vp, MSR_SINT2, GUEST_VECTOR);
    wrmsr(g, vp, MSR_SCONTROL, rdmsr(g, vp, MSR_SCONTROL) | ENABLE);
}

void vmbus_start(struct vmbus_guest *g, struct sim *sim, uint64_t random)
{
    g->sim = sim;
    (void)pthread_mutex_init(&g->pages_lock, NULL);
    g->n_vps = sim->config.vcpus < GUEST_VPS ? sim->config.vcpus : GUEST_VPS;
    free_all_pages(g);
    if (random != 0)
        shuffle_pages(g, random);
    wrmsr(g, 0, MSR_OS_ID, OS_ID);
    wrmsr(g, 0, MSR_HYPERCALL, vmbus_page(g) * GUEST_PAGE | ENABLE);
    for (unsigned vp = 0; vp < g->n_vps; vp++)
        start_vp(g, vp);
}

int vmbus_set_flags_page(struct vmbus_guest *g, unsigned vp, uint64_t gpa)
{
    int r = hv_msr_write(&g->sim->super.vm.hv, vp, MSR_SIEFP, gpa == 0 ? 0 : gpa | ENABLE);

    if (r == 0)
        g->vps[vp].flags = gpa;
    return r;
}

/* --- messages to the guest --- */

static void take_offer(struct vmbus_guest *g, const struct received *m)
{
    struct rd r = rd_over(m->bytes, m->len);
    struct guest_offer o = {.offered = true};

    (void)rd_span(&r, 8);
    rd_copy(&r, o.interface, sizeof(o.interface));
    rd_copy(&r, o.instance, sizeof(o.instance));
    (void)rd_span(&r, 16 + 2 + 2 + 120);
    o.subchannel = rd_le16(&r);
    (void)rd_le16(&r);
    o.relid = rd_le32(&r);
    (void)rd_le32(&r); /* monitor, dedicated interrupt */
    o.connection = rd_le32(&r);
    if (rd_finish(&r) < 0 || o.relid == 0 || o.relid >= GUEST_RELIDS)
        vmbus_fail(g, "a bad offer: %u bytes, relid %u", m->len, o.relid);
    else if (g->offers[o.relid].offered)
        vmbus_fail(g, "relid %u was offered twice", o.relid);
    else
        g->offers[o.relid] = o;
}

static void release_relid(struct vmbus_guest *g, uint32_t relid)
{
    uint8_t bytes[12];
    struct wr w = wr_over(bytes, sizeof(bytes));

    wr_le32(&w, MSG_RELID_RELEASED);
    wr_le32(&w, 0);
    wr_le32(&w, relid);
    g->offers[relid] = (struct guest_offer){0};
    (void)vmbus_post(g, g->connection, bytes, sizeof(bytes));
}

static void take_rescind(struct vmbus_guest *g, const struct received *m)
{
    struct rd r = rd_over(m->bytes, m->len);
    uint32_t relid;

    (void)rd_span(&r, 8);
    relid = rd_le32(&r);
    if (rd_finish(&r) < 0 || relid == 0 || relid >= GUEST_RELIDS || !g->offers[relid].offered)
        vmbus_fail(g, "relid %u was rescinded and not offered", relid);
    else
        release_relid(g, relid);
}

static void take_message(struct vmbus_guest *g, const struct received *m)
{
    struct rd r = rd_over(m->bytes, m->len);
    uint32_t type = rd_le32(&r);

    g->n_messages++;
    if (type == MSG_OFFER)
        take_offer(g, m);
    else if (type == MSG_RESCIND)
        take_rescind(g, m);
    else if (type == MSG_ALL_OFFERS)
        g->all_offered = true;
    else if (g->careless && g->n_inbox == GUEST_MESSAGES)
        g->inbox[g->n_messages % GUEST_MESSAGES] = *m;
    else if (g->n_inbox == GUEST_MESSAGES)
        vmbus_fail(g, "a message of type %u that nobody waits for", type);
    else
        g->inbox[g->n_inbox++] = *m;
}

/*
 * Copy, give the place free, and only then ask whether another one waits: so Linux does.
 * @spec Linux drivers/hv/hyperv_vmbus.h (vmbus_signal_eom)
 */
static bool take_slot(struct vmbus_guest *g, unsigned vp)
{
    uint8_t *slot = vmbus_host(g, g->vps[vp].messages + SINT * SINT_BYTES);
    uint32_t *type = (uint32_t *)(void *)slot;
    uint32_t was = __atomic_load_n(type, __ATOMIC_ACQUIRE);
    struct received m;

    if (was == 0)
        return false;
    m.len = slot[SLOT_LEN];
    if (was != 1 || m.len > GUEST_MESSAGE_BYTES) {
        vmbus_fail(g, "a message of type %u, %u bytes, in the page", was, m.len);
        return false;
    }
    memcpy(m.bytes, slot + SLOT_PAYLOAD, m.len);
    (void)__atomic_compare_exchange_n(type, &was, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if ((__atomic_load_n(slot + SLOT_FLAGS, __ATOMIC_RELAXED) & SLOT_PENDING) != 0)
        wrmsr(g, vp, MSR_EOM, 0);
    take_message(g, &m);
    return true;
}

static void take_flags(struct vmbus_guest *g, unsigned vp)
{
    uint64_t *words = (uint64_t *)(void *)vmbus_host(g, g->vps[vp].flags + SINT * SINT_BYTES);

    if (g->vps[vp].flags == 0)
        return;
    for (unsigned i = 0; i < (GUEST_RELIDS + 63) / 64; i++) {
        uint64_t bits = words[i] == 0 ? 0 : __atomic_exchange_n(&words[i], 0, __ATOMIC_SEQ_CST);

        for (; bits != 0; bits &= bits - 1) {
            unsigned relid = i * 64 + (unsigned)__builtin_ctzll(bits);
            struct guest_channel *c = relid < GUEST_RELIDS ? g->channels[relid] : NULL;

            if (c != NULL)
                vmbus_channel_event(c);
        }
    }
}

void vmbus_interrupted(struct vmbus_guest *g, unsigned vp)
{
    while (take_slot(g, vp))
        ;
    take_flags(g, vp);
}

bool vmbus_halt(struct vmbus_guest *g, unsigned vp, uint64_t timeout_ns)
{
    if (!sim_halt(g->sim, vp, timeout_ns))
        return false;
    g->vps[vp].interrupts++;
    if (g->sim->vectors[vp] != GUEST_VECTOR)
        vmbus_fail(g, "vCPU %u: an interrupt with vector %#x", vp, g->sim->vectors[vp]);
    vmbus_interrupted(g, vp);
    return true;
}

bool vmbus_await(struct vmbus_guest *g, enum guest_message type, uint32_t first, uint32_t second,
                 struct received *ret)
{
    uint64_t end = clock_now_ns() + ANSWER_NS;

    while (!g->failed) {
        for (unsigned i = 0; i < g->n_inbox; i++) {
            struct rd r = rd_over(g->inbox[i].bytes, g->inbox[i].len);
            uint32_t is_type = rd_le32(&r);
            uint32_t is_first, is_second;

            (void)rd_le32(&r);
            is_first = rd_le32(&r);
            is_second = rd_le32(&r);
            if (is_type != type || (first != 0 && is_first != first) ||
                (second != 0 && is_second != second))
                continue;
            *ret = g->inbox[i];
            g->inbox[i] = g->inbox[--g->n_inbox];
            return true;
        }
        if (clock_now_ns() > end)
            break;
        (void)vmbus_halt(g, 0, LOOK_NS);
    }
    vmbus_fail(g, "no answer of type %u about %u, %u", type, first, second);
    return false;
}

/* --- messages of the guest --- */

uint64_t vmbus_post_raw(struct vmbus_guest *g, unsigned vp, uint32_t connection, uint32_t type,
                        const void *bytes, size_t len, uint32_t said)
{
    const struct vm_hypercall call = {
        .control = CALL_POST, .input = g->vps[vp].input, .privileged = true, .long_mode = true};
    struct wr w = wr_over(vmbus_host(g, g->vps[vp].input), POST_BYTES);

    wr_le32(&w, connection);
    wr_le32(&w, 0);
    wr_le32(&w, type);
    wr_le32(&w, said);
    wr_bytes(&w, bytes, len);
    return hv_hypercall(&g->sim->super.vm.hv, vp, &call);
}

uint64_t vmbus_post(struct vmbus_guest *g, uint32_t connection, const void *bytes, size_t len)
{
    uint64_t status = HV_INSUFFICIENT_BUFFERS;

    for (unsigned i = 0; i < TRIES && status == HV_INSUFFICIENT_BUFFERS && !g->failed; i++) {
        status = vmbus_post_raw(g, 0, connection, 1, bytes, len, (uint32_t)len);
        if (status == HV_INSUFFICIENT_BUFFERS)
            (void)vmbus_halt(g, 0, NS_PER_MS);
    }
    if (status != HV_SUCCESS && !vm_has_ended(&g->sim->super.vm))
        vmbus_fail(g, "HvCallPostMessage: status %#llx", (unsigned long long)status);
    return status;
}

static bool contact(struct vmbus_guest *g, uint32_t version)
{
    uint8_t bytes[40];
    struct wr w = wr_over(bytes, sizeof(bytes));
    struct received m;

    wr_le32(&w, MSG_CONTACT);
    wr_le32(&w, 0);
    wr_le32(&w, version);
    wr_le32(&w, 0); /* vCPU for messages */
    wr_u8(&w, SINT);
    wr_bytes(&w, (const uint8_t[23]){0}, 23); /* VTL, features, monitor pages: none */
    g->connection = version >= 0x50000 ? CONNECTION_NEW : CONNECTION_OLD;
    if (vmbus_post(g, g->connection, bytes, sizeof(bytes)) != HV_SUCCESS ||
        !vmbus_await(g, MSG_VERSION, 0, 0, &m))
        return false;
    if (m.len < 12 || m.bytes[8] != 1) {
        vmbus_fail(g, "version %#x is not supported", version);
        return false;
    }
    if (version >= 0x50000 && m.len >= 16)
        g->connection = m.bytes[12];
    return true;
}

bool vmbus_connect(struct vmbus_guest *g, uint32_t version)
{
    static const uint8_t request[8] = {MSG_REQUEST_OFFERS};
    uint64_t end = clock_now_ns() + ANSWER_NS;

    memset(g->offers, 0, sizeof(g->offers));
    g->all_offered = false;
    g->n_inbox = 0;
    if (!contact(g, version) ||
        vmbus_post(g, g->connection, request, sizeof(request)) != HV_SUCCESS)
        return false;
    g->version = version;
    while (!g->all_offered && !g->failed && clock_now_ns() < end)
        (void)vmbus_halt(g, 0, LOOK_NS);
    if (!g->all_offered)
        vmbus_fail(g, "offers do not come to an end");
    return g->all_offered;
}

bool vmbus_unload(struct vmbus_guest *g)
{
    static const uint8_t request[8] = {MSG_UNLOAD};
    struct received m;

    memset(g->channels, 0, sizeof(g->channels));
    return vmbus_post(g, g->connection, request, sizeof(request)) == HV_SUCCESS &&
           vmbus_await(g, MSG_UNLOADED, 0, 0, &m);
}
