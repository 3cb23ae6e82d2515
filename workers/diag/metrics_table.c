#include "workers/diag/metrics_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "ipc/disks.h"
#include "ipc/nets.h"
#include "ipc/vmbus.h"

/* Rows of one board that may look alike: the first one that matches counts. */
/* clang-format off */
const struct metric metrics_table[] = {
    /* processes, as the supervisor and init tell of them */
    {METRIC_STATES, PROCESS_SUPERVISOR, "{process}/state", "process_state", NULL, 1, "starting|running|standby|restarting|parked|dead",
     "State of the process"},
    {METRIC_STATES, PROCESS_SUPERVISOR, "vm/state", "vm_state", NULL, 1, "running|paused|stopped by a debugger",
     "Does the guest run?"},
    {METRIC_STATES, PROCESS_SUPERVISOR, "{process}/spare", "process_spare", NULL, 1, "none|starting|ready|replacement starting|replacement ready",
     "State of its next generation, which waits in its sandbox"},
    {METRIC_GAUGE, PROCESS_SUPERVISOR, "{process}/generation", "process_generation", NULL, 1, NULL,
     "Generation that serves"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "{process}/restarts", "process_restarts", NULL, 1, NULL,
     "Generations that another one came after"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "{process}/faults", "process_faults", NULL, 1, NULL,
     "Deaths by a fault of its own: crash, hang, broken protocol, forbidden system call"},
    {METRIC_AGE, PROCESS_SUPERVISOR, "{process}/since_ns", "process_uptime_seconds", "seconds", 1000000000, NULL,
     "Since this generation serves"},
    {METRIC_INFO, PROCESS_SUPERVISOR, "{process}/last_death", "process_last_death", NULL, 1, "reason",
     "What the generation before died of"},
    {METRIC_INFO, PROCESS_SUPERVISOR, "{process}/sandbox", "process_sandbox", NULL, 1, "sandbox",
     "What init saw of its sandbox, from outside, before it was given anything"},
    {METRIC_NONE, PROCESS_SUPERVISOR, "{process}/pid", NULL, NULL, 1, NULL,
     "Of no use over time"},
    {METRIC_NONE, PROCESS_SUPERVISOR, "{process}/log_level", NULL, NULL, 1, NULL,
     "How much it logs"},
    {METRIC_NONE, PROCESS_SUPERVISOR, "{process}/build_id", NULL, NULL, 1, NULL,
     "The same as init tells"},
    {METRIC_INFO, PROCESS_INIT, "process/{process}/build_id", "process_build", NULL, 1, "build_id",
     "Build of its program that was started last"},
    {METRIC_NONE, PROCESS_INIT, "process/{process}/program", NULL, NULL, 1, NULL,
     "Does not change"},
    {METRIC_COUNTER, PROCESS_INIT, "process/{process}/starts", "process_starts", NULL, 1, NULL,
     "Generations that were started, spares among them"},
    {METRIC_COUNTER, PROCESS_INIT, "process/{process}/deaths", "process_deaths", NULL, 1, NULL,
     "Generations that have ended, for whatever reason"},
    {METRIC_COUNTER, PROCESS_INIT, "process/{process}/violations", "process_sandbox_violations", NULL, 1, NULL,
     "Generations that the kernel ended for a forbidden system call"},
    {METRIC_COUNTER, PROCESS_INIT, "process/{process}/unverified", "process_sandbox_unverified", NULL, 1, NULL,
     "Generations whose sandbox was not as it must be; they were given nothing"},
    {METRIC_COUNTER, PROCESS_INIT, "process/{process}/cpu_us", "process_cpu_seconds", "seconds", 1000000, NULL,
     "CPU time of all its generations, threads and spares"},
    {METRIC_GAUGE, PROCESS_INIT, "process/{process}/memory_bytes", "process_memory_bytes", "bytes", 1, NULL,
     "Memory that it shares with nobody, spares included"},
    {METRIC_NONE, PROCESS_INIT, "process/{process}/pid", NULL, NULL, 1, NULL,
     "Of no use over time"},
    {METRIC_NONE, PROCESS_INIT, "process/{process}/generation", NULL, NULL, 1, NULL,
     "The supervisor tells which one serves"},
    {METRIC_NONE, PROCESS_INIT, "process/{process}/last_end", NULL, NULL, 1, NULL,
     "The supervisor knows more of it"},
    {METRIC_LINES, METRIC_ANY_BOARD, NULL, "log_lines", NULL, 1, NULL,
     "Lines that it has logged"},
    {METRIC_DROPPED, METRIC_ANY_BOARD, NULL, "log_lines_dropped", NULL, 1, NULL,
     "Lines that the rate limit kept out of the log"},
    /* exits of the guest, and their way to a worker and back */
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "vcpu/{vcpu}/exits", "exits", NULL, 1, NULL,
     "Exits of the guest to the supervisor"},
    {METRIC_HISTOGRAM, PROCESS_SUPERVISOR, "vcpu/{vcpu}/answer", "exit_answer_seconds", "seconds", 1, NULL,
     "Time from an exit to its answer"},
    {METRIC_HISTOGRAM, PROCESS_SUPERVISOR, "vcpu/{vcpu}/port/{process}", "port_hop_seconds", "seconds", 1, NULL,
     "Time of a request to a worker and its answer, deaths of the worker included"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "vcpu/{vcpu}/forwarded", "exits_forwarded", NULL, 1, NULL,
     "Accesses that a worker answered"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "vcpu/{vcpu}/answered_here", "exits_answered_here", NULL, 1, NULL,
     "Accesses that the supervisor answered for a worker"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "vcpu/{vcpu}/unclaimed", "exits_unclaimed", NULL, 1, NULL,
     "Accesses to addresses where no device is"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "vcpu/{vcpu}/device_gone", "exits_device_gone", NULL, 1, NULL,
     "Accesses to a device that was given up"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "vcpu/{vcpu}/msr_exits", "exits_msr", NULL, 1, NULL,
     "Accesses to synthetic MSRs"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "vcpu/{vcpu}/hypercalls", "exits_hypercalls", NULL, 1, NULL,
     "Hypercalls"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "vcpu/{vcpu}/messages_in", "exits_messages", NULL, 1, NULL,
     "VMBus messages of the guest"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "vcpu/{vcpu}/signals_by_exit", "exits_signals", NULL, 1, NULL,
     "Signals to a VMBus channel for which there was no doorbell"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "hyperv/messages_out", "hyperv_messages", NULL, 1, NULL,
     "VMBus messages that were put where the guest looks"},
    {METRIC_COUNTER, PROCESS_SUPERVISOR, "hyperv/messages_dropped", "hyperv_messages_dropped", NULL, 1, NULL,
     "VMBus messages that the guest could not be given"},
    {METRIC_COUNTER, METRIC_ANY_BOARD, "port/requests", "port_requests", NULL, 1, NULL,
     "Requests that a worker took from its port"},
    {METRIC_COUNTER, METRIC_ANY_BOARD, "port/commits", "port_commits", NULL, 1, NULL,
     "Answers that were committed with the whole state"},
    {METRIC_COUNTER, METRIC_ANY_BOARD, "port/logged", "port_logged", NULL, 1, NULL,
     "Answers that were committed with a record of what changed"},
    {METRIC_COUNTER, METRIC_ANY_BOARD, "port/repeated_answers", "port_repeated_answers", NULL, 1, NULL,
     "Answers of a dead generation that were given again"},
    /* what storage and net have in common */
    {METRIC_COUNTER, METRIC_ANY_BOARD, "interrupts", "worker_interrupts", NULL, 1, NULL,
     "Interrupts of the guest"},
    {METRIC_COUNTER, METRIC_ANY_BOARD, "rings", "worker_rings", NULL, 1, NULL,
     "How often its bell was rung"},
    {METRIC_COUNTER, METRIC_ANY_BOARD, "polling/sleeps", "worker_sleeps", NULL, 1, NULL,
     "How often it had nothing to do and slept"},
    {METRIC_COUNTER, METRIC_ANY_BOARD, "polling/in_vain", "worker_polls_in_vain", NULL, 1, NULL,
     "How often it looked around before it slept, and nothing came"},
    {METRIC_GAUGE, METRIC_ANY_BOARD, "polling/limit_ns", "worker_poll_limit_seconds", "seconds", 1000000000, NULL,
     "How long it looks around before it sleeps, at most"},
    {METRIC_COUNTER, METRIC_ANY_BOARD, "channels/stopped", "worker_channels_stopped", NULL, 1, NULL,
     "Channels that it gave up, as their rings made no sense"},
    /* chipset */
    {METRIC_COUNTER, PROCESS_CHIPSET, "com{com}/{direction}_bytes", "serial_bytes", "bytes", 1, NULL,
     "Bytes of a serial line; tx: from the guest"},
    {METRIC_COUNTER, PROCESS_CHIPSET, "com{com}/tx_dropped", "serial_dropped_bytes", "bytes", 1, NULL,
     "Bytes of the guest that nobody took"},
    {METRIC_COUNTER, PROCESS_CHIPSET, "com{com}/interrupts", "serial_interrupts", NULL, 1, NULL,
     "Interrupts of a serial line"},
    {METRIC_COUNTER, PROCESS_CHIPSET, "rtc/interrupts", "rtc_interrupts", NULL, 1, NULL,
     "Interrupts of the clock"},
    {METRIC_COUNTER, PROCESS_CHIPSET, "unknown_accesses", "chipset_unknown_accesses", NULL, 1, NULL,
     "Accesses to registers that there are not"},
    /* vtpm */
    {METRIC_HISTOGRAM, PROCESS_VTPM, "crb/command", "vtpm_command_seconds", "seconds", 1, NULL,
     "Time from the start of a TPM command to its response"},
    {METRIC_COUNTER, PROCESS_VTPM, "crb/commands", "vtpm_commands", NULL, 1, NULL,
     "TPM commands"},
    {METRIC_COUNTER, PROCESS_VTPM, "crb/commands_long", "vtpm_commands_long", NULL, 1, NULL,
     "TPM commands that the executor ran, as they may take long"},
    {METRIC_COUNTER, PROCESS_VTPM, "crb/cancelled", "vtpm_commands_cancelled", NULL, 1, NULL,
     "TPM commands that the guest cancelled"},
    {METRIC_COUNTER, PROCESS_VTPM, "crb/refused_writes", "vtpm_refused_writes", NULL, 1, NULL,
     "Writes to registers that were not to be written then"},
    {METRIC_COUNTER, PROCESS_VTPM, "crb/poisoned", "vtpm_commands_poisoned", NULL, 1, NULL,
     "TPM commands that two generations died of, answered with an error"},
    {METRIC_COUNTER, PROCESS_VTPM, "tpm/exports", "vtpm_exports", NULL, 1, NULL,
     "How often the whole state of the TPM was written"},
    {METRIC_GAUGE, PROCESS_VTPM, "tpm/redone", "vtpm_redone_commands", NULL, 1, NULL,
     "Commands that this generation made again to take over"},
    {METRIC_COUNTER, PROCESS_VTPM, "tpm/rolled_back", "vtpm_commands_rolled_back", NULL, 1, NULL,
     "TPM commands that broke the TPM and were undone"},
    {METRIC_GAUGE, PROCESS_VTPM, "tpm/state_bytes", "vtpm_state_bytes", "bytes", 1, NULL,
     "State of the TPM"},
    {METRIC_GAUGE, PROCESS_VTPM, "tpm/restore_us", "vtpm_restore_seconds", "seconds", 1000000, NULL,
     "How long it took this generation to take over"},
    {METRIC_IS, PROCESS_VTPM, "tpm/state", "vtpm_running", NULL, 1, "running",
     "1: the TPM runs; 0: it is parked, and every command fails"},
    {METRIC_NONE, PROCESS_VTPM, "tpm/persistence", NULL, NULL, 1, NULL,
     "Always the same"},
    /* vmbus */
    {METRIC_COUNTER, PROCESS_VMBUS, "messages", "vmbus_messages", NULL, 1, NULL,
     "Messages of the guest"},
    {METRIC_COUNTER, PROCESS_VMBUS, "messages/{reason}", "vmbus_messages_refused", NULL, 1, NULL,
     "Messages that were not understood, or refused"},
    {METRIC_GAUGE, PROCESS_VMBUS, "version", "vmbus_version", NULL, 1, NULL,
     "Version that the guest and we agreed on, major * 65536 + minor; 0: none"},
    {METRIC_STATES, PROCESS_VMBUS, "connection", "vmbus_connection", NULL, 1, "none|connected|channels offered|closing channels",
     "How far the connection is"},
    {METRIC_GAUGE, PROCESS_VMBUS, "channels/open", "vmbus_channels_open", NULL, 1, NULL,
     "Channels that are open"},
    /* storage */
    {METRIC_STATES, PROCESS_STORAGE, "io", "storage_io", NULL, 1, "io_uring|plain",
     "How disks are read and written"},
    {METRIC_COUNTER, PROCESS_STORAGE, "takeover/completed", "storage_takeover_completed", NULL, 1, NULL,
     "Requests of dead generations that the kernel had completed"},
    {METRIC_COUNTER, PROCESS_STORAGE, "takeover/taken_up", "storage_takeover_taken_up", NULL, 1, NULL,
     "Requests of dead generations that were made again"},
    {METRIC_HISTOGRAM, PROCESS_STORAGE, "disk/{controller}:{lun}/{op}", "disk_request_seconds", "seconds", 1, NULL,
     "Time of a request of the guest to a disk"},
    {METRIC_COUNTER, PROCESS_STORAGE, "disk/{controller}:{lun}/{op}/bytes", "disk_bytes", "bytes", 1, NULL,
     "Bytes that requests moved"},
    {METRIC_COUNTER, PROCESS_STORAGE, "disk/{controller}:{lun}/errors", "disk_errors", NULL, 1, NULL,
     "Requests that failed"},
    {METRIC_NONE, PROCESS_STORAGE, "disk/{controller}:{lun}/{op}/ops", NULL, NULL, 1, NULL,
     "disk_request_seconds counts them"},
    /* net */
    {METRIC_IS, PROCESS_NET, "nic{nic}/link", "net_link_up", NULL, 1, "up",
     "1: the link is up, and so is what the NIC is plugged into"},
    {METRIC_IS, PROCESS_SUPERVISOR, "nic{nic}/link", "net_link_wanted", NULL, 1, "up",
     "1: the link is to be up"},
    {METRIC_GAUGE, PROCESS_SUPERVISOR, "nic{nic}/captured_bytes", "net_capture_bytes", "bytes", 1, NULL,
     "Of each frame so many are captured; 0: nobody watches"},
    {METRIC_GAUGE, PROCESS_SUPERVISOR, "tracing", "tracing", NULL, 1, NULL,
     "1: a time line is made; 0: nobody watches"},
    {METRIC_GAUGE, PROCESS_NET, "nic{nic}/nvsp", "net_nvsp_version", NULL, 1, NULL,
     "Version that the guest and we agreed on, major * 65536 + minor; 0: none"},
    {METRIC_GAUGE, PROCESS_NET, "nic{nic}/mtu", "net_mtu_bytes", "bytes", 1, NULL,
     "Longest packet"},
    {METRIC_COUNTER, PROCESS_NET, "nic{nic}/{direction}/frames", "net_frames", NULL, 1, NULL,
     "Frames; tx: from the guest"},
    {METRIC_COUNTER, PROCESS_NET, "nic{nic}/{direction}/bytes", "net_bytes", "bytes", 1, NULL,
     "Bytes of frames; tx: from the guest"},
    {METRIC_COUNTER, PROCESS_NET, "nic{nic}/tx/held", "net_held", NULL, 1, NULL,
     "How often what the NIC is plugged into had no room, and frames were held back"},
    {METRIC_COUNTER, PROCESS_NET, "nic{nic}/drops/{reason}", "net_drops", NULL, 1, NULL,
     "Frames that were dropped"},
    {METRIC_HISTOGRAM, PROCESS_NET, "nic{nic}/tx", "net_transmit_seconds", "seconds", 1, NULL,
     "Time of packets of the guest"},
    {METRIC_HISTOGRAM, PROCESS_NET, "nic{nic}/queue{queue}/tx", "net_queue_transmit_seconds", "seconds", 1, NULL,
     "Time of packets of the guest, by queue"},
    {METRIC_COUNTER, PROCESS_NET, "nic{nic}/queue{queue}/{direction}/packets", "net_queue_packets", NULL, 1, NULL,
     "Packets of a queue; tx: from the guest"},
    {METRIC_COUNTER, PROCESS_NET, "nic{nic}/queue{queue}/tx/frames", "net_queue_tx_frames", NULL, 1, NULL,
     "Frames of the guest in a queue"},
    {METRIC_COUNTER, PROCESS_NET, "nic{nic}/queue{queue}/tx/held", "net_queue_held", NULL, 1, NULL,
     "How often what the NIC is plugged into had no room for a frame of this queue"},
    {METRIC_COUNTER, PROCESS_NET, "nic{nic}/queue{queue}/rx/messages", "net_queue_rx_messages", NULL, 1, NULL,
     "Messages with frames that the guest was given in a queue"},
    {METRIC_COUNTER, PROCESS_NET, "nic{nic}/queue{queue}/rx/dropped", "net_queue_rx_dropped", NULL, 1, NULL,
     "Messages that were dropped, as the guest had no room in a queue"},
    {METRIC_COUNTER, PROCESS_NET, "nic{nic}/queue{queue}/interrupts", "net_queue_interrupts", NULL, 1, NULL,
     "Interrupts of a queue"},
    {METRIC_COUNTER, PROCESS_NET, "nic{nic}/queue{queue}/blocked", "net_queue_blocked", NULL, 1, NULL,
     "How often the guest's ring was full"},
    /* diag, and the metrics themselves */
    {METRIC_GAUGE, PROCESS_DIAG, "sessions", "diag_sessions", NULL, 1, NULL,
     "Sessions of operators"},
    {METRIC_COUNTER, PROCESS_DIAG, "calls", "diag_calls", NULL, 1, NULL,
     "Calls of operators"},
    {METRIC_COUNTER, PROCESS_DIAG, "sessions_refused", "diag_sessions_refused", NULL, 1, NULL,
     "Sessions that were too many"},
    {METRIC_COUNTER, PROCESS_DIAG, "sessions_dropped", "diag_sessions_dropped", NULL, 1, NULL,
     "Sessions that ended, as the operator did not read"},
    {METRIC_COUNTER, PROCESS_DIAG, "calls_denied", "diag_calls_denied", NULL, 1, NULL,
     "Calls that the operator's role, or a confidential VM, does not allow"},
    {METRIC_GAUGE, PROCESS_DIAG, "network/connections", "diag_connections", NULL, 1, NULL,
     "Connections over the network"},
    {METRIC_COUNTER, PROCESS_DIAG, "network/strangers", "diag_strangers", NULL, 1, NULL,
     "Connections that ended before a certificate was shown that we know"},
    {METRIC_COUNTER, PROCESS_DIAG, "audit/{ring}/records", "diag_audit_records", NULL, 1, NULL,
     "Records of who asked what: of what was done, and of the rest"},
    {METRIC_NONE, PROCESS_DIAG, "audit/{ring}/hash", NULL, NULL, 1, NULL, "Changes with each record"},
    {METRIC_UNNAMED, METRIC_ANY_BOARD, NULL, "unnamed_rows", NULL, 1, NULL,
     "Values that no metric shows: a defect, or a worker that was taken over"},
};
/* clang-format on */

const size_t metrics_table_rows = COUNT_OF(metrics_table);

/* What a label may say: a number below a limit, or a word. A worker that was taken over makes no others. */
struct label_row {
    const char *name;
    unsigned long limit;
    const char *words; /* NULL: a number */
};

static const struct label_row labels[] = {
    {"vcpu",       VPS_MAX,           NULL                                                                          },
    {"com",        COM_COUNT + 1,     NULL                                                                          },
    {"nic",        NETS_MAX,          NULL                                                                          },
    {"queue",      VMBUS_SUBCHANNELS, NULL                                                                          },
    {"controller", DISK_CONTROLLERS,  NULL                                                                          },
    {"lun",        DISK_LUNS,         NULL                                                                          },
    {"op",         0,                 "read|write|flush|discard"                                                    },
    {"ring",       0,                 "done|seen"                                                                   },
    {"direction",  0,                 "tx|rx"                                                                       },
    {"reason",     0,                 "malformed|offload|back_end|no_buffer|too_long|bad_frame|link|unknown|refused"},
};

/* The i-th word of a list; false: there are fewer. */
static bool word(const char *words, unsigned i, const char **ret, int *ret_len)
{
    for (; i > 0 && words != NULL; i--) {
        words = strchr(words, '|');
        words += words != NULL;
    }
    if (words == NULL)
        return false;
    *ret = words;
    *ret_len = (int)strcspn(words, "|");
    return true;
}

static bool is_word(const char *words, const char *value)
{
    const char *at;
    int len;

    for (unsigned i = 0; word(words, i, &at, &len); i++) {
        if (strlen(value) == (size_t)len && memcmp(at, value, (size_t)len) == 0)
            return true;
    }
    return false;
}

/* One way to write each: two rows cannot be the same number. */
static bool is_number(const char *value, unsigned long limit)
{
    char again[BOARD_NAME_BYTES];
    unsigned long number = strtoul(value, NULL, 10);

    (void)snprintf(again, sizeof(again), "%lu", number);
    return strcmp(again, value) == 0 && number < limit;
}

static bool may_say(const struct metric_label *l)
{
    if (strcmp(l->name, "process") == 0)
        return manifest_find(l->value) >= 0;
    for (size_t i = 0; i < COUNT_OF(labels); i++) {
        if (strcmp(labels[i].name, l->name) == 0)
            return labels[i].words == NULL ? is_number(l->value, labels[i].limit)
                                           : is_word(labels[i].words, l->value);
    }
    return false;
}

bool metric_is_of_row(const struct metric *m)
{
    return m->pattern != NULL;
}

static bool is_kind(const struct metric *m, enum board_kind kind)
{
    switch (m->type) {
    case METRIC_NONE:
        return true;
    case METRIC_COUNTER:
        return kind == BOARD_COUNTER;
    case METRIC_GAUGE:
    case METRIC_AGE:
        return kind == BOARD_GAUGE;
    case METRIC_HISTOGRAM:
        return kind == BOARD_HISTOGRAM;
    case METRIC_IS:
    case METRIC_STATES:
    case METRIC_INFO:
        return kind == BOARD_TEXT;
    case METRIC_LINES:
    case METRIC_DROPPED:
    case METRIC_UNNAMED:
        break;
    }
    return false;
}

/* Up to the character that follows in the pattern, and never past a component. Empty ones are none. */
static const char *take_value(const char *name, char end, char *ret)
{
    size_t len = 0;

    while (name[len] != '\0' && name[len] != '/' && name[len] != end)
        len++;
    if (len == 0)
        return NULL;
    memcpy(ret, name, len); /* shorter than the row's name */
    ret[len] = '\0';
    return name + len;
}

static int match(const char *pattern, const char *name, struct metric_label ret[METRIC_LABELS_MAX])
{
    int n = 0;

    while (*pattern != '\0') {
        const char *end = strchr(pattern, '}');

        if (*pattern != '{') {
            if (*pattern++ != *name++)
                return -ENOENT;
            continue;
        }
        (void)snprintf(ret[n].name, sizeof(ret[n].name), "%.*s", (int)(end - pattern - 1),
                       pattern + 1);
        pattern = end + 1;
        name = take_value(name, *pattern, ret[n].value);
        if (name == NULL || !may_say(&ret[n++]))
            return -ENOENT;
    }
    return *name == '\0' ? n : -ENOENT;
}

int metric_match(const struct metric *m, enum process board, const struct board_value *row,
                 struct metric_label ret[METRIC_LABELS_MAX])
{
    if (m->pattern == NULL || !is_kind(m, row->kind))
        return -ENOENT;
    if (m->board != METRIC_ANY_BOARD && m->board != (int)board)
        return -ENOENT;
    return match(m->pattern, row->name, ret);
}

bool metric_word(const struct metric *m, unsigned i, const char **ret, int *ret_len)
{
    return word(m->words, i, ret, ret_len);
}
