/*
 * supervisor/super.h - the supervisor without a partition: its board, ports, registry and loop.
 *
 * main.c adds the partition and its vCPUs. The guest simulator of the tests adds its own guest
 * instead, and so runs the real supervisor against real workers.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "ipc/port.h"
#include "supervisor/registry.h"
#include "supervisor/vm.h"

struct super {
    struct board board;
    struct vm vm;
    struct port_client ports[PROCESS_COUNT];
    struct registry registry;
    struct hv_config hv_config;
    struct event_base *base;
    struct event *ended, *outbox, *outbox_retry, *still;
    void (*made_loop)(void *self);   /* before the loop runs; may be NULL */
    void (*all_running)(void *self); /* the devices serve: let the guest run */
    void *self;
};

/* What init says first. append is terminated; longer ones than the field are refused. */
struct super_config {
    unsigned vcpus;
    uint64_t memory_bytes;
    bool has_initrd;
    bool confidential;
    char append[2048];
};

/* Take over descriptors and argv, map board, ports, regions and RAM. Before the run filter. */
int MUST_USE super_set_up(struct super *s, int argc, char **argv);

/* Wait, with a deadline, for init's first message. */
int MUST_USE super_await_config(struct super *s, struct super_config *ret);

/* What Hyper-V's surface needs of what runs the guest. */
struct super_guest {
    struct hv_backend backend;
    uint32_t tsc_khz;
    bool tsc_invariant;
};

/* Give the guest its Hyper-V surface: its clock starts now. Before super_run. 0 or negative errno. */
int MUST_USE super_start_hyperv(struct super *s, const struct super_config *config,
                                const struct super_guest *guest);

/*
 * Enter the run filter, start the workers, and serve until the VM has ended and init was told.
 * Returns what main() returns.
 */
int super_run(struct super *s);

/* Tell init why nothing can start, and return what main() returns. */
int super_fail(struct super *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
