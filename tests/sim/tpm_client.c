#include "tests/sim/tpm_client.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/clock.h"
#include "base/rd.h"

static const uint64_t CRB = 0xfed40000;
static const uint64_t LIMIT_NS = 60ull * 1000 * 1000 * 1000;

enum {
    LOC_STATE = 0x00,
    LOC_CTRL = 0x08,
    CTRL_REQ = 0x40,
    CTRL_STS = 0x44,
    STS_IDLE = 1 << 1,
    CTRL_CANCEL = 0x48,
    CTRL_START = 0x4c,
    LOC_ASSIGNED = 1 << 1,
    REQUEST_ACCESS = 1,
    CMD_READY = 1,
    GO_IDLE = 2,
};

/* A read that makes no exit: the page is the guest's to read. */
static uint32_t reg(const struct tpm_client *c, unsigned offset)
{
    uint32_t v;

    v = *(const volatile uint32_t *)(const volatile void *)(c->sim->crb_registers + offset);
    return v;
}

static void set_reg(struct tpm_client *c, unsigned offset, uint32_t value)
{
    sim_write(c->sim, c->vcpu, ACCESS_MMIO, CRB + offset, 4, value);
}

static int await(const struct tpm_client *c, unsigned offset, uint32_t mask, uint32_t value)
{
    uint64_t end = clock_now_ns() + LIMIT_NS;

    while ((reg(c, offset) & mask) != value) {
        if (clock_now_ns() > end)
            return -ETIMEDOUT;
        (void)sched_yield();
    }
    return 0;
}

int tpm_client_open(struct tpm_client *c, struct sim *sim, unsigned vcpu)
{
    *c = (struct tpm_client){.sim = sim, .vcpu = vcpu};
    set_reg(c, LOC_CTRL, REQUEST_ACCESS);
    return await(c, LOC_STATE, LOC_ASSIGNED, LOC_ASSIGNED);
}

int tpm_client_start(struct tpm_client *c, const uint8_t *cmd, size_t len)
{
    int r;

    set_reg(c, CTRL_REQ, CMD_READY);
    r = await(c, CTRL_REQ, CMD_READY, 0);
    if (r < 0)
        return r;
    for (size_t i = 0; i < len && i < TPM_CLIENT_BYTES; i++)
        c->sim->crb_buffer[i] = cmd[i];
    set_reg(c, CTRL_CANCEL, 0);
    set_reg(c, CTRL_START, 1);
    return 0;
}

int tpm_client_finish(struct tpm_client *c, uint8_t *rsp, size_t *ret_len)
{
    uint8_t head[10] = {0};
    struct rd r = rd_over(head, sizeof(head));
    uint32_t len;
    int err = await(c, CTRL_START, 1, 0);

    if (err < 0)
        return err;
    for (size_t i = 0; i < sizeof(head); i++)
        head[i] = c->sim->crb_buffer[i];
    (void)rd_be16(&r);
    len = rd_be32(&r);
    if (len < sizeof(head) || len > TPM_CLIENT_BYTES)
        return -EBADMSG;
    for (size_t i = 0; i < len; i++)
        rsp[i] = c->sim->crb_buffer[i];
    *ret_len = len;
    set_reg(c, CTRL_REQ, GO_IDLE);
    return await(c, CTRL_REQ, GO_IDLE, 0);
}

int tpm_client_call(struct tpm_client *c, const uint8_t *cmd, size_t len, uint8_t *rsp,
                    size_t *ret_len)
{
    int r = tpm_client_start(c, cmd, len);

    return r < 0 ? r : tpm_client_finish(c, rsp, ret_len);
}

static bool is_idle(const struct tpm_client *c)
{
    return (reg(c, CTRL_STS) & STS_IDLE) != 0;
}

int tpm_client_toggle(struct tpm_client *c, uint64_t pause_ns)
{
    bool shown, kept;

    set_reg(c, CTRL_REQ, CMD_READY);
    shown = !is_idle(c);
    sim_sleep_ns(pause_ns);
    kept = !is_idle(c);
    set_reg(c, CTRL_REQ, GO_IDLE);
    shown = shown && is_idle(c);
    sim_sleep_ns(pause_ns);
    return shown && kept && is_idle(c) ? 0 : -EPROTO;
}

void tpm_client_cancel(struct tpm_client *c)
{
    set_reg(c, CTRL_CANCEL, 1);
}

uint32_t tpm_client_rc(const uint8_t *rsp, size_t len)
{
    struct rd r = rd_over(rsp, len);
    uint32_t rc;

    (void)rd_be16(&r);
    (void)rd_be32(&r);
    rc = rd_be32(&r);
    return rd_ok(&r) ? rc : UINT32_MAX;
}
