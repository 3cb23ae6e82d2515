/*
 * cli/pki_folder.h - the files of a small CA: read whole, written whole or not at all.
 *
 * One command at a time works in a folder: opening waits for the others.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"
#include "cli/ossl.h"

enum {
    PKI_FILE_NAME_BYTES = 64,
    PKI_FILES_MAX = 8, /* written together */
};

struct pki_folder {
    char path[PATH_MAX];
    int fd;
};

/*
 * Open it; one that is missing is made if make says so. The folder's own path, or the default one for NULL, is
 * in ret->path also on failure.
 *   -ENOENT  it is missing
 *   -EPERM   others may write there, or it is somebody else's
 */
int MUST_USE pki_folder_open(const char *path, bool make, struct pki_folder *ret);
void pki_folder_close(struct pki_folder *f);

/*
 * The bytes of a file, in memory that is wiped when the BIO is freed.
 *   -EACCES  secret, and others than its owner can read it
 *   -EFBIG   more than PKI_FILE_MAX_BYTES
 */
int MUST_USE pki_folder_read(const struct pki_folder *f, const char *name, bool secret, BIO **ret);

bool pki_folder_has(const struct pki_folder *f, const char *name);

struct pki_file {
    char name[PKI_FILE_NAME_BYTES];
    bool secret; /* for its owner only */
    BIO *bytes;
};

struct pki_files {
    struct pki_file at[PKI_FILES_MAX];
    size_t n;
};

/* A place for one more; NULL: no memory. What is written is secret is wiped when it is freed. */
BIO *pki_files_add(struct pki_files *files, const char *name, bool secret);
void pki_files_done(struct pki_files *files);

#define AUTO_FILES CLEANUP(pki_files_done) struct pki_files

/*
 * Write all of them, and only then let each take its name, in their order: whoever is interrupted, or
 * finds the disk full, leaves the folder as it was.
 */
int MUST_USE pki_folder_write(const struct pki_folder *f, const struct pki_files *files);
