/*
 * supervisor/vcpu/start_gate.h - holds the guest's threads back until the devices serve.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct start_gate {
    pthread_mutex_t lock;
    pthread_cond_t arrived, opened;
    unsigned waiting;
    bool open;
};

#define START_GATE_INIT                                                                            \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .arrived = PTHREAD_COND_INITIALIZER,                    \
        .opened = PTHREAD_COND_INITIALIZER                                                         \
    }

void start_gate_wait(struct start_gate *gate);

/*
 * Return when n threads wait. A thread's own start makes system calls that the run filter does not
 * have, so the filter is entered only after this.
 */
void start_gate_await(struct start_gate *gate, unsigned n);

void start_gate_open(struct start_gate *gate);
