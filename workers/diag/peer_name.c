/*
 * workers/diag/peer_name.c - who is at the other end of a connection, in numbers.
 *
 * libevent asks this of each connection that it accepts, and ends the process when there is no answer. The C library's own
 * knows no vsock: this stands in its place.
 */
#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_vm vm;
};

static bool name_of(const union address *a, socklen_t len, char text[INET6_ADDRSTRLEN],
                    uint32_t *ret_port)
{
    switch (a->any.sa_family) {
    case AF_INET:
        *ret_port = ntohs(a->v4.sin_port);
        return len >= sizeof(a->v4) &&
               inet_ntop(AF_INET, &a->v4.sin_addr, text, INET6_ADDRSTRLEN) != NULL;
    case AF_INET6:
        *ret_port = ntohs(a->v6.sin6_port);
        return len >= sizeof(a->v6) &&
               inet_ntop(AF_INET6, &a->v6.sin6_addr, text, INET6_ADDRSTRLEN) != NULL;
    case AF_VSOCK:
        *ret_port = a->vm.svm_port;
        (void)snprintf(text, INET6_ADDRSTRLEN, "vsock:%u", a->vm.svm_cid);
        return len >= sizeof(a->vm);
    default: /* a UNIX socket's end has no name */
        *ret_port = 0;
        (void)snprintf(text, INET6_ADDRSTRLEN, "local");
        return true;
    }
}

static bool put(char *to, socklen_t room, const char *text)
{
    return to == NULL || room == 0 || snprintf(to, room, "%s", text) < (int)room;
}

int getnameinfo(const struct sockaddr *restrict address, socklen_t len, char *restrict host,
                socklen_t host_room, char *restrict service, socklen_t service_room, int flags)
{
    char text[INET6_ADDRSTRLEN], number[16];
    union address a;
    uint32_t port;

    (void)flags; /* numbers are all that there is */
    memset(&a, 0, sizeof(a));
    memcpy(&a, address, len < sizeof(a) ? len : sizeof(a));
    if (!name_of(&a, len, text, &port))
        return EAI_FAMILY;
    (void)snprintf(number, sizeof(number), "%u", port);
    return put(host, host_room, text) && put(service, service_room, number) ? 0 : EAI_OVERFLOW;
}
