#include "cli/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "cli/option.h"
#include "cli/say.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int wrong(int status, char error[LOOPBACK_ERROR_BYTES], const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static int wrong(int status, char error[LOOPBACK_ERROR_BYTES], const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(error, LOOPBACK_ERROR_BYTES, fmt, args);
    va_end(args);
    return status;
}

/* "localhost" and numbers; no name is looked up. */
static int take_host(const char *host, uint16_t port, union address *ret)
{
    *ret = (union address){0};
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(port);
        return ntohl(ret->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET ? 0 : -EACCES;
    }
    if (inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons(port);
        return IN6_IS_ADDR_LOOPBACK(&ret->v6.sin6_addr) ? 0 : -EACCES;
    }
    return -EINVAL;
}

/* The port is what follows the last colon. Brackets around an IPv6 address may be there. */
static int parse(const char *text, union address *ret)
{
    const char *colon = strrchr(text, ':');
    char host[64];
    uint64_t port;
    size_t len;

    if (colon == NULL || option_number(colon + 1, &port) < 0 || port > UINT16_MAX)
        return -EINVAL;
    len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= sizeof(host))
        return -EINVAL;
    memcpy(host, text, len);
    host[len] = '\0';
    return take_host(len == 0 ? "127.0.0.1" : host, (uint16_t)port, ret);
}

static int listen_at(union address *at, int *ret_fd, unsigned *ret_port)
{
    socklen_t len = at->any.sa_family == AF_INET ? sizeof(at->v4) : sizeof(at->v6);
    AUTO_FD fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, &at->any, len) < 0 || listen(fd, 1) < 0 || getsockname(fd, &at->any, &len) < 0)
        return -errno;
    *ret_port = ntohs(at->any.sa_family == AF_INET ? at->v4.sin_port : at->v6.sin6_port);
    *ret_fd = fd_steal(&fd);
    return 0;
}

int loopback_listen(const char *text, int *ret_fd, unsigned *ret_port,
                    char error[LOOPBACK_ERROR_BYTES])
{
    union address at;
    int r = parse(text, &at);

    if (r == -EACCES)
        return wrong(
            EXIT_USAGE, error,
            "an address of this machine alone is wanted, 127.0.0.1 or ::1: whoever reaches that port "
            "has the guest in hand");
    if (r < 0)
        return wrong(EXIT_USAGE, error, "ADDRESS:PORT is wanted, like %s", "127.0.0.1:1234");
    r = listen_at(&at, ret_fd, ret_port);
    return r < 0 ? wrong(EXIT_FAILED, error, "%s", strerror(-r)) : 0;
}
