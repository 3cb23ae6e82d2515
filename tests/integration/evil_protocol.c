/*
 * tests/integration/evil_protocol.c - takes the vtpm's place and speaks its protocols wrongly.
 *
 * Each generation does one wrong thing, chosen by its number; sim_hostile_worker.c plays the guest
 * and knows what must come of it. In the vtpm's jail and under its filter.
 */
#include "tests/integration/evil_protocol.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/board.h"
#include "base/filters.h"
#include "base/heap.h"
#include "base/shm.h"
#include "ipc/channel.h"
#include "ipc/manifest.h"
#include "ipc/port.h"
#include "ipc/region.h"

struct evil {
    uint32_t generation;
    struct board board;
    struct board_page *board_page;
    struct port_page *port_page;
    struct port_server port;
    struct region_head *region;
};

static void *map(enum object_kind kind)
{
    void *at;
    int fd = manifest_fd(PROCESS_VTPM, kind, PROCESS_VTPM);

    if (fd < 0 || shm_map(fd, manifest_object_bytes(kind, PROCESS_VTPM), true, &at) < 0)
        abort();
    return at;
}

static void say_ready(uint32_t generation)
{
    Bulkhead__Ready ready;
    Bulkhead__Envelope e;

    bulkhead__ready__init(&ready);
    bulkhead__envelope__init(&e);
    ready.generation = generation;
    e.body_case = BULKHEAD__ENVELOPE__BODY_READY;
    e.ready = &ready;
    (void)!channel_write(FD_CONTROL, &e);
}

static void say_power_off(void)
{
    Bulkhead__GuestEnded ended;
    Bulkhead__Envelope e;

    bulkhead__guest_ended__init(&ended);
    bulkhead__envelope__init(&e);
    ended.how = BULKHEAD__GUEST_END__GUEST_END_POWER_OFF;
    e.body_case = BULKHEAD__ENVELOPE__BODY_GUEST_ENDED;
    e.guest_ended = &ended;
    (void)!channel_write(FD_CONTROL, &e);
}

static void ask_restart(void)
{
    Bulkhead__AdminRequest rq;
    Bulkhead__Envelope e;

    bulkhead__admin_request__init(&rq);
    bulkhead__envelope__init(&e);
    rq.process = PROCESS_CHIPSET;
    rq.action = BULKHEAD__ADMIN_REQUEST__ACTION__RESTART;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST;
    e.admin_request = &rq;
    (void)!channel_write(FD_CONTROL, &e);
}

static void say_bytes(size_t len)
{
    static char bytes[65536];

    memset(bytes, 0xff, sizeof(bytes));
    (void)!write(FD_CONTROL, bytes, len);
}

static void await_activate(void)
{
    char bytes[4096];

    (void)!read(FD_CONTROL, bytes, sizeof(bytes));
}

/* Time for whoever watches to see how the generation before ended. */
static void pause_a_while(void)
{
    static uint32_t never;
    const struct timespec t = {.tv_nsec = 100 * 1000 * 1000};

    (void)syscall(SYS_futex, &never, FUTEX_WAIT, 0, &t, NULL, 0);
}

static _Noreturn void sleep_for_ever(const struct evil *e)
{
    for (;;) {
        struct port_server s = e->port;

        port_sleep(&s, 1000000000ull);
    }
}

/* Wait for the guest's request; others are what was scribbled into the port before. */
static unsigned take(struct evil *e, struct port_request *ret)
{
    unsigned slot = 0;

    if (port_server_init(&e->port, e->port_page, PORT_ASLEEP_FUTEX) < 0)
        abort();
    while (!port_take(&e->port, &slot, ret) || slot != GUEST_SLOT)
        port_sleep(&e->port, 10000000);
    return slot;
}

/* Serve with every answer as shape says, until one was given. */
static void answer_once(struct evil *e, const struct port_response *shape, uint64_t seq_offset)
{
    struct port_request rq;
    struct port_response rs = *shape;
    unsigned slot = take(e, &rq);

    rs.seq = rq.seq + seq_offset;
    port_answer(&e->port, slot, &rs);
    if (seq_offset != 0) { /* then the right one */
        rs.seq = rq.seq;
        port_answer(&e->port, slot, &rs);
    }
}

static void scribble_port(struct evil *e, unsigned seed)
{
    uint8_t *bytes = (uint8_t *)e->port_page;

    for (size_t i = 64; i < PORT_BYTES; i++) /* the magic stays: the next generation needs it */
        bytes[i] = (uint8_t)((i + seed) * 131 + 7);
}

static void scribble_port_once(struct evil *e)
{
    scribble_port(e, 0);
}

static void scribble_board(struct evil *e)
{
    memset(e->board_page, 0xee, sizeof(*e->board_page));
}

static void flood_log(struct evil *e)
{
    for (int i = 0; i < 1000000; i++)
        board_log(&e->board, LOG_LEVEL_ERROR, "flood %d \x1b[2J", i);
}

static void wrong_generation(struct evil *e)
{
    say_ready(e->generation + 1);
}

static void garbage(struct evil *e)
{
    (void)e;
    say_bytes(100);
}

static void too_long(struct evil *e)
{
    (void)e;
    say_bytes(CHANNEL_MAX_BYTES + 1);
}

static void forbidden_message(struct evil *e)
{
    (void)e;
    say_power_off();
}

static void empty_message(struct evil *e)
{
    (void)e;
    say_bytes(0);
}

static void crash(struct evil *e)
{
    (void)e;
    abort();
}

static void ready_twice(struct evil *e)
{
    say_ready(e->generation);
}

/* As it is: see main() for what is wrong with it. */
static void ready(struct evil *e)
{
    say_ready(e->generation);
}

static void admin_request(struct evil *e)
{
    (void)e;
    ask_restart();
}

static void never_answer(struct evil *e)
{
    (void)e;
    for (;;)
        ;
}

static void forbidden_call(struct evil *e)
{
    (void)e;
    (void)syscall(SYS_socket, 1, 1, 0);
}

static void wrong_sequence(struct evil *e)
{
    answer_once(e, &(struct port_response){.data = 0x11}, 1000);
}

static void wide_answer(struct evil *e)
{
    answer_once(e, &(struct port_response){.data = UINT64_MAX}, 0);
}

static void power_off(struct evil *e)
{
    answer_once(e, &(struct port_response){.effect = PORT_EFFECT_POWER_OFF}, 0);
}

static void unknown_effect(struct evil *e)
{
    answer_once(e, &(struct port_response){.effect = 0x80000001}, 0);
}

/* Every word of the port changes all the time while somebody waits for an answer in it. */
static void scribble_and_answer(struct evil *e)
{
    struct port_request rq;
    struct port_response rs = {.data = 0x44};
    unsigned slot = take(e, &rq);

    for (int i = 0; i < 20000; i++)
        scribble_port(e, (unsigned)i);
    rs.seq = rq.seq;
    port_answer(&e->port, slot, &rs);
    pause_a_while();
}

static void signs_of_life_only(struct evil *e)
{
    if (port_server_init(&e->port, e->port_page, PORT_ASLEEP_FUTEX) < 0)
        abort();
    for (;;) {
        port_pong(&e->port);
        port_sleep(&e->port, 1000000);
    }
}

static void answer_late(struct evil *e)
{
    answer_once(e, &(struct port_response){.data = 0x22}, 0);
    for (int i = 0; i < 5; i++) /* until it was seen how the one before ended */
        pause_a_while();
}

static void lie_about_executing(struct evil *e)
{
    atomic_store(&e->region->executing, UINT64_MAX);
}

static const struct {
    void (*act)(struct evil *e);
    bool active; /* after it was activated; else instead of saying Ready */
    bool exits;  /* afterwards, with status 7; else it stays */
} acts[EVIL_ACTS] = {
    [EVIL_WRONG_GENERATION] = {wrong_generation,    false, false},
    [EVIL_GARBAGE] = {garbage,             false, false},
    [EVIL_TOO_LONG] = {too_long,            false, false},
    [EVIL_FORBIDDEN_MESSAGE] = {forbidden_message,   false, false},
    [EVIL_EMPTY_MESSAGE] = {empty_message,       false, false},
    [EVIL_CRASH_AT_START] = {crash,               false, false},
    [EVIL_NO_FILTER] = {ready,               false, false},
    [EVIL_DUMPABLE] = {ready,               false, false},
    [EVIL_READY_TWICE] = {ready_twice,         true,  false},
    [EVIL_ADMIN_REQUEST] = {admin_request,       true,  false},
    [EVIL_NEVER_ANSWER] = {never_answer,        true,  false},
    [EVIL_FORBIDDEN_CALL] = {forbidden_call,      true,  false},
    [EVIL_WRONG_SEQUENCE] = {wrong_sequence,      true,  true },
    [EVIL_WIDE_ANSWER] = {wide_answer,         true,  true },
    [EVIL_POWER_OFF] = {power_off,           true,  true },
    [EVIL_UNKNOWN_EFFECT] = {unknown_effect,      true,  true },
    [EVIL_SCRIBBLE_BOARD] = {scribble_board,      true,  true },
    [EVIL_LOG_FLOOD] = {flood_log,           true,  true },
    [EVIL_LIE_ABOUT_EXECUTING] = {lie_about_executing, true,  true },
    [EVIL_SCRIBBLE_PORT] = {scribble_port_once,  true,  true },
    [EVIL_SCRIBBLE_AND_ANSWER] = {scribble_and_answer, true,  true },
    [EVIL_SIGNS_OF_LIFE_ONLY] = {signs_of_life_only,  true,  false},
    [EVIL_ANSWER_LATE] = {answer_late,         true,  true },
};

static void live(struct evil *e)
{
    pause_a_while();
    if (e->generation >= EVIL_ACTS || acts[e->generation].active) {
        say_ready(e->generation);
        await_activate();
        pause_a_while();
    }
    if (e->generation < EVIL_ACTS) {
        acts[e->generation].act(e);
        if (acts[e->generation].exits)
            _exit(7);
    }
    sleep_for_ever(e);
}

int main(int argc, char **argv)
{
    static struct evil e;

    heap_by_brk_only();
    e.generation = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    e.board_page = map(OBJECT_BOARD);
    e.port_page = map(OBJECT_PORT);
    e.region = map(OBJECT_REGION);
    board_attach(&e.board, e.board_page, e.generation);
    if (e.generation != EVIL_DUMPABLE && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return 1;
    if (e.generation != EVIL_NO_FILTER && sbx_enter(&vtpm_filter.run) < 0)
        return 1;
    if (port_server_init(&e.port, e.port_page, PORT_ASLEEP_FUTEX) < 0)
        return 1;
    live(&e);
}
