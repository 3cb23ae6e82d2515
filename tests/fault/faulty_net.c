/*
 * tests/fault/faulty_net.c - the net worker with faults that a guest can set off.
 *
 * A query of FAULT_CRASH_OID crashes it, of FAULT_HANG_OID hangs it; so does each frame of FAULT_FRAME_TYPE crash it, when
 * it is to be sent. Everything else is the real worker, by the linker's --wrap.
 */
#include "tests/fault/faulty_net.h"

#include "base/filters.h"
#include "workers/net/net.h"

enum {
    OID_AT = 12,
    TYPE_AT = 12,
};

uint32_t __real_rndis_control(struct nvsp *n, const struct nic_config *c,
                              const struct nic_counters *counters, const uint8_t *message,
                              uint32_t len, uint8_t *answer);
uint32_t __wrap_rndis_control(struct nvsp *n, const struct nic_config *c,
                              const struct nic_counters *counters, const uint8_t *message,
                              uint32_t len, uint8_t *answer);
int __real_backend_send(struct backend *b, const uint8_t header[VNET_HEADER_BYTES],
                        struct outgoing *out);
int __wrap_backend_send(struct backend *b, const uint8_t header[VNET_HEADER_BYTES],
                        struct outgoing *out);

static _Noreturn void crash(void)
{
    volatile int *nowhere = NULL;

    *nowhere = 1;
    __builtin_trap();
}

uint32_t __wrap_rndis_control(struct nvsp *n, const struct nic_config *c,
                              const struct nic_counters *counters, const uint8_t *message,
                              uint32_t len, uint8_t *answer)
{
    struct rd r = rd_over(message, len);
    uint32_t oid;

    (void)rd_span(&r, OID_AT);
    oid = rd_le32(&r);
    if (oid == FAULT_CRASH_OID)
        crash();
    while (oid == FAULT_HANG_OID)
        __builtin_ia32_pause();
    return __real_rndis_control(n, c, counters, message, len, answer);
}

int __wrap_backend_send(struct backend *b, const uint8_t header[VNET_HEADER_BYTES],
                        struct outgoing *out)
{
    struct rd r = rd_over(outgoing_frame(out), out->copied);

    (void)rd_span(&r, TYPE_AT);
    if (rd_be16(&r) == FAULT_FRAME_TYPE)
        crash();
    return __real_backend_send(b, header, out);
}

static const struct worker_ops ops = {
    .process = PROCESS_NET,
    .filter = &net_filter,
    .schema = NET_SCHEMA,
    .schema_min = NET_SCHEMA,
    .state_max = NET_STATE_MAX,
    .setup = net_setup,
    .load = net_load,
    .save = net_save,
    .loop = net_loop,
};

int main(int argc, char **argv)
{
    static struct net s; /* more than a stack should hold */

    return worker_main(&ops, &s, argc, argv);
}
