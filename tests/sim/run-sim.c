/*
 * tests/sim/run-sim.c - runs one simulator program as the supervisor under the real init.
 *
 *   run-sim [--timeout SECONDS] [--socket PATH] [--pss] [--as WORKER PROGRAM] [--vcpus N]
 *           [--memory MIB] [--disk DISK]... [--net NET]... [--net-rate N] [--net-room BYTES]
 *           [--confidential] [--operators ADDRESS:PORT --pki DIR] [--start-limit SECONDS]
 *           INIT WORKERS-FOLDER SIMULATOR [ARGUMENT...]
 *
 * COM1 goes to stdout. Exit status 0 when the simulator says that it passed. With --pss the
 * proportional memory of all processes is printed when they have started. --as runs PROGRAM in the
 * place of a worker. DISK is as `bulkhead run --disk` has it, --confidential, --operators and --pki as there. --net gives the guest a NIC, up to four times, and NET is
 * what it is plugged into: a peer that answers (net_peer.h), with N frames a second at most and a socket with room for
 * BYTES of the guest's, and what it finds wrong fails the run: echo, stream, or one of other manners (run_net.c); flood=BYTES, somebody who only sends (net_flood.h); mirror, somebody who
 * sends each frame back (net_mirror.h);
 * none, nobody; discard; or tap=NAME. Needs root, as init does.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/rd.h"
#include "cli/disks.h"
#include "cli/payload_disks.h"
#include "cli/remote.h"
#include "control.pb-c.h"
#include "ipc/manifest.h"
#include "tests/sim/run_net.h"

enum {
    FD_CONFIG = 3,
    FD_REPORT = 4,
    FD_COM = 5,
    FD_VTL2 = FD_COM + COM_COUNT,
    FD_NET,                       /* the first one, if there is one */
    STREAMS = FD_NET - FD_REPORT, /* report, COM1 to COM4, vtl2 */
    INHERITED_MAX = 1 + STREAMS + NETS_MAX + 1,
    REPORT_MAX = 1 << 16,
    EXIT_USAGE = 2,
    EXIT_TIMEOUT = 124,
};

struct run {
    const char *init, *workers, *simulator;
    char append[1024];
    const char *socket;
    const char *as, *program; /* a worker's name, and what to run in its place */
    unsigned timeout_s;
    unsigned vcpus;
    unsigned memory_mib;
    bool pss;
    struct pool pool; /* of disks */
    struct disk_list disks;
    struct run_net nets[NETS_MAX];
    int n_nets;
    uint64_t net_rate;
    int net_room;
    bool confidential;
    unsigned start_limit_s;
    const char *operators, *pki; /* where they come in; NULL: nowhere */
    struct remote_plan remote;
    char dir[32]; /* of links to the programs */
    pid_t pid;
    int ours[STREAMS];
    uint8_t report[REPORT_MAX];
    size_t report_len;
    int status; /* -1: still running */
};

/* init itself is in no row's program: nobody spawns it. */
static const char *program_of(const struct run *run, enum process process)
{
    return process == PROCESS_INIT ? "bulkhead-init"
                                   : manifest_program(process, run->operators != NULL);
}

static const char *target_of(const struct run *run, enum process process, char *buf, size_t len)
{
    if (process == PROCESS_INIT)
        return run->init;
    if (process == PROCESS_SUPERVISOR)
        return run->simulator;
    if (run->as != NULL && strcmp(manifest[process].name, run->as) == 0)
        return run->program;
    (void)snprintf(buf, len, "%s/%s", run->workers, program_of(run, process));
    return buf;
}

static int link_programs(struct run *run)
{
    (void)snprintf(run->dir, sizeof(run->dir), "/tmp/run-sim.XXXXXX");
    if (mkdtemp(run->dir) == NULL)
        return -errno;
    for (enum process p = PROCESS_INIT; p < PROCESS_COUNT; p++) {
        char path[PATH_MAX];
        char target[PATH_MAX];
        char real[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", run->dir, program_of(run, p));
        if (realpath(target_of(run, p, target, sizeof(target)), real) == NULL ||
            symlink(real, path) < 0)
            return -errno;
    }
    return 0;
}

static void unlink_programs(const struct run *run)
{
    for (enum process p = PROCESS_INIT; p < PROCESS_COUNT; p++) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", run->dir, program_of(run, p));
        (void)unlink(path);
    }
    (void)rmdir(run->dir);
}

static int put_disks(struct run *run, Bulkhead__VmConfig *c)
{
    char error[DISKS_ERROR_BYTES];
    static struct disks_plan plan; /* its paths are used as long as c is */

    if (run->disks.n == 0)
        return 0;
    if (disks_check(c->name, &run->disks, false, &plan, error) != 0) {
        fprintf(stderr, "run-sim: %s\n", error);
        return -EINVAL;
    }
    return payload_disks(&plan, false, &run->pool, c);
}

/* Each has an address of its own, as flows of that NIC do (net_flow.h). */
static void put_nets(const struct run *run, Bulkhead__Net nets[NETS_MAX],
                     Bulkhead__Net *list[NETS_MAX], Bulkhead__VmConfig *c)
{
    static uint8_t macs[NETS_MAX][6];

    for (int i = 0; i < run->n_nets; i++) {
        bulkhead__net__init(&nets[i]);
        nets[i].kind = run->nets[i].kind;
        memcpy(macs[i], (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(1 + i)}, sizeof(macs[i]));
        nets[i].mac = (ProtobufCBinaryData){.data = macs[i], .len = sizeof(macs[i])};
        nets[i].mtu = RUN_NET_MTU;
        nets[i].channels = VMBUS_SUBCHANNELS;
        list[i] = &nets[i];
    }
    c->nets = list;
    c->n_nets = (size_t)run->n_nets;
}

static int make_config(struct run *run)
{
    AUTO_FD fd = memfd_create("config", 0);
    char name[] = "sim";
    char kernel[] = "/dev/null";
    char socket_path[PATH_MAX];
    static uint8_t packed[65536];
    Bulkhead__VmConfig c;
    Bulkhead__Net nets[NETS_MAX], *net_list[NETS_MAX];
    size_t len;
    int r;

    bulkhead__vm_config__init(&c);
    (void)snprintf(socket_path, sizeof(socket_path), "%s/operator.sock", run->dir);
    if (run->socket != NULL)
        (void)snprintf(socket_path, sizeof(socket_path), "%s", run->socket);
    c.name = name;
    c.vcpus = run->vcpus;
    c.memory_bytes = (uint64_t)run->memory_mib << 20;
    c.kernel_path = kernel;
    c.append = run->append;
    c.programs_dir = run->dir;
    c.operator_socket = socket_path;
    put_nets(run, nets, net_list, &c);
    c.confidential = run->confidential;
    c.start_limit_s = run->start_limit_s;
    if (run->remote.wanted)
        c.remote = &run->remote.message;
    r = put_disks(run, &c);
    if (r < 0)
        return r;
    len = bulkhead__vm_config__get_packed_size(&c);
    if (len > sizeof(packed))
        return -ENOBUFS;
    (void)bulkhead__vm_config__pack(&c, packed);
    if (fd < 0 || write(fd, packed, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)
        return -errno;
    return fd_steal(&fd);
}

/* Descriptors of ours to those that init inherits, from FD_CONFIG on. */
static void hand_on(const int *fds, int n)
{
    int moved[INHERITED_MAX];

    for (int i = 0; i < n; i++)
        moved[i] = fcntl(fds[i], F_DUPFD, 64);
    for (int i = 0; i < n; i++)
        (void)dup2(moved[i], FD_CONFIG + i);
    (void)syscall(SYS_close_range, FD_CONFIG + n, ~0u, 0);
}

static _Noreturn void child(const struct run *run, int config, const int theirs[STREAMS])
{
    char path[PATH_MAX];
    char arg[] = "hosted";
    char *argv[] = {path, arg, NULL};
    char *envp[] = {NULL};
    int fds[INHERITED_MAX] = {config};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(path, sizeof(path), "%s/bulkhead-init", run->dir);
    memcpy(&fds[1], theirs, STREAMS * sizeof(*theirs));
    for (int i = 0; i < run->n_nets; i++)
        fds[1 + STREAMS + i] = run->nets[i].fd;
    if (run->remote.wanted)
        fds[1 + STREAMS + run->n_nets] = run->remote.listener;
    hand_on(fds, 1 + STREAMS + run->n_nets + (run->remote.wanted ? 1 : 0));
    (void)execve(path, argv, envp);
    _exit(127);
}

static int open_nets(struct run *run)
{
    int r = 0;

    for (int i = 0; r == 0 && i < run->n_nets; i++)
        r = run_net_open(&run->nets[i], run->net_room);
    return r;
}

static int start_nets(struct run *run)
{
    int r = 0;

    for (int i = 0; r == 0 && i < run->n_nets; i++)
        r = run_net_start(&run->nets[i], (unsigned)i, run->net_rate);
    return r;
}

static bool stop_nets(struct run *run)
{
    bool good = true;

    for (int i = 0; i < run->n_nets; i++)
        good &= run_net_stop(&run->nets[i]);
    return good;
}

static int start(struct run *run)
{
    struct clone_args args = {.flags = CLONE_NEWPID | CLONE_NEWNS, .exit_signal = SIGCHLD};
    AUTO_FD config = make_config(run);
    int theirs[STREAMS];
    long pid;

    if (config < 0)
        return config;
    for (int i = 0; i < STREAMS; i++) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            return -errno;
        run->ours[i] = pair[0];
        theirs[i] = pair[1];
    }
    pid = syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0)
        child(run, config, theirs);
    for (int i = 0; i < STREAMS; i++)
        (void)close(theirs[i]);
    if (pid < 0)
        return -errno;
    run->pid = (pid_t)pid;
    return 0;
}

/* --- memory --- */

static long read_number(const char *path, const char *key)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[4096] = "";
    const char *at;

    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        return 0;
    at = strstr(text, key);
    return at == NULL ? 0 : strtol(at + strlen(key), NULL, 10);
}

static void print_pss(const struct run *run)
{
    DIR *proc = opendir("/proc");
    long sum_kb = 0;

    for (const struct dirent *e = proc == NULL ? NULL : readdir(proc); e != NULL;
         e = readdir(proc)) {
        char status[64];
        char rollup[64];
        char *end;
        long pid = strtol(e->d_name, &end, 10);
        long kb;

        if (*end != '\0')
            continue;
        (void)snprintf(status, sizeof(status), "/proc/%ld/status", pid);
        (void)snprintf(rollup, sizeof(rollup), "/proc/%ld/smaps_rollup", pid);
        if (pid != run->pid && read_number(status, "PPid:") != run->pid)
            continue;
        kb = read_number(rollup, "\nPss:");
        printf("pss pid %ld: %ld kB\n", pid, kb);
        sum_kb += kb;
    }
    if (proc != NULL)
        (void)closedir(proc);
    printf("pss sum: %ld kB\n", sum_kb);
}

/* --- what init reports --- */

static void on_report(struct run *run, const Bulkhead__Report *r)
{
    if (r->error[0] != '\0') {
        fprintf(stderr, "run-sim: init: %s\n", r->error);
        run->status = 1;
    }
    if (r->started_us != 0) {
        fprintf(stderr, "started in %llu us\n", (unsigned long long)r->started_us);
        if (run->pss)
            print_pss(run);
    }
    if (r->ended != NULL) {
        printf("ended: %s\n", r->ended->text);
        if (r->ended->links_down != 0)
            printf("links down: %#x\n", r->ended->links_down);
        run->status = strcmp(r->ended->text, "pass") == 0 ? 0 : 1;
    }
}

static void take_reports(struct run *run)
{
    while (run->report_len >= 4) {
        struct rd r = rd_over(run->report, run->report_len);
        uint32_t len = rd_le32(&r);
        Bulkhead__Report *report;

        if (len > r.left)
            return;
        report = bulkhead__report__unpack(NULL, len, r.at);
        if (report != NULL) {
            on_report(run, report);
            bulkhead__report__free_unpacked(report, NULL);
        }
        run->report_len -= 4 + len;
        memmove(run->report, run->report + 4 + len, run->report_len);
    }
}

static void read_stream(struct run *run, int i)
{
    char bytes[4096];
    ssize_t n;

    if (i != 0) {
        n = read(run->ours[i], bytes, sizeof(bytes));
        if (i == 1 && n > 0)
            (void)fwrite(bytes, 1, (size_t)n, stdout);
    } else {
        n = read(run->ours[0], run->report + run->report_len, REPORT_MAX - run->report_len);
        run->report_len += n > 0 ? (size_t)n : 0;
        take_reports(run);
    }
    if (n <= 0)
        fd_closep(&run->ours[i]);
}

static void pump(struct run *run)
{
    uint64_t end = clock_now_ns() + run->timeout_s * NS_PER_S;

    while (run->status < 0 && run->ours[0] >= 0) {
        struct pollfd fds[STREAMS];

        for (int i = 0; i < STREAMS; i++)
            fds[i] = (struct pollfd){.fd = run->ours[i], .events = POLLIN};
        if (clock_now_ns() > end) {
            fprintf(stderr, "run-sim: not finished after %u s\n", run->timeout_s);
            run->status = EXIT_TIMEOUT;
            return;
        }
        if (poll(fds, STREAMS, 200) <= 0)
            continue;
        for (int i = STREAMS - 1; i >= 0; i--) { /* the report last: what was printed comes first */
            if (fds[i].revents != 0)
                read_stream(run, i);
        }
    }
    if (run->status < 0) {
        fprintf(stderr, "run-sim: init is gone\n");
        run->status = 1;
    }
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: run-sim [--timeout SECONDS] [--socket PATH] [--pss] "
        "[--as WORKER PROGRAM] [--vcpus N] [--memory MIB] [--disk DISK]... "
        "[--confidential] [--operators ADDRESS:PORT --pki DIR] [--start-limit SECONDS] "
        "[--net echo|stream|flood=BYTES|none|discard|tap=NAME|...]... [--net-rate N] [--net-room BYTES] "
        "INIT WORKERS-FOLDER SIMULATOR [ARGUMENT...]\n");
    return EXIT_USAGE;
}

static int add_disk(struct run *run, const char *text)
{
    char why[OPTION_WHY_BYTES];
    int r = disk_option_parse(text, &run->disks, &run->pool, why);

    if (r < 0)
        fprintf(stderr, "run-sim: --disk %s: %s\n", text, why);
    return r;
}

static int add_net(struct run *run, const char *text)
{
    return run->n_nets == NETS_MAX ? -ENOBUFS : run_net_parse(&run->nets[run->n_nets++], text);
}

static int take_option(struct run *run, int c, int argc, char **argv)
{
    switch (c) {
    case 't':
        run->timeout_s = (unsigned)strtoul(optarg, NULL, 10);
        return 0;
    case 's':
        run->socket = optarg;
        return 0;
    case 'p':
        run->pss = true;
        return 0;
    case 'v':
        run->vcpus = (unsigned)strtoul(optarg, NULL, 10);
        return 0;
    case 'm':
        run->memory_mib = (unsigned)strtoul(optarg, NULL, 10);
        return 0;
    case 'd':
        return add_disk(run, optarg);
    case 'n':
        return add_net(run, optarg);
    case 'r':
        run->net_rate = strtoull(optarg, NULL, 10);
        return 0;
    case 'c':
        run->confidential = true;
        return 0;
    case 'o':
        run->operators = optarg;
        return 0;
    case 'k':
        run->pki = optarg;
        return 0;
    case 'l':
        run->start_limit_s = (unsigned)strtoul(optarg, NULL, 10);
        return 0;
    case 'R':
        run->net_room = (int)strtoul(optarg, NULL, 10);
        return 0;
    case 'a':
        if (optind == argc)
            return -EINVAL;
        run->as = optarg;
        run->program = argv[optind++];
        return 0;
    default:
        return -EINVAL;
    }
}

static int parse(struct run *run, int argc, char **argv)
{
    /* clang-format off */
    static const struct option options[] = {
        {"timeout", required_argument, NULL, 't'},
        {"socket", required_argument, NULL, 's'},
        {"pss", no_argument, NULL, 'p'},
        {"as", required_argument, NULL, 'a'},
        {"vcpus", required_argument, NULL, 'v'},
        {"memory", required_argument, NULL, 'm'},
        {"disk", required_argument, NULL, 'd'},
        {"net", required_argument, NULL, 'n'},
        {"confidential", no_argument, NULL, 'c'},
        {"operators", required_argument, NULL, 'o'},
        {"pki", required_argument, NULL, 'k'},
        {"net-rate", required_argument, NULL, 'r'},
        {"net-room", required_argument, NULL, 'R'},
        {"start-limit", required_argument, NULL, 'l'},
        {0}
    };
    /* clang-format on */
    int r = 0;
    int c;

    while (r == 0 && (c = getopt_long(argc, argv, "+", options, NULL)) != -1)
        r = take_option(run, c, argc, argv);
    if (r < 0)
        return r;
    if (argc - optind < 3)
        return -EINVAL;
    run->init = argv[optind];
    run->workers = argv[optind + 1];
    run->simulator = argv[optind + 2];
    for (int i = optind + 3; i < argc; i++) {
        size_t len = strlen(run->append);

        (void)snprintf(run->append + len, sizeof(run->append) - len, " %s", argv[i]);
    }
    return 0;
}

static int open_remote(struct run *run)
{
    char error[REMOTE_ERROR_BYTES];

    if (remote_plan(run->operators, run->pki, false, &run->remote, error) == 0)
        return 0;
    fprintf(stderr, "run-sim: %s\n", error);
    return -EINVAL;
}

int main(int argc, char **argv)
{
    static struct run run = {
        .timeout_s = 120, .vcpus = 1, .memory_mib = 64, .status = -1, .remote.listener = -1};
    int r;

    for (int i = 0; i < NETS_MAX; i++)
        run.nets[i].fd = run.nets[i].peer.fd = -1;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (parse(&run, argc, argv) < 0)
        return usage();
    r = link_programs(&run);
    if (r == 0)
        r = open_nets(&run);
    if (r == 0)
        r = open_remote(&run);
    if (r == 0)
        r = start(&run);
    if (r == 0)
        r = start_nets(&run);
    if (r == 0)
        pump(&run);
    if (!stop_nets(&run) && run.status == 0)
        run.status = 1;
    if (run.pid > 0) {
        (void)kill(run.pid, SIGKILL);
        (void)waitpid(run.pid, NULL, 0);
    }
    if (run.dir[0] != '\0') {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/operator.sock", run.dir);
        (void)unlink(path);
        unlink_programs(&run);
    }
    if (r < 0)
        fprintf(stderr, "run-sim: %s\n", strerror(-r));
    return r < 0 ? 1 : run.status;
}
