/*
 * tests/guest/programs/number_stream.c - a stream whose every byte is known, and how long it ever paused.
 *
 *   number_stream write         numbers from 0 up, 8 bytes each, little-endian, to stdout until nobody reads
 *   number_stream read FILE     the same from stdin, until FILE exists
 *
 * The reader prints "stream N bytes, longest pause US us", or what is wrong and exits with 1.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"

enum {
    NUMBERS = 2048, /* at once */
};

static int write_numbers(void)
{
    static uint64_t block[NUMBERS];
    uint64_t next = 0;

    for (;;) {
        const uint8_t *at = (const uint8_t *)block;
        size_t left = sizeof(block);

        for (size_t i = 0; i < NUMBERS; i++)
            block[i] = next++;
        while (left > 0) {
            ssize_t n = write(STDOUT_FILENO, at, left);

            if (n < 0)
                return 0;
            at += n;
            left -= (size_t)n;
        }
    }
}

/* Of the stream's byte at that place. */
static uint8_t byte_at(uint64_t place)
{
    return (uint8_t)(place / 8 >> 8 * (place % 8));
}

static bool is_right(const uint8_t *bytes, size_t len, uint64_t place)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != byte_at(place + i))
            return false;
    }
    return true;
}

static int read_numbers(const char *file)
{
    static uint8_t block[NUMBERS * 8];
    uint64_t place = 0, longest_ns = 0, last_ns = 0;

    while (access(file, F_OK) < 0) {
        ssize_t n = read(STDIN_FILENO, block, sizeof(block));
        uint64_t now_ns = clock_now_ns();

        if (n <= 0 || !is_right(block, (size_t)n, place)) {
            printf("stream broken at %" PRIu64 ": %s\n", place,
                   n > 0    ? "wrong bytes"
                   : n == 0 ? "its end"
                            : strerror(errno));
            return 1;
        }
        if (last_ns != 0 && now_ns - last_ns > longest_ns)
            longest_ns = now_ns - last_ns;
        last_ns = now_ns;
        place += (uint64_t)n;
    }
    printf("stream %" PRIu64 " bytes, longest pause %" PRIu64 " us\n", place,
           longest_ns / NS_PER_US);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "write") == 0)
        return write_numbers();
    return argc == 3 && strcmp(argv[1], "read") == 0 ? read_numbers(argv[2]) : 2;
}
