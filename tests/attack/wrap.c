#include "tests/attack/wrap.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"
#include "init/jail_child.h"

struct wrap_plan wrap_plan;

static struct wrap_record *record;
static bool in_child; /* between clone and pause */

/* The real functions, and what the linker puts in their place. */
_Noreturn void __real_jail_child(struct jail_child *c, uint64_t skip);
long __real_syscall(long number, ...);
int __real_prctl(int option, ...);
int __real_fcntl64(int fd, int command, ...);
int __real_open64(const char *path, int flags, ...);
int __real_personality(unsigned long persona);
int __real_sigaction(int number, const struct sigaction *act, struct sigaction *old);
int __real_setns(int fd, int type);
int __real_dup3(int from, int to, int flags);
int __real_mount(const char *what, const char *where, const char *type, unsigned long flags,
                 const void *data);
int __real_chdir(const char *path);
int __real_umount2(const char *where, int flags);
int __real_getresuid(uid_t *r, uid_t *e, uid_t *s);
int __real_getresgid(gid_t *r, gid_t *e, gid_t *s);
int __real_close(int fd);
ssize_t __real_write(int fd, const void *bytes, size_t len);
int __real_eventfd(unsigned count, int flags);
int __real_fchmod(int fd, mode_t mode);

_Noreturn void __wrap_jail_child(struct jail_child *c, uint64_t skip);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __wrap_fcntl64(int fd, int command, long argument);
int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap_personality(unsigned long persona);
int __wrap_sigaction(int number, const struct sigaction *act, struct sigaction *old);
int __wrap_setns(int fd, int type);
int __wrap_dup3(int from, int to, int flags);
int __wrap_mount(const char *what, const char *where, const char *type, unsigned long flags,
                 const void *data);
int __wrap_chdir(const char *path);
int __wrap_umount2(const char *where, int flags);
int __wrap_getresuid(uid_t *r, uid_t *e, uid_t *s);
int __wrap_getresgid(gid_t *r, gid_t *e, gid_t *s);
int __wrap_close(int fd);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_fchmod(int fd, mode_t mode);

const struct wrap_record *wrap_record(void)
{
    if (record == NULL) {
        void *at =
            mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (at == MAP_FAILED)
            err(2, "mmap");
        record = at;
    }
    return record;
}

/* --- the jail's child --- */

/* Note a call; true when it is to be left out. */
static bool left_out(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static bool left_out(const char *fmt, ...)
{
    struct wrap_call *call;
    va_list args;

    if (!in_child || record == NULL || record->n == WRAP_MAX_CALLS)
        return false;
    call = &record->calls[record->n];
    *call = (struct wrap_call){.nth = 1};
    va_start(args, fmt);
    (void)vsnprintf(call->name, sizeof(call->name), fmt, args);
    va_end(args);
    for (unsigned i = 0; i < record->n; i++)
        call->nth += strcmp(record->calls[i].name, call->name) == 0 ? 1 : 0;
    record->n++;
    return wrap_plan.call != NULL && strcmp(wrap_plan.call, call->name) == 0 &&
           wrap_plan.nth == call->nth;
}

static void idle(const char *why)
{
    if (in_child && record != NULL)
        record->calls[record->n - 1].idle = why;
}

/* What the kernel refuses leaves nothing behind. */
static long done(long r)
{
    if (r < 0)
        idle("it is refused anyway");
    return r;
}

_Noreturn void __wrap_jail_child(struct jail_child *c, uint64_t skip)
{
    in_child = true;
    if (record != NULL)
        record->n = 0;
    __real_jail_child(c, skip);
}

/* The pause, or a failure: the end of what is looked at. */
ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    in_child = false;
    return __real_write(fd, bytes, len);
}

static long clone_less(const struct clone_args *args, size_t len)
{
    struct clone_args copy = *args;

    copy.flags &= ~wrap_plan.clone_flags;
    return __real_syscall(SYS_clone3, &copy, len);
}

static const char *call_name(long number)
{
    static const struct {
        long number;
        const char *name;
    } names[] = {
        {SYS_rt_sigprocmask,         "rt_sigprocmask"        },
        {SYS_close_range,            "close_range"           },
        {SYS_pivot_root,             "pivot_root"            },
        {SYS_setrlimit,              "setrlimit"             },
        {SYS_keyctl,                 "keyctl"                },
        {SYS_setgroups,              "setgroups"             },
        {SYS_setresgid,              "setresgid"             },
        {SYS_setresuid,              "setresuid"             },
        {SYS_capset,                 "capset"                },
        {SYS_capget,                 "capget"                },
        {SYS_landlock_restrict_self, "landlock_restrict_self"},
        {SYS_seccomp,                "seccomp"               },
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (names[i].number == number)
            return names[i].name;
    }
    return "unknown";
}

static long limit(long what, const struct rlimit *to)
{
    struct rlimit now;

    if (left_out("setrlimit(%ld)", what))
        return 0;
    if (getrlimit((__rlimit_resource_t)what, &now) == 0 && now.rlim_max <= to->rlim_max)
        idle("the tester has no more itself");
    return done(__real_syscall(SYS_setrlimit, what, to));
}

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_clone3 && !in_child)
        return clone_less((const struct clone_args *)(uintptr_t)a, (size_t)b);
    if (in_child && number == SYS_setrlimit)
        return limit(a, (const struct rlimit *)(uintptr_t)b);
    if (in_child && left_out("%s", call_name(number)))
        return 0;
    if (number == SYS_capget)
        idle("it only looks");
    return done(__real_syscall(number, a, b, c, d, e, f));
}

int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    static const struct {
        int option;
        const char *name;
    } names[] = {
        {PR_SET_PDEATHSIG,        "PR_SET_PDEATHSIG"       },
        {PR_CAPBSET_DROP,         "PR_CAPBSET_DROP"        },
        {PR_CAP_AMBIENT,          "PR_CAP_AMBIENT"         },
        {PR_SET_SECUREBITS,       "PR_SET_SECUREBITS"      },
        {PR_GET_SECUREBITS,       "PR_GET_SECUREBITS"      },
        {PR_SET_NO_NEW_PRIVS,     "PR_SET_NO_NEW_PRIVS"    },
        {PR_GET_SPECULATION_CTRL, "PR_GET_SPECULATION_CTRL"},
        {PR_SET_SPECULATION_CTRL, "PR_SET_SPECULATION_CTRL"},
    };
    const char *name = "PR_SET_MDWE";

    for (size_t i = 0; i < COUNT_OF(names); i++)
        name = names[i].option == option ? names[i].name : name;
    if (in_child && left_out("%s", name))
        return 0;
    if (option == PR_CAPBSET_DROP && in_child && __real_prctl(PR_CAPBSET_READ, a, 0, 0, 0) != 1)
        idle("the tester has no such capability");
    if (option == PR_GET_SPECULATION_CTRL || option == PR_GET_SECUREBITS)
        idle("it only looks");
    return (int)done(__real_prctl(option, a, b, c, d));
}

int __wrap_sigaction(int number, const struct sigaction *act, struct sigaction *old)
{
    return left_out("sigaction") ? 0 : (int)done(__real_sigaction(number, act, old));
}

int __wrap_personality(unsigned long persona)
{
    return left_out("personality") ? 0 : (int)done(__real_personality(persona));
}

int __wrap_setns(int fd, int type)
{
    return left_out("setns") ? 0 : (int)done(__real_setns(fd, type));
}

int __wrap_dup3(int from, int to, int flags)
{
    return left_out("dup3(%d)", to) ? to : (int)done(__real_dup3(from, to, flags));
}

int __wrap_mount(const char *what, const char *where, const char *type, unsigned long flags,
                 const void *data)
{
    return left_out("mount(%s, %#lx)", where, flags)
               ? 0
               : (int)done(__real_mount(what, where, type, flags, data));
}

int __wrap_chdir(const char *path)
{
    return left_out("chdir(%s)", path) ? 0 : (int)done(__real_chdir(path));
}

int __wrap_umount2(const char *where, int flags)
{
    return left_out("umount2") ? 0 : (int)done(__real_umount2(where, flags));
}

int __wrap_getresuid(uid_t *r, uid_t *e, uid_t *s)
{
    if (left_out("getresuid"))
        return 0;
    idle("it only looks");
    return __real_getresuid(r, e, s);
}

int __wrap_getresgid(gid_t *r, gid_t *e, gid_t *s)
{
    if (left_out("getresgid"))
        return 0;
    idle("it only looks");
    return __real_getresgid(r, e, s);
}

int __wrap_close(int fd)
{
    return left_out("close") ? 0 : (int)done(__real_close(fd));
}

/* --- and how init makes the objects --- */

int __wrap_fcntl64(int fd, int command, long argument)
{
    if (wrap_plan.seals && command == F_ADD_SEALS)
        return 0;
    if (left_out("fcntl(F_DUPFD_CLOEXEC)"))
        return 0;
    return (int)done(__real_fcntl64(fd, command, argument));
}

int __wrap_eventfd(unsigned count, int flags)
{
    return __real_eventfd(count, wrap_plan.nonblock ? flags & ~EFD_NONBLOCK : flags);
}

int __wrap_fchmod(int fd, mode_t mode)
{
    return wrap_plan.mode ? 0 : __real_fchmod(fd, mode);
}

int __wrap_open64(const char *path, int flags, mode_t mode)
{
    static const char own[] = "/proc/self/fd/";

    if (wrap_plan.read_only && strncmp(path, own, strlen(own)) == 0)
        flags |= O_RDWR;
    return __real_open64(path, flags, mode);
}
