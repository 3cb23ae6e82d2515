#include "cli/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    TEXT_BYTES = 512,
};

/* A path, or an abstract name after an at sign. */
static int find_manager(struct sockaddr_un *ret, socklen_t *ret_len)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t len;

    if (name == NULL || *name == '\0')
        return -ENOENT;
    len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len >= sizeof(ret->sun_path))
        return -EINVAL;
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, name, len);
    if (name[0] == '@')
        ret->sun_path[0] = '\0';
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return 0;
}

int notify_send(const char *fmt, ...)
{
    struct sockaddr_un address;
    socklen_t address_len;
    char text[TEXT_BYTES];
    va_list args;
    AUTO_FD fd = -1;
    int r = find_manager(&address, &address_len);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                         (const struct sockaddr *)&address, address_len) < 0)
        return -errno;
    return 0;
}
