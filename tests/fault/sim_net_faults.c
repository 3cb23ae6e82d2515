/*
 * tests/fault/sim_net_faults.c - requests that net dies of, frames that it dies of until it is parked, revival; with
 * faulty_net.c.
 *
 * Numbered frames go both ways all the time: none comes twice or out of order, and all goes on afterwards as if
 * nothing had been. A request is refused in RNDIS' terms; a frame is lost.
 */
#include <string.h>

#include "base/clock.h"
#include "base/wr.h"
#include "supervisor/lifecycle.h"
#include "tests/fault/faulty_net.h"
#include "tests/sim/net_load.h"

enum {
    CHANNELS = 3,
    ENOUGH = 200, /* frames */
    FRAME_BYTES = 60,
};

static const uint32_t RNDIS_REFUSED = UINT32_C(0xc0000001);
static const uint64_t LOOK_NS = 10 * NS_PER_MS;
static const uint64_t PATIENCE_NS = 30 * NS_PER_S;

struct story {
    struct sim *sim;
    struct registry_row *row;
    struct vmbus_guest vmbus;
    struct net_guest net;
    struct net_load load;
    _Atomic bool revive_wanted;
    _Atomic bool loading, idle,
        ready; /* vCPU 1 puts the load in, does not, or at least takes interrupts */
};

static struct story *the_story(void)
{
    static struct story story;

    return &story;
}

static bool await_frames(struct story *s)
{
    uint64_t end = clock_now_ns() + PATIENCE_NS;
    uint64_t before = flows_sum(s->net.flows).received;

    while (flows_sum(s->net.flows).received < before + ENOUGH && !s->vmbus.failed) {
        if (clock_now_ns() > end)
            vmbus_fail(&s->vmbus, "frames do not come");
        (void)vmbus_halt(&s->vmbus, 0, LOOK_NS);
    }
    return !s->vmbus.failed;
}

/* It kills two generations and is refused; then the NIC works as before. */
static bool poison(struct story *s, const char *what, uint32_t oid, const char *told)
{
    uint64_t before = s->row->shown.faults->value;
    uint64_t began = clock_now_ns();
    uint32_t status = 0;

    if (!net_try_query(&s->net, oid, &status))
        return false;
    sim_print(s->sim, 0, "%s: status %#x after %llu ms; %s\n", what, status,
              (unsigned long long)((clock_now_ns() - began) / NS_PER_MS),
              s->row->shown.last_death->text);
    if (status != RNDIS_REFUSED || s->row->shown.faults->value != before + 2)
        vmbus_fail(&s->vmbus, "%s: status %#x, %llu faults", what, status,
                   (unsigned long long)(s->row->shown.faults->value - before));
    else if (strstr(s->row->shown.last_death->text, told) == NULL)
        vmbus_fail(&s->vmbus, "operators were told: %s", s->row->shown.last_death->text);
    else if (!sim_died_doing(s->sim, PROCESS_NET, DOING_RNDIS, RNDIS_QUERY))
        s->vmbus.failed = true;
    return !s->vmbus.failed && net_look_at_link(&s->net) && await_frames(s);
}

static bool await_state(struct story *s, enum row_state state)
{
    uint64_t end = clock_now_ns() + PATIENCE_NS;

    while ((s->row->state != state || s->row->live.active_ns == 0) && !s->vmbus.failed) {
        if (clock_now_ns() > end)
            vmbus_fail(&s->vmbus, "it does not become %s",
                       state == ROW_PARKED ? "parked" : "running again");
        (void)vmbus_halt(&s->vmbus, 0, LOOK_NS);
    }
    return !s->vmbus.failed;
}

/* Sent once: it is taken before it kills, and lost. */
static bool send_killer(struct story *s)
{
    uint8_t frame[FRAME_BYTES] = {2, [5] = 2, [6] = 2, [11] = 1};
    struct wr w = wr_over(frame + 12, 2);
    uint64_t before = s->row->shown.faults->value;
    uint64_t end = clock_now_ns() + PATIENCE_NS;

    wr_be16(&w, FAULT_FRAME_TYPE);
    while (!net_send_frame(&s->net, 0, frame, sizeof(frame)) && !s->vmbus.failed)
        (void)vmbus_halt(&s->vmbus, 0, LOOK_NS);
    while (s->row->shown.faults->value == before && !s->vmbus.failed) {
        if (clock_now_ns() > end)
            vmbus_fail(&s->vmbus, "it does not die of a frame");
        (void)vmbus_halt(&s->vmbus, 0, LOOK_NS);
    }
    if (s->row->shown.faults->value != before + 1)
        vmbus_fail(&s->vmbus, "one frame was fatal %llu times",
                   (unsigned long long)(s->row->shown.faults->value - before));
    return !s->vmbus.failed;
}

static bool survive_one(struct story *s)
{
    return send_killer(s) && await_state(s, ROW_RUNNING) && await_frames(s) &&
           net_look_at_link(&s->net);
}

/* One after the other, until there are too many. */
static bool park(struct story *s)
{
    unsigned n = 0;

    health_forget(&s->row->health); /* the faults before are another story */
    while (s->row->state != ROW_PARKED && !s->vmbus.failed) {
        if (s->row->state == ROW_RUNNING && s->row->live.active_ns != 0) {
            if (++n > HEALTH_LONG_FAULTS)
                vmbus_fail(&s->vmbus, "it does not park");
            (void)send_killer(s);
        }
        (void)vmbus_halt(&s->vmbus, 0, LOOK_NS);
    }
    return await_state(s, ROW_PARKED);
}

static bool park_and_revive(struct story *s)
{
    uint64_t received;

    if (!park(s))
        return false;
    received = flows_sum(s->net.flows).received;
    sim_sleep_ns(200 * NS_PER_MS);
    sim_print(s->sim, 0, "parked; %llu frames received, %llu before\n",
              (unsigned long long)flows_sum(s->net.flows).received, (unsigned long long)received);
    s->revive_wanted = true;
    return await_state(s, ROW_RUNNING) && await_frames(s) && net_look_at_link(&s->net);
}

static bool prepare(struct story *s)
{
    static const struct net_guest_way way = {.version = 0x60001,
                                             .channels = CHANNELS,
                                             .ring_pages = 33,
                                             .receive_pages = 256,
                                             .send_pages = 64};

    vmbus_start(&s->vmbus, s->sim, 1);
    s->ready = true;
    net_guest_init(&s->net, &s->vmbus, 0);
    net_load_init(&s->load, &s->net, 1);
    return vmbus_connect(&s->vmbus, 0x50003) && net_connect(&s->net, &way) &&
           net_load_begin(&s->load);
}

/* All that was on its way is completed, and nothing is the guest's. */
static bool finish(struct story *s)
{
    s->loading = false;
    while (!s->idle)
        (void)vmbus_halt(&s->vmbus, 0, NS_PER_MS);
    return net_load_end(&s->load) && net_load_drain(&s->load) && net_disconnect(&s->net);
}

static void guest(struct sim *sim)
{
    struct story *s = the_story();

    s->sim = sim;
    s->row = &sim->super.registry.rows[PROCESS_NET];
    if (!prepare(s))
        return;
    s->loading = true;
    if (!await_frames(s) || !poison(s, "a request that crashes it", FAULT_CRASH_OID, "signal 11") ||
        !poison(s, "a request that hangs it", FAULT_HANG_OID, "hang") || !survive_one(s) ||
        !park_and_revive(s) || !finish(s))
        return;
    net_load_print(&s->load, s->row->shown.faults->value);
    if (sim_faultless(sim, PROCESS_VMBUS))
        sim_pass(sim);
}

static void vcpu(struct sim *sim, unsigned index)
{
    struct story *s = the_story();

    while (!vm_has_ended(&sim->super.vm)) {
        bool loading = s->loading;

        s->idle = !loading;
        if (loading)
            net_load_step_alone(&s->load, index);
        else if (s->ready)
            (void)vmbus_halt(&s->vmbus, index, NS_PER_MS);
        else
            sim_sleep_ns(NS_PER_MS);
    }
}

/* As an operator: on the loop's thread, where the registry lives. */
static void every_tick(struct sim *sim)
{
    struct story *s = the_story();

    if (!s->revive_wanted)
        return;
    s->revive_wanted = false;
    (void)lifecycle_revive(&sim->super.registry, PROCESS_NET);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .vcpu = vcpu, .every_tick = every_tick};

    return sim_main(&sim, argc, argv);
}
