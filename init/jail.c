#include "init/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/jail_child.h"

static const uint64_t NAMESPACES =
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

static long clone_child(const struct jail_spec *spec, int *pidfd)
{
    struct clone_args args = {
        .flags = NAMESPACES | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
        .pidfd = (uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
    };

    if (spec->cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)spec->cgroup_fd;
    }
    return syscall(SYS_clone3, &args, sizeof(args));
}

int jail_start(const struct jail_spec *spec, uint64_t skip, struct jail *ret)
{
    char name[32], generation[16];
    char *argv[] = {name, generation, NULL};
    int say[2] = {-1, -1}, go[2] = {-1, -1}, watch[2] = {-1, -1};
    int pidfd = -1;
    long pid = -1;

    (void)snprintf(name, sizeof(name), "%s", spec->name);
    (void)snprintf(generation, sizeof(generation), "%u", spec->generation);
    if (pipe2(say, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0 &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, watch) == 0)
        pid = clone_child(spec, &pidfd);
    if (pid == 0) {
        struct jail_child c = {
            .spec = spec, .argv = argv, .say_fd = say[1], .go_fd = go[0], .watch_fd = watch[1]};

        jail_child(&c, skip);
    }
    fd_closep(&say[1]);
    fd_closep(&go[0]);
    if (pid < 0) {
        int r = -errno;

        fd_closep(&watch[0]);
        fd_closep(&watch[1]);
        fd_closep(&say[0]);
        fd_closep(&go[1]);
        return r;
    }
    fd_closep(&watch[1]);
    *ret = (struct jail){
        .pid = (pid_t)pid, .pidfd = pidfd, .say_fd = say[0], .go_fd = go[1], .watch_fd = watch[0]};
    return 0;
}

enum jail_word jail_hear(const struct jail *j, struct why *why)
{
    struct jail_record record;
    ssize_t n;

    if (fcntl(j->say_fd, F_SETFL, O_NONBLOCK) < 0)
        return JAIL_SILENT;
    n = read(j->say_fd, &record, sizeof(record));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return JAIL_SILENT;
    if (n != sizeof(record))
        return JAIL_RUNNING;
    if (record.err == 0)
        return JAIL_AT_PAUSE;
    (void)why_errno(why, -record.err, "jail step '%s' failed",
                    jail_step_name((enum jail_step)record.step));
    return JAIL_FAILED;
}

int jail_watch(struct jail *j)
{
    union {
        struct cmsghdr head;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } control;
    char word;
    struct iovec iov = {.iov_base = &word, .iov_len = 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    const struct cmsghdr *c;
    ssize_t n = recvmsg(j->watch_fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0)
        return -errno;
    fd_closep(&j->watch_fd);
    if (n == 0) /* it has closed its end, and sent nothing */
        return 0;
    c = CMSG_FIRSTHDR(&m);
    if (c == NULL || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
        return (m.msg_flags & MSG_CTRUNC) != 0 ? -EMFILE : -EPROTO;
    memcpy(&j->watch_fd, CMSG_DATA(c), sizeof(j->watch_fd));
    return 0;
}

int jail_go(const struct jail *j)
{
    return write(j->go_fd, "g", 1) < 0 ? -errno : 0;
}

void jail_kill(const struct jail *j)
{
    /* Fails only when it is gone already. */
    (void)syscall(SYS_pidfd_send_signal, j->pidfd, SIGKILL, NULL, 0);
}

void jail_done(struct jail *j)
{
    fd_closep(&j->pidfd);
    fd_closep(&j->say_fd);
    fd_closep(&j->go_fd);
    fd_closep(&j->watch_fd);
}

int jail_net_ns(int *ret_fd)
{
    AUTO_FD ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    AUTO_FD made = -1;

    if (ours < 0 || unshare(CLONE_NEWNET) < 0)
        return -errno;
    made = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (setns(ours, CLONE_NEWNET) < 0 || made < 0)
        return -errno;
    *ret_fd = fd_steal(&made);
    return 0;
}
