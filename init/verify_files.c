#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/verify_look.h"

enum {
    MAX_DIR_ENTRIES = 4096,
};

/* --- what /proc shows of a descriptor --- */

/* The two folders in which /proc shows the descriptors of one process. */
struct shown_files {
    int links_fd, infos_fd;
};

static void shown_done(struct shown_files *f)
{
    fd_closep(&f->links_fd);
    fd_closep(&f->infos_fd);
}

static int shown_open(int proc_fd, struct shown_files *ret)
{
    struct shown_files f = {
        .links_fd = openat(proc_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        .infos_fd = openat(proc_fd, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
    };

    if (f.links_fd < 0 || f.infos_fd < 0) {
        int r = -errno;

        shown_done(&f);
        return r;
    }
    *ret = f;
    return 0;
}

static int parse_info(const char *text, struct verify_file *f)
{
    char value[VERIFY_LINK_BYTES];

    if (verify_field(text, "flags", value) == NULL)
        return -EBADMSG;
    f->access = (int)(strtoul(value, NULL, 8) & O_ACCMODE);
    if (verify_field(text, "mnt_id", value) == NULL)
        return -EBADMSG;
    f->mount = strtoull(value, NULL, 10);
    if (verify_field(text, "ino", value) == NULL) /* Linux 5.14 */
        return -EBADMSG;
    f->inode = strtoull(value, NULL, 10);
    if (verify_field(text, "eventfd-id", value) != NULL)
        f->eventfd_id = strtoull(value, NULL, 10) + 1;
    return 0;
}

static int file_at(const struct shown_files *shown, int number, struct verify_file *ret)
{
    char name[16], text[VERIFY_TEXT_BYTES];
    struct verify_file f = {0};
    int r;

    (void)snprintf(name, sizeof(name), "%d", number);
    if (readlinkat(shown->links_fd, name, f.link, sizeof(f.link) - 1) < 0)
        return -errno;
    r = verify_read_text(shown->infos_fd, name, text, sizeof(text));
    if (r == 0)
        r = parse_info(text, &f);
    if (r == 0)
        *ret = f;
    return r;
}

int verify_files_own(const int *fds, unsigned n, struct verify_file *ret)
{
    AUTO_FD proc_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct shown_files shown;
    int r = proc_fd < 0 ? -errno : shown_open(proc_fd, &shown);

    if (r < 0)
        return r;
    for (unsigned i = 0; r == 0 && i < n; i++)
        r = file_at(&shown, fds[i], &ret[i]);
    shown_done(&shown);
    return r;
}

/* --- descriptors --- */

static int verify_known_file(const struct look *l, int number, const struct verify_file *is)
{
    const struct verify_file *want = &l->expect->files[number];

    if (strcmp(is->link, want->link) != 0 || is->mount != want->mount || is->inode != want->inode ||
        is->eventfd_id != want->eventfd_id)
        return why_say(l->why, -EPERM, "descriptor %d is '%s', not '%s'", number, is->link,
                       want->link);
    if (is->access != want->access)
        return why_say(l->why, -EPERM, "descriptor %d ('%s') has access mode %d, not %d", number,
                       is->link, is->access, want->access);
    return 0;
}

static bool may_own(const struct verify_expect *e, const struct verify_file *is)
{
    for (unsigned i = 0; i < e->n_own_links; i++) {
        if (strncmp(is->link, e->own_links[i], strlen(e->own_links[i])) == 0)
            return true;
    }
    return false;
}

static int verify_file(const struct look *l, const struct shown_files *shown, int number,
                       unsigned *known, unsigned *own)
{
    struct verify_file is;
    int r = file_at(shown, number, &is);

    if (r == -ENOENT) /* closed since it was listed; those that must be there are counted */
        return 0;
    if (r < 0)
        return why_errno(l->why, r, "descriptor %d", number);
    r = -EPERM;
    if ((unsigned)number < l->expect->n_files) {
        r = verify_known_file(l, number, &is);
        if (r == 0) {
            ++*known;
            return 0;
        }
    }
    /* A number that was closed may be used again, for what the process may open itself. */
    if (may_own(l->expect, &is) && ++*own <= l->expect->max_own) {
        l->why->text[0] = '\0';
        return 0;
    }
    if ((unsigned)number < l->expect->n_files)
        return r;
    return why_say(l->why, -EPERM, "descriptor %d ('%s') is not its own", number, is.link);
}

static int verify_files_in(const struct look *l, const struct shown_files *shown, DIR *dir)
{
    unsigned known = 0, own = 0, left = MAX_DIR_ENTRIES;

    for (const struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        int r;

        if (d->d_name[0] == '.')
            continue;
        if (left-- == 0)
            return why_say(l->why, -EPERM, "too many descriptors");
        r = verify_file(l, shown, (int)strtol(d->d_name, NULL, 10), &known, &own);
        if (r < 0)
            return r;
    }
    if (!l->expect->may_have_closed && known != l->expect->n_files)
        return why_say(l->why, -EPERM, "%u descriptors of %u are there", known, l->expect->n_files);
    return 0;
}

int verify_files(const struct look *l)
{
    struct shown_files shown;
    int r = shown_open(l->proc_fd, &shown);
    DIR *dir;

    if (r < 0)
        return why_errno(l->why, r, "/proc/PID/fd");
    dir = fdopendir(shown.links_fd);
    if (dir == NULL) {
        shown_done(&shown);
        return why_errno(l->why, -ENOMEM, "/proc/PID/fd");
    }
    r = verify_files_in(l, &shown, dir);
    (void)closedir(dir); /* and links_fd with it */
    fd_closep(&shown.infos_fd);
    return r;
}
