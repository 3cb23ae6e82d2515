#include "cli/pki_name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

enum {
    LABEL_MAX_BYTES = 63,
    HOST_MAX_BYTES = 253,
};

static const char *const roles[PKI_ROLE_COUNT] = {
    [PKI_ROLE_VIEWER] = "viewer",
    [PKI_ROLE_OPERATOR] = "operator",
    [PKI_ROLE_DEBUGGER] = "debugger",
};

/* What has files of these names already. */
static const char *const taken[] = {"ca", "crl", "server"};

const char *pki_role_text(enum pki_role role)
{
    return roles[role];
}

int pki_role_of_uri(const char *uri, size_t len, enum pki_role *ret)
{
    static const char prefix[] = PKI_ROLE_PREFIX;
    size_t skip = sizeof(prefix) - 1;

    if (len < skip || memcmp(uri, prefix, skip) != 0)
        return -EINVAL;
    for (size_t i = 0; i < PKI_ROLE_COUNT; i++) {
        if (strlen(roles[i]) == len - skip && memcmp(roles[i], uri + skip, len - skip) == 0) {
            *ret = (enum pki_role)i;
            return 0;
        }
    }
    return -EINVAL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);

    return len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

const char *pki_name_trouble(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > PKI_NAME_MAX_BYTES || strspn(name, LETTERS DIGITS "._@-") != len ||
        strchr(".-", name[0]) != NULL)
        return "1 to 47 letters, digits, '.', '_', '@' and '-' are wanted, no '.' or '-' first";
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        if (strcmp(name, taken[i]) == 0)
            return "that name is the folder's own: take another one";
    }
    if (ends_with(name, "-key"))
        return "files of keys end so: take another name";
    return NULL;
}

/* A name that ends in a number is an address with a mistake in it. */
static bool is_host_name(const char *host)
{
    size_t len = 0;

    if (*host == '\0' || strlen(host) > HOST_MAX_BYTES)
        return false;
    for (;; host += len + 1) {
        len = strspn(host, LETTERS DIGITS "-");
        if (len == 0 || len > LABEL_MAX_BYTES || host[0] == '-' || host[len - 1] == '-')
            return false;
        if (host[len] == '\0')
            return strspn(host, DIGITS) < len;
        if (host[len] != '.')
            return false;
    }
}

int pki_host_kind(const char *host, enum pki_host *ret)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        *ret = PKI_HOST_ADDRESS;
        return 0;
    }
    if (!is_host_name(host))
        return -EINVAL;
    *ret = PKI_HOST_NAME;
    return 0;
}
