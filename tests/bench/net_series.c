#include "tests/bench/net_series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/wr.h"

static uint64_t number(const char *text, const char *name, uint64_t fallback)
{
    const char *at = strstr(text, name);

    return at == NULL ? fallback : strtoull(at + strlen(name), NULL, 10);
}

void net_series_parse(struct net_series *s, const char *text, char ret_to[32])
{
    const char *to = strstr(text, "to=");
    uint64_t bytes = number(text, "bytes=", NET_SERIES_WIRE_MAX);

    (void)snprintf(ret_to, 32, "%.*s", to == NULL ? 0 : (int)strcspn(to + 3, " "),
                   to == NULL ? "" : to + 3);
    s->to = ret_to;
    s->what = strstr(text, "receive") != NULL ? "receive"
              : strstr(text, "trip") != NULL  ? "trip"
                                              : "send";
    s->bytes = bytes < NET_SERIES_FRAME_MIN || bytes > NET_SERIES_FRAME_MAX ? NET_SERIES_WIRE_MAX
                                                                            : (uint32_t)bytes;
    s->run_ns = number(text, "run_ms=", 1000) * NS_PER_MS;
    s->warm_up_ns = number(text, "warm_up_ms=", 200) * NS_PER_MS;
}

enum {
    SECTION_BYTES = 6144,
    MESSAGE_HEAD_BYTES = 44, /* before each frame */
};

unsigned net_series_batch(const struct net_series *s)
{
    unsigned fit = SECTION_BYTES / ((MESSAGE_HEAD_BYTES + s->bytes + 7) & ~UINT32_C(7));

    if (fit > NET_SERIES_BATCH_MAX)
        return NET_SERIES_BATCH_MAX;
    return fit > 0 ? fit : 1;
}

static uint16_t sum(const uint8_t *bytes, size_t len)
{
    uint32_t all = 0;

    for (size_t i = 0; i + 1 < len; i += 2)
        all += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (all >> 16 != 0)
        all = (all & 0xffff) + (all >> 16);
    return (uint16_t)~all;
}

void net_series_frame(const struct net_series *s, uint8_t *frame)
{
    static const uint8_t headers[NET_SERIES_HEADERS] =
        {
            0x02, 0, 0,   0, 0,    0x99, 0x02, 0,    0,    0, 0, 0x01, 0x08, 0x00, /* Ethernet */
            0x45, 0, 0,   0, 0,    0,    0x40, 0,    64,   6, 0, 0,    192,  0,
            2,    1, 192, 0, 2,    2,    0x10, 0,    0x20, 0, 0, 0,    0,    1,
            0,    0, 0,   1, 0x50, 0x10, 0xff, 0xff, /* TCP */
        };
    uint32_t len = s->bytes - NET_SERIES_IP_AT;
    uint16_t checksum;

    memset(frame, 0, s->bytes);
    memcpy(frame, headers, sizeof(headers));
    frame[NET_SERIES_IP_AT + 2] = (uint8_t)(len >> 8);
    frame[NET_SERIES_IP_AT + 3] = (uint8_t)len;
    checksum = sum(frame + NET_SERIES_IP_AT, NET_SERIES_TCP_AT - NET_SERIES_IP_AT);
    frame[NET_SERIES_IP_AT + 10] = (uint8_t)(checksum >> 8);
    frame[NET_SERIES_IP_AT + 11] = (uint8_t)checksum;
}

void net_series_begin(struct net_series *s, uint64_t now_ns)
{
    s->from_ns = now_ns + s->warm_up_ns;
    s->until_ns = s->from_ns + s->run_ns;
    s->frames = 0;
}

bool net_series_count(struct net_series *s, unsigned frames, uint64_t now_ns)
{
    if (now_ns >= s->from_ns && now_ns < s->until_ns)
        s->frames += frames;
    return now_ns < s->until_ns;
}

bool net_series_trip(struct net_series *s, uint64_t sent_ns, uint64_t now_ns)
{
    uint64_t bucket = (now_ns - sent_ns) / NET_SERIES_TRIP_NS;

    if (sent_ns < s->from_ns || !net_series_count(s, 1, now_ns))
        return now_ns < s->until_ns;
    s->trips[bucket < NET_SERIES_TRIPS ? bucket : NET_SERIES_TRIPS - 1]++;
    return true;
}

/* What so many per cent of the trips took no longer than. */
static unsigned percentile_ns(const struct net_series *s, unsigned percent)
{
    uint64_t left = s->frames * percent / 100;
    unsigned i = 0;

    while (i < NET_SERIES_TRIPS - 1 && s->trips[i] <= left)
        left -= s->trips[i++];
    return (i + 1) * NET_SERIES_TRIP_NS;
}

static void trips_line(const struct net_series *s, char line[NET_SERIES_LINE_BYTES])
{
    (void)snprintf(line, NET_SERIES_LINE_BYTES,
                   "{\"bench\": \"net\", \"who\": \"%s\", \"what\": \"%s\", \"to\": \"%s\", "
                   "\"bytes\": %u, \"frames\": %llu, \"p50_ns\": %u, \"p99_ns\": %u}\n",
                   s->who, s->what, s->to, s->bytes, (unsigned long long)s->frames,
                   percentile_ns(s, 50), percentile_ns(s, 99));
}

void net_series_line(const struct net_series *s, char line[NET_SERIES_LINE_BYTES])
{
    if (s->what[0] == 't') {
        trips_line(s, line);
        return;
    }
    (void)snprintf(line, NET_SERIES_LINE_BYTES,
                   "{\"bench\": \"net\", \"who\": \"%s\", \"what\": \"%s\", \"to\": \"%s\", "
                   "\"bytes\": %u, \"frames\": %llu, \"per_s\": %llu}\n",
                   s->who, s->what, s->to, s->bytes, (unsigned long long)s->frames,
                   (unsigned long long)(s->frames * NS_PER_S / s->run_ns));
}
