#include "cli/pki_folder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/pki_read.h"

enum {
    FOLDER_MODE = 0700,
    PARENT_MODE = 0755,
    PUBLIC_MODE = 0644,
    SECRET_MODE = 0600,
    PIECE_BYTES = 4096,
    NEW_NAME_BYTES = PKI_FILE_NAME_BYTES + 8,
};

/* --- the folder --- */

/* root's is the machine's; anybody else's where such things are kept. */
static int default_path(char ret[PATH_MAX])
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int len;

    if (geteuid() == 0)
        len = snprintf(ret, PATH_MAX, "/etc/bulkhead/pki");
    else if (config != NULL && *config == '/')
        len = snprintf(ret, PATH_MAX, "%s/bulkhead/pki", config);
    else
        len = snprintf(ret, PATH_MAX, "%s/.config/bulkhead/pki", home != NULL ? home : "");
    return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int make_folder(const char *path)
{
    char part[PATH_MAX];

    (void)snprintf(part, sizeof(part), "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, PARENT_MODE) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return mkdir(path, FOLDER_MODE) < 0 && errno != EEXIST ? -errno : 0;
}

/* Whoever can write here can make itself a CA. */
static int check_folder(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    return (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 || (st.st_uid != 0 && st.st_uid != geteuid())
               ? -EPERM
               : 0;
}

int pki_folder_open(const char *path, bool make, struct pki_folder *ret)
{
    AUTO_FD fd = -1;
    int r = 0;

    ret->fd = -1;
    if (path == NULL)
        r = default_path(ret->path);
    else if (snprintf(ret->path, sizeof(ret->path), "%s", path) >= PATH_MAX)
        r = -ENAMETOOLONG;
    if (r == 0 && make)
        r = make_folder(ret->path);
    if (r < 0)
        return r;
    fd = open(ret->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = check_folder(fd);
    if (r == 0 && flock(fd, LOCK_EX) < 0)
        r = -errno;
    if (r == 0)
        ret->fd = fd_steal(&fd);
    return r;
}

void pki_folder_close(struct pki_folder *f)
{
    fd_closep(&f->fd);
}

bool pki_folder_has(const struct pki_folder *f, const char *name)
{
    struct stat st;

    return fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- reading --- */

static int read_all(int fd, BIO *into)
{
    uint8_t piece[PIECE_BYTES];
    size_t total = 0;
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = read(fd, piece, sizeof(piece))) != 0) {
        total += n > 0 ? (size_t)n : 0;
        if (n < 0)
            r = -errno;
        else if (total > PKI_FILE_MAX_BYTES)
            r = -EFBIG;
        else if (BIO_write(into, piece, (int)n) != n)
            r = -ENOMEM;
    }
    OPENSSL_cleanse(piece, sizeof(piece));
    return r;
}

int pki_folder_read(const struct pki_folder *f, const char *name, bool secret, BIO **ret)
{
    AUTO_FD fd = openat(f->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    AUTO_BIO *bytes = NULL;
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EBADMSG;
    if (secret && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return -EACCES;
    bytes = BIO_new(BIO_s_secmem());
    r = bytes == NULL ? -ENOMEM : read_all(fd, bytes);
    if (r < 0)
        return r;
    *ret = bytes;
    bytes = NULL;
    return 0;
}

/* --- writing --- */

BIO *pki_files_add(struct pki_files *files, const char *name, bool secret)
{
    BIO *bytes = BIO_new(BIO_s_secmem());

    assert(files->n < PKI_FILES_MAX);
    if (bytes != NULL) {
        struct pki_file *file = &files->at[files->n++];

        *file = (struct pki_file){.secret = secret, .bytes = bytes};
        (void)snprintf(file->name, sizeof(file->name), "%s", name);
    }
    return bytes;
}

void pki_files_done(struct pki_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        ossl_bio_freep(&files->at[i].bytes);
    files->n = 0;
}

static void new_name(const struct pki_file *file, char ret[NEW_NAME_BYTES])
{
    (void)snprintf(ret, NEW_NAME_BYTES, ".%s.new", file->name);
}

static int write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno != EINTR)
            return -errno;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int write_new(const struct pki_folder *f, const struct pki_file *file)
{
    char name[NEW_NAME_BYTES];
    char *bytes = NULL;
    long len = BIO_get_mem_data(file->bytes, &bytes);
    AUTO_FD fd = -1;

    new_name(file, name);
    (void)unlinkat(f->fd, name, 0); /* of one that was killed */
    fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, SECRET_MODE);
    if (fd < 0 || (!file->secret && fchmod(fd, PUBLIC_MODE) < 0))
        return -errno;
    return write_all(fd, bytes, (size_t)len);
}

static int take_name(const struct pki_folder *f, const struct pki_file *file)
{
    char name[NEW_NAME_BYTES];

    new_name(file, name);
    return renameat(f->fd, name, f->fd, file->name) < 0 ? -errno : 0;
}

static void forget_new(const struct pki_folder *f, const struct pki_file *file)
{
    char name[NEW_NAME_BYTES];

    new_name(file, name);
    (void)unlinkat(f->fd, name, 0);
}

int pki_folder_write(const struct pki_folder *f, const struct pki_files *files)
{
    sigset_t all, before;
    int r = 0;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, &before);
    for (size_t i = 0; r == 0 && i < files->n; i++)
        r = write_new(f, &files->at[i]);
    for (size_t i = 0; r == 0 && i < files->n; i++)
        r = take_name(f, &files->at[i]);
    if (r == 0 && fsync(f->fd) < 0)
        r = -errno;
    for (size_t i = 0; r < 0 && i < files->n; i++)
        forget_new(f, &files->at[i]);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}
