/*
 * tests/fault/sim_debug.c - a guest for debuggers: each vCPU is a processor of one instruction, which counts.
 *
 * Its kernel is 16 such instructions in a ring, mapped as a kernel is; where counters are in memory, page tables and registers
 * are what a real one's would be, so that a debugger sees no difference. Arguments: ms=N, and then it ends.
 */
#include <string.h>

#include "base/clock.h"
#include "supervisor/vcpu/hold.h"
#include "tests/sim/sim.h"

enum {
    INSTRUCTIONS = 16,
    TABLE_1 = 0x1000, /* physical: three page tables */
    TABLE_2 = 0x2000,
    TABLE_3 = 0x3000,
    NOTE = 0x5000,
    CODE = 0x200000,
    COUNTERS = CODE + 0x1000,
    STEP_NS = 20 * 1000,
};

static const uint64_t KERNEL = 0xffffffff81000000; /* virtual, of CODE */
static const uint64_t PRESENT_WRITABLE = 3;
static const uint64_t LARGE = 1 << 7;
static const char NOTE_TEXT[] = "OSRELEASE=6.1.0-sim\nPAGESIZE=4096\nKERNELOFFSET=0\n";

static void put(struct sim *sim, uint64_t at, const void *bytes, size_t len)
{
    if (gmem_copy_out(&sim->super.vm.memory, (struct gpa){at}, bytes, len) < 0)
        sim_fail(sim, "no memory at %#llx", (unsigned long long)at);
}

static void put_entry(struct sim *sim, uint64_t table, unsigned bits, uint64_t value)
{
    put(sim, table + (KERNEL >> bits & 511) * 8, &value, sizeof(value));
}

static void put_note(struct sim *sim)
{
    const uint32_t head[] = {11, sizeof(NOTE_TEXT) - 1, 0};

    put(sim, NOTE, head, sizeof(head));
    put(sim, NOTE + 12, "VMCOREINFO\0", 12);
    put(sim, NOTE + 24, NOTE_TEXT, sizeof(NOTE_TEXT) - 1);
}

static void make_kernel(struct sim *sim)
{
    uint8_t code[INSTRUCTIONS];

    memset(code, 0x90, sizeof(code));
    put(sim, CODE, code, sizeof(code));
    put_entry(sim, TABLE_1, 39, TABLE_2 | PRESENT_WRITABLE);
    put_entry(sim, TABLE_2, 30, TABLE_3 | PRESENT_WRITABLE);
    put_entry(sim, TABLE_3, 21, CODE | PRESENT_WRITABLE | LARGE);
    put_note(sim);
}

/* One instruction: false when it is not to be executed yet, because a break is there. */
static bool execute(struct sim *sim, unsigned vcpu, struct guest_regs *r,
                    const struct hold_debug *d, struct hold_hit *hit)
{
    const uint64_t counter = ++r->v[GUEST_RAX];

    put(sim, COUNTERS + 8 * vcpu, &counter, sizeof(counter));
    r->v[GUEST_RIP] = KERNEL + (r->v[GUEST_RIP] - KERNEL + 1) % INSTRUCTIONS;
    *hit = (struct hold_hit){.event = d->step ? HOLD_STEP : HOLD_NONE, .vcpu = vcpu};
    for (unsigned i = 0; i < d->n_breaks; i++) {
        const struct guest_break *b = &d->breaks[i];

        if (b->kind == GUEST_BREAK_EXECUTE && b->address == r->v[GUEST_RIP])
            hit->event = HOLD_BREAK;
        if (b->kind != GUEST_BREAK_EXECUTE && b->address == KERNEL + 0x1000 + 8 * vcpu) {
            hit->event = HOLD_WATCH;
            hit->address = b->address;
        }
    }
    return hit->event != HOLD_NONE;
}

static void run_vcpu(struct sim *sim, unsigned vcpu)
{
    struct hold *h = &sim->super.vm.hold;
    struct guest_regs r = {0};
    struct hold_debug d;
    struct hold_hit hit;

    r.v[GUEST_RIP] = KERNEL;
    r.v[GUEST_RBX] = UINT64_C(0x1122334455667788) + vcpu;
    r.v[GUEST_CR0] = 0x80000001;
    r.v[GUEST_CR3] = TABLE_1;
    r.v[GUEST_CR4] = 0x20;
    r.v[GUEST_EFER] = 0x500;
    r.v[GUEST_RFLAGS] = 2;
    r.v[GUEST_CS] = 0x10;
    while (!sim->finished) {
        if (hold_is_wanted(h, vcpu))
            (void)hold_stand(h, vcpu, &r);
        (void)hold_take_debug(h, vcpu, &d);
        if (execute(sim, vcpu, &r, &d, &hit))
            (void)hold_report(h, &hit);
        sim_sleep_ns(STEP_NS);
    }
}

static void guest(struct sim *sim)
{
    sim_print(sim, 0, "counting\n");
    run_vcpu(sim, 0);
}

static void beside(struct sim *sim)
{
    make_kernel(sim);
    sim_sleep_ns(sim_option(sim, "ms", 1000) * NS_PER_MS);
    sim->finished = true;
    if (sim_faultless(sim, PROCESS_DEBUG))
        sim_pass(sim);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .vcpu = run_vcpu, .beside = beside, .stands = true};

    return sim_main(&sim, argc, argv);
}
