#include "cli/operator.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/options.h"

enum {
    NAME_MAX_BYTES = 48,
};

static bool is_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);

    return len > 0 && len <= NAME_MAX_BYTES && strspn(name, allowed) == len && name[0] != '.';
}

const char *operator_folder(void)
{
    const char *session = getenv("XDG_RUNTIME_DIR");

    return geteuid() == 0 || session == NULL || *session == '\0' ? "/run" : session;
}

int operator_path(const struct cli_args *args, char *ret, size_t ret_len, char *error,
                  size_t error_len)
{
    const char *socket_path = args->socket;
    char folder[PATH_MAX];
    int len;

    if (!is_name(args->name)) {
        (void)snprintf(error, error_len, "--name %s: letters, digits, '.', '_' and '-' are wanted",
                       args->name);
        return -EINVAL;
    }
    if (socket_path == NULL && strcmp(args->name, "vm") == 0)
        socket_path = getenv("BULKHEAD_SOCKET"); /* init tells its script so */
    if (socket_path != NULL && socket_path[0] != '/' && getcwd(folder, sizeof(folder)) != NULL)
        len = snprintf(ret, ret_len, "%s/%s", folder, socket_path); /* init runs elsewhere */
    else if (socket_path != NULL)
        len = snprintf(ret, ret_len, "%s", socket_path);
    else
        len = snprintf(ret, ret_len, "%s/bulkhead/%s.sock", operator_folder(), args->name);
    if (len < 0 || (size_t)len >= ret_len ||
        (size_t)len >= sizeof(((struct sockaddr_un){0}).sun_path)) {
        (void)snprintf(error, error_len, "--socket: the path is too long");
        return -EINVAL;
    }
    return 0;
}

int operator_connect(const char *path, unsigned wait_s, int *ret_fd)
{
    AUTO_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    const struct timeval wait = {.tv_sec = wait_s};
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (fd < 0)
        return -errno;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENOBUFS;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    *ret_fd = fd_steal(&fd);
    return 0;
}

int operator_call(int fd, const Bulkhead__AdminCall *call, int binary)
{
    uint8_t buf[OPERATOR_MAX_BYTES];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {.iov_base = buf};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (bulkhead__admin_call__get_packed_size(call) > sizeof(buf))
        return -ENOBUFS;
    iov.iov_len = bulkhead__admin_call__pack(call, buf);
    if (binary >= 0) {
        struct cmsghdr *c;

        msg.msg_control = control;
        msg.msg_controllen = sizeof(control);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &binary, sizeof(int));
    }
    return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* --- answers come from a process that may have been taken over --- */

static void clean_but(char *text, char kept)
{
    for (; *text != '\0'; text++) {
        if (*text != kept && (*text < ' ' || *text > '~'))
            *text = '?';
    }
}

void operator_clean(char *text)
{
    clean_but(text, '\0');
}

static void clean_process(Bulkhead__ProcessRow *row)
{
    operator_clean(row->name);
    operator_clean(row->state);
    operator_clean(row->build_id);
    operator_clean(row->last_death);
    operator_clean(row->sandbox);
    operator_clean(row->program);
}

static void clean_event(Bulkhead__EventRow *row)
{
    operator_clean(row->event);
    operator_clean(row->process);
    operator_clean(row->cause);
    for (size_t i = 0; i < row->n_numbers; i++)
        operator_clean(row->numbers[i]->name);
}

static void clean_lines(Bulkhead__LogRow **lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        operator_clean(lines[i]->process);
        operator_clean(lines[i]->text);
    }
}

static void clean_crash(Bulkhead__CrashRow *row)
{
    operator_clean(row->process);
    operator_clean(row->cause);
    operator_clean(row->build_id);
    operator_clean(row->doing);
    clean_lines(row->lines, row->n_lines);
}

/* Whatever is printed of it, and as what, it steers no terminal and is valid JSON. */
static void clean_answer(Bulkhead__AdminAnswer *a)
{
    operator_clean(a->error);
    for (size_t i = 0; i < a->n_processes; i++)
        clean_process(a->processes[i]);
    for (size_t i = 0; i < a->n_values; i++) {
        operator_clean(a->values[i]->path);
        operator_clean(a->values[i]->text);
    }
    clean_lines(a->lines, a->n_lines);
    clean_but(a->metrics, '\n');
    for (size_t i = 0; i < a->n_events; i++)
        clean_event(a->events[i]);
    for (size_t i = 0; i < a->n_crashes; i++)
        clean_crash(a->crashes[i]);
}

int operator_next(int fd, int timeout_ms, Bulkhead__AdminAnswer **ret)
{
    uint8_t buf[OPERATOR_MAX_BYTES];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    Bulkhead__AdminAnswer *answer;
    ssize_t len;
    int n = poll(&p, 1, timeout_ms);

    if (n <= 0)
        return n < 0 ? -errno : -ETIMEDOUT;
    len = recv(fd, buf, sizeof(buf), 0);
    if (len <= 0)
        return len < 0 ? -errno : -EPIPE;
    answer = bulkhead__admin_answer__unpack(NULL, (size_t)len, buf);
    if (answer == NULL)
        return -EBADMSG;
    clean_answer(answer);
    *ret = answer;
    return 0;
}
