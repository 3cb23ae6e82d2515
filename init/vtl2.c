#include "init/vtl2.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    VARIABLE_BYTES = 4096 + 128,
};

static int set_up(posix_spawn_file_actions_t *files, posix_spawnattr_t *attr, int fd)
{
    short flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigset_t broken_pipe, none;
    int r;

    (void)sigemptyset(&none);
    (void)sigemptyset(&broken_pipe);
    (void)sigaddset(&broken_pipe, SIGPIPE);
    r = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(files, fd, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(files, fd, STDERR_FILENO);
    if (r == 0)
        r = posix_spawnattr_setflags(attr, flags);
    if (r == 0)
        r = posix_spawnattr_setsigdefault(attr, &broken_pipe);
    if (r == 0)
        r = posix_spawnattr_setsigmask(attr, &none);
    return -r;
}

static int spawn_shell(const char *script, int fd, char *const env[], pid_t *ret_pid)
{
    char shell[] = "sh", path[VARIABLE_BYTES];
    char *argv[] = {shell, path, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    int r;

    (void)snprintf(path, sizeof(path), "%s", script);
    if (posix_spawn_file_actions_init(&files) != 0)
        return -ENOMEM;
    if (posix_spawnattr_init(&attr) != 0) {
        (void)posix_spawn_file_actions_destroy(&files);
        return -ENOMEM;
    }
    r = set_up(&files, &attr, fd);
    if (r == 0)
        r = -posix_spawn(ret_pid, "/bin/sh", &files, &attr, argv, env);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&files);
    return r;
}

int vtl2_start(const Bulkhead__VmConfig *config, int fd, pid_t *ret_pid, struct why *why)
{
    char path[VARIABLE_BYTES], socket[VARIABLE_BYTES], home[] = "HOME=/root";
    char *env[] = {path, socket, home, NULL};
    int r;

    (void)snprintf(path, sizeof(path),
                   "PATH=%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                   "/sbin:/bin",
                   config->programs_dir);
    (void)snprintf(socket, sizeof(socket), "BULKHEAD_SOCKET=%s", config->operator_socket);
    r = spawn_shell(config->vtl2_script, fd, env, ret_pid);
    return r < 0 ? why_errno(why, r, "vtl2 script %s", config->vtl2_script) : 0;
}

int vtl2_status(int wait_status)
{
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}
