#include "supervisor/vcpu/start_gate.h"

void start_gate_open(struct start_gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    gate->open = true;
    (void)pthread_cond_broadcast(&gate->opened);
    (void)pthread_mutex_unlock(&gate->lock);
}

void start_gate_wait(struct start_gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    gate->waiting++;
    (void)pthread_cond_broadcast(&gate->arrived);
    while (!gate->open)
        (void)pthread_cond_wait(&gate->opened, &gate->lock);
    (void)pthread_mutex_unlock(&gate->lock);
}

void start_gate_await(struct start_gate *gate, unsigned n)
{
    (void)pthread_mutex_lock(&gate->lock);
    while (gate->waiting < n)
        (void)pthread_cond_wait(&gate->arrived, &gate->lock);
    (void)pthread_mutex_unlock(&gate->lock);
}
