#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/capture_file.h"
#include "cli/commands.h"
#include "cli/frame_parts.h"
#include "cli/nic_argument.h"
#include "cli/operator.h"
#include "cli/options.h"
#include "cli/packet_filter.h"
#include "cli/pcapng.h"
#include "cli/query.h"
#include "cli/say.h"

enum {
    FLUSH_BYTES = CAPTURE_FILE_BYTES - PCAPNG_PACKET_MAX - PCAPNG_END_MAX,
};

/* A capture, from the VM to the file. */
struct pcap {
    const struct cli_args *args;
    uint32_t nic;
    struct packet_filter *filter; /* NULL: all frames */
    int fd;                       /* to diag */
    int stop_fd;                  /* readable after a signal */
    uint64_t end_ns;              /* UINT64_MAX: when it is stopped */
    uint64_t began_ns;            /* since 1970 */
    uint64_t seen, accepted, lost, kept;
    struct capture_file file;
    struct frame_parts parts;
};

static uint64_t real_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* --- before anything is asked --- */

static int check(struct pcap *p)
{
    const struct cli_args *args = p->args;
    char error[PACKET_FILTER_ERROR_BYTES];
    int status = nic_argument("pcap", args, &p->nic);

    if (status != 0)
        return status;
    if (args->write == NULL && isatty(STDOUT_FILENO))
        return say(EXIT_USAGE,
                   "pcap: this is no output for a terminal: use -w FILE, or a pipe "
                   "(`bulkhead pcap %u | wireshark -k -i -`), or -w - if it is meant",
                   p->nic);
    if (args->filter != NULL && packet_filter_new(args->filter, &p->filter, error) < 0)
        return say(EXIT_USAGE, "pcap: --filter '%s': %s", args->filter, error);
    return 0;
}

static const char *name_of(const struct pcap *p)
{
    return p->file.is_ours ? p->args->write : "stdout";
}

/* The VM's first answer says that it has begun. A filter is to find what it looks at, however little is kept. */
static int ask(struct pcap *p)
{
    Bulkhead__AdminCall call;
    Bulkhead__CaptureChange change;
    Bulkhead__AdminAnswer *answer = NULL;
    int status;

    bulkhead__admin_call__init(&call);
    bulkhead__capture_change__init(&change);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__CAPTURE;
    call.capture = &change;
    change.nic = p->nic;
    change.bytes = (uint32_t)p->args->snaplen;
    if (p->filter != NULL && change.bytes < PACKET_FILTER_LOOKS_BYTES)
        change.bytes = PACKET_FILTER_LOOKS_BYTES;
    status = query_begin(p->args, &call, &p->fd);
    if (status == 0)
        status = query_next(p->fd, &answer);
    if (status == 0)
        bulkhead__admin_answer__free_unpacked(answer, NULL);
    return status;
}

/* --- frames --- */

static int write_out(struct pcap *p)
{
    uint64_t lost;
    int r = capture_file_flush(&p->file, &lost);

    p->kept -= lost;
    return r;
}

static void add_frame(struct pcap *p)
{
    struct pcapng_packet packet = p->parts.packet;
    uint32_t snaplen = (uint32_t)p->args->snaplen;

    p->seen++;
    if (!packet_filter_matches(p->filter, p->parts.bytes, packet.captured, packet.len))
        return;
    packet.captured = packet.captured < snaplen ? packet.captured : snaplen;
    capture_file_add(&p->file, pcapng_packet(capture_file_room(&p->file, PCAPNG_PACKET_MAX),
                                             &packet, p->parts.bytes));
    p->accepted++;
    p->kept++;
}

static int take_answer(struct pcap *p, const Bulkhead__AdminAnswer *a)
{
    int r = 0;

    p->lost = a->lost;
    for (size_t i = 0; r == 0 && i < a->n_frames; i++) {
        bool complete = false;

        r = frame_parts_take(&p->parts, a->frames[i], &complete);
        if (r == 0 && complete)
            add_frame(p);
        if (r == 0 && p->file.len > FLUSH_BYTES)
            r = write_out(p);
    }
    return r == 0 ? write_out(p) : r;
}

/* --- until it ends --- */

enum event {
    EVENT_NONE,
    EVENT_ANSWER,
    EVENT_STOP,
    EVENT_NO_READER,
};

static struct timespec left_of(const struct pcap *p)
{
    uint64_t now_ns = clock_now_ns();

    return clock_timespec(p->end_ns > now_ns ? p->end_ns - now_ns : 0);
}

static enum event await(const struct pcap *p)
{
    struct pollfd fds[] = {
        {.fd = p->stop_fd,                           .events = POLLIN},
        {.fd = p->fd,                                .events = POLLIN},
        {.fd = p->file.has_reader ? p->file.fd : -1, .events = 0     },
    };
    struct timespec left = left_of(p);
    int n = ppoll(fds, COUNT_OF(fds), p->end_ns == UINT64_MAX ? NULL : &left, NULL);

    if (n < 0)
        return EVENT_NONE; /* stopped and continued */
    if (n == 0 || fds[0].revents != 0)
        return EVENT_STOP;
    if ((fds[2].revents & (POLLERR | POLLHUP)) != 0)
        return EVENT_NO_READER;
    return EVENT_ANSWER;
}

static bool is_over(const struct pcap *p)
{
    return p->end_ns != UINT64_MAX && clock_now_ns() >= p->end_ns;
}

/* An exit status when the VM ends it, else 0; *ret_err is that of the file. */
static int follow(struct pcap *p, int *ret_err)
{
    int status = 0;

    while (status == 0 && *ret_err == 0 && !is_over(p)) {
        enum event event = await(p);
        Bulkhead__AdminAnswer *answer = NULL;
        int r;

        if (event == EVENT_STOP)
            break;
        if (event == EVENT_NO_READER)
            *ret_err = -EPIPE;
        if (event != EVENT_ANSWER)
            continue;
        status = query_next(p->fd, &answer);
        if (status != 0)
            break;
        r = take_answer(p, answer);
        bulkhead__admin_answer__free_unpacked(answer, NULL);
        if (r == -EBADMSG)
            status = say(EXIT_FAILED, "the VM's answer makes no sense");
        else
            *ret_err = r;
    }
    return status;
}

/* What was seen goes into the file as well. */
static int finish(struct pcap *p)
{
    const struct pcapng_counts counts = {
        .began_ns = p->began_ns,
        .ended_ns = real_ns(),
        .received = p->seen + p->lost,
        .dropped = p->lost,
        .accepted = p->accepted,
    };

    capture_file_add(&p->file, pcapng_end(capture_file_room(&p->file, PCAPNG_END_MAX), &counts));
    return write_out(p);
}

/* Whoever closes the other end of a pipe knows: no word about it. */
static int tell_end(const struct pcap *p, int err, int status)
{
    char beside[64] = "";

    if (err == -EPIPE)
        return EXIT_OK;
    if (err != 0)
        status = say(EXIT_FAILED, "%s: %s%s", name_of(p),
                     err == -ETIMEDOUT ? "nobody reads it" : strerror(-err),
                     p->file.written > 0 ? ": what is there is whole packets, and ends early" : "");
    if (p->filter != NULL)
        (void)snprintf(beside, sizeof(beside), " of %llu", (unsigned long long)p->seen);
    return say(status, "nic %u: %llu packets captured%s, %llu dropped", p->nic,
               (unsigned long long)p->kept, beside, (unsigned long long)p->lost);
}

/* Nobody is to die of them: the capture gets its end. */
static int take_signals(void)
{
    sigset_t set;
    int fd;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static int begin(struct pcap *p)
{
    char name[16];
    const struct pcapng_interface i = {
        .name = name, .filter = p->args->filter, .snaplen = (uint32_t)p->args->snaplen};

    (void)snprintf(name, sizeof(name), "nic%u", p->nic);
    p->stop_fd = take_signals();
    if (p->stop_fd < 0)
        return p->stop_fd;
    p->file.stop_fd = p->stop_fd;
    p->began_ns = real_ns();
    if (p->args->seconds != 0)
        p->end_ns = clock_now_ns() + p->args->seconds * NS_PER_S;
    capture_file_add(&p->file, pcapng_head(capture_file_room(&p->file, PCAPNG_HEAD_MAX), &i));
    return write_out(p);
}

static int capture(struct pcap *p)
{
    int status = 0;
    int err = begin(p);

    if (err == 0) {
        (void)say(0, "nic %u: capturing", p->nic);
        status = follow(p, &err);
    }
    if (err == 0)
        err = finish(p);
    return tell_end(p, err, status);
}

int pcap_command(const struct cli_args *args)
{
    static struct pcap p; /* more than a stack should hold */
    int status, r;

    p = (struct pcap){.args = args, .fd = -1, .stop_fd = -1, .end_ns = UINT64_MAX};
    status = check(&p);
    if (status == 0)
        status = ask(&p);
    if (status == 0) {
        r = capture_file_open(&p.file, args->write);
        if (r < 0)
            status = say(EXIT_FAILED, "-w %s: %s", args->write == NULL ? "-" : args->write,
                         strerror(-r));
        else
            status = capture(&p);
        if (r == 0)
            capture_file_close(&p.file);
    }
    packet_filter_free(p.filter);
    fd_closep(&p.stop_fd);
    fd_closep(&p.fd);
    return status;
}
