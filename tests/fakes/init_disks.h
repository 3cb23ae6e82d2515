/*
 * tests/fakes/init_disks.h - what init has of two VMs, as far as disks go: pages, rings, bells; and a
 * folder for their files.
 *
 * A test program's own: file-level state, one case at a time.
 */
#pragma once

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/shm.h"
#include "drivers/uring.h"
#include "init/disk_check.h"
#include "init/disks.h"
#include "init/ring.h"

enum {
    MIB = 1 << 20,
};

/* What init has of one VM, as far as disks go. */
struct stage {
    struct objects objects;
    struct disks disks;
    struct disks_page copy;
    struct uring ring;
};

static struct stage one, two;
static struct why why;
static char folder[64];
static uint8_t identity[16] = {1, 2, 3};

/* --- stages --- */

static inline void stage_init(struct stage *s)
{
    int r = ring_new(&s->objects.fds[OBJECT_RING][0], &s->objects.ring, &why);

    ck_assert_msg(r == 0, "%s", why.text);
    r = shm_new("disks", manifest_object_bytes(OBJECT_DISKS, 0), &s->objects.fds[OBJECT_DISKS][0]);
    ck_assert_int_eq(r, 0);
    s->objects.fds[OBJECT_BELL][PROCESS_STORAGE] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    disks_init(&s->disks);
}

static inline void stage_done(struct stage *s)
{
    disks_done(&s->disks);
    uring_detach(&s->ring);
    fd_closep(&s->objects.fds[OBJECT_RING][0]);
    fd_closep(&s->objects.fds[OBJECT_DISKS][0]);
    fd_closep(&s->objects.fds[OBJECT_BELL][PROCESS_STORAGE]);
}

static inline void setup(void)
{
    objects_init(&one.objects);
    objects_init(&two.objects);
    stage_init(&one);
    stage_init(&two);
    (void)snprintf(folder, sizeof(folder), "/tmp/test-init-disks.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
}

static inline void teardown(void)
{
    static const char *const names[] = {"a", "b", "pipe", "socket", "folder", "link"};
    char path[128];

    stage_done(&one);
    stage_done(&two);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)remove(path);
    }
    (void)rmdir(folder);
}

static inline char *in_folder(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static inline char *make_file(const char *name, off_t bytes)
{
    char *path = in_folder(name);
    AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, bytes), 0);
    return path;
}

/* --- disks --- */

static char *paths_of[DISK_MEMBERS + 1];

static Bulkhead__Disk disk_at(uint32_t lun, char *path)
{
    Bulkhead__Disk d;

    bulkhead__disk__init(&d);
    d.kind = DISK_DISK;
    d.lun = lun;
    d.identity = (ProtobufCBinaryData){sizeof(identity), identity};
    paths_of[0] = path;
    d.paths = paths_of;
    d.n_paths = path == NULL ? 0 : 1;
    return d;
}

static inline int start(struct stage *s, Bulkhead__Disk *a, Bulkhead__Disk *b)
{
    Bulkhead__Disk *list[] = {a, b};
    Bulkhead__VmConfig c;

    bulkhead__vm_config__init(&c);
    c.disks = list;
    c.n_disks = a == NULL ? 0 : b == NULL ? 1 : 2;
    why.text[0] = '\0';
    return disks_open(&s->disks, &s->objects, &c, &why);
}

static inline int change(struct stage *s, Bulkhead__DiskChange__Action action, Bulkhead__Disk *disk,
                         int fd)
{
    Bulkhead__DiskChange c;

    bulkhead__disk_change__init(&c);
    c.action = action;
    c.disk = disk;
    why.text[0] = '\0';
    return disks_change(&s->disks, &c, fd, &why);
}

#define ADD    BULKHEAD__DISK_CHANGE__ACTION__ADD
#define REMOVE BULKHEAD__DISK_CHANGE__ACTION__REMOVE
#define RESIZE BULKHEAD__DISK_CHANGE__ACTION__RESIZE
#define INSERT BULKHEAD__DISK_CHANGE__ACTION__INSERT
#define EJECT  BULKHEAD__DISK_CHANGE__ACTION__EJECT

static inline const struct disks_page *page_of(struct stage *s)
{
    ck_assert(disks_read(s->disks.page, &s->copy));
    return &s->copy;
}

static inline bool bell_rang(struct stage *s)
{
    uint64_t rings;

    return read(s->objects.fds[OBJECT_BELL][PROCESS_STORAGE], &rings, sizeof(rings)) > 0;
}

/* What a worker gets of the first bytes of a file: res, or -errno. */
static inline int read_slot(struct stage *s, uint32_t slot, char *byte)
{
    struct iovec iov = {byte, 1};
    struct uring_done d = {.user_data = URING_PROBE};

    if (s->ring.rings == NULL) {
        ck_assert_int_eq(
            uring_attach(&s->ring, s->objects.fds[OBJECT_RING][0], &s->disks.page->ring), 0);
        ck_assert_int_eq(uring_take_over(&s->ring), 0);
    }
    ck_assert_int_eq(uring_readv(&s->ring, slot, 0, &iov, 1, 1), 0);
    ck_assert_int_eq(uring_submit(&s->ring), 0);
    while (d.user_data == URING_PROBE) {
        ck_assert_int_eq(uring_wait(&s->ring, 1, clock_now_ns() + 5 * NS_PER_S), 0);
        ck_assert(uring_peek(&s->ring, 0, &d));
        uring_advance(&s->ring, 1);
    }
    return d.res;
}

static inline void expect_line(const char *text)
{
    ck_assert_msg(strstr(why.text, text) != NULL, "'%s' is not in '%s'", text, why.text);
    ck_assert_ptr_null(strchr(why.text, '\n'));
}

static inline int open_given(const char *name, int flags)
{
    int fd = open(in_folder(name), flags | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    return fd;
}
