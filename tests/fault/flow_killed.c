/*
 * tests/fault/flow_killed.c - a process that dies at each instruction of taking, answering and
 * publishing requests, and a successor that goes on: the guest gets each answer once.
 *
 *   flow_killed [STRIDE [FIRST]]     every STRIDE-th instruction from FIRST on; 1: all of them
 *
 * The processor traps after each instruction, so no instant is left to luck. Half of the trials also have the
 * guest take answers before the death, and some have a second death, of the successor.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fakes/guest_rings.h"
#include "workers/storage/flow.h"

enum {
    REQUESTS = 3,
    OPENING = 3,
    MAX_STEPS = 1000000,
    RESUME_STEPS = 8000, /* about what a successor takes */
    TRAP_FLAG = 0x100,   /* of EFLAGS: SIGTRAP after each instruction */
};

struct world {
    uint8_t ram[RAM_PAGES * 4096];
    struct inflight_channel log;
};

static struct world *world;
static struct guest_rings guest;

static void send_all(void)
{
    for (unsigned i = 0; i < REQUESTS; i++) {
        uint8_t packet[PACKET_BYTES] = {(uint8_t)i};

        if (!guest_request(&guest, i, 20 + i, 8 * i, 512 * (i + 1), packet))
            abort();
    }
}

static void fresh(void)
{
    memset(world, 0, sizeof(*world));
    guest_rings_init(&guest, world->ram);
    send_all();
}

static void answer(struct flow *f, unsigned slot)
{
    uint8_t bytes[PACKET_BYTES] = {0};

    bytes[0] = (uint8_t)(flow_slot(f, slot)->packet[0] + 100);
    flow_answer(f, slot, bytes, PACKET_BYTES);
}

static void open_flow(struct flow *f, bool resume)
{
    const struct vmbus_channel c = guest_channel(OPENING);

    f->log = &world->log;
    if (flow_open(f, &guest.memory, &c, guest.pfns, resume) < 0)
        abort();
}

/* As the worker does it: finish what was taken, take the rest in batches of two, answer in any order. */
static void serve(struct flow *f)
{
    int slot;

    while (f->n_claimed > 0 && (slot = flow_claimed_from(f, f->taken - INFLIGHT_SLOTS)) >= 0)
        answer(f, (unsigned)slot);
    (void)flow_publish(f);
    for (;;) {
        int first = flow_take(f);
        int second = first < 0 ? first : flow_take(f);

        (void)flow_taken(f);
        if (second >= 0)
            answer(f, (unsigned)second);
        if (first >= 0)
            answer(f, (unsigned)first);
        (void)flow_publish(f);
        if (first < 0)
            return;
    }
}

static volatile unsigned long left; /* instructions */

static void on_instruction(int number)
{
    (void)number;
    if (left-- == 0)
        (void)kill(getpid(), SIGKILL);
}

static _Noreturn void child(unsigned long steps, bool resume)
{
    static struct flow f;
    const struct sigaction trap = {.sa_handler = on_instruction};

    (void)sigaction(SIGTRAP, &trap, NULL);
    left = steps;
    if (!resume) /* an opening that is not acknowledged is begun anew: of no interest */
        open_flow(&f, false);
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | TRAP_FLAG);
    if (resume)
        open_flow(&f, true);
    serve(&f);
    _exit(0);
}

/* False: it came to its end before so many instructions. */
static bool run_and_kill(unsigned long steps, bool resume)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        child(steps, resume);
    (void)waitpid(pid, &status, 0);
    return WIFSIGNALED(status);
}

static unsigned take_answers(unsigned seen[REQUESTS], unsigned long step)
{
    uint8_t payload[PACKET_BYTES];
    uint64_t tid;
    uint16_t type;
    unsigned n = 0;

    for (; guest_receive(&guest, &type, &tid, payload); n++) {
        if (type != 11 || tid >= REQUESTS || payload[0] != (uint8_t)(tid + 100)) {
            printf("killed after %lu instructions: an answer that is none\n", step);
            exit(1);
        }
        seen[tid]++;
    }
    return n;
}

static void check(const unsigned seen[REQUESTS], unsigned long step)
{
    for (unsigned i = 0; i < REQUESTS; i++) {
        if (seen[i] == 1)
            continue;
        printf("killed after %lu instructions: request %u was answered %u times\n", step, i,
               seen[i]);
        exit(1);
    }
}

/* False: the child was not killed, it had ended. */
static bool trial(unsigned long step)
{
    unsigned seen[REQUESTS] = {0};
    static struct flow f;
    bool killed;

    fresh();
    killed = run_and_kill(step, false);
    if (step % 2 == 0)
        (void)take_answers(seen, step);
    if (step % 8 == 1)
        (void)run_and_kill(step * 7919 % RESUME_STEPS, true);
    memset(&f, 0, sizeof(f));
    open_flow(&f, world->log.opening == OPENING);
    serve(&f);
    (void)take_answers(seen, step);
    check(seen, step);
    return killed;
}

int main(int argc, char **argv)
{
    unsigned long stride = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    unsigned long step = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    unsigned long n = 0;

    world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (world == MAP_FAILED || stride == 0)
        return 1;
    while (step < MAX_STEPS && trial(step)) {
        step += stride;
        n++;
    }
    printf("%lu deaths in %lu instructions: each request was answered once\n", n, step);
    return n > 0 ? 0 : 1;
}
