/*
 * tests/attack/lab.h - where attempts are made: init's objects, a victim, listeners, and one evil
 * process at a time.
 *
 * Needs root. The tester's own mounts, network and /tmp are private: no attempt can harm the machine
 * by them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/disks.h"
#include "init/jail.h"
#include "init/objects.h"
#include "init/verify.h"
#include "tests/attack/evil.h"

struct lab {
    struct objects objects;
    struct disks *disks; /* large */
    int evil_fd, null_fd, net_ns_fd;
    uint64_t net_ns;
    int com_ends[COM_COUNT];
    unsigned spare_fds; /* descriptors that the next one may open besides those of its row */
    int control_end;    /* where the last one's control channel ends; nobody reads */
    pid_t victim;
    uint64_t victim_word;
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

/*
 * A process that stays, as a worker that serves: jailed, under both filters, not dumpable, with a
 * second thread where its filter lets it make one. options: what it leaves out.
 */
struct lab_resident {
    enum process process;
    struct jail_spec spec;
    struct jail jail;
    int control_end;
    uint64_t word; /* address of a word in its memory */
};

/* False when it did not come up. lab_resident_end() in any case. */
bool lab_resident_start(struct lab *lab, enum process process, unsigned options,
                        struct lab_resident *ret);
void lab_resident_end(struct lab_resident *r);

/* Look at it as init does at Ready. */
bool lab_resident_noticed(struct lab *lab, const struct lab_resident *r, char note[160]);

/*
 * One attempt at a resident from a process that shares all with it but its user and its jail's
 * limits: no filter, no Landlock, no PID namespace, the machine's files.
 */
struct verdict lab_beside(struct lab *lab, enum process process, const struct lab_resident *victim,
                          size_t attempt);

/* Is everything that the tester holds as it was? */
bool lab_unharmed(struct lab *lab);

const char *outcome_name(enum outcome outcome);
