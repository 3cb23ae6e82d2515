#include "base/clock.h"
#include "workers/diag/diag.h"
#include "workers/diag/ps.h"
#include "workers/diag/tell.h"

/* What operators call an object. */
static const char *const object_names[] = {
    [OBJECT_BOARD] = "board",
    [OBJECT_PORT] = "port",
    [OBJECT_BELL] = "bell",
    [OBJECT_REGION] = "saved state",
    [OBJECT_CRB_REGISTERS] = "TPM registers",
    [OBJECT_CRB_BUFFER] = "TPM buffer",
    [OBJECT_IRQ] = "interrupt line",
    [OBJECT_COM] = "serial line",
    [OBJECT_VP_IRQ] = "VMBus interrupts",
    [OBJECT_POSTS] = "messages of the guest",
    [OBJECT_OUTBOX] = "messages for the guest",
    [OBJECT_SYNIC] = "event flags",
    [OBJECT_CHANNELS] = "channels",
    [OBJECT_ACKS] = "acknowledged channels",
    [OBJECT_DISKS] = "list of disks",
    [OBJECT_INFLIGHT] = "requests under way",
    [OBJECT_RING] = "io_uring with the disks",
    [OBJECT_FRAMES] = "frames under way",
    [OBJECT_NETS] = "list of NICs",
    [OBJECT_CAPTURE] = "captured frames",
    [OBJECT_RECORDS] = "events and crashes",
    [OBJECT_TRACE] = "time line",
    [OBJECT_NET] = "frames of NIC",
    [OBJECT_RAM] = "guest memory",
    [OBJECT_KVM] = "/dev/kvm",
    [OBJECT_KERNEL] = "guest kernel image",
    [OBJECT_INITRD] = "guest initrd",
    [OBJECT_DEBUG] = "what debuggers say",
    [OBJECT_OPERATOR] = "socket for root",
    [OBJECT_REMOTE] = "socket for operators",
    [OBJECT_TLS] = "certificates",
    [OBJECT_AUDIT] = "record of calls",
    [OBJECT_LEVELS] = "log levels",
    [OBJECT_REVOKED] = "revoked certificates",
};

/* Of things that there are many of, whose they are. */
static json_t *name_of(const struct grant *g)
{
    const char *name = object_names[g->kind];

    switch ((unsigned)g->kind) {
    case OBJECT_BOARD:
    case OBJECT_PORT:
    case OBJECT_BELL:
    case OBJECT_REGION:
    case OBJECT_CHANNELS:
    case OBJECT_ACKS:
    case OBJECT_TRACE:
        return json_sprintf("%s of %s", name, manifest[g->index].name);
    case OBJECT_COM:
        return json_sprintf("%s %u", name, g->index + 1);
    case OBJECT_IRQ:
    case OBJECT_NET:
        return json_sprintf("%s %u", name, g->index);
    default:
        return json_string(name);
    }
}

/* All that it is given, as the manifest has it: there is nothing else. */
static json_t *grants_of(const struct process_row *row)
{
    json_t *list = json_array();

    for (size_t i = 0; i < row->n_grants; i++)
        (void)json_array_append_new(
            list, json_pack("{s:o, s:b, s:s}", "what", name_of(&row->grants[i]), "write",
                            row->grants[i].writable, "why", row->grants[i].reason));
    return list;
}

static json_t *process_of(unsigned i, const struct ps_row *p)
{
    const struct process_row *row = &manifest[i];
    bool is_worker = i != PROCESS_INIT && i != PROCESS_SUPERVISOR;

    return json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:s, s:s, s:s, s:b, s:o}", "name", row->name,
                     "state", i == PROCESS_INIT ? "running" : p->state, "pid", p->pid, "generation",
                     (json_int_t)p->generation, "restarts", (json_int_t)p->restarts, "uptime_ms",
                     (json_int_t)p->uptime_ms, "build_id", p->build_id, "last_death", p->last_death,
                     "sandbox", p->sandbox, "restartable", is_worker, "may", grants_of(row));
}

json_t *tell_processes(const struct diag *d, const struct caller *caller)
{
    struct ps_row rows[PROCESS_COUNT];
    json_t *list = json_array();

    (void)caller;
    ps_collect(d->boards[PROCESS_SUPERVISOR], d->boards[PROCESS_INIT], clock_now_ns(), rows);
    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        if (rows[i].present || i == PROCESS_INIT)
            (void)json_array_append_new(list, process_of(i, &rows[i]));
    }
    return list;
}
