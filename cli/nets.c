#define OPENSSL_SUPPRESS_DEPRECATED /* the one-shot functions would bring all of libcrypto */
#include "cli/nets.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/say.h"

enum {
    NAME_BYTES = 320,
    PORT_MAX = 65535,
    MAC_MULTICAST = 1, /* of the first byte */
    MAC_LOCAL = 2,
};

struct checking {
    const char *vm_name;
    struct nets_plan *plan;
    char *error;
};

static void name_net(const struct net_option *net, char text[NAME_BYTES])
{
    if (net->from != NULL)
        (void)snprintf(text, NAME_BYTES, "%s", net->from);
    else if (net->tap != NULL)
        (void)snprintf(text, NAME_BYTES, "--net tap=%s", net->tap);
    else if (net->peer != NULL)
        (void)snprintf(text, NAME_BYTES, "--net peer=%s", net->peer);
    else
        (void)snprintf(text, NAME_BYTES, "--net%s", net->user ? " user" : net->none ? " none" : "");
}

int nets_wrong(char line[NETS_ERROR_BYTES], int status, const struct net_option *net,
               const char *fmt, ...)
{
    char name[NAME_BYTES];
    va_list args;
    int len;

    name_net(net, name);
    len = snprintf(line, NETS_ERROR_BYTES, "%s: ", name);
    va_start(args, fmt);
    (void)vsnprintf(line + len, NETS_ERROR_BYTES - (size_t)len, fmt, args);
    va_end(args);
    return status;
}

/* --- what it is plugged into --- */

static int check_kind(const struct checking *c, struct net_plan *p)
{
    const struct net_option *net = p->option;
    int n = net->user + (net->tap != NULL) + (net->peer != NULL) + net->none;

    if (n != 1)
        return nets_wrong(c->error, EXIT_USAGE, net,
                          "%s user, tap=NAME, peer=PATH and none is wanted",
                          n == 0 ? "one of" : "only one of");
    if (net->forwards.n > 0 && !net->user)
        return nets_wrong(c->error, EXIT_USAGE, net,
                          "forward is for user: leave it out, or say --net user");
    if (net->loopback && !net->user)
        return nets_wrong(c->error, EXIT_USAGE, net,
                          "loopback is for user: leave it out, or say --net user");
    p->kind = net->user          ? NET_STREAM
              : net->tap != NULL ? NET_TAP
              : net->none        ? NET_DISCARD
                                 : NET_DATAGRAM;
    return 0;
}

/* @spec Linux net/core/dev.c dev_valid_name(); and no pattern, of which the kernel makes a name */
static int check_tap(const struct checking *c, const struct net_option *net)
{
    const char *name = net->tap;

    if (name == NULL)
        return 0;
    if (strlen(name) >= NET_TAP_NAME_BYTES)
        return nets_wrong(c->error, EXIT_USAGE, net, "a device's name has at most %d characters",
                          NET_TAP_NAME_BYTES - 1);
    for (const char *at = name; *at != '\0'; at++) {
        if (!isgraph((unsigned char)*at) || strchr("/:%", *at) != NULL)
            return nets_wrong(c->error, EXIT_USAGE, net,
                              "a device's name has no spaces and none of / : %%");
    }
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return nets_wrong(c->error, EXIT_USAGE, net, "this is no name of a device");
    return 0;
}

static int check_peer(const struct checking *c, const struct net_option *net)
{
    if (net->peer != NULL && strlen(net->peer) > NET_PEER_PATH_MAX)
        return nets_wrong(c->error, EXIT_USAGE, net,
                          "the path has %zu characters, at most %d are possible", strlen(net->peer),
                          NET_PEER_PATH_MAX);
    return 0;
}

/* --- its address --- */

void nets_default_mac(const char *vm_name, unsigned index, uint8_t ret[NET_MAC_BYTES])
{
    static const char what[] = "nic";
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint8_t place = (uint8_t)index;
    SHA256_CTX sha;

    (void)SHA256_Init(&sha);
    (void)SHA256_Update(&sha, what, sizeof(what));
    (void)SHA256_Update(&sha, vm_name, strlen(vm_name) + 1);
    (void)SHA256_Update(&sha, &place, sizeof(place));
    (void)SHA256_Final(digest, &sha);
    memcpy(ret, digest, NET_MAC_BYTES);
    ret[0] = MAC_LOCAL;
}

static bool parse_mac(const char *text, uint8_t ret[NET_MAC_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < NET_MAC_BYTES; i++) {
        unsigned value = 0;

        for (unsigned k = 0; k < 2; k++) {
            const char *digit = *text == '\0' ? NULL : strchr(digits, tolower(*text));

            if (digit == NULL)
                return false;
            value = value << 4 | (unsigned)(digit - digits);
            text++;
        }
        ret[i] = (uint8_t)value;
        if (*text++ != (i + 1 < NET_MAC_BYTES ? ':' : '\0'))
            return false;
    }
    return true;
}

static int check_mac(const struct checking *c, struct net_plan *p)
{
    static const uint8_t zero[NET_MAC_BYTES];
    const struct net_option *net = p->option;

    if (net->mac == NULL) {
        nets_default_mac(c->vm_name, (unsigned)(p - c->plan->at), p->mac);
        return 0;
    }
    if (!parse_mac(net->mac, p->mac))
        return nets_wrong(c->error, EXIT_USAGE, net,
                          "mac=%.64s: six bytes like 02:12:34:56:78:9a are wanted", net->mac);
    if ((p->mac[0] & MAC_MULTICAST) != 0)
        return nets_wrong(c->error, EXIT_USAGE, net,
                          "mac=%s is an address of many: the first byte has to be even, such as 02",
                          net->mac);
    if (memcmp(p->mac, zero, sizeof(zero)) == 0)
        return nets_wrong(c->error, EXIT_USAGE, net,
                          "mac=%s is nobody's address: leave it out, or choose one", net->mac);
    return 0;
}

static int check_mac_once(const struct checking *c, const struct net_plan *p)
{
    for (const struct net_plan *other = c->plan->at; other < p; other++) {
        if (memcmp(other->mac, p->mac, NET_MAC_BYTES) == 0)
            return nets_wrong(c->error, EXIT_USAGE, p->option,
                              "mac=%s is another NIC's: choose one for each",
                              p->option->mac != NULL ? p->option->mac : other->option->mac);
    }
    return 0;
}

/* --- its forwarded ports --- */

/* "PORT" up to the end; 0: none. */
static uint64_t port_of(const char *text)
{
    uint64_t port = 0;

    return option_number(text, &port) == 0 && port <= PORT_MAX ? port : 0;
}

/* "[::1]" without its brackets, or "127.0.0.1", in place. */
static const char *parse_address(char *text)
{
    size_t len = strlen(text);
    struct in6_addr six;
    struct in_addr four;

    if (inet_pton(AF_INET, text, &four) == 1)
        return text;
    if (len < 2 || text[0] != '[' || text[len - 1] != ']')
        return NULL;
    text[len - 1] = '\0';
    return inet_pton(AF_INET6, text + 1, &six) == 1 ? text + 1 : NULL;
}

/* Cut what follows the last colon off; NULL: there is none. */
static char *cut_last(char *text)
{
    char *colon = strrchr(text, ':');

    if (colon == NULL)
        return NULL;
    *colon = '\0';
    return colon + 1;
}

/* What follows "tcp:" or "udp:", from its end: the address may have colons of its own. */
static const char *parse_forward(char *text, struct pool *pool)
{
    const char *to = cut_last(text);
    const char *from = to != NULL ? cut_last(text) : NULL;
    const char *address = from != NULL ? parse_address(text) : "127.0.0.1";

    if (from == NULL)
        from = text;
    if (to == NULL || address == NULL || port_of(from) == 0 || port_of(to) == 0)
        return NULL;
    return pool_printf(pool, "%s/%s:%s", address, from, to);
}

static int check_forward(const struct checking *c, struct net_plan *p, const char *text)
{
    struct pool *pool = &c->plan->pool;
    bool udp = strncmp(text, "udp:", 4) == 0;
    struct net_forward *f = &p->forwards[p->n_forwards];
    char *copy;

    if (udp || strncmp(text, "tcp:", 4) == 0) {
        copy = pool_text(pool, text + 4, strlen(text + 4));
        f->udp = udp;
        f->spec = copy != NULL ? parse_forward(copy, pool) : NULL;
    }
    if (f->spec == NULL)
        return nets_wrong(
            c->error, EXIT_USAGE, p->option,
            "forward=%.128s: tcp:PORT:GUESTPORT, or udp, is wanted, such as tcp:8022:22 or "
            "tcp:192.0.2.1:80:8080",
            text);
    p->n_forwards++;
    return 0;
}

static int check_forwards(const struct checking *c, struct net_plan *p)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < p->option->forwards.n; i++)
        r = check_forward(c, p, p->option->forwards.at[i]);
    return r;
}

/* --- all of it --- */

static int check(const struct checking *c, struct net_plan *p)
{
    int r = check_kind(c, p);

    if (r == 0)
        r = check_tap(c, p->option);
    if (r == 0)
        r = check_peer(c, p->option);
    if (r == 0)
        r = check_mac(c, p);
    if (r == 0)
        r = check_mac_once(c, p);
    if (r == 0)
        r = check_forwards(c, p);
    return r;
}

int nets_check(const char *vm_name, const struct net_list *list, struct nets_plan *ret,
               char error[NETS_ERROR_BYTES])
{
    const struct checking c = {.vm_name = vm_name, .plan = ret, .error = error};
    int r = 0;

    *ret = (struct nets_plan){.n = list->n};
    for (size_t i = 0; r == 0 && i < list->n; i++) {
        ret->at[i].option = &list->at[i];
        ret->at[i].mtu = (uint32_t)list->at[i].mtu;
        ret->at[i].channels = (uint32_t)list->at[i].queues;
        r = check(&c, &ret->at[i]);
    }
    return r;
}

void nets_set_links_down(struct nets_plan *plan, uint32_t links_down)
{
    for (size_t i = 0; i < plan->n; i++)
        plan->at[i].link_down = (links_down >> i & 1) != 0;
}

bool nets_need_passt(const struct nets_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        if (plan->at[i].kind == NET_STREAM)
            return true;
    }
    return false;
}

void nets_done(struct nets_plan *plan)
{
    pool_done(&plan->pool);
    *plan = (struct nets_plan){0};
}
