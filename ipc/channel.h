/*
 * ipc/channel.h - one end of a control channel: envelopes and descriptors over SOCK_SEQPACKET.
 *
 * One protobuf Envelope per datagram, at most CHANNEL_MAX_BYTES, with up to CHANNEL_MAX_FDS
 * descriptors. Sending never blocks. The descriptor of the socket is owned by whoever made it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "control.pb-c.h"

enum {
    CHANNEL_MAX_BYTES = 16384,
    CHANNEL_MAX_FDS = 4,
    CHANNEL_SHORT_BYTES = 1024, /* what channel_write() and channel_read() take, at most */
};

struct channel_msg {
    Bulkhead__Envelope *envelope;
    int fds[CHANNEL_MAX_FDS]; /* close-on-exec; -1 once taken (fd_steal) */
    unsigned n_fds;
};

/*
 * Make a connected pair of close-on-exec SEQPACKET sockets. They block for channel_read(), which
 * a worker waits in; channel_send() and channel_recv() never do.
 */
int MUST_USE channel_pair(int ret[2]);

/*
 * Send one envelope; fds are borrowed.
 *   0         sent
 *   -EAGAIN   the peer does not read: its buffer is full
 *   -ENOBUFS  longer than CHANNEL_MAX_BYTES
 *   other     from sendmsg(2): the peer is gone
 */
int MUST_USE channel_send(int fd, const Bulkhead__Envelope *e, const int *fds, unsigned n_fds);

/*
 * Receive one envelope; the caller owns *ret and frees it with channel_msg_done().
 *   0          received
 *   -EAGAIN    nothing there
 *   -EPIPE     the peer has closed
 *   -EBADMSG   too long, too many descriptors, or not an envelope; what came along was closed
 */
int MUST_USE channel_recv(int fd, struct channel_msg *ret);

/*
 * The same with read(2) and write(2) alone, for processes whose filter has no sendmsg:
 * a message with descriptors arrives without them. What a worker has to say and hear is short, and so is the stack
 * that it keeps for it: what is longer than CHANNEL_SHORT_BYTES is -ENOBUFS, and -EBADMSG for its reader.
 */
int MUST_USE channel_write(int fd, const Bulkhead__Envelope *e);
int MUST_USE channel_read(int fd, struct channel_msg *ret);

/* Free the envelope and close the descriptors that nobody took. Accepts a zeroed message. */
void channel_msg_done(struct channel_msg *m);
