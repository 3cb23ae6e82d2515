#include "cli/password.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    MADE_BYTES = 24, /* of 32 characters each: 120 bits */
};

int password_make(struct password *ret)
{
    static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
    unsigned char random[MADE_BYTES];

    _Static_assert(sizeof(alphabet) - 1 == 32, "each character is as likely as the others");
    if (RAND_priv_bytes(random, sizeof(random)) != 1)
        return -EIO;
    for (size_t i = 0; i < MADE_BYTES; i++)
        ret->text[i] = alphabet[random[i] % (sizeof(alphabet) - 1)];
    ret->text[MADE_BYTES] = '\0';
    OPENSSL_cleanse(random, sizeof(random));
    return 0;
}

static int check(struct password *p)
{
    size_t line = strcspn(p->text, "\r\n");

    if (line < PASSWORD_MIN_BYTES || line > PASSWORD_MAX_BYTES)
        return -EBADMSG;
    for (size_t i = 0; i < line; i++) {
        if (p->text[i] < ' ' || p->text[i] > '~')
            return -EBADMSG;
    }
    p->text[line] = '\0';
    return 0;
}

int password_read(const char *path, struct password *ret)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct password p = {0};
    size_t len = 0;
    ssize_t n = 0;
    int r = 0;

    if (fd < 0)
        return -errno;
    while (len <= PASSWORD_MAX_BYTES && (n = read(fd, p.text + len, sizeof(p.text) - 1 - len)) > 0)
        len += (size_t)n;
    if (n < 0)
        r = -errno;
    if (r == 0)
        r = check(&p);
    if (r == 0)
        *ret = p;
    password_wipe(&p);
    return r;
}
