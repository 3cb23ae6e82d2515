/*
 * tests/fakes/diag_stage.h - the diag worker's loop on a thread, with a supervisor and operators made of sockets.
 */
#pragma once

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin.pb-c.h"
#include "base/fd.h"
#include "ipc/channel.h"
#include "workers/diag/diag.h"
#include "workers/diag/operator.h"

enum {
    SOON_MS = 5000, /* far longer than anything here takes */
    LATER_MS = 300, /* longer than a follower's look */
};

struct stage {
    struct diag *diag;
    struct board_page *pages[PROCESS_COUNT];
    struct board boards[PROCESS_COUNT];
    struct sockaddr_un address;
    int listener, supervisor, control;
    pthread_t thread;
};

static inline void *serve(void *arg)
{
    struct stage *s = arg;

    ck_assert_int_eq(diag_run(s->diag, &s->boards[PROCESS_DIAG]), -EPIPE);
    return NULL;
}

static inline void make_listener(struct stage *s)
{
    s->address = (struct sockaddr_un){.sun_family = AF_UNIX}; /* abstract: nothing to remove */
    (void)snprintf(s->address.sun_path + 1, sizeof(s->address.sun_path) - 1, "bulkhead-test-%d",
                   getpid());
    s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(s->listener, (struct sockaddr *)&s->address, sizeof(s->address)), 0);
    ck_assert_int_eq(listen(s->listener, 16), 0);
}

static inline void stage_init(struct stage *s)
{
    int pair[2];

    *s = (struct stage){.diag = calloc(1, sizeof(*s->diag))};
    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        s->pages[i] = calloc(1, sizeof(*s->pages[i]));
        board_attach(&s->boards[i], s->pages[i], 1);
        board_take_rows(&s->boards[i]);
        s->diag->boards[i] = s->pages[i];
    }
    s->diag->audit.page = calloc(1, sizeof(*s->diag->audit.page));
    make_listener(s);
    ck_assert_int_eq(channel_pair(pair), 0);
    s->control = pair[0];
    s->supervisor = pair[1];
    ck_assert_int_eq(diag_init(s->diag, s->listener, s->control), 0);
}

static inline void stage_start(struct stage *s)
{
    ck_assert_int_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static inline void stage_done(struct stage *s)
{
    fd_closep(&s->supervisor);
    ck_assert_int_eq(pthread_join(s->thread, NULL), 0);
    diag_done(s->diag);
    fd_closep(&s->listener);
    fd_closep(&s->control);
    for (unsigned i = 0; i < PROCESS_COUNT; i++)
        free(s->pages[i]);
    free(s->diag->audit.page);
    free(s->diag);
}

static inline int operator_come(const struct stage *s)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&s->address, sizeof(s->address)), 0);
    return fd;
}

static inline void send_bytes(int fd, const void *bytes, size_t len, int along)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (along >= 0) {
        struct cmsghdr *c;

        msg.msg_control = control;
        msg.msg_controllen = sizeof(control);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &along, sizeof(int));
    }
    ck_assert_int_eq(sendmsg(fd, &msg, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void call(int fd, Bulkhead__AdminCall__Verb verb, const char *target, bool follow,
                        int along)
{
    char text[64];
    uint8_t bytes[256];
    Bulkhead__AdminCall c;

    (void)snprintf(text, sizeof(text), "%s", target);
    bulkhead__admin_call__init(&c);
    c.verb = verb;
    c.target = text;
    c.follow = follow;
    c.has_binary = along >= 0;
    send_bytes(fd, bytes, bulkhead__admin_call__pack(&c, bytes), along);
}

/* NULL: nothing came in time, or the other side has closed. */
static inline Bulkhead__AdminAnswer *answer(int fd, int timeout_ms)
{
    uint8_t bytes[ANSWER_MAX_BYTES + 1];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    Bulkhead__AdminAnswer *a;
    ssize_t len;

    if (poll(&p, 1, timeout_ms) <= 0)
        return NULL;
    len = recv(fd, bytes, sizeof(bytes), 0);
    if (len <= 0)
        return NULL;
    ck_assert_int_le(len, ANSWER_MAX_BYTES);
    a = bulkhead__admin_answer__unpack(NULL, (size_t)len, bytes);
    ck_assert_ptr_nonnull(a);
    return a;
}

static inline void expect_end(int fd, const char *error)
{
    Bulkhead__AdminAnswer *a = answer(fd, SOON_MS);

    ck_assert_ptr_nonnull(a);
    ck_assert_str_eq(a->error, error);
    ck_assert(a->done);
    bulkhead__admin_answer__free_unpacked(a, NULL);
}

static inline void expect_closed(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;

    ck_assert_int_eq(poll(&p, 1, SOON_MS), 1);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
}

/* What the supervisor hears; the caller frees it. */
static inline struct channel_msg hear(const struct stage *s)
{
    struct pollfd p = {.fd = s->supervisor, .events = POLLIN};
    struct channel_msg m;

    ck_assert_int_eq(poll(&p, 1, SOON_MS), 1);
    ck_assert_int_eq(channel_recv(s->supervisor, &m), 0);
    ck_assert_int_eq(m.envelope->body_case, BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST);
    return m;
}

static inline void reply(const struct stage *s, uint32_t tag, const char *error)
{
    char text[64];
    Bulkhead__AdminReply r;
    Bulkhead__Envelope e;

    (void)snprintf(text, sizeof(text), "%s", error);
    bulkhead__admin_reply__init(&r);
    bulkhead__envelope__init(&e);
    r.tag = tag;
    r.error = text;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REPLY;
    e.admin_reply = &r;
    ck_assert_int_eq(channel_send(s->supervisor, &e, NULL, 0), 0);
}
