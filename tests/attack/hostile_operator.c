/*
 * tests/attack/hostile_operator.c - operators that break every rule, against a VM that runs.
 *
 *   hostile_operator SOCKET
 *
 * The real diag worker is at the other end, in its jail and under its filters. Whatever is sent, it
 * must cost its sender the session at most: diag and the vtpm serve on, in their first generation.
 * Beside a script, which counts descriptors (tests/attack/operators). Exits with 0 when it is so.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin.pb-c.h"
#include "base/fd.h"
#include "base/macro.h"

enum {
    ANSWER_MS = 15000,
    ANSWER_BYTES = 1 << 16,
    LONGEST_CALL = 5 * 1024,
    SESSIONS = 16,
    STORM = 300,
    MANY_FDS = 253, /* as many as the kernel takes at once */
};

static const char *socket_path;
static unsigned wrong;

static void fail(const char *what, const char *how)
{
    wrong++;
    printf("  %s: %s\n", what, how);
}

static int come(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", socket_path);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
        err(2, "%s", socket_path);
    return fd;
}

/* n copies of along come with it. A session that is closed already is no failure of ours. */
static void send_bytes(int fd, const void *bytes, size_t len, int along, unsigned n)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * MANY_FDS)] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (n > 0) {
        struct cmsghdr *c;

        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n);
        for (unsigned i = 0; i < n; i++)
            memcpy(CMSG_DATA(c) + i * sizeof(int), &along, sizeof(along));
    }
    if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
        err(2, "sendmsg");
}

/* NULL: the session was closed, or nothing came. */
static Bulkhead__AdminAnswer *answer(int fd)
{
    static uint8_t bytes[ANSWER_BYTES];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t len;

    if (poll(&p, 1, ANSWER_MS) != 1)
        return NULL;
    len = recv(fd, bytes, sizeof(bytes), 0);
    return len <= 0 ? NULL : bulkhead__admin_answer__unpack(NULL, (size_t)len, bytes);
}

static void call(int fd, Bulkhead__AdminCall__Verb verb, const char *target, int along, unsigned n)
{
    uint8_t bytes[LONGEST_CALL];
    Bulkhead__AdminCall c;

    bulkhead__admin_call__init(&c);
    c.verb = verb;
    c.target = (char *)(uintptr_t)target; /* packing does not change it */
    c.follow = true;
    c.has_binary = n > 0;
    send_bytes(fd, bytes, bulkhead__admin_call__pack(&c, bytes), along, n);
}

/* A worker that is as it was at the beginning. */
static bool is_fresh(const Bulkhead__ProcessRow *p)
{
    return p->generation == 1 && p->restarts == 0 && strcmp(p->state, "running") == 0;
}

/* Everybody serves, and nobody had to be started anew. */
static void expect_unharmed(const char *after)
{
    AUTO_FD fd = come();
    Bulkhead__AdminAnswer *a;

    call(fd, BULKHEAD__ADMIN_CALL__VERB__PS, "", -1, 0);
    a = answer(fd);
    if (a == NULL) {
        fail(after, "diag does not answer");
        return;
    }
    for (size_t i = 0; i < a->n_processes; i++) {
        if (strcmp(a->processes[i]->name, "supervisor") != 0 && !is_fresh(a->processes[i])) {
            fail(after, a->processes[i]->name);
            printf("  last death: %s\n", a->processes[i]->last_death);
        }
    }
    bulkhead__admin_answer__free_unpacked(a, NULL);
}

static void expect_closed(const char *what, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;

    if (poll(&p, 1, ANSWER_MS) != 1 || recv(fd, &byte, 1, 0) > 0)
        fail(what, "the session goes on");
    expect_unharmed(what);
}

static void expect_refused(const char *what, int fd)
{
    Bulkhead__AdminAnswer *a = answer(fd);

    if (a == NULL || a->error[0] == '\0')
        fail(what, "it was not refused");
    if (a != NULL) {
        printf("  %s: %s\n", what, a->error);
        bulkhead__admin_answer__free_unpacked(a, NULL);
    }
    expect_unharmed(what);
}

/* --- bytes --- */

/* Two bytes a field, all of them unknown: what costs the most memory to unpack. */
static void send_fields(const char *what, char tag, size_t len)
{
    static char bytes[ANSWER_BYTES];
    AUTO_FD fd = come();

    for (size_t i = 0; i < len; i += 2) {
        bytes[i] = tag;
        bytes[i + 1] = 0;
    }
    send_bytes(fd, bytes, len, -1, 0);
    if (len > LONGEST_CALL)
        expect_closed(what, fd);
    else
        expect_refused(what, fd); /* it is a call, of no verb */
}

static void send_many_fields(void)
{
    static const struct {
        const char *what;
        char tag;
    } kinds[] = {
        {"unknown numbers",      0x78},
        {"unknown empty bytes",  0x7a},
        {"a target many times",  0x12},
        {"a verb many times",    0x08},
        {"a boolean many times", 0x18},
    };

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        send_fields(kinds[i].what, kinds[i].tag, LONGEST_CALL);
        send_fields(kinds[i].what, kinds[i].tag, LONGEST_CALL + 2);
        send_fields(kinds[i].what, kinds[i].tag, 2 * LONGEST_CALL);
        send_fields(kinds[i].what, kinds[i].tag, 1 << 15);
    }
}

static void send_nonsense(void)
{
    static const struct {
        const char *what, *bytes;
        size_t len;
    } rows[] = {
        {"nothing",                    "",                                             0 },
        {"garbage",                    "\377\377\377\377\377\377\377\377\377\377\377", 11},
        {"a target of 2^32 - 1 bytes", "\x12\xff\xff\xff\xff\x0f",                     6 },
        {"a target of 2^63 bytes",     "\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11},
        {"a group without an end",     "\x0b\x0b\x0b\x0b",                             4 },
        {"a number that does not end", "\x08\x80\x80",                                 3 },
        {"field number 0",             "\x00\x00",                                     2 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FD fd = come();

        send_bytes(fd, rows[i].bytes, rows[i].len, -1, 0);
        expect_closed(rows[i].what, fd);
    }
}

/* --- descriptors --- */

static void send_descriptors(void)
{
    static const unsigned numbers[] = {2, 3, 4, 5, MANY_FDS};
    AUTO_FD missing = come();
    AUTO_FD unasked = come();

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        AUTO_FD fd = come();

        call(fd, BULKHEAD__ADMIN_CALL__VERB__RESTART, "vtpm", STDIN_FILENO, numbers[i]);
        expect_closed("many descriptors", fd);
    }
    send_bytes(missing, "\x08\x04\x12\x04vtpm\x20\x01", 10, -1, 0);
    expect_refused("a program that did not come along", missing);
    send_bytes(unasked, "\x08\x04\x12\x04vtpm", 8, STDIN_FILENO, 1);
    expect_refused("a program that was not announced", unasked);
}

/* An ELF header that promises what is not there. */
static int broken_program(void)
{
    static const char head[64] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\076\0\1\0\0\0"
                                 "\377\377\377\377\377\377\377\177" /* entry */
                                 "\370\377\377\377\377\377\377\177" /* program headers */
                                 "\0\0\0\0\0\0\0\0\0\0\0\0\100\0\070\0\377\377\0\0\0\0\0";
    int fd = memfd_create("broken", MFD_CLOEXEC);

    if (fd < 0 || write(fd, head, sizeof(head)) != sizeof(head) || fchmod(fd, 0555) < 0)
        err(2, "memfd");
    return fd;
}

/* Ask for a disk at 3:63; its file, if there is one, comes along. */
static void change_disk(int session, Bulkhead__DiskChange__Action action, int fd, unsigned n)
{
    static uint8_t identity[16];
    char path[] = "/some/file", *paths[] = {path};
    uint8_t bytes[LONGEST_CALL];
    Bulkhead__DiskChange change;
    Bulkhead__AdminCall c;
    Bulkhead__Disk disk;

    bulkhead__admin_call__init(&c);
    bulkhead__disk_change__init(&change);
    bulkhead__disk__init(&disk);
    disk.kind = 1;
    disk.controller = 3;
    disk.lun = 63;
    disk.paths = paths;
    disk.n_paths = 1;
    disk.identity = (ProtobufCBinaryData){sizeof(identity), identity};
    change.action = action;
    change.disk = &disk;
    c.verb = BULKHEAD__ADMIN_CALL__VERB__DISK;
    c.disk = &change;
    send_bytes(session, bytes, bulkhead__admin_call__pack(&c, bytes), fd, n);
}

static void expect_done(const char *what, int fd)
{
    Bulkhead__AdminAnswer *a = answer(fd);

    if (a == NULL || a->error[0] != '\0')
        fail(what, a == NULL ? "no answer" : a->error);
    if (a != NULL)
        bulkhead__admin_answer__free_unpacked(a, NULL);
    expect_unharmed(what);
}

/* What is asked for properly is done; so the refusals are for what is wrong with them. */
static void send_disks(void)
{
    static const struct {
        const char *what;
        Bulkhead__DiskChange__Action action;
    } rows[] = {
        {"no change of a disk",          BULKHEAD__DISK_CHANGE__ACTION__NONE  },
        {"a change that there is not",   (Bulkhead__DiskChange__Action)77     },
        {"a disk whose file is missing", BULKHEAD__DISK_CHANGE__ACTION__ADD   },
        {"a disk that is not there",     BULKHEAD__DISK_CHANGE__ACTION__REMOVE},
        {"a drive that is not there",    BULKHEAD__DISK_CHANGE__ACTION__EJECT },
    };
    AUTO_FD none = come(), one = come(), two = come();
    AUTO_FD file = memfd_create("disk", MFD_CLOEXEC);

    if (file < 0 || ftruncate(file, 1 << 20) < 0)
        err(2, "memfd");
    send_bytes(none, "\x08\x06", 2, -1, 0);
    expect_refused("a call for a disk without one", none);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FD fd = come();

        change_disk(fd, rows[i].action, -1, 0);
        expect_refused(rows[i].what, fd);
    }
    change_disk(one, BULKHEAD__DISK_CHANGE__ACTION__ADD, file, 1);
    expect_done("a disk", one);
    change_disk(two, BULKHEAD__DISK_CHANGE__ACTION__REMOVE, -1, 0);
    expect_done("the end of a disk", two);
}

static void send_links(void)
{
    static const uint32_t numbers[] = {0, 4, UINT32_MAX}; /* the VM has no NIC */
    AUTO_FD none = come();

    send_bytes(none, "\x08\x07", 2, -1, 0);
    expect_refused("a call for a link without one", none);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        Bulkhead__AdminCall c;
        Bulkhead__LinkChange change = BULKHEAD__LINK_CHANGE__INIT;
        uint8_t bytes[LONGEST_CALL];
        AUTO_FD fd = come();

        bulkhead__admin_call__init(&c);
        change.nic = numbers[i];
        c.verb = BULKHEAD__ADMIN_CALL__VERB__LINK;
        c.link = &change;
        send_bytes(fd, bytes, bulkhead__admin_call__pack(&c, bytes), -1, 0);
        expect_refused("the link of a NIC that is not there", fd);
    }
}

/* The VM has no NIC, and there is none of such numbers, nor such frames. */
static void send_captures(void)
{
    static const uint32_t rows[][2] = {
        {0,          100       },
        {0,          0         },
        {0,          UINT32_MAX},
        {3,          65568     },
        {4,          100       },
        {UINT32_MAX, 100       },
    };
    AUTO_FD none = come();

    send_bytes(none, "\x08\x08", 2, -1, 0);
    expect_refused("a call for a capture without one", none);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Bulkhead__AdminCall c;
        Bulkhead__CaptureChange change = BULKHEAD__CAPTURE_CHANGE__INIT;
        uint8_t bytes[LONGEST_CALL];
        AUTO_FD fd = come();

        bulkhead__admin_call__init(&c);
        change.nic = rows[i][0];
        change.bytes = rows[i][1];
        c.verb = BULKHEAD__ADMIN_CALL__VERB__CAPTURE;
        c.capture = &change;
        send_bytes(fd, bytes, bulkhead__admin_call__pack(&c, bytes), -1, 0);
        expect_refused("a capture of a NIC that is not there", fd);
    }
}

static void send_no_programs(void)
{
    int pair[2];
    const struct {
        const char *what;
        int fd;
    } rows[] = {
        {"a folder",                     open("/",           O_RDONLY | O_DIRECTORY | O_CLOEXEC)},
        {"a path, not opened",           open("/etc/passwd", O_PATH | O_CLOEXEC)                },
        {"a file of text",               open("/etc/passwd", O_RDONLY | O_CLOEXEC)              },
        {"a device without end",         open("/dev/zero",   O_RDONLY | O_CLOEXEC)              },
        {"an eventfd that blocks",       eventfd(0,          EFD_CLOEXEC)                       },
        {"a broken program",             broken_program()  },
        {"a session",                        come()                  },
        {"a pipe", pipe2(pair,                   O_CLOEXEC) < 0 ? -1 : pair[0]                                   },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FD fd = come();

        call(fd, BULKHEAD__ADMIN_CALL__VERB__RESTART, "vtpm", rows[i].fd, 1);
        expect_refused(rows[i].what, fd);
        change_disk(fd, BULKHEAD__DISK_CHANGE__ACTION__ADD, rows[i].fd, 1);
        expect_refused(rows[i].what, fd);
        (void)close(rows[i].fd);
    }
    (void)close(pair[1]);
}

/* --- presence --- */

static void occupy(void)
{
    int fds[SESSIONS];
    Bulkhead__AdminAnswer *a;
    AUTO_FD more = -1;

    for (unsigned i = 0; i < SESSIONS; i++) {
        fds[i] = come();
        call(fds[i], BULKHEAD__ADMIN_CALL__VERB__LOGS, "", -1, 0); /* nobody reads it */
    }
    more = come();
    a = answer(more);
    if (a == NULL || strstr(a->error, "too many") == NULL)
        fail("one operator too many", "was not told so");
    if (a != NULL)
        bulkhead__admin_answer__free_unpacked(a, NULL);
    for (unsigned i = 0; i < SESSIONS; i++)
        (void)close(fds[i]);
    (void)poll(NULL, 0, 500); /* until diag has seen it */
    expect_unharmed("sixteen that do not read");
}

static void come_and_go(void)
{
    for (int i = 0; i < STORM; i++) {
        AUTO_FD fd = come();

        if (i % 3 == 1)
            call(fd, BULKHEAD__ADMIN_CALL__VERB__INSPECT, "", -1, 0);
        if (i % 3 == 2)
            (void)shutdown(fd, SHUT_WR);
    }
    (void)poll(NULL, 0, 500);
    expect_unharmed("a storm of short sessions");
}

static void talk_out_of_turn(void)
{
    AUTO_FD fd = come();

    call(fd, BULKHEAD__ADMIN_CALL__VERB__RESTART, "nobody", -1, 0);
    for (int i = 0; i < STORM; i++)
        call(fd, BULKHEAD__ADMIN_CALL__VERB__LOGS, "", STDIN_FILENO, 1);
    expect_unharmed("calls without end on one session");
}

int main(int argc, char **argv)
{
    if (argc != 2)
        errx(2, "usage: hostile_operator SOCKET");
    socket_path = argv[1];
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    expect_unharmed("nothing");
    send_many_fields();
    send_nonsense();
    send_descriptors();
    send_no_programs();
    send_disks();
    send_links();
    send_captures();
    occupy();
    come_and_go();
    talk_out_of_turn();
    printf("%u things not as they must be\n", wrong);
    return wrong == 0 ? 0 : 1;
}
