#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/options.h"
#include "cli/pki_authority.h"
#include "cli/pki_verbs.h"
#include "cli/query.h"
#include "cli/remote_post.h"
#include "cli/say.h"
#include "ipc/remote.h"

static const char crl_file[] = "crl.pem";

static int push_afar(const struct cli_args *args, const void *text, size_t len)
{
    char error[REMOTE_PEER_ERROR_BYTES];
    int r = remote_post(args->connect, args->identity, "/v1/revocations", text, len, error);

    return r < 0 ? say(r == -EINVAL ? EXIT_USAGE : EXIT_FAILED, "pki push: %s", error) : 0;
}

static int push_here(const struct cli_args *args, const void *text, size_t len)
{
    AUTO_FD fd = memfd_create("revocations", MFD_CLOEXEC);

    if (fd < 0 || write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)
        return say(EXIT_FAILED, "pki push: %s", strerror(errno));
    return query_file(args, BULKHEAD__ADMIN_CALL__VERB__REVOCATIONS, fd);
}

/* The VM looks at it: whoever brings a list need not have the CA. */
int pki_push(const struct cli_args *args)
{
    AUTO_AUTHORITY a = {.folder.fd = -1};
    AUTO_BIO *bytes = NULL;
    int status = pki_authority_open(args, false, &a);
    char *text;
    long len;
    int r;

    if (status != 0)
        return status;
    r = pki_folder_read(&a.folder, crl_file, false, &bytes);
    if (r < 0)
        return pki_file_trouble(&a.folder, crl_file, r);
    len = BIO_get_mem_data(bytes, &text);
    if (len > TLS_PART_BYTES)
        return say(EXIT_FAILED, "%s/%s: a VM takes %d bytes at most", a.folder.path, crl_file,
                   TLS_PART_BYTES);
    status = args->connect != NULL ? push_afar(args, text, (size_t)len)
                                   : push_here(args, text, (size_t)len);
    if (status == 0)
        (void)printf("%s/%s counts there from now on\n", a.folder.path, crl_file);
    return status;
}
