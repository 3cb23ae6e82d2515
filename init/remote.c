#include "init/remote.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/shm.h"
#include "init/card.h"
#include "ipc/remote.h"

enum {
    CARD_WAIT_S = 5,
};

/* --- what was configured --- */

struct part {
    const char *what;
    const ProtobufCBinaryData *text;
    enum tls_part part;
};

static void parts_of(const Bulkhead__Remote *r, struct part ret[TLS_PARTS])
{
    ret[0] = (struct part){"the server's certificate", &r->certificate, TLS_CERTIFICATE};
    ret[1] = (struct part){"the server's key", &r->key, TLS_KEY};
    ret[2] = (struct part){"the operators' authority", &r->client_ca, TLS_CLIENT_CA};
    ret[3] = (struct part){"the list of revoked certificates", &r->revoked, TLS_REVOKED};
}

int remote_check(const Bulkhead__Remote *remote, struct why *why)
{
    struct part parts[TLS_PARTS];

    if (remote == NULL)
        return 0;
    parts_of(remote, parts);
    for (unsigned i = 0; i < TLS_PARTS; i++) {
        if (parts[i].text->len > TLS_PART_BYTES)
            return why_say(why, -EINVAL, "%s: %zu bytes, at most %d are possible", parts[i].what,
                           parts[i].text->len, TLS_PART_BYTES);
        if (parts[i].text->len == 0 && parts[i].part != TLS_REVOKED)
            return why_say(why, -EINVAL, "%s: none given", parts[i].what);
    }
    if (remote->brought.len > TLS_PART_BYTES)
        return why_say(why, -EINVAL,
                       "the list that was brought: %zu bytes, at most %d are possible",
                       remote->brought.len, TLS_PART_BYTES);
    return 0;
}

static int put_parts(const struct objects *objects, const Bulkhead__Remote *remote, struct why *why)
{
    size_t bytes = manifest_object_bytes(OBJECT_TLS, 0);
    struct part parts[TLS_PARTS];
    struct tls_page *page;
    void *at;
    int r = shm_map(objects->fds[OBJECT_TLS][0], bytes, true, &at);

    if (r < 0)
        return why_errno(why, r, "the page of certificates");
    page = at;
    parts_of(remote, parts);
    for (unsigned i = 0; i < TLS_PARTS; i++) {
        page->len[parts[i].part] = (uint32_t)parts[i].text->len;
        if (parts[i].text->len > 0)
            memcpy(page->text[parts[i].part], parts[i].text->data, parts[i].text->len);
    }
    (void)munmap(at, bytes);
    return 0;
}

/* As if a diag before had taken it. */
static int put_brought(const struct objects *objects, const ProtobufCBinaryData *list,
                       struct why *why)
{
    size_t bytes = manifest_object_bytes(OBJECT_REVOKED, 0);
    struct revoked_page *page;
    void *at;
    int r;

    if (list->len == 0)
        return 0;
    r = shm_map(objects->fds[OBJECT_REVOKED][0], bytes, true, &at);
    if (r < 0)
        return why_errno(why, r, "the page of revoked certificates");
    page = at;
    memcpy(page->text[1], list->data, list->len);
    page->len[1] = (uint32_t)list->len;
    atomic_store(&page->seq, 1);
    (void)munmap(at, bytes);
    return 0;
}

int remote_open(const struct objects *objects, const Bulkhead__Remote *remote, struct why *why)
{
    int r;

    if (remote == NULL)
        return 0;
    r = put_parts(objects, remote, why);
    return r < 0 ? r : put_brought(objects, &remote->brought, why);
}

static ProtobufCBinaryData copy_newest(const struct revoked_page *page)
{
    const uint64_t seq = atomic_load(&page->seq);
    const uint32_t len = page->len[seq % 2];
    uint8_t *copy = seq == 0 || len == 0 || len > TLS_PART_BYTES ? NULL : malloc(len);

    if (copy == NULL)
        return (ProtobufCBinaryData){0};
    memcpy(copy, page->text[seq % 2], len);
    return (ProtobufCBinaryData){.data = copy, .len = len};
}

ProtobufCBinaryData remote_brought(const struct objects *objects)
{
    size_t bytes = manifest_object_bytes(OBJECT_REVOKED, 0);
    ProtobufCBinaryData list;
    void *at;

    if (shm_map(objects->fds[OBJECT_REVOKED][0], bytes, false, &at) < 0)
        return (ProtobufCBinaryData){0};
    list = copy_newest(at);
    (void)munmap(at, bytes);
    return list;
}

/* --- in a VM: an address, and a socket --- */

static int set_address(int fd, struct ifreq *rq, unsigned long request, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    (void)inet_pton(AF_INET, text, &address.sin_addr);
    memcpy(&rq->ifr_addr, &address, sizeof(address));
    return ioctl(fd, request, rq) < 0 ? -errno : 0;
}

static int bring_up(const char *card)
{
    AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq rq = {0};
    int r;

    if (fd < 0)
        return -errno;
    (void)snprintf(rq.ifr_name, sizeof(rq.ifr_name), "%s", card);
    r = set_address(fd, &rq, SIOCSIFADDR, REMOTE_ADDRESS);
    if (r == 0)
        r = set_address(fd, &rq, SIOCSIFNETMASK, REMOTE_NETMASK);
    if (r < 0)
        return r;
    if (ioctl(fd, SIOCGIFFLAGS, &rq) < 0)
        return -errno;
    rq.ifr_flags = (short)(rq.ifr_flags | IFF_UP);
    return ioctl(fd, SIOCSIFFLAGS, &rq) < 0 ? -errno : 0;
}

static int listen_at(uint32_t port, int *ret_fd)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const int one = 1, patience_ms = REMOTE_PATIENCE_MS;
    AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    /* Connections inherit it, as cli/remote.c has it. */
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof(patience_ms)) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, REMOTE_BACKLOG) < 0)
        return -errno;
    *ret_fd = fd_steal(&fd);
    return 0;
}

static int listen_on_card(uint32_t port, int *ret_fd)
{
    static const uint8_t mac[] = REMOTE_MAC;
    char card[IF_NAMESIZE];
    int r;

    if (card_wait(mac, CARD_WAIT_S * NS_PER_S, card) == 0)
        return -ENODEV;
    r = bring_up(card);
    return r < 0 ? r : listen_at(port, ret_fd);
}

int remote_listen(const Bulkhead__Remote *remote, bool nested, int *fd, struct why *why)
{
    int r;

    if (remote == NULL)
        return 0;
    if (!nested)
        return *fd >= 0 ? 0 : why_say(why, -ENOENT, "operators: no socket was handed down");
    r = listen_on_card(remote->port, fd);
    return r < 0 ? why_errno(why, r, "operators: port %" PRIu32, remote->port) : 0;
}
