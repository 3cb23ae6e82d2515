/*
 * tests/attack/attempts_kernel.c - at the kernel: privileged calls, limits, odd corners.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/ioprio.h>
#include <linux/kvm.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/attack/evil.h"

enum {
    MAX_FDS = 64,
    MIB = 1 << 20,
    BOMB_MIB = 256,
    STACK_BOMB_MIB = 96, /* what the kernel keeps free below a stack is a little more */
    SIGSET_BYTES = 8,
    ARCH_SET_GS = 0x1001,
    LDT_WRITE = 1,
    X32_BIT = 0x40000000,
};

static long result(long r)
{
    return r < 0 ? -errno : r;
}

static long k22_bpf(const struct evil *e)
{
    static struct bpf_insn exit_0[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
        {.code = BPF_JMP | BPF_EXIT                                  }
    };
    static char licence[] = "MIT";
    union bpf_attr attr;

    (void)e;
    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attr.insns = (uintptr_t)exit_0;
    attr.insn_cnt = COUNT_OF(exit_0);
    attr.license = (uintptr_t)licence;
    return result(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
}

static long k22_perf(const struct evil *e)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_CPU_CLOCK};

    (void)e;
    return result(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static struct io_uring_params ring;
static unsigned map_size;
static struct iovec one_byte = {.iov_base = &map_size, .iov_len = 1};

/* Pages of memory that others map too are given back: they read zeroes. */
static long k28_remove(const struct evil *e)
{
    return result(madvise((char *)e->shared + 2 * EVIL_PAGE_OFFSET, 4096, MADV_REMOVE));
}

static long k28_page_out(const struct evil *e)
{
    return result(madvise(e->shared, 4096, MADV_PAGEOUT));
}

/* The control's memory has no seals: ours made it just now. */
static int seal_target(const struct evil *e)
{
    int fd = e->shared_fd;

    if (e->mode == EVIL_CONTROL) {
        fd = memfd_create("unsealed", MFD_ALLOW_SEALING);
        (void)ftruncate(fd, 4096);
    }
    return fd;
}

static long k29_truncate(const struct evil *e)
{
    return result(ftruncate(seal_target(e), 0));
}

static long k29_grow(const struct evil *e)
{
    return result(ftruncate(seal_target(e), (off_t)MIB * BOMB_MIB));
}

static long k29_seal(const struct evil *e)
{
    return result(fcntl(seal_target(e), F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
}

static long k29_get_seals(const struct evil *e)
{
    return result(fcntl(seal_target(e), F_GET_SEALS));
}

static long k29_punch(const struct evil *e)
{
    return result(fallocate(seal_target(e), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
}

static long k31_capset(const struct evil *e)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct all[2];

    (void)e;
    memset(all, 0, sizeof(all));
    all[0].effective = all[0].permitted = 1u << CAP_SYS_ADMIN;
    return result(syscall(SYS_capset, &head, all));
}

/* Root has it permitted already; to raise it, it must be inheritable too. */
static long k31_ambient(const struct evil *e)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];

    if (e->mode == EVIL_CONTROL) {
        if (syscall(SYS_capget, &head, caps) < 0)
            return -errno;
        caps[0].inheritable |= 1u << CAP_CHOWN;
        if (syscall(SYS_capset, &head, caps) < 0)
            return -errno;
    }
    return result(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
}

static long k31_filter_again(const struct evil *e)
{
    static struct {
        uint16_t code;
        uint8_t jt, jf;
        uint32_t k;
    } allow = {.code = 0x06, .k = SECCOMP_RET_ALLOW};
    struct {
        uint16_t len;
        void *filter;
    } program = {.len = 1, .filter = &allow};
    long r = result(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));

    (void)e;
    return r;
}

static long k33_raise_limit(const struct evil *e)
{
    struct rlimit one = {.rlim_cur = 1, .rlim_max = 1};

    (void)e;
    return result(syscall(SYS_prlimit64, 0, RLIMIT_CORE, &one, NULL));
}

static long k33_realtime(const struct evil *e)
{
    struct sched_param most = {.sched_priority = 1};

    (void)e;
    return result(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &most));
}

static cpu_set_t first_cpu = {{1}};

static long k34_int80(const struct evil *e)
{
    long r;

    (void)e;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory"); /* getpid of the 32-bit table */
    return r;
}

static long k34_ldt(const struct evil *e)
{
    static const struct {
        uint32_t number, base, limit, flags;
    } segment = {.limit = 0xfffff, .flags = 0x51};

    (void)e;
    return result(syscall(SYS_modify_ldt, LDT_WRITE, &segment, sizeof(segment)));
}

/* Sets what is set already. */
static long k35_adjtimex(const struct evil *e)
{
    static struct timex t;

    if (e->mode == EVIL_CONTROL && adjtimex(&t) < 0)
        return -errno;
    t.modes = ADJ_TICK;
    if (e->mode != EVIL_CONTROL)
        t.tick = 10000;
    return result(adjtimex(&t));
}

static struct timespec one_second = {.tv_sec = 1};
static struct itimerval every_second = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_sec = 1}};
static timer_t timer;
static stack_t other_stack;
static uint64_t all_signals = UINT64_MAX;

static long k37_ignore_sigterm(const struct evil *e)
{
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } ignore = {.handler = (void *)1};

    (void)e;
    return result(syscall(SYS_rt_sigaction, SIGTERM, &ignore, NULL, SIGSET_BYTES));
}

/* Whatever it does to its own signals, SIGKILL from outside ends it: the tester looks. */
static long k37_block_signals(const struct evil *e)
{
    long r = syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, NULL, SIGSET_BYTES);

    if (r < 0)
        return -errno;
    return e->mode == EVIL_CONTROL ? 0 : EVIL_NO_EFFECT;
}

/* A frame of its own making: every register as it likes, and nothing more than it had. */
static long k37_sigreturn(const struct evil *e)
{
    (void)e;
    return result(syscall(SYS_rt_sigreturn));
}

static long k38_stop_itself(const struct evil *e)
{
    (void)e;
    return result(syscall(SYS_kill, getpid(), SIGSTOP)) < 0 ? -errno : EVIL_NO_EFFECT;
}

static long k38_spin(const struct evil *e)
{
    if (e->mode == EVIL_CONTROL)
        return 0;
    atomic_store(&e->page->result, EVIL_NO_EFFECT);
    atomic_store(&e->page->state, EVIL_AFTER);
    for (;;)
        __builtin_ia32_pause();
}

static uint32_t lock_word;

/* Every eventfd it has: filled to the brim. Whoever adds to it next must not wait. */
static long k40_saturate(const struct evil *e)
{
    uint64_t most = UINT64_MAX - 1;
    long last = -EBADF;

    for (unsigned i = 0; i < manifest[e->process].n_grants; i++) {
        enum object_kind kind = manifest[e->process].grants[i].kind;

        if (kind != OBJECT_BELL && kind != OBJECT_IRQ && kind != OBJECT_VP_IRQ)
            continue;
        last = result(write(FD_FIRST_GRANT + (int)i, &most, sizeof(most)));
    }
    if (last < 0 && last != -EAGAIN)
        return last;
    return e->mode == EVIL_CONTROL ? 0 : EVIL_NO_EFFECT;
}

static long k41_brk(const struct evil *e)
{
    (void)e;
    for (int i = 0; i < BOMB_MIB; i++) {
        char *at = sbrk(MIB);

        if (at == (void *)-1)
            return EVIL_LIMITED;
        for (int page = 0; page < MIB; page += 4096)
            ((volatile char *)at)[page] = 1;
    }
    return 0;
}

static long k41_mmap(const struct evil *e)
{
    (void)e;
    for (int i = 0; i < BOMB_MIB; i++) {
        void *at = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (at == MAP_FAILED)
            return EVIL_LIMITED;
        memset(at, 1, MIB);
    }
    return 0;
}

/* It grows by itself, without a call that a filter could see. */
static long k41_stack(const struct evil *e)
{
    volatile char *at = __builtin_frame_address(0);
    struct rlimit most;

    if (e->mode == EVIL_CONTROL && getrlimit(RLIMIT_STACK, &most) == 0) {
        most.rlim_cur = most.rlim_max;
        (void)setrlimit(RLIMIT_STACK, &most);
    }
    for (int i = 0; i < STACK_BOMB_MIB; i++) {
        for (int page = 0; page < MIB; page += 4096)
            at[-(i * (long)MIB + page)] = 1;
    }
    return 0;
}

/* The tester sees whether the kernel left a core file. */
static long k44_crash(const struct evil *e)
{
    (void)e;
    __builtin_trap();
}

/* So far as no limit stops it. */
static long k43_dup_all(const struct evil *e)
{
    const int bomb = 512;

    (void)e;
    for (int i = 0; i < bomb; i++) {
        if (syscall(SYS_dup, 0) < 0)
            return errno == EMFILE ? EVIL_LIMITED : -errno;
    }
    return 0;
}

/* The supervisor may make one request of all: to run a vCPU, and that of no such descriptor. */
static long k45_run_fds(const struct evil *e)
{
    long last = -EBADF;

    (void)e;
    for (int fd = 0; fd < MAX_FDS; fd++) {
        int r = ioctl(fd, KVM_RUN, 0);

        if (r >= 0)
            return r;
        last = -errno;
    }
    return last;
}

/* clang-format off */
static const struct attempt rows[] = {
    RUN("K22", "bpf: load a program", k22_bpf, 0),
    RUN("K22", "perf_event_open", k22_perf, 0),
    CALL("K22", "inotify_init1", SYS_inotify_init1, 0, 0),
    CALL("K22", "fanotify_init", SYS_fanotify_init, OUT_REFUSED, 0, O_RDONLY),
    NO_CONTROL("K22", "userfaultfd", SYS_userfaultfd, 0, "needs CONFIG_USERFAULTFD", O_CLOEXEC),
    NO_CONTROL("K24", "io_uring_setup", SYS_io_uring_setup, 0, "may be switched off by sysctl", 8,
         A(&ring)),
    NO_CONTROL("K24", "io_uring_register", SYS_io_uring_register, OUT_REFUSED, "needs a ring",
         FD_CONTROL, 0, 0, 0),
    {"K24", "io_uring_enter", SYS_io_uring_enter, {FD_CONTROL, 1}, NULL, OUT_REFUSED, ON_STORAGE,
         OUT_REFUSED, 0, "needs a ring", 0},
    NO_CONTROL("K27", "splice", SYS_splice, OUT_REFUSED, "needs a pipe, which no process has",
         FD_CONTROL, 0, FD_FIRST_GRANT, 0, 1, 0),
    NO_CONTROL("K27", "vmsplice", SYS_vmsplice, OUT_REFUSED, "needs a pipe, which no process has",
         FD_CONTROL, A(&one_byte), 1, 0),
    NO_CONTROL("K27", "tee", SYS_tee, OUT_REFUSED, "needs two pipes, which no process has",
         FD_CONTROL, FD_FIRST_GRANT, 1, 0),
    NO_CONTROL("K27", "copy_file_range", SYS_copy_file_range, OUT_REFUSED,
         "needs two files, which no process has", FD_CONTROL, 0, FD_FIRST_GRANT, 0, 1, 0),
    NO_CONTROL("K27", "sendfile", SYS_sendfile, OUT_REFUSED,
         "needs two files, which no process has", FD_FIRST_GRANT, FD_CONTROL, 0, 1),
    RUN("K28", "madvise: remove shared pages", k28_remove, 0),
    RUN("K28", "madvise: page out", k28_page_out, 0),
    RUN("K29", "F_GET_SEALS", k29_get_seals, 0),
    RUN("K29", "shrink shared memory", k29_truncate, OUT_REFUSED),
    RUN("K29", "grow shared memory", k29_grow, OUT_REFUSED),
    RUN("K29", "seal shared memory", k29_seal, OUT_REFUSED),
    RUN("K29", "punch a hole in shared memory", k29_punch, 0),
    CALL("K31", "setuid 0", SYS_setuid, OUT_REFUSED, 0),
    CALL("K31", "setresuid 0", SYS_setresuid, OUT_REFUSED, 0, 0, 0),
    CALL("K31", "setresgid 0", SYS_setresgid, OUT_REFUSED, 0, 0, 0),
    RUN("K31", "capset", k31_capset, OUT_REFUSED),
    RUN("K31", "an ambient capability", k31_ambient, OUT_REFUSED),
    CALL("K31", "setgroups", SYS_setgroups, OUT_REFUSED, 0, 0),
    CALL("K31", "securebits", SYS_prctl, OUT_REFUSED, PR_SET_SECUREBITS, SECBIT_KEEP_CAPS),
    RUN("K31", "another filter", k31_filter_again, 0),
    CALL("K32", "be dumpable", SYS_prctl, 0, PR_SET_DUMPABLE, 1),
    CALL("K32", "take another name", SYS_prctl, 0, PR_SET_NAME, A("supervisor")),
    NO_CONTROL("K32", "choose a tracer", SYS_prctl, 0, "needs Yama", PR_SET_PTRACER, A(-1)),
    NO_CONTROL("K32", "move its own memory map", SYS_prctl, 0, "needs CONFIG_CHECKPOINT_RESTORE",
         PR_SET_MM, PR_SET_MM_MAP_SIZE, A(&map_size), 0, 0),
    CALL("K32", "outlive init", SYS_prctl, 0, PR_SET_PDEATHSIG, 0),
    RUN("K33", "raise a limit", k33_raise_limit, OUT_REFUSED),
    RUN("K33", "real-time priority", k33_realtime, OUT_REFUSED),
    CALL("K33", "nice -20", SYS_setpriority, OUT_REFUSED, PRIO_PROCESS, 0, A(-20)),
    CALL("K33", "real-time I/O", SYS_ioprio_set, OUT_REFUSED, IOPRIO_WHO_PROCESS, 0,
         IOPRIO_CLASS_RT << IOPRIO_CLASS_SHIFT),
    CALL("K33", "choose a CPU", SYS_sched_setaffinity, 0, 0, sizeof(first_cpu), A(&first_cpu)),
    RUN("K34", "modify_ldt", k34_ldt, 0),
    CALL("K34", "arch_prctl", SYS_arch_prctl, 0, ARCH_SET_GS, 0),
    NO_CONTROL("K34", "iopl", SYS_iopl, OUT_REFUSED, "needs CONFIG_X86_IOPL_IOPERM", 3),
    NO_CONTROL("K34", "ioperm", SYS_ioperm, OUT_REFUSED, "needs CONFIG_X86_IOPL_IOPERM", 0x80,
         1, 1),
    {"K34", "int 0x80", -1, {0}, k34_int80, 0, ON_ALL, OUT_KILLED | OUT_DIED, 0,
         "needs a kernel with 32-bit emulation", 0},
    NO_CONTROL("K34", "an x32 call", X32_BIT | SYS_getpid, 0, "needs a kernel with x32", 0),
    NO_CONTROL("K34", "a call of no number", 1023, 0, "there is none", 0),
    RUN("K35", "adjtimex", k35_adjtimex, OUT_REFUSED),
    NO_CONTROL("K35", "clock_settime", SYS_clock_settime, OUT_REFUSED,
         "would set the machine's clock", CLOCK_REALTIME, A(&one_second)),
    NO_CONTROL("K35", "settimeofday", SYS_settimeofday, OUT_REFUSED,
         "would set the machine's clock", A(&one_second), 0),
    CALL("K35", "timerfd_create", SYS_timerfd_create, 0, CLOCK_MONOTONIC, 0),
    CALL("K35", "setitimer", SYS_setitimer, 0, ITIMER_REAL, A(&every_second), 0),
    CALL("K35", "timer_create", SYS_timer_create, 0, CLOCK_MONOTONIC, 0, A(&timer)),
    RUN("K37", "ignore SIGTERM", k37_ignore_sigterm, 0),
    {"K37", "block all signals", -1, {0}, k37_block_signals, 0, ON_SUPERVISOR, OUT_NO_EFFECT, 0,
         NULL, 0},
    {"K37", "a signal frame of its own", -1, {0}, k37_sigreturn, OUT_DIED, ON_SUPERVISOR, OUT_DIED, 0,
         "there is nothing to gain", 0},
    CALL("K37", "sigaltstack", SYS_sigaltstack, 0, 0, A(&other_stack)),
    {"K38", "stop itself", -1, {0}, k38_stop_itself, OUT_NO_EFFECT, 0, 0, 0,
         "would stop, until the tester ends it", 0},
    {"K38", "spin", -1, {0}, k38_spin, 0, ON_ALL, OUT_NO_EFFECT, 0, NULL, 0},
    CALL("K39", "futex: priority inheritance", SYS_futex, 0, A(&lock_word), FUTEX_LOCK_PI, 0, 0),
    CALL("K39", "robust list", SYS_set_robust_list, 0, A(&lock_word), 24),
    {"K40", "saturate every eventfd", -1, {0}, k40_saturate, OUT_NO_EFFECT,
         ON_CHIPSET | ON_SUPERVISOR, OUT_NO_EFFECT, ON_CHIPSET | ON_SUPERVISOR, NULL, 0},
    {"K41", "memory bomb by brk", -1, {0}, k41_brk, OUT_LIMITED, ON_VTPM | ON_STORAGE | ON_DIAG,
         OUT_LIMITED | OUT_KILLED, ON_WORKERS, NULL, 0},
    {"K41", "memory bomb by mmap", -1, {0}, k41_mmap, OUT_LIMITED, ON_DIAG,
         OUT_LIMITED | OUT_KILLED, ON_WORKERS, NULL, 0},
    {"K41", "memory bomb by the stack", -1, {0}, k41_stack, OUT_DIED, ON_ALL, OUT_DIED, 0, NULL, 0},
    {"K41", "mlock", SYS_mlock, {A(&ring), 8}, NULL, OUT_REFUSED, 0, 0, 0, NULL, 0},
    {"K44", "crash: is a core left?", -1, {0}, k44_crash, OUT_DIED, ON_ALL, OUT_DIED, 0,
         "depends on where the machine puts core files", 0},
    RUN("K43", "dup until the end", k43_dup_all, OUT_LIMITED),
    {"K45", "KVM_RUN on every descriptor", -1, {0}, k45_run_fds, 0, ON_SUPERVISOR, OUT_REFUSED, 0,
         "needs a vCPU", 0},
    CALL("K45", "an ioctl", SYS_ioctl, 0, FD_CONTROL, FIONREAD, A(&lock_word)),
    NO_CONTROL("K45", "KVM_CREATE_VM", SYS_ioctl, 0, "needs KVM", FD_FIRST_GRANT + 1, KVM_CREATE_VM,
         0),
    NO_CONTROL("-", "reboot", SYS_reboot, OUT_REFUSED, "would reboot", LINUX_REBOOT_MAGIC1,
         LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, 0),
    NO_CONTROL("-", "init_module", SYS_init_module, OUT_REFUSED, "needs a module", A(&ring), 8,
         A("")),
    NO_CONTROL("-", "kexec_load", SYS_kexec_load, OUT_REFUSED, "would load a kernel", 0, 0, 0, 0),
    CALL("-", "syslog", SYS_syslog, 0, 10, 0, 0),
    CALL("-", "sethostname", SYS_sethostname, OUT_REFUSED, A("evil"), 4),
    CALL("-", "mlockall", SYS_mlockall, OUT_REFUSED, MCL_CURRENT),
    NO_CONTROL("-", "acct", SYS_acct, OUT_REFUSED, "would change accounting", 0),
    NO_CONTROL("-", "swapoff", SYS_swapoff, OUT_REFUSED, "would take swap away", A("/nonexistent")),
};
/* clang-format on */

const struct attempt_table attempts_kernel = {.rows = rows, .n = COUNT_OF(rows)};
