/*
 * supervisor/vcpu/vcpu_thread.h - one thread per vCPU: run, answer the exit, run.
 */
#pragma once

#include <pthread.h>

#include "supervisor/exit/access.h"
#include "supervisor/partition/partition.h"
#include "supervisor/vcpu/hold.h"
#include "supervisor/vcpu/start_gate.h"
#include "supervisor/vm.h"

struct vcpu_thread {
    struct vm *vm;
    struct vcpu *vcpu; /* borrowed */
    struct start_gate *gate;
    unsigned index;
    pthread_t thread;
    struct access_rows rows;
    struct board_row *exits,
        *answers; /* how many there were; how long the guest waited for what follows one */
};

/* Make the thread; it waits at the gate. Everything but .thread and rows is filled in before. */
int MUST_USE vcpu_thread_start(struct vcpu_thread *t);
