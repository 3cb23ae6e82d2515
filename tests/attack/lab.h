/*
 * tests/attack/lab.h - where attempts are made: init's objects, a victim, listeners, and one evil
 * process at a time.
 *
 * Needs root. The tester's own mounts are private, so that no attempt can harm the machine by them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/jail.h"
#include "init/objects.h"
#include "init/verify.h"
#include "tests/attack/evil.h"

struct lab {
    struct objects objects;
    int evil_fd, null_fd, net_ns_fd;
    uint64_t net_ns;
    int com_ends[COM_COUNT];
    int control_end; /* where the last one's control channel ends; nobody reads */
    pid_t victim;
    struct evil_page *pages[PROCESS_COUNT];
    char operator_path[64];
};

/* What became of one evil process. */
struct verdict {
    enum outcome outcome; /* 0: it could not even start */
    int64_t result;       /* what the attempt returned */
    int status;           /* its wait status */
    char note[160];       /* of the jail or of the verifier */
};

/* evil is the program. Exits on failure: without a lab nothing can be tested. */
void lab_open(struct lab *lab, const char *evil);
void lab_close(struct lab *lab);

/* The spec that init would make for this process and attempt. lab_spec_done() closes it. */
void lab_spec(struct lab *lab, enum process process, enum evil_mode mode, size_t attempt,
              struct jail_spec *ret);
void lab_spec_done(struct jail_spec *spec);

/* Make one attempt in the jail, with some steps left out. */
struct verdict lab_jailed(struct lab *lab, enum process process, enum evil_mode mode,
                          size_t attempt, uint64_t skip);

/* The same attempt with the same descriptors and no sandbox. */
struct verdict lab_control(struct lab *lab, enum process process, size_t attempt);

/*
 * Start the jail with some steps left out and look at it at the pause, as init does. True when it
 * was noticed: by the verifier, or because the jail itself could not be made.
 */
bool lab_noticed(struct lab *lab, enum process process, uint64_t skip, char note[160]);

/* Is everything that the tester holds as it was? */
bool lab_unharmed(struct lab *lab);

const char *outcome_name(enum outcome outcome);
