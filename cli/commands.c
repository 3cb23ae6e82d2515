#include "cli/commands.h"

#include "cli/options.h"
#include "cli/pki_name.h"
#include "ipc/capture.h"

/* What every command understands. */
#define NAME_ROW                                                                                   \
    {                                                                                              \
        "name", 'n', OPTION_TEXT, offsetof(struct cli_args, name), "NAME",                         \
            "the VM's name (default: vm)"                                                          \
    }
#define SOCKET_ROW                                                                                 \
    {                                                                                              \
        "socket", 's', OPTION_PATH, offsetof(struct cli_args, socket), "PATH",                     \
            "the operators' socket (default: /run/bulkhead/NAME.sock)"                             \
    }
#define CONNECT_ROW                                                                                \
    {                                                                                              \
        "connect", 0, OPTION_TEXT, offsetof(struct cli_args, connect), "HOST:PORT",                \
            "a VM elsewhere, that runs with --operators"                                           \
    }
#define IDENTITY_ROW                                                                               \
    {                                                                                              \
        "identity", 0, OPTION_PATH, offsetof(struct cli_args, identity), "FILE",                   \
            "who we are there: FILE.pem, FILE-key.pem, and ca.pem beside (bulkhead pki)"           \
    }
/* Of every command for a running VM, here or elsewhere. */
#define VM_ROWS NAME_ROW, SOCKET_ROW, CONNECT_ROW, IDENTITY_ROW
#define JSON_ROW(help_text)                                                                        \
    {                                                                                              \
        "json", 'j', OPTION_FLAG, offsetof(struct cli_args, json), NULL, help_text                 \
    }

/* clang-format off */
static const struct option_row run_options[] = {
    {"kernel", 'k', OPTION_PATH, offsetof(struct cli_args, kernel), "FILE",
     "the guest's kernel, a 64-bit bzImage (needed)"},
    {"initrd", 'i', OPTION_PATH, offsetof(struct cli_args, initrd), "FILE", "the guest's initrd"},
    {"append", 'a', OPTION_TEXT, offsetof(struct cli_args, append), "TEXT",
     "added to the guest's kernel command line"},
    {"vcpus", 'c', OPTION_NUMBER, offsetof(struct cli_args, vcpus), "N",
     "virtual CPUs (1 to 64, default: 1)", 1, 64},
    {"memory", 'm', OPTION_SIZE, offsetof(struct cli_args, memory_bytes), "SIZE",
     "guest memory, a multiple of 2M (64M to 512G, default: 512M)"},
    {"disk", 'd', OPTION_DISKS, offsetof(struct cli_args, disks), "FILE[,KEY=VALUE]...",
     "a SCSI disk, or a DVD drive (repeatable; the keys follow below)", 0, 0, "disks"},
    {"net", 0, OPTION_NETS, offsetof(struct cli_args, nets), "user|tap=NAME|peer=PATH|none[,KEY=VALUE]...",
     "a NIC (repeatable; the keys follow below)", 0, 0, "nets"},
    {"vtl2-settings", 0, OPTION_PATH, offsetof(struct cli_args, vtl2_settings), "FILE",
     "disks as OpenHCL's VTL2 settings (JSON) have them"},
    {"device", 0, OPTION_PAIRS, offsetof(struct cli_args, devices), "DEVICE=FILE",
     "what a device of the VTL2 settings is here (repeatable)", 0, 0, "devices"},
    {"config", 'C', OPTION_PATH, offsetof(struct cli_args, config), "FILE",
     "these options from a JSON file; what is said here as well counts"},
    {"mode", 0, OPTION_CHOICE, offsetof(struct cli_args, mode), "auto|hosted|nested",
     "where Bulkhead runs: on this machine, or in a VM made for it"},
    {"reboot", 0, OPTION_CHOICE, offsetof(struct cli_args, reboot), "restart|exit",
     "when the guest resets itself (default: restart; with scripts: exit)"},
    {"confidential", 0, OPTION_FLAG, offsetof(struct cli_args, confidential), NULL,
     "nothing of the guest's is shown or touched: no pcap, pause, registers, dump, gdb"},
    {"exec", 0, OPTION_FLAG, offsetof(struct cli_args, exec), NULL,
     "the initrd runs a script: its output on stdout, its status as ours"},
    {"vtl2-exec", 0, OPTION_PATH, offsetof(struct cli_args, vtl2_exec), "FILE",
     "run a script beside Bulkhead's processes (development images)"},
    {"timeout", 't', OPTION_NUMBER, offsetof(struct cli_args, timeout_s), "SECONDS",
     "end everything after that time, with status 124", 1, 1000000},
    {"operators", 0, OPTION_TEXT, offsetof(struct cli_args, operators), "ADDRESS:PORT",
     "let operators in over the network, or by vsock:PORT: HTTPS, with certificates"},
    {"pki", 0, OPTION_PATH, offsetof(struct cli_args, pki), "DIR",
     "their certificates (default: /etc/bulkhead/pki; bulkhead pki makes them)"},
    {"programs", 0, OPTION_PATH, offsetof(struct cli_args, programs), "DIR",
     "where bulkhead-init and its kind are (hosted)"},
    {"vtl2-kernel", 0, OPTION_PATH, offsetof(struct cli_args, vtl2_kernel), "FILE",
     "the kernel below Bulkhead (nested)"},
    {"vtl2-image", 0, OPTION_PATH, offsetof(struct cli_args, vtl2_image), "FILE",
     "the initramfs that holds Bulkhead (nested)"},
    NAME_ROW,
    SOCKET_ROW,
    JSON_ROW("the report as JSON lines on stderr"),
    {"verbose", 'v', OPTION_FLAG, offsetof(struct cli_args, verbose), NULL,
     "show on stderr what is kept for failures: console and kernel log"},
};

static const struct option_row query_options[] = {
    VM_ROWS,
    JSON_ROW("JSON instead of a table"),
};

static const struct option_row logs_options[] = {
    {"follow", 'f', OPTION_FLAG, offsetof(struct cli_args, follow), NULL,
     "stay and show what comes"},
    VM_ROWS,
    JSON_ROW("JSON lines instead of text"),
};

static const struct option_row metrics_options[] = {
    {"plain", 'p', OPTION_FLAG, offsetof(struct cli_args, plain), NULL,
     "in Prometheus's older text format, which promtool reads"},
    VM_ROWS,
};

static const struct option_row restart_options[] = {
    {"binary", 'b', OPTION_TEXT, offsetof(struct cli_args, binary), "FILE",
     "the new process runs this program"},
    VM_ROWS,
    JSON_ROW("JSON instead of text"),
};

static const struct option_row upgrade_options[] = {
    {"programs", 0, OPTION_PATH, offsetof(struct cli_args, programs), "DIR",
     "where the new programs are (default: as for run)"},
    SOCKET_ROW,
    JSON_ROW("JSON instead of text"),
};

static const struct option_row pcap_options[] = {
    {"write", 'w', OPTION_TEXT, offsetof(struct cli_args, write), "FILE",
     "where to, in pcapng; - is stdout (default: stdout, but no terminal)"},
    {"snaplen", 0, OPTION_NUMBER, offsetof(struct cli_args, snaplen), "N",
     "bytes of each packet that are kept (default: 65568, all)", 1, CAPTURE_FRAME_MAX},
    {"filter", 0, OPTION_TEXT, offsetof(struct cli_args, filter), "EXPR",
     "which packets, as pcap-filter(7) has it"},
    {"seconds", 0, OPTION_NUMBER, offsetof(struct cli_args, seconds), "N",
     "end after that time (default: when interrupted)", 1, 1000000},
    VM_ROWS,
};

static const struct option_row audit_options[] = {
    {"verify", 0, OPTION_FLAG, offsetof(struct cli_args, verify), NULL,
     "only see whether the record is whole"},
    VM_ROWS,
    JSON_ROW("JSON lines instead of text"),
};

static const struct option_row pki_options[] = {
    {"dir", 0, OPTION_PATH, offsetof(struct cli_args, dir), "DIR",
     "the CA's folder (default: /etc/bulkhead/pki; see bulkhead(1) for others than root)"},
    {"host", 0, OPTION_TEXTS, offsetof(struct cli_args, hosts), "NAME|ADDRESS",
     "init: where the server is reached (repeatable; default: this machine)"},
    {"role", 'r', OPTION_CHOICE, offsetof(struct cli_args, role), PKI_ROLES,
     "issue: what its owner may do (needed)"},
    {"days", 0, OPTION_NUMBER, offsetof(struct cli_args, days), "N",
     "issue: how long it counts (1 to 3650, default: 365)", 1, 3650},
    {"password-file", 0, OPTION_PATH, offsetof(struct cli_args, password_file), "FILE",
     "issue: its first line is the password of NAME.p12 (default: one is made and shown)"},
    VM_ROWS,
    JSON_ROW("JSON instead of text"),
};

static const struct option_row top_options[] = {
    VM_ROWS,
};

static const struct option_row inspect_options[] = {
    {"watch", 'w', OPTION_FLAG, offsetof(struct cli_args, watch), NULL,
     "again each second, until interrupted"},
    {"depth", 'd', OPTION_NUMBER, offsetof(struct cli_args, depth), "N",
     "only so many levels of the tree; what lies below is counted", 1, 16},
    VM_ROWS,
    JSON_ROW("JSON instead of a tree"),
};

static const struct option_row trace_options[] = {
    {"write", 'w', OPTION_TEXT, offsetof(struct cli_args, write), "FILE",
     "where to, in JSON; - is stdout (default: stdout, but no terminal)"},
    {"seconds", 0, OPTION_NUMBER, offsetof(struct cli_args, seconds), "N",
     "end after that time (default: when interrupted)", 1, 3600},
    VM_ROWS,
};

static const struct option_row vm_options[] = {
    VM_ROWS,
    JSON_ROW("JSON instead of text"),
};

static const struct option_row dump_options[] = {
    VM_ROWS,
};

static const struct option_row gdb_options[] = {
    {"listen", 'l', OPTION_TEXT, offsetof(struct cli_args, listen), "ADDRESS:PORT",
     "of this machine alone (default: 127.0.0.1:1234)"},
    {"stdio", 0, OPTION_FLAG, offsetof(struct cli_args, stdio), NULL,
     "for gdb's `target remote | bulkhead gdb --stdio`"},
    VM_ROWS,
};

const struct command commands[] = {
    {"run", NULL, "Start a VM and stay with it: its console is this terminal, Ctrl-A X ends it.",
     run_options, COUNT_OF(run_options), run_command},
    {"ps", NULL, "List a VM's processes: state, generation, restarts, last death, sandbox.",
     query_options, COUNT_OF(query_options), ps_command},
    {"inspect", "[PATH]", "Show live values that the processes publish; PATH may hold * and ?.",
     inspect_options, COUNT_OF(inspect_options), inspect_command},
    {"logs", "[WORKER]", "Show the processes' log lines, those of dead generations included.",
     logs_options, COUNT_OF(logs_options), logs_command},
    {"events", "[WORKER]", "Show what has happened to a VM: states of processes, links, disks, the guest.",
     logs_options, COUNT_OF(logs_options), events_command},
    {"top", NULL, "Show a VM's processes live: CPU, memory, restarts, and how much is going on.",
     top_options, COUNT_OF(top_options), top_command},
    {"trace", NULL, "Make a time line of exits, port hops, I/O and restarts, for Perfetto (ui.perfetto.dev).",
     trace_options, COUNT_OF(trace_options), trace_command},
    {"crash", "list|show [NUMBER]", "Show how processes died: where, of what, and their last log lines.",
     query_options, COUNT_OF(query_options), crash_command},
    {"metrics", NULL, "Print all values as OpenMetrics text, for Prometheus.",
     metrics_options, COUNT_OF(metrics_options), metrics_command},
    {"restart", "WORKER", "Replace a running process under the running guest.",
     restart_options, COUNT_OF(restart_options), restart_command},
    {"revive", "WORKER", "Start a parked process anew.",
     query_options, COUNT_OF(query_options), revive_command},
    {"upgrade", "[NAME]",
     "Replace all processes of running VMs that are of another build, under their guests.",
     upgrade_options, COUNT_OF(upgrade_options), upgrade_command},
    {"disk", "add|remove|resize|insert|eject DISK",
     "Change a running VM's disks; DISK is as for run --disk, and has a lun.",
     query_options, COUNT_OF(query_options), disk_command},
    {"log-level", "[WORKER] [error|warn|info|debug]",
     "Set how much a running VM's process logs, or tell it; it holds for its next generation, too.",
     query_options, COUNT_OF(query_options), log_level_command},
    {"link", "NIC [up|down]",
     "Set the link of a running VM's NIC, or tell it; NIC is its number in `inspect net`.",
     query_options, COUNT_OF(query_options), link_command},
    {"pcap", "NIC", "Capture what a running VM's NIC sends and receives, for Wireshark.",
     pcap_options, COUNT_OF(pcap_options), pcap_command},
    {"pause", NULL, "Make a running VM's guest stand still; its devices and clocks go on.",
     vm_options, COUNT_OF(vm_options), pause_command},
    {"resume", NULL, "Let a paused guest go on.",
     vm_options, COUNT_OF(vm_options), resume_command},
    {"registers", NULL, "Show the registers of a running VM's virtual CPUs.",
     vm_options, COUNT_OF(vm_options), registers_command},
    {"dump", "FILE", "Write a guest's memory and registers as an ELF core, for crash and makedumpfile.",
     dump_options, COUNT_OF(dump_options), dump_command},
    {"gdb", NULL, "Let GDB debug a running VM's guest: it stops when GDB comes.",
     gdb_options, COUNT_OF(gdb_options), gdb_command},
    {"audit", NULL, "Show who asked what of a running VM, and what was decided.",
     audit_options, COUNT_OF(audit_options), audit_command},
    {"pki", "init|issue|revoke|push|list [NAME]",
     "Make certificates for remote operators and the server they talk to, and revoke them.",
     pki_options, COUNT_OF(pki_options), pki_command},
    {"schema", NULL, "Print the JSON Schema of what --config reads.", NULL, 0, schema_command},
    {"completion", "bash", "Print what completes commands and options in that shell.", NULL, 0,
     completion_command},
    {"help", "[COMMAND]", "Show this, or what a command understands.", NULL, 0, help_command},
    {"version", NULL, "Show the version.", NULL, 0, version_command},
    {NULL},
};
/* clang-format on */
