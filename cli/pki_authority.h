/*
 * cli/pki_authority.h - a folder's CA with what it signs by, and what it has revoked.
 *
 * What fails is said here; functions return the exit status, 0 for success.
 */
#pragma once

#include <stdbool.h>

#include "cli/pki_folder.h"
#include "cli/pki_make.h"
#include "cli/pki_read.h"

struct cli_args;

enum {
    PKI_WARN_DAYS = 30, /* what ends sooner is warned of */
};

struct pki_authority {
    struct pki_folder folder;
    struct pki_pair ca; /* the key only where it is asked for */
    X509_CRL *crl;
    struct pki_facts facts; /* of the CA */
};

/* Open the folder. */
int MUST_USE pki_authority_open(const struct cli_args *args, bool make, struct pki_authority *ret);

/* Read what a CA has, and check that it belongs together. One that has expired signs nothing. */
int MUST_USE pki_authority_read(struct pki_authority *a, bool with_key);

/* A zeroed one has folder.fd = -1. */
void pki_authority_done(struct pki_authority *a);

#define AUTO_AUTHORITY CLEANUP(pki_authority_done) struct pki_authority

/*
 * A certificate of the folder. -EBADMSG: it is none; -EXDEV: another CA made it; other errno of
 * pki_folder_read().
 */
int MUST_USE pki_authority_cert(const struct pki_authority *a, const char *file, X509 **ret,
                                struct pki_facts *ret_facts);

/* The days that a new certificate lasts: as wished, but no longer than the CA. */
int pki_authority_days(const struct pki_authority *a, int wish);

/* Add to the files that are to be written. */
int MUST_USE pki_add_cert(struct pki_files *files, const char *name, X509 *cert);
int MUST_USE pki_add_key(struct pki_files *files, const char *name, EVP_PKEY *key);
int MUST_USE pki_add_crl(struct pki_files *files, X509_CRL *crl);

/* Write them; says what fails. */
int MUST_USE pki_authority_write(const struct pki_authority *a, const struct pki_files *files);

/* "FOLDER/FILE: why", as the exit status. */
int pki_file_trouble(const struct pki_folder *f, const char *file, int r);

/* Warn, when it ends soon; what is to be done then. */
void pki_warn(const char *who, const struct pki_facts *facts, const char *mend);
