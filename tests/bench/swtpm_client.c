/*
 * tests/bench/swtpm_client.c - the peer: swtpm behind a UNIX stream socket, as QEMU would use it.
 *
 *   swtpm_client same|other [COUNT]
 *
 * Starts swtpm with its state in a temporary directory, on the client's CPU or on another, and ends
 * it afterwards.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/rd.h"
#include "tests/bench/tpm_series.h"
#include "tests/sim/tpm_client.h"

enum {
    WARM_UP = 300,
    DEFAULT_COUNT = 10000,
    HEADER_BYTES = 10,
    CLIENT_CPU = 0,
    OTHER_CPU = 1,
};

static const uint64_t START_LIMIT_NS = 10ull * 1000 * 1000 * 1000;

struct peer {
    char dir[32];
    char socket_path[64];
    pid_t pid;
    int fd;
};

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        perror("swtpm_client: sched_setaffinity");
}

static _Noreturn void run_swtpm(const struct peer *p, int cpu)
{
    char state[64], server[96];

    (void)snprintf(state, sizeof(state), "dir=%s", p->dir);
    (void)snprintf(server, sizeof(server), "type=unixio,path=%s", p->socket_path);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(cpu);
    (void)execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server,
                 "--flags", "not-need-init,startup-clear", (char *)NULL);
    perror("swtpm_client: swtpm");
    _exit(127);
}

static int try_connect(struct peer *p)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->socket_path);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    p->fd = fd_steal(&fd);
    return 0;
}

static int start(struct peer *p, int cpu)
{
    const struct timespec nap = {.tv_nsec = 1000 * 1000};
    uint64_t end = clock_now_ns() + START_LIMIT_NS;
    int r;

    (void)snprintf(p->dir, sizeof(p->dir), "/tmp/swtpm.XXXXXX");
    if (mkdtemp(p->dir) == NULL)
        return -errno;
    (void)snprintf(p->socket_path, sizeof(p->socket_path), "%s/socket", p->dir);
    p->pid = fork();
    if (p->pid == 0)
        run_swtpm(p, cpu);
    if (p->pid < 0)
        return -errno;
    while ((r = try_connect(p)) < 0 && clock_now_ns() < end) {
        if (waitpid(p->pid, NULL, WNOHANG) == p->pid) {
            p->pid = 0;
            return -ESRCH;
        }
        (void)nanosleep(&nap, NULL);
    }
    return r;
}

static void stop(struct peer *p)
{
    DIR *dir = opendir(p->dir);

    if (p->pid > 0) { /* before its socket closes: it would have a word to say about that */
        (void)kill(p->pid, SIGKILL);
        (void)waitpid(p->pid, NULL, 0);
    }
    fd_closep(&p->fd);
    if (dir == NULL)
        return;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        (void)unlinkat(dirfd(dir), e->d_name, 0);
    (void)closedir(dir);
    (void)rmdir(p->dir);
}

static int read_more(int fd, uint8_t *rsp, size_t *len)
{
    ssize_t n = read(fd, rsp + *len, TPM_CLIENT_BYTES - *len);

    if (n <= 0)
        return n == 0 ? -EPIPE : -errno;
    *len += (size_t)n;
    return 0;
}

static size_t announced(const uint8_t *rsp)
{
    struct rd r = rd_over(rsp + 2, 4);

    return rd_be32(&r);
}

static int call(void *self, const uint8_t *cmd, size_t len, uint8_t *rsp, size_t *ret_len)
{
    const struct peer *p = self;
    size_t got = 0;
    int r = 0;

    if (write(p->fd, cmd, len) != (ssize_t)len)
        return -EPIPE;
    while (r == 0 && (got < HEADER_BYTES || got < announced(rsp)))
        r = got == TPM_CLIENT_BYTES ? -EBADMSG : read_more(p->fd, rsp, &got);
    *ret_len = got;
    return r;
}

static void say(void *self, const char *line)
{
    (void)self;
    (void)fputs(line, stdout);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    struct peer p = {.fd = -1};
    struct tpm_series s = {
        .who = "swtpm",
        .count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : DEFAULT_COUNT,
        .warm_up = WARM_UP,
        .call = call,
        .say = say,
        .self = &p,
    };
    int r;

    if (argc < 2 || (strcmp(argv[1], "same") != 0 && strcmp(argv[1], "other") != 0)) {
        fprintf(stderr, "usage: swtpm_client same|other [COUNT]\n");
        return 2;
    }
    s.placement = argv[1];
    r = start(&p, strcmp(argv[1], "same") == 0 ? CLIENT_CPU : OTHER_CPU);
    pin(CLIENT_CPU);
    if (r == 0)
        r = tpm_series_run(&s);
    if (r < 0)
        fprintf(stderr, "swtpm_client: %s\n", strerror(-r));
    stop(&p);
    return r < 0;
}
