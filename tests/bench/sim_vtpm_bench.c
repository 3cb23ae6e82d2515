/*
 * tests/bench/sim_vtpm_bench.c - TPM commands through the whole real path, without a vCPU: register
 * writes by the supervisor's own access function, its port, the worker in its jail, its region.
 *
 * Arguments: count=N cpu=N. With cpu the worker is moved to that CPU first; without, all of it is
 * meant to be pinned to one (taskset). "bulkhead" writes START alone for each command, as a driver
 * may; "bulkhead-linux" makes the six register writes that Linux makes.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "ipc/channel.h"
#include "tests/bench/tpm_series.h"
#include "tests/sim/sim.h"
#include "tests/sim/tpm_client.h"

enum {
    NO_CPU = 9999,
    WARM_UP = 300,
    DEFAULT_COUNT = 10000,
    LOC_CTRL = 0x08,
    CTRL_REQ = 0x40,
    CTRL_CANCEL = 0x48,
    CTRL_START = 0x4c,
    REQUEST_ACCESS = 1,
    RELINQUISH = 2,
    CMD_READY = 1,
    GO_IDLE = 2,
    HEADER_BYTES = 10,
    VCPU = 0,
};

static const uint64_t CRB = 0xfed40000;

static void set_reg(struct sim *sim, unsigned offset, uint32_t value)
{
    sim_write(sim, VCPU, ACCESS_MMIO, CRB + offset, 4, value);
}

/* A read that makes no exit: the page is the guest's to read. */
static uint32_t reg(const struct sim *sim, unsigned offset)
{
    return *(const volatile uint32_t *)(const volatile void *)(sim->crb_registers + offset);
}

static uint8_t *buffer(const struct sim *sim)
{
    return (uint8_t *)(uintptr_t)sim->crb_buffer;
}

/* The access function returns when the worker has answered, so all is there to read. */
static int take_response(const struct sim *sim, uint8_t *rsp, size_t *ret_len)
{
    size_t len;

    if (reg(sim, CTRL_START) != 0)
        return -EBUSY; /* a short command ends within its START */
    memcpy(rsp, buffer(sim), HEADER_BYTES);
    len = (size_t)rsp[4] << 8 | rsp[5];
    if (len < HEADER_BYTES || len > TPM_CLIENT_BYTES)
        return -EBADMSG;
    memcpy(rsp + HEADER_BYTES, buffer(sim) + HEADER_BYTES, len - HEADER_BYTES);
    *ret_len = len;
    return 0;
}

static int call_series(void *self, const uint8_t *cmd, size_t len, uint8_t *rsp, size_t *ret_len)
{
    struct sim *sim = self;

    memcpy(buffer(sim), cmd, len);
    set_reg(sim, CTRL_START, 1);
    return take_response(sim, rsp, ret_len);
}

static int call_linux(void *self, const uint8_t *cmd, size_t len, uint8_t *rsp, size_t *ret_len)
{
    struct sim *sim = self;
    int r;

    set_reg(sim, LOC_CTRL, REQUEST_ACCESS);
    set_reg(sim, CTRL_REQ, CMD_READY);
    set_reg(sim, CTRL_CANCEL, 0);
    memcpy(buffer(sim), cmd, len);
    set_reg(sim, CTRL_START, 1);
    r = take_response(sim, rsp, ret_len);
    set_reg(sim, CTRL_REQ, GO_IDLE);
    set_reg(sim, LOC_CTRL, RELINQUISH);
    return r;
}

static void say(void *self, const char *line)
{
    sim_print(self, VCPU, "%s", line);
}

/* As the supervisor itself does when it moves a worker. */
static int place(struct sim *sim, uint32_t cpu)
{
    const struct port_client *port = &sim->super.ports[PROCESS_VTPM];
    Bulkhead__Place order;
    Bulkhead__Envelope e;
    int r;

    bulkhead__place__init(&order);
    bulkhead__envelope__init(&e);
    order.process = PROCESS_VTPM;
    order.generation = sim->super.registry.rows[PROCESS_VTPM].live.number;
    order.cpu = cpu;
    e.body_case = BULKHEAD__ENVELOPE__BODY_PLACE;
    e.place = &order;
    r = channel_send(FD_CONTROL, &e, NULL, 0);
    for (int i = 0; r == 0 && i < 100; i++) { /* the heartbeat makes it look where it is */
        if (atomic_load(&port->page->server_cpu) == cpu)
            return 0;
        sim_sleep_ns(10 * NS_PER_MS);
    }
    return r < 0 ? r : -ETIMEDOUT;
}

static uint64_t forwarded(const struct sim *sim)
{
    return atomic_load(&sim->super.ports[PROCESS_VTPM].seq[VCPU]);
}

static int measure(struct sim *sim, struct tpm_series *s)
{
    uint64_t before = forwarded(sim);
    uint64_t commands = 3ull * (s->count + s->warm_up);
    int r = tpm_series_run(s);

    if (r == 0)
        sim_print(sim, VCPU,
                  "{\"bench\": \"tpm_exits\", \"who\": \"%s\", \"placement\": \"%s\", "
                  "\"per_1000_commands\": %llu}\n",
                  s->who, s->placement,
                  (unsigned long long)((forwarded(sim) - before) * 1000 / commands));
    return r;
}

static int run(struct sim *sim)
{
    uint32_t cpu = (uint32_t)sim_option(sim, "cpu", NO_CPU);
    struct tpm_series s = {
        .who = "bulkhead-linux",
        .placement = cpu == NO_CPU ? "same" : "other",
        .count = (unsigned)sim_option(sim, "count", DEFAULT_COUNT),
        .warm_up = WARM_UP,
        .call = call_linux,
        .say = say,
        .self = sim,
    };
    int r = 0;

    sim_sleep_ns(300 * NS_PER_MS); /* let the spares be made */
    if (cpu != NO_CPU)
        r = place(sim, cpu);
    if (r == 0)
        r = measure(sim, &s);
    set_reg(sim, LOC_CTRL, REQUEST_ACCESS);
    set_reg(sim, CTRL_REQ, CMD_READY);
    s.who = "bulkhead";
    s.call = call_series;
    return r < 0 ? r : measure(sim, &s);
}

static void guest(struct sim *sim)
{
    int r = run(sim);

    sim->finished = true;
    if (r < 0)
        sim_fail(sim, "%s", strerror(-r));
    else
        sim_pass(sim);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest};

    return sim_main(&sim, argc, argv);
}
