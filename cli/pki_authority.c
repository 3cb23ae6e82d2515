#include "cli/pki_authority.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/say.h"

enum {
    DATE_CHARS = 10, /* of a time in pki_facts */
};

static const char ca_file[] = "ca.pem";
static const char ca_key_file[] = "ca-key.pem";
static const char crl_file[] = "crl.pem";

int pki_file_trouble(const struct pki_folder *f, const char *file, int r)
{
    if (r == -EACCES)
        return say(EXIT_FAILED, "%s/%s: it cannot be read, or others can read it: chmod 600",
                   f->path, file);
    if (r == -EBADMSG)
        return say(EXIT_FAILED, "%s/%s: it does not hold what it should", f->path, file);
    if (r == -EXDEV)
        return say(EXIT_FAILED, "%s/%s: another CA made it", f->path, file);
    return say(EXIT_FAILED, "%s/%s: %s", f->path, file, strerror(-r));
}

int pki_authority_open(const struct cli_args *args, bool make, struct pki_authority *ret)
{
    int r = pki_folder_open(args->dir, make, &ret->folder);

    if (r == -ENOENT)
        return say(EXIT_FAILED, "%s: there is no CA: make one with `bulkhead pki init`",
                   ret->folder.path);
    if (r == -EPERM)
        return say(EXIT_FAILED,
                   "%s: somebody else could write there: a folder is wanted that is yours alone",
                   ret->folder.path);
    return r < 0 ? say(EXIT_FAILED, "%s: %s", ret->folder.path, strerror(-r)) : 0;
}

void pki_authority_done(struct pki_authority *a)
{
    pki_folder_close(&a->folder);
    pki_pair_done(&a->ca);
    ossl_crl_freep(&a->crl);
}

/* --- reading --- */

static int read_cert(const struct pki_folder *f, const char *file, X509 **ret)
{
    AUTO_BIO *bytes = NULL;
    char *at = NULL;
    long len;
    int r = pki_folder_read(f, file, false, &bytes);

    if (r < 0)
        return r;
    len = BIO_get_mem_data(bytes, &at);
    *ret = pki_read_cert(at, (size_t)len);
    return *ret == NULL ? -EBADMSG : 0;
}

static int read_ca_key(struct pki_authority *a)
{
    AUTO_BIO *bytes = NULL;
    char *at = NULL;
    long len;
    int r = pki_folder_read(&a->folder, ca_key_file, true, &bytes);

    if (r < 0)
        return pki_file_trouble(&a->folder, ca_key_file, r);
    len = BIO_get_mem_data(bytes, &at);
    a->ca.key = pki_read_key(at, (size_t)len);
    if (a->ca.key == NULL || X509_check_private_key(a->ca.cert, a->ca.key) != 1)
        return say(EXIT_FAILED, "%s/%s: it is not the key of %s, or has a password", a->folder.path,
                   ca_key_file, ca_file);
    return 0;
}

static int read_crl(struct pki_authority *a)
{
    AUTO_BIO *bytes = NULL;
    char *at = NULL;
    long len;
    int r = pki_folder_read(&a->folder, crl_file, false, &bytes);

    if (r == -ENOENT)
        return say(EXIT_FAILED,
                   "%s/%s is missing, and what it revoked would count again: put it back",
                   a->folder.path, crl_file);
    if (r < 0)
        return pki_file_trouble(&a->folder, crl_file, r);
    len = BIO_get_mem_data(bytes, &at);
    a->crl = pki_read_crl(at, (size_t)len);
    if (a->crl == NULL || !pki_crl_is_from(a->crl, a->ca.cert))
        return say(EXIT_FAILED, "%s/%s: it is not this CA's list of what is revoked",
                   a->folder.path, crl_file);
    return 0;
}

static int read_ca(struct pki_authority *a)
{
    int r = read_cert(&a->folder, ca_file, &a->ca.cert);

    if (r == -ENOENT)
        return say(EXIT_FAILED, "%s: there is no CA: make one with `bulkhead pki init`",
                   a->folder.path);
    if (r == 0)
        r = pki_read_facts(a->ca.cert, &a->facts);
    if (r == 0 && !pki_is_from(a->ca.cert, a->ca.cert))
        r = -EBADMSG;
    return r < 0 ? pki_file_trouble(&a->folder, ca_file, r) : 0;
}

int pki_authority_read(struct pki_authority *a, bool with_key)
{
    int status = read_ca(a);

    if (status == 0 && with_key && a->facts.expired)
        return say(EXIT_FAILED, "%s: the CA ended on %.*s: begin another in another folder",
                   a->folder.path, DATE_CHARS, a->facts.expires);
    if (status == 0 && with_key)
        status = read_ca_key(a);
    if (status == 0)
        status = read_crl(a);
    if (status == 0)
        pki_warn("the CA", &a->facts, "then nothing it made counts: begin another in time");
    return status;
}

int pki_authority_cert(const struct pki_authority *a, const char *file, X509 **ret,
                       struct pki_facts *ret_facts)
{
    AUTO_CERT *cert = NULL;
    int r = read_cert(&a->folder, file, &cert);

    if (r == 0 && !pki_is_from(cert, a->ca.cert))
        r = -EXDEV;
    if (r == 0)
        r = pki_read_facts(cert, ret_facts);
    if (r == 0) {
        *ret = cert;
        cert = NULL;
    }
    return r;
}

int pki_authority_days(const struct pki_authority *a, int wish)
{
    return wish <= a->facts.days_left ? wish : a->facts.days_left;
}

void pki_warn(const char *who, const struct pki_facts *facts, const char *mend)
{
    if (facts->expired)
        (void)say(0, "%s ended on %.*s: %s", who, DATE_CHARS, facts->expires, mend);
    else if (facts->days_left < PKI_WARN_DAYS)
        (void)say(0, "%s ends in %d day%s, on %.*s: %s", who, facts->days_left,
                  facts->days_left == 1 ? "" : "s", DATE_CHARS, facts->expires, mend);
}

/* --- writing --- */

int pki_add_cert(struct pki_files *files, const char *name, X509 *cert)
{
    BIO *out = pki_files_add(files, name, false);

    return out != NULL && PEM_write_bio_X509(out, cert) == 1 ? 0 : -ENOMEM;
}

int pki_add_key(struct pki_files *files, const char *name, EVP_PKEY *key)
{
    BIO *out = pki_files_add(files, name, true);

    return out != NULL && PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1
               ? 0
               : -ENOMEM;
}

int pki_add_crl(struct pki_files *files, X509_CRL *crl)
{
    BIO *out = pki_files_add(files, crl_file, false);

    return out != NULL && PEM_write_bio_X509_CRL(out, crl) == 1 ? 0 : -ENOMEM;
}

int pki_authority_write(const struct pki_authority *a, const struct pki_files *files)
{
    int r = pki_folder_write(&a->folder, files);

    return r < 0 ? say(EXIT_FAILED, "%s: nothing was changed: %s", a->folder.path, strerror(-r))
                 : 0;
}
