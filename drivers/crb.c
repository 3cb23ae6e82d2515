#include "drivers/crb.h"

#include <assert.h>
#include <errno.h>

#include "ipc/manifest.h"

enum {
    SOFTWARE_LOCALITIES = 4,
    ALL_LOCALITIES = 0x0f,
    TODO_MASK = CRB_REQ_CMD_READY | CRB_REQ_GO_IDLE,
    REFRESH_TRIES = 8, /* two publishers are as many as there are */
    STORE_TRIES = 8,   /* of one register */
    /* CRB selected; interface version 1; five localities; idle bypass: Done to Ready without Idle;
     * 64-byte transfers. */
    INTF_ID_LOW = 1 | 1 << 4 | 1 << 8 | 1 << 9 | 3 << 11 | 1 << 14 | 1 << 17,
    INTF_ID_HIGH = 0x1014, /* vendor, as libtpms says in TPM_PT_MANUFACTURER: IBM; device 0 */
    /* crb_pack() */
    PACK_STATE_SHIFT = 0,
    PACK_ASSIGNED_SHIFT = 2,
    PACK_ACTIVE_SHIFT = 3,
    PACK_REQUESTED_SHIFT = 5,
    PACK_SEIZED_SHIFT = 9,
    PACK_CANCEL_SHIFT = 13,
    PACK_TODO_SHIFT = 14,
    PACK_BITS = 16,
};

_Static_assert(sizeof(struct crb_shared) == CRB_REGISTERS_BYTES, "the object is as large");

/* --- localities --- */

static void grant(struct crb *c, unsigned locality)
{
    c->assigned = true;
    c->active = (uint8_t)locality;
    c->requested &= (uint8_t) ~(1u << locality);
    c->seized &= (uint8_t) ~(1u << locality);
}

/* @spec PTP 1.05 6.5.3.3: the highest locality that waits is next */
static void grant_next(struct crb *c)
{
    c->assigned = false;
    c->active = 0;
    for (unsigned i = SOFTWARE_LOCALITIES; i-- > 0;) {
        if ((c->requested >> i & 1) != 0) {
            grant(c, i);
            return;
        }
    }
}

static unsigned request(struct crb *c, unsigned locality)
{
    if (c->assigned && c->active == locality)
        return 0;
    if (!c->assigned)
        grant(c, locality);
    else if ((c->requested >> locality & 1) != 0)
        return 0;
    else
        c->requested |= (uint8_t)(1u << locality);
    return CRB_CHANGED;
}

static unsigned relinquish(struct crb *c, unsigned locality)
{
    if (c->assigned && c->active == locality) {
        grant_next(c);
        return CRB_CHANGED;
    }
    if ((c->requested >> locality & 1) == 0)
        return 0;
    c->requested &= (uint8_t) ~(1u << locality);
    return CRB_CHANGED;
}

/* Give up what is being executed; it ends when it can, and the interface is idle then. */
static unsigned give_up(struct crb *c)
{
    if (c->state != CRB_RUNNING) {
        c->state = CRB_IDLE;
        return CRB_CHANGED;
    }
    c->todo |= CRB_REQ_GO_IDLE;
    return CRB_CHANGED | CRB_CANCELLED;
}

static unsigned seize(struct crb *c, unsigned locality)
{
    if (!c->assigned)
        return request(c, locality);
    if (c->active == locality)
        return 0;
    if (c->active > locality)
        return CRB_REFUSED;
    c->seized |= (uint8_t)(1u << c->active);
    grant(c, locality);
    return give_up(c);
}

static unsigned write_loc_ctrl(struct crb *c, unsigned locality, uint32_t value)
{
    if (locality >= SOFTWARE_LOCALITIES)
        return CRB_REFUSED;
    switch (value) {
    case CRB_LOC_CTRL_REQUEST:
        return request(c, locality);
    case CRB_LOC_CTRL_RELINQUISH:
        return relinquish(c, locality);
    case CRB_LOC_CTRL_SEIZE:
        return seize(c, locality);
    default:
        return CRB_REFUSED; /* several at once mean nothing; the rest is for a late launch */
    }
}

/* --- commands --- */

/*
 * @spec PTP 1.05 6.5.3.8. While a command runs, both requests give it up: they are done when it has
 * ended, and read as 1 until then. So no later command can be taken for it.
 */
static unsigned write_req_running(struct crb *c, uint32_t value)
{
    if ((c->todo | value) == c->todo)
        return 0;
    c->todo |= (uint8_t)value;
    return CRB_CHANGED | CRB_CANCELLED;
}

static unsigned write_req(struct crb *c, uint32_t value)
{
    enum crb_state next = value == CRB_REQ_CMD_READY ? CRB_READY : CRB_IDLE;

    if (value != CRB_REQ_CMD_READY && value != CRB_REQ_GO_IDLE)
        return value == 0 ? 0 : CRB_REFUSED;
    if (c->state == CRB_RUNNING)
        return write_req_running(c, value);
    if (c->state == next)
        return 0;
    c->state = next;
    return CRB_CHANGED;
}

static unsigned write_cancel(struct crb *c, uint32_t value)
{
    bool cancel = (value & 1) != 0;

    if (cancel == c->cancel)
        return cancel && c->state == CRB_RUNNING ? CRB_CANCELLED : 0;
    c->cancel = cancel;
    return CRB_CHANGED | (cancel && c->state == CRB_RUNNING ? CRB_CANCELLED : 0);
}

/*
 * @spec PTP 1.05 6.5.3.8: after a command, the first write to the buffer begins the next one. We do
 * not see such writes, so START alone says it; Linux sends whole series without a cmdReady between.
 */
static unsigned write_start(struct crb *c, uint32_t value)
{
    if ((value & 1) == 0)
        return 0;
    if (c->state != CRB_READY && c->state != CRB_DONE)
        return CRB_REFUSED;
    c->state = CRB_RUNNING;
    return CRB_CHANGED | CRB_STARTED;
}

bool crb_finish(struct crb *c)
{
    bool shown = c->todo == 0;

    assert(c->state == CRB_RUNNING);
    if (shown)
        c->state = CRB_DONE;
    else
        c->state = (c->todo & CRB_REQ_CMD_READY) != 0 ? CRB_READY : CRB_IDLE;
    c->todo = 0;
    return shown;
}

/* --- access --- */

static unsigned write_register(struct crb *c, unsigned locality, uint32_t reg, uint32_t value)
{
    if (reg == CRB_LOC_CTRL)
        return write_loc_ctrl(c, locality, value);
    if (!c->assigned || c->active != locality)
        return CRB_REFUSED;
    switch (reg) {
    case CRB_CTRL_REQ:
        return write_req(c, value);
    case CRB_CTRL_CANCEL:
        return write_cancel(c, value);
    case CRB_CTRL_START:
        return write_start(c, value);
    case CRB_INT_ENABLE:
    case CRB_INT_STS:
        return 0; /* @spec PTP 1.05 6.5.3.13: no interrupt is implemented, the bits stay 0 */
    default:
        return CRB_REFUSED;
    }
}

unsigned crb_write(struct crb *c, uint32_t offset, unsigned size, uint64_t data)
{
    unsigned locality = offset / CRB_PAGE_BYTES;
    uint32_t reg = offset % CRB_PAGE_BYTES;
    unsigned events;

    if (locality >= CRB_LOCALITIES || (size != 4 && size != 8))
        return CRB_REFUSED;
    events = write_register(c, locality, reg, (uint32_t)data);
    if (size == 8)
        events |= write_register(c, locality, reg + 4, (uint32_t)(data >> 32));
    return events;
}

static uint32_t loc_state(const struct crb *c)
{
    uint32_t v = CRB_LOC_STATE_VALID | CRB_LOC_STATE_ESTABLISHED;

    if (c->assigned)
        v |= CRB_LOC_STATE_ASSIGNED | (uint32_t)c->active << CRB_LOC_STATE_ACTIVE_SHIFT;
    return v;
}

static uint32_t loc_sts(const struct crb *c, unsigned locality)
{
    uint32_t v = (c->seized >> locality & 1) != 0 ? CRB_LOC_STS_SEIZED : 0;

    return c->assigned && c->active == locality ? v | CRB_LOC_STS_GRANTED : v;
}

static uint32_t read_register(const struct crb *c, unsigned locality, uint32_t reg)
{
    switch (reg) {
    case CRB_LOC_STATE:
        return loc_state(c);
    case CRB_LOC_STS:
        return loc_sts(c, locality);
    case CRB_INTF_ID:
        return INTF_ID_LOW;
    case CRB_INTF_ID + 4:
        return INTF_ID_HIGH;
    case CRB_CTRL_REQ:
        return c->todo;
    case CRB_CTRL_STS:
        return c->state == CRB_IDLE ? CRB_STS_IDLE : 0;
    case CRB_CTRL_CANCEL:
        return c->cancel;
    case CRB_CTRL_START:
        return c->state == CRB_RUNNING;
    case CRB_CMD_SIZE:
    case CRB_RSP_SIZE:
        return CRB_BUFFER_BYTES_MAX;
    case CRB_CMD_LADDR:
    case CRB_RSP_ADDR:
        return (uint32_t)CRB_BUFFER_ADDR;
    default:
        return 0;
    }
}

uint64_t crb_read(const struct crb *c, uint32_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        uint32_t at = offset + i;
        uint32_t word;

        if (at >= CRB_BYTES)
            break;
        word = read_register(c, at / CRB_PAGE_BYTES, at % CRB_PAGE_BYTES & ~3u);
        value |= (uint64_t)(word >> 8 * (at % 4) & 0xff) << 8 * i;
    }
    return value;
}

uint32_t crb_pack(const struct crb *c)
{
    return (uint32_t)c->state << PACK_STATE_SHIFT | (uint32_t)c->assigned << PACK_ASSIGNED_SHIFT |
           (uint32_t)c->active << PACK_ACTIVE_SHIFT |
           (uint32_t)c->requested << PACK_REQUESTED_SHIFT |
           (uint32_t)c->seized << PACK_SEIZED_SHIFT | (uint32_t)c->cancel << PACK_CANCEL_SHIFT |
           (uint32_t)c->todo << PACK_TODO_SHIFT;
}

int crb_unpack(uint32_t word, struct crb *ret)
{
    struct crb c = {
        .state = (enum crb_state)(word >> PACK_STATE_SHIFT & 3),
        .assigned = (word >> PACK_ASSIGNED_SHIFT & 1) != 0,
        .active = word >> PACK_ACTIVE_SHIFT & (SOFTWARE_LOCALITIES - 1),
        .requested = word >> PACK_REQUESTED_SHIFT & ALL_LOCALITIES,
        .seized = word >> PACK_SEIZED_SHIFT & ALL_LOCALITIES,
        .cancel = (word >> PACK_CANCEL_SHIFT & 1) != 0,
        .todo = word >> PACK_TODO_SHIFT & TODO_MASK,
    };

    if (word >> PACK_BITS != 0 || (!c.assigned && c.active != 0) ||
        (c.state != CRB_RUNNING && c.todo != 0))
        return -EBADMSG;
    *ret = c;
    return 0;
}

/* --- shared --- */

static uint64_t shared_word(uint32_t epoch, const struct crb *c)
{
    return (uint64_t)epoch << 32 | crb_pack(c);
}

int crb_shared_load(const struct crb_shared *s, uint32_t *ret_epoch, struct crb *ret)
{
    uint64_t word = atomic_load(&s->state);
    int r = crb_unpack((uint32_t)word, ret);

    if (r == 0)
        *ret_epoch = (uint32_t)(word >> 32);
    return r;
}

/*
 * Not if it shows that already, and not once there is another state: what a newer publisher has shown the guest
 * is not to be undone until we look again. It can be, by one who is held up between this look and the exchange
 * while the register changes twice.
 */
static void store_register(struct crb_shared *s, uint64_t word, uint32_t offset, uint32_t value)
{
    _Atomic uint32_t *reg = &s->registers[offset / 4];
    uint32_t was = atomic_load(reg);
    unsigned tries = STORE_TRIES; /* the other one may be hostile, and never stop */

    while (was != value && tries-- > 0 && atomic_load(&s->state) == word) {
        if (atomic_compare_exchange_strong(reg, &was, value))
            return;
    }
}

static void store_registers(struct crb_shared *s, uint64_t word, const struct crb *c)
{
    static const uint8_t all[] = {CRB_INTF_ID,  CRB_INTF_ID + 4, CRB_CMD_SIZE,   CRB_CMD_LADDR,
                                  CRB_RSP_SIZE, CRB_RSP_ADDR,    CRB_LOC_STATE,  CRB_LOC_STS,
                                  CRB_CTRL_STS, CRB_CTRL_CANCEL, CRB_CTRL_START, CRB_CTRL_REQ};

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        uint32_t value = read_register(c, 0, all[i]);

        for (unsigned locality = 0; locality < CRB_LOCALITIES; locality++) {
            if (all[i] == CRB_LOC_STS) /* the others are the same in all */
                value = loc_sts(c, locality);
            store_register(s, word, locality * CRB_PAGE_BYTES + all[i], value);
        }
    }
}

/*
 * What another publisher has stored meanwhile is stored again: the last state wins. One that never
 * stops has only itself to blame for what the guest reads.
 */
void crb_shared_refresh(struct crb_shared *s)
{
    struct crb c;
    uint64_t word;
    unsigned tries = REFRESH_TRIES;

    do {
        word = atomic_load(&s->state);
        if (crb_unpack((uint32_t)word, &c) == 0)
            store_registers(s, word, &c);
        /* Ours must be seen before we look: else both may believe that they were the last. */
        atomic_thread_fence(memory_order_seq_cst);
    } while (atomic_load(&s->state) != word && --tries > 0);
}

void crb_shared_publish(struct crb_shared *s, uint32_t epoch, const struct crb *c)
{
    atomic_store(&s->state, shared_word(epoch, c));
    crb_shared_refresh(s);
}
