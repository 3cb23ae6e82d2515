/*
 * tests/integration/stream_frames.c - the two ends of a stream of frames, each frame with its length before it, for net-ends.
 *
 *   stream_frames write FD        frames as fast as they go, each by one write, as QEMU and net do it; until nobody reads
 *   stream_frames tear FD         reads what there is, and part of one frame more; then it ends
 *   stream_frames read FD COUNT   that many frames, of which each must be whole; status 1: the stream is out of step
 *   stream_frames stop FD COUNT   writes that many frames, and half of one more
 *   stream_frames take FD COUNT   that many frames, each looked at and then taken whole, as net does it, besides those that
 *                                 were not written to their end
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/rd.h"
#include "base/wr.h"

enum {
    LENGTH_BYTES = 4,
    FRAME_BYTES = 9014,
    TORN_FRAMES = 100, /* are read before */
    FILL = 0xa5,       /* as a length it is none */
};

static void make_frame(uint8_t frame[LENGTH_BYTES + FRAME_BYTES])
{
    struct wr w = wr_over(frame, LENGTH_BYTES);

    wr_be32(&w, FRAME_BYTES);
    memset(frame + LENGTH_BYTES, FILL, FRAME_BYTES);
}

static bool write_whole(int fd, const uint8_t *from, size_t len)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};

    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, from + at, len - at);

        if (n < 0 && errno == EAGAIN)
            (void)poll(&room, 1, -1);
        else if (n <= 0)
            return false;
        else
            at += (size_t)n;
    }
    return true;
}

static int stop_within(int fd, unsigned count)
{
    uint8_t frame[LENGTH_BYTES + FRAME_BYTES];

    make_frame(frame);
    for (; count > 0; count--) {
        if (!write_whole(fd, frame, sizeof(frame)))
            return 1;
    }
    return write_whole(fd, frame, sizeof(frame) / 2) ? 0 : 1;
}

static int write_all(int fd)
{
    uint8_t frame[LENGTH_BYTES + FRAME_BYTES];
    struct pollfd room = {.fd = fd, .events = POLLOUT};

    (void)signal(SIGPIPE, SIG_IGN);
    make_frame(frame);
    for (;;) {
        ssize_t n = write(fd, frame, sizeof(frame));

        if (n < 0 && errno == EAGAIN)
            (void)poll(&room, 1, -1);
        else if (n != (ssize_t)sizeof(frame)) /* the reader is gone, or it was not written whole */
            return n < 0 ? 0 : 2;
    }
}

static bool read_whole(int fd, uint8_t *to, size_t len)
{
    struct pollfd there = {.fd = fd, .events = POLLIN};

    for (size_t at = 0; at < len;) {
        ssize_t n = read(fd, to + at, len - at);

        if (n < 0 && errno == EAGAIN)
            (void)poll(&there, 1, -1);
        else if (n <= 0)
            return false;
        else
            at += (size_t)n;
    }
    return true;
}

static int read_frames(int fd, unsigned count)
{
    uint8_t wanted[LENGTH_BYTES + FRAME_BYTES], got[LENGTH_BYTES + FRAME_BYTES];

    make_frame(wanted);
    for (; count > 0; count--) {
        if (!read_whole(fd, got, sizeof(got)) || memcmp(got, wanted, sizeof(got)) != 0)
            return 1;
    }
    return 0;
}

static int take_frames(int fd, unsigned count)
{
    uint8_t wanted[LENGTH_BYTES + FRAME_BYTES], got[LENGTH_BYTES + FRAME_BYTES];
    const struct timespec pause = {.tv_nsec = 1000000};

    make_frame(wanted);
    while (count > 0) {
        ssize_t n = recv(fd, got, sizeof(got), MSG_PEEK | MSG_DONTWAIT);
        struct rd r = rd_over(got, n < 0 ? 0 : (size_t)n);

        if (n >= LENGTH_BYTES && rd_be32(&r) != FRAME_BYTES)
            return 1;
        if (n < (ssize_t)sizeof(got)) {
            (void)nanosleep(&pause, NULL);
            continue;
        }
        (void)read_whole(fd, got, sizeof(got));
        count -= memcmp(wanted, got, sizeof(got)) == 0;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int fd = argc > 2 ? (int)strtol(argv[2], NULL, 10) : -1;
    uint8_t part[FRAME_BYTES / 2];

    if (argc == 3 && strcmp(argv[1], "write") == 0)
        return write_all(fd);
    if (argc == 3 && strcmp(argv[1], "tear") == 0)
        return read_frames(fd, TORN_FRAMES) == 0 && read_whole(fd, part, sizeof(part)) ? 0 : 1;
    if (argc == 4 && strcmp(argv[1], "read") == 0)
        return read_frames(fd, (unsigned)strtoul(argv[3], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "stop") == 0)
        return stop_within(fd, (unsigned)strtoul(argv[3], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "take") == 0)
        return take_frames(fd, (unsigned)strtoul(argv[3], NULL, 10));
    return 2;
}
