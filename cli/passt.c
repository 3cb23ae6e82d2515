#include "cli/passt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/spawn.h"

enum {
    FD_READY = 1,
    FD_WORDS = 2,
    FD_STREAM = 3,
    FD_COUNT,
    FIXED_ARGUMENTS = 14,
    MAX_ARGUMENTS = FIXED_ARGUMENTS + 2 * OPTION_TEXTS_MAX,
    READY_MODE = 0622, /* after it became nobody it opens the pipe anew */
    READY_WAIT_MS = 5000,
    WORDS_BYTES = 4096,
    END_GRACE_MS = 2000,
};

/* Neither end waits: words that nobody reads are lost. */
static int make_pipe(int *ret_ours, int *ret_its)
{
    int pair[2];

    if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    *ret_ours = pair[0];
    *ret_its = pair[1];
    return 0;
}

struct arguments {
    char *at[MAX_ARGUMENTS + 1];
    unsigned n;
};

/* argv is not const; execve(2) does not change it. */
static void add(struct arguments *a, const char *option, const char *value)
{
    a->at[a->n++] = (char *)(uintptr_t)option;
    if (value != NULL)
        a->at[a->n++] = (char *)(uintptr_t)value;
}

static void add_forwards(struct arguments *a, const struct net_plan *net, bool udp)
{
    const char *option = udp ? "--udp-ports" : "--tcp-ports";
    bool any = false;

    for (size_t i = 0; i < net->n_forwards; i++) {
        if (net->forwards[i].udp == udp)
            add(a, option, net->forwards[i].spec);
        any |= net->forwards[i].udp == udp;
    }
    if (!any)
        add(a, option, "none");
}

/*
 * It writes its number to the "file" when all is set up: that is how it says so. What listens at the host's loopback alone
 * trusts whoever is on the host, and that is not the guest, unless somebody says so.
 */
static struct arguments make_arguments(const char *program, const struct net_plan *net,
                                       const char *mtu)
{
    struct arguments a = {.n = 0};

    add(&a, program, NULL);
    add(&a, "--foreground", NULL);
    add(&a, "--quiet", NULL);
    add(&a, "--fd", "3");
    add(&a, "--pid", "/proc/self/fd/1");
    add(&a, "--mtu", mtu);
    if (!net->option->loopback)
        add(&a, "--no-map-gw", NULL);
    add_forwards(&a, net, false);
    add_forwards(&a, net, true);
    return a;
}

static int start(const struct arguments *a, int fds[FD_COUNT], struct passt *p)
{
    int r = spawn_clone(0, &p->pid, &p->pidfd);

    if (r == 0 && p->pid == 0) {
        if (spawn_settle(fds, FD_COUNT) == 0)
            spawn_exec(a->at, FD_WORDS);
        _exit(SPAWN_EXIT_NO_EXEC);
    }
    return r;
}

int passt_start(const char *program, const struct net_plan *net, int stream, struct passt *ret)
{
    struct passt p = {.pidfd = -1, .ready = -1, .words = -1};
    AUTO_FD null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    AUTO_FD ready = -1;
    AUTO_FD words = -1;
    char mtu[16];
    struct arguments a;
    int r = null < 0 ? -errno : make_pipe(&p.ready, &ready);

    (void)snprintf(mtu, sizeof(mtu), "%u", net->mtu);
    a = make_arguments(program, net, mtu);
    if (r == 0)
        r = make_pipe(&p.words, &words);
    if (r == 0 && fchmod(ready, READY_MODE) < 0)
        r = -errno;
    if (r == 0)
        r = start(&a, (int[FD_COUNT]){null, ready, words, stream}, &p);
    if (r < 0) {
        passt_end(&p);
        return r;
    }
    *ret = p;
    return 0;
}

/* Of some versions without a system logger half of the lines say so. */
static bool is_noise(const char *line)
{
    static const char noise[] = "Failed to send ";

    return *line == '\0' || strncmp(line, noise, strlen(noise)) == 0;
}

void passt_last_words(const struct passt *p, char text[PASST_WHY_BYTES])
{
    char words[WORDS_BYTES];
    ssize_t len = read(p->words, words, sizeof(words) - 1);
    char *rest = words;

    text[0] = '\0';
    words[len > 0 ? len : 0] = '\0';
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (!is_noise(line))
            (void)snprintf(text, PASST_WHY_BYTES, "%s", line);
    }
    for (char *c = text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = ' ';
    }
}

int passt_wait(const struct passt *p, char why[PASST_WHY_BYTES])
{
    struct pollfd fds[] = {
        {.fd = p->ready, .events = POLLIN},
        {.fd = p->pidfd, .events = POLLIN}
    };
    int n;

    do {
        n = poll(fds, COUNT_OF(fds), READY_WAIT_MS);
    } while (n < 0 && errno == EINTR);
    if (n > 0 && (fds[0].revents & POLLIN) != 0)
        return 0;
    passt_last_words(p, why);
    return n > 0 ? -ECHILD : -ETIMEDOUT;
}

void passt_kill(const struct passt *p)
{
    (void)syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}

void passt_end(struct passt *p)
{
    int status;

    if (p->pidfd >= 0)
        (void)spawn_end(p->pid, p->pidfd, END_GRACE_MS, &status);
    fd_closep(&p->pidfd);
    fd_closep(&p->ready);
    fd_closep(&p->words);
}
