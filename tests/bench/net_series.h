/*
 * tests/bench/net_series.h - frames of one size as fast as they go, or one after the other there and back, timed the same way,
 * whatever moves them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    NET_SERIES_LINE_BYTES = 256,
    NET_SERIES_FRAME_MIN = 60,
    NET_SERIES_FRAME_MAX = 65226, /* 45 segments of NET_SERIES_MSS, and headers */
    NET_SERIES_WIRE_MAX = 1514,   /* a larger one is cut into segments by whoever takes it */
    NET_SERIES_MSS = 1448,
    NET_SERIES_IP_AT = 14,
    NET_SERIES_TCP_AT = 34,
    NET_SERIES_HEADERS = 54,  /* Ethernet, IPv4, TCP */
    NET_SERIES_PACKETS = 128, /* of a guest's, on their way */
    NET_SERIES_BATCH_MAX = 8, /* frames in one of them */
    NET_SERIES_TRIP_NS = 50,  /* times there and back are told apart by so much */
    NET_SERIES_TRIPS = 1 << 16,
};

struct net_series {
    const char *who;  /* whose figures these are */
    const char *what; /* "send": from the guest, "receive", or "trip": there and back */
    const char *to;   /* what is at the other end */
    uint32_t bytes;   /* of a frame */
    uint64_t warm_up_ns, run_ns;
    /* so far */
    uint64_t from_ns, until_ns; /* what is counted; set by net_series_begin() */
    uint64_t frames;
    uint32_t trips
        [NET_SERIES_TRIPS]; /* how many took i times NET_SERIES_TRIP_NS; the last: and longer */
};

/* Arguments: send|receive|trip to=NAME bytes=N run_ms=N warm_up_ms=N; to is put into ret_to. */
void net_series_parse(struct net_series *s, const char *text, char ret_to[32]);

/* A TCP segment to another station's address, for the kernel to drop after it was looked at. */
void net_series_frame(const struct net_series *s, uint8_t *frame);

/* So many are in a packet of the guest's, as Linux puts small ones together in a section of its send buffer. */
unsigned net_series_batch(const struct net_series *s);

void net_series_begin(struct net_series *s, uint64_t now_ns);
/* So many have arrived. False: the time is up. */
bool net_series_count(struct net_series *s, unsigned frames, uint64_t now_ns);
/* One that was sent then has come back. False: the time is up. */
bool net_series_trip(struct net_series *s, uint64_t sent_ns, uint64_t now_ns);
/* One JSON object, a line. */
void net_series_line(const struct net_series *s, char line[NET_SERIES_LINE_BYTES]);
