#include "init/jail_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65 /* Linux 6.3 */
#endif
#ifndef PR_MDWE_REFUSE_EXEC_GAIN
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

enum {
    HIGH_FD = 512, /* where descriptors wait while they change places, or past the last place */
    KERNEL_SIGSET_BYTES = 8,
    MAX_CAPABILITY = 63,
    SECUREBITS = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                 SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
};

/* A place that exists in every mode; only this process sees it mounted over. */
static const char NEW_ROOT[] = "/proc";

static int result(long r)
{
    return r < 0 ? -errno : 0;
}

static int clear_signals(struct jail_child *c)
{
    struct sigaction none = {.sa_handler = SIG_DFL};
    uint64_t empty = 0;

    (void)c;
    if (sigaction(SIGPIPE, &none, NULL) < 0) /* CLONE_CLEAR_SIGHAND leaves ignored ones ignored */
        return -errno;
    return result(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &empty, NULL, KERNEL_SIGSET_BYTES));
}

/* Whoever started init may have gone without address randomization, or with executable data. */
static int reset_personality(struct jail_child *c)
{
    (void)c;
    return result(personality(PER_LINUX));
}

/* A parent that died before this is noticed at the pause: its end of the pipe is closed. */
static int die_with_parent(struct jail_child *c)
{
    (void)c;
    return result(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
}

static int join_network(struct jail_child *c)
{
    return result(setns(c->spec->net_ns_fd, CLONE_NEWNET));
}

static int send_fd(int to, int fd)
{
    union {
        struct cmsghdr head;
        uint8_t room[CMSG_SPACE(sizeof(fd))];
    } control = {
        .head = {
                 .cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}
    };
    char word = 'w';
    struct iovec iov = {.iov_base = &word, .iov_len = 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};

    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    return result(sendmsg(to, &m, MSG_NOSIGNAL));
}

/*
 * A filter that permits everything, for its other end: it hangs up when the last thread under the filter has
 * begun to exit, and that is how init learns of it first.
 */
static int be_watched(struct jail_child *c)
{
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = COUNT_OF(all), .filter = all};
    long fd =
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);

    if (fd < 0 && errno == EBUSY) /* a container's manager listens to all in it: only one can */
        return result(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
    return fd < 0 ? -errno : send_fd(c->watch_fd, (int)fd); /* the next step closes both */
}

/* First all out of the way, then each to its number: sources and targets overlap. */
static int first_high(const struct jail_child *c)
{
    int end = (int)c->spec->n_fds + JAIL_EXTRA_FDS + 1;

    return end > HIGH_FD ? end : HIGH_FD;
}

static int place(const struct jail_child *c, int *fd, int number, int flags)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, first_high(c));

    if (high < 0 || dup3(high, number, flags) < 0)
        return -errno;
    *fd = number;
    return 0;
}

static int raise_fds(struct jail_child *c, int high[])
{
    int from = first_high(c);

    for (unsigned i = 0; i < c->spec->n_fds; i++) {
        high[i] = fcntl(c->spec->fds[i], F_DUPFD_CLOEXEC, from);
        if (high[i] < 0)
            return -errno;
    }
    c->program_fd = fcntl(c->spec->program_fd, F_DUPFD_CLOEXEC, from);
    c->say_fd = fcntl(c->say_fd, F_DUPFD_CLOEXEC, from);
    c->go_fd = fcntl(c->go_fd, F_DUPFD_CLOEXEC, from);
    if (c->program_fd < 0 || c->say_fd < 0 || c->go_fd < 0)
        return -errno;
    c->landlock_fd = c->spec->landlock_fd;
    if (c->landlock_fd >= 0)
        c->landlock_fd = fcntl(c->landlock_fd, F_DUPFD_CLOEXEC, from);
    return c->spec->landlock_fd >= 0 && c->landlock_fd < 0 ? -errno : 0;
}

static int move_descriptors(struct jail_child *c)
{
    int n = (int)c->spec->n_fds;
    int high[JAIL_MAX_FDS];
    int r = raise_fds(c, high);

    for (int i = 0; r == 0 && i < n; i++)
        r = result(dup3(high[i], i, 0));
    if (r == 0)
        r = place(c, &c->program_fd, n + JAIL_FD_PROGRAM, O_CLOEXEC);
    if (r == 0)
        r = place(c, &c->go_fd, n + JAIL_FD_GO, O_CLOEXEC);
    if (r == 0)
        r = place(c, &c->say_fd, n + JAIL_FD_SAY, O_CLOEXEC);
    if (r == 0 && c->landlock_fd >= 0)
        r = place(c, &c->landlock_fd, n + JAIL_EXTRA_FDS, O_CLOEXEC);
    if (r < 0)
        return r;
    n += JAIL_EXTRA_FDS + (c->landlock_fd >= 0 ? 1 : 0);
    return result(syscall(SYS_close_range, (unsigned)n, ~0u, 0));
}

static int make_private(struct jail_child *c)
{
    (void)c;
    return result(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

static int mount_tmpfs(struct jail_child *c)
{
    (void)c;
    if (mount("none", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0555") < 0)
        return -errno;
    return result(chdir(NEW_ROOT));
}

static int pivot(struct jail_child *c)
{
    (void)c;
    return result(syscall(SYS_pivot_root, ".", "."));
}

/* The old root is mounted over the new one: unmounting "." uncovers it. */
static int detach_old_root(struct jail_child *c)
{
    (void)c;
    if (umount2(".", MNT_DETACH) < 0)
        return -errno;
    return result(chdir("/"));
}

static int make_read_only(struct jail_child *c)
{
    (void)c;
    return result(mount(NULL, "/", NULL,
                        MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
}

static int limit(int what, uint64_t value)
{
    struct rlimit l = {.rlim_cur = value, .rlim_max = value};

    return result(syscall(SYS_setrlimit, what, &l));
}

/* When the CPUs are busy: a small share, and no waking up in front of who runs. */
static int go_behind(int nice)
{
    const struct sched_param none = {0};
    int r = result(syscall(SYS_setpriority, PRIO_PROCESS, 0, nice));

    return r < 0 ? r : result(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none));
}

static int set_limits(struct jail_child *c)
{
    const struct jail_limits *l = &c->spec->limits;
    int r = limit(RLIMIT_CORE, 0);

    if (r == 0 && l->file_bytes != UINT64_MAX)
        r = limit(RLIMIT_FSIZE, l->file_bytes);
    if (r == 0)
        r = limit(RLIMIT_MEMLOCK, 0);
    if (r == 0)
        r = limit(RLIMIT_MSGQUEUE, 0);
    if (r == 0)
        r = limit(RLIMIT_NICE, 0);
    if (r == 0)
        r = limit(RLIMIT_RTPRIO, 0);
    if (r == 0)
        r = limit(RLIMIT_SIGPENDING, JAIL_SIGNALS_PENDING);
    if (r == 0)
        r = limit(RLIMIT_STACK, JAIL_STACK_BYTES);
    if (r == 0)
        r = limit(RLIMIT_NOFILE, l->descriptors);
    if (r == 0)
        r = limit(RLIMIT_NPROC, l->threads);
    if (r == 0 && l->data_bytes != 0)
        r = limit(RLIMIT_DATA, l->data_bytes);
    return r == 0 && l->nice != 0 ? go_behind(l->nice) : r;
}

static int new_keyring(struct jail_child *c)
{
    long r = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);

    (void)c;
    return r < 0 && errno != ENOSYS ? -errno : 0; /* a kernel without keyrings has none to hide */
}

static int drop_bounding_set(struct jail_child *c)
{
    (void)c;
    for (unsigned long cap = 0; cap <= MAX_CAPABILITY; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return errno == EINVAL && cap > CAP_SETPCAP ? 0 : -errno; /* past the last one */
    }
    return 0;
}

static int clear_ambient(struct jail_child *c)
{
    (void)c;
    return result(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
}

static int lock_securebits(struct jail_child *c)
{
    (void)c;
    return result(prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0));
}

static int change_group(struct jail_child *c)
{
    uint32_t gid = c->spec->uid;

    if (syscall(SYS_setgroups, (size_t)0, NULL) < 0)
        return -errno;
    return result(syscall(SYS_setresgid, gid, gid, gid));
}

static int change_user(struct jail_child *c)
{
    uint32_t uid = c->spec->uid;

    return result(syscall(SYS_setresuid, uid, uid, uid));
}

static int drop_capabilities(struct jail_child *c)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};

    (void)c;
    return result(syscall(SYS_capset, &head, none));
}

/* A call that said yes and did nothing would be found here. */
static int read_back(struct jail_child *c)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];
    uint32_t id = c->spec->uid;
    uid_t ids[6];

    if (getresuid(&ids[0], &ids[1], &ids[2]) < 0 || getresgid(&ids[3], &ids[4], &ids[5]) < 0)
        return -errno;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        if (ids[i] != id)
            return -EPERM;
    }
    if (syscall(SYS_capget, &head, caps) < 0)
        return -errno;
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        if ((caps[i].effective | caps[i].permitted | caps[i].inheritable) != 0)
            return -EPERM;
    }
    return prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) == SECUREBITS ? 0 : -EPERM;
}

static int no_new_privs(struct jail_child *c)
{
    (void)c;
    return result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* Only where the CPU can be told: one that is not affected, or always safe, says so. */
static int force_safe(unsigned long what)
{
    int now = prctl(PR_GET_SPECULATION_CTRL, what, 0, 0, 0);

    if (now < 0 || ((unsigned)now & PR_SPEC_PRCTL) == 0)
        return 0;
    return result(prctl(PR_SET_SPECULATION_CTRL, what, PR_SPEC_FORCE_DISABLE, 0, 0));
}

static int control_speculation(struct jail_child *c)
{
    int r = force_safe(PR_SPEC_STORE_BYPASS);

    (void)c;
    return r < 0 ? r : force_safe(PR_SPEC_INDIRECT_BRANCH);
}

/* No page ever becomes executable again; a second line behind the filter, from Linux 6.3. */
static int deny_exec_gain(struct jail_child *c)
{
    (void)c;
    if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) < 0 && errno != EINVAL)
        return -errno;
    return 0;
}

static int enter_landlock(struct jail_child *c)
{
    if (c->landlock_fd < 0)
        return 0;
    if (syscall(SYS_landlock_restrict_self, c->landlock_fd, 0) < 0)
        return -errno;
    return result(close(c->landlock_fd));
}

static int enter_filter(struct jail_child *c)
{
    return sbx_enter(c->spec->filter);
}

static int say(const struct jail_child *c, enum jail_step step, int err)
{
    struct jail_record record = {.step = step, .err = err};

    return result(write(c->say_fd, &record, sizeof(record)));
}

static int pause_for_look(struct jail_child *c)
{
    char word;
    int r = say(c, JAIL_PAUSE, 0);

    if (r < 0)
        return r;
    return read(c->go_fd, &word, 1) == 1 ? 0 : -EPIPE; /* closed: init is gone */
}

static int exec_program(struct jail_child *c)
{
    char *env[] = {NULL};

    return result(syscall(SYS_execveat, c->program_fd, "", c->argv, env, AT_EMPTY_PATH));
}

static const struct {
    int (*run)(struct jail_child *c);
    const char *name;
} steps[] = {
    [JAIL_SIGNALS] = {clear_signals,       "signals"                                  },
    [JAIL_PERSONALITY] = {reset_personality,   "personality"                              },
    [JAIL_PARENT] = {die_with_parent,     "die with parent"                          },
    [JAIL_NETWORK] = {join_network,        "empty network namespace"                  },
    [JAIL_WATCH] = {be_watched,          "watch"                                    },
    [JAIL_DESCRIPTORS] = {move_descriptors,    "descriptors"                              },
    [JAIL_PRIVATE] = {make_private,        "private mounts"                           },
    [JAIL_TMPFS] = {mount_tmpfs,         "empty tmpfs"                              },
    [JAIL_PIVOT] = {pivot,               "pivot_root"                               },
    [JAIL_DETACH] = {detach_old_root,     "detach the old root"                      },
    [JAIL_READ_ONLY] = {make_read_only,      "read-only root"                           },
    [JAIL_LIMITS] = {set_limits,          "resource limits"                          },
    [JAIL_KEYRING] = {new_keyring,         "session keyring"                          },
    [JAIL_BOUNDING] = {drop_bounding_set,   "bounding set"                             },
    [JAIL_AMBIENT] = {clear_ambient,       "ambient capabilities"                     },
    [JAIL_SECUREBITS] = {lock_securebits,     "securebits"                               },
    [JAIL_GROUP] = {change_group,        "group"                                    },
    [JAIL_USER] = {change_user,         "user"                                     },
    [JAIL_CAPABILITIES] = {drop_capabilities,   "capabilities"                             },
    [JAIL_READ_BACK] = {read_back,           "read back"                                },
    [JAIL_PARENT_AGAIN] = {die_with_parent,     "die with parent, after the change of user"},
    [JAIL_NO_NEW_PRIVS] = {no_new_privs,        "no new privileges"                        },
    [JAIL_SPECULATION] = {control_speculation, "speculation controls"                     },
    [JAIL_MDWE] = {deny_exec_gain,      "memory-deny-write-execute"                },
    [JAIL_LANDLOCK] = {enter_landlock,      "Landlock"                                 },
    [JAIL_FILTER] = {enter_filter,        "start filter"                             },
    [JAIL_PAUSE] = {pause_for_look,      "pause"                                    },
    [JAIL_EXEC] = {exec_program,        "exec"                                     },
};
_Static_assert(COUNT_OF(steps) == JAIL_STEPS, "one row per step");

const char *jail_step_name(enum jail_step step)
{
    return (unsigned)step < JAIL_STEPS ? steps[step].name : "unknown";
}

_Noreturn void jail_child(struct jail_child *c, uint64_t skip)
{
    for (unsigned i = 0; i < JAIL_STEPS; i++) {
        int r = 0;

        if ((skip & UINT64_C(1) << i) == 0)
            r = steps[i].run(c);
        if (r < 0) {
            (void)say(c, i, -r);
            break;
        }
    }
    for (;;)
        (void)syscall(SYS_exit_group, 1);
}
