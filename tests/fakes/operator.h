/*
 * tests/fakes/operator.h - a VM's end of the operators' socket, "socket" in the working folder, for tests of commands.
 */
#pragma once

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin.pb-c.h"

static inline int listen_here(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    (void)unlink("socket");
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    return fd;
}

/* The last answer: an error, empty when it went well, and a text that was asked for; NULL: none. */
static inline void answer(int connection, const char *error, const char *text)
{
    Bulkhead__ValueRow row, *rows[] = {&row};
    Bulkhead__AdminAnswer a;
    uint8_t bytes[256];
    size_t len;

    bulkhead__value_row__init(&row);
    bulkhead__admin_answer__init(&a);
    row.text = (char *)(uintptr_t)text;
    row.is_text = true;
    a.error = (char *)(uintptr_t)error;
    a.values = rows;
    a.n_values = text != NULL;
    a.done = true;
    len = bulkhead__admin_answer__pack(&a, bytes);
    ck_assert_int_eq(send(connection, bytes, len, 0), (ssize_t)len);
}
