/*
 * tests/integration/sim_hostile_worker.c - a taken-over worker against the supervisor.
 *
 * evil_protocol.c does one wrong thing a generation. After each, the supervisor must say the right
 * cause of death, and the guest's other device must work: every line here is printed through it.
 */
#include <string.h>

#include "base/clock.h"
#include "supervisor/health.h"
#include "tests/integration/evil_protocol.h"
#include "tests/sim/sim.h"

static const struct {
    const char *what;
    const char *death;  /* must be part of what operators are told */
    bool access;        /* the guest reads a TPM register meanwhile */
    uint64_t must_read; /* and gets this */
} expected[EVIL_ACTS] = {
    [EVIL_WRONG_GENERATION] = {"Ready of another generation",            "broke the protocol",        false, 0         },
    [EVIL_GARBAGE] = {"bytes that are no envelope",             "broke the protocol",        false, 0         },
    [EVIL_TOO_LONG] = {"a message that is too long",             "broke the protocol",        false, 0         },
    [EVIL_FORBIDDEN_MESSAGE] = {"a message it may not send",              "broke the protocol",        false, 0         },
    [EVIL_EMPTY_MESSAGE] = {"an empty message",                       "broke the protocol",        false, 0         },
    [EVIL_CRASH_AT_START] = {"a crash before Ready",                   "signal",                    false, 0         },
    [EVIL_NO_FILTER] = {"Ready without its run filter",           "sandbox not as it must be", false, 0         },
    [EVIL_DUMPABLE] = {"Ready while it can be dumped",           "sandbox not as it must be", false, 0         },
    [EVIL_READY_TWICE] = {"Ready twice",                            "broke the protocol",        false, 0         },
    [EVIL_ADMIN_REQUEST] = {"an operator's request",                  "broke the protocol",        false, 0         },
    [EVIL_NEVER_ANSWER] = {"no sign of life",                        "hang",                      false, 0         },
    [EVIL_FORBIDDEN_CALL] = {"socket(2)",                              "forbidden system call",     false, 0         },
    [EVIL_WRONG_SEQUENCE] = {"an answer nobody asked for",             "exit 7",                    true,  0x11      },
    [EVIL_WIDE_ANSWER] = {"an answer wider than asked",             "exit 7",                    true,  0xffffffff},
    [EVIL_POWER_OFF] = {"a power-off it may not do",              "exit 7",                    true,  0         },
    [EVIL_UNKNOWN_EFFECT] = {"an effect that does not exist",          "exit 7",                    true,  0         },
    [EVIL_SCRIBBLE_BOARD] = {"its board overwritten",                  "exit 7",                    false, 0         },
    [EVIL_LOG_FLOOD] = {"a million log lines",                    "exit 7",                    false, 0         },
    [EVIL_LIE_ABOUT_EXECUTING] = {"a lie about its request",                "exit 7",                    false, 0         },
    [EVIL_SCRIBBLE_PORT] = {"its port overwritten",                   "exit 7",                    false, 0         },
    [EVIL_SCRIBBLE_AND_ANSWER] = {"its port overwritten all the time",      "exit 7",                    true,  0x44      },
    [EVIL_SIGNS_OF_LIFE_ONLY] = {"signs of life and no answer",            "hang",                      true,  0x22      },
    [EVIL_ANSWER_LATE] = {"the answer to that, a generation later", "exit 7",                    false, 0         },
};

static const uint64_t TPM_LOC_STATE = 0xfed40000;
static const uint64_t LIMIT_NS = 40ull * 1000 * 1000 * 1000;

/* Wait until this generation is dead. False when it takes too long. */
static bool await_death(struct registry_row *row, uint32_t generation)
{
    uint64_t end = clock_now_ns() + LIMIT_NS;

    while (row->live.number <= generation) {
        if (clock_now_ns() > end)
            return false;
        sim_sleep_ns(5 * NS_PER_MS);
        health_forget(&row->health); /* so many faults would park it otherwise */
    }
    return true;
}

static bool one_act(struct sim *sim, uint32_t act)
{
    struct registry_row *row = &sim->super.registry.rows[PROCESS_VTPM];

    sim_print(sim, 0, "%u %s: ", act, expected[act].what);
    if (expected[act].access) {
        uint64_t v = sim_read(sim, GUEST_SLOT, ACCESS_MMIO, TPM_LOC_STATE, 4);

        if (v != expected[act].must_read) {
            sim_fail(sim, "the guest read %#llx", (unsigned long long)v);
            return false;
        }
    }
    if (!await_death(row, act)) {
        sim_fail(sim, "%s: it lives on", expected[act].what);
        return false;
    }
    if (strstr(row->shown.last_death->text, expected[act].death) == NULL) {
        sim_fail(sim, "told: %s", row->shown.last_death->text);
        return false;
    }
    sim_print(sim, 0, "%s\n", row->shown.last_death->text);
    return true;
}

static void guest(struct sim *sim)
{
    for (uint32_t act = 1; act < EVIL_ACTS; act++) {
        if (!one_act(sim, act))
            return;
    }
    sim_pass(sim);
}

/* The first acts never let the device serve, so nobody opens the gate: go without it. */
int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .at_once = true};

    return sim_main(&sim, argc, argv);
}
