#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/pcapng.h"
#include "cli/say.h"
#include "tests/fakes/operator.h"

enum {
    OUTPUT_BYTES = 512,
    FRAME = 100,
    SOON_MS = 10000,
    PIPE_FRAMES = 1000, /* more than a pipe holds */
};

static char folder[] = "/tmp/test-pcap-XXXXXX";

static void enter(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

static void leave(void)
{
    (void)unlink("socket");
    (void)unlink("out");
    (void)rmdir(folder);
}

/* The command in a process of its own. */
struct run {
    int listener, connection;
    int err; /* what it says */
    int out; /* its stdout, a pipe; -1: none */
    pid_t pid;
};

static const struct cli_args usual = {
    .name = "vm", .socket = "socket", .target = "1", .write = "out", .snaplen = CAPTURE_FRAME_MAX};

/* Its stdout is that, or with -1 a pipe; no file of it grows beyond limit bytes, 0: any. */
static struct run start(const struct cli_args *args, int to, rlim_t limit)
{
    struct run r = {.listener = listen_here(), .connection = -1, .out = -1};
    int err[2], out[2] = {-1, -1};

    (void)unlink("out");
    ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
    if (to < 0)
        ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    r.pid = fork();
    ck_assert_int_ge(r.pid, 0);
    if (r.pid == 0) {
        const struct rlimit size = {.rlim_cur = limit, .rlim_max = limit};

        (void)signal(SIGXFSZ, SIG_IGN);
        if (limit > 0)
            (void)setrlimit(RLIMIT_FSIZE, &size);
        (void)dup2(to < 0 ? out[1] : to, STDOUT_FILENO);
        (void)dup2(err[1], STDERR_FILENO);
        (void)close(out[0]);
        exit(pcap_command(args));
    }
    (void)close(err[1]);
    fd_closep(&out[1]);
    r.err = err[0];
    r.out = out[0];
    return r;
}

static bool comes(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, timeout_ms) == 1;
}

/* It asks for that many bytes of NIC 1. */
static void hear_wish(struct run *r, uint32_t bytes)
{
    uint8_t packed[256];
    Bulkhead__AdminCall *call;
    ssize_t len;

    ck_assert(comes(r->listener, SOON_MS));
    r->connection = accept(r->listener, NULL, NULL);
    len = recv(r->connection, packed, sizeof(packed), 0);
    ck_assert_int_gt(len, 0);
    call = bulkhead__admin_call__unpack(NULL, (size_t)len, packed);
    ck_assert_ptr_nonnull(call);
    ck_assert_int_eq(call->verb, BULKHEAD__ADMIN_CALL__VERB__CAPTURE);
    ck_assert_uint_eq(call->capture->nic, 1);
    ck_assert_uint_eq(call->capture->bytes, bytes);
    bulkhead__admin_call__free_unpacked(call, NULL);
}

static void send_answer(struct run *r, Bulkhead__AdminAnswer *a)
{
    uint8_t packed[16384];
    size_t len;

    a->capturing = true;
    ck_assert_uint_le(bulkhead__admin_answer__get_packed_size(a), sizeof(packed));
    len = bulkhead__admin_answer__pack(a, packed);
    ck_assert_int_eq(send(r->connection, packed, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void begin(struct run *r)
{
    Bulkhead__AdminAnswer a;

    bulkhead__admin_answer__init(&a);
    send_answer(r, &a);
}

/* One frame of FRAME bytes, Ethernet with that type. */
static void send_frame(struct run *r, uint16_t type, uint64_t lost)
{
    uint8_t bytes[FRAME] = {[12] = (uint8_t)(type >> 8), [13] = (uint8_t)type};
    Bulkhead__FramePart part, *list[] = {&part};
    Bulkhead__AdminAnswer a;

    bulkhead__admin_answer__init(&a);
    bulkhead__frame_part__init(&part);
    part.time_ns = 1000;
    part.len = FRAME + 50;
    part.captured = FRAME;
    part.outbound = true;
    part.data = (ProtobufCBinaryData){.data = bytes, .len = sizeof(bytes)};
    a.frames = list;
    a.n_frames = 1;
    a.lost = lost;
    send_answer(r, &a);
}

static void expect_end(struct run *r, int status, const char *said)
{
    char text[OUTPUT_BYTES] = "";
    size_t len = 0;
    ssize_t n;
    int got;

    while ((n = read(r->err, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    ck_assert_int_eq(waitpid(r->pid, &got, 0), r->pid);
    ck_assert(WIFEXITED(got));
    ck_assert_msg(strstr(text, said) != NULL, "%s", text);
    ck_assert_msg(WEXITSTATUS(got) == status, "%s", text);
    fd_closep(&r->err);
    fd_closep(&r->out);
    fd_closep(&r->connection);
    fd_closep(&r->listener);
}

/* Blocks of a file: all are whole, and so many are packets; the type of the last one. */
static uint32_t look_at_file(uint64_t packets)
{
    static uint8_t bytes[1 << 20];
    AUTO_FD fd = open("out", O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, bytes, sizeof(bytes));
    uint32_t type = 0, last, block;
    uint64_t found;

    ck_assert_int_gt(len, 0);
    ck_assert_uint_eq(pcapng_whole(bytes, (size_t)len, &found), (size_t)len);
    ck_assert_uint_eq(found, packets);
    memcpy(&last, bytes + len - 4, sizeof(last));
    memcpy(&block, bytes + len - last, sizeof(type));
    return block;
}

static void wait_for_size(off_t least)
{
    struct stat st = {0};

    for (int budget = 500; budget > 0; budget--) {
        if (stat("out", &st) == 0 && st.st_size >= least)
            return;
        (void)poll(NULL, 0, 10);
    }
    ck_abort_msg("%lld bytes", (long long)st.st_size);
}

/* --- what goes well --- */

START_TEST(frames_go_to_a_file_until_a_signal)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct run r = start(&usual, -1, 0);

    hear_wish(&r, CAPTURE_FRAME_MAX);
    begin(&r);
    send_frame(&r, 0x800, 0);
    send_frame(&r, 0x806, 7);
    wait_for_size(2 * FRAME + 100);
    ck_assert_uint_eq(look_at_file(2), 6); /* it is there at once */
    ck_assert_int_eq(kill(r.pid, signals[_i]), 0);
    expect_end(&r, EXIT_OK, "nic 1: 2 packets captured, 7 dropped\n");
    ck_assert_uint_eq(look_at_file(2), 5); /* statistics */
}
END_TEST

START_TEST(it_ends_after_some_seconds)
{
    struct cli_args args = usual;
    struct run r;

    args.seconds = 1;
    r = start(&args, -1, 0);
    hear_wish(&r, CAPTURE_FRAME_MAX);
    begin(&r);
    expect_end(&r, EXIT_OK, "nic 1: 0 packets captured, 0 dropped\n");
    ck_assert_uint_eq(look_at_file(0), 5);
}
END_TEST

/* Also while frames never stop coming. */
START_TEST(a_busy_nic_does_not_keep_it)
{
    struct cli_args args = usual;
    struct run r;
    struct pollfd p;

    args.seconds = 1;
    r = start(&args, -1, 0);
    hear_wish(&r, CAPTURE_FRAME_MAX);
    begin(&r);
    p = (struct pollfd){.fd = r.connection};
    while (poll(&p, 1, 0) == 0) {
        struct pollfd room = {.fd = r.connection, .events = POLLOUT};
        Bulkhead__AdminAnswer a;
        uint8_t packed[64];
        size_t len;

        bulkhead__admin_answer__init(&a);
        a.capturing = true;
        len = bulkhead__admin_answer__pack(&a, packed);
        if (poll(&room, 1, 100) > 0)
            (void)!send(r.connection, packed, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    expect_end(&r, EXIT_OK, "packets captured");
}
END_TEST

START_TEST(a_filter_sees_more_than_is_kept)
{
    struct cli_args args = usual;
    struct run r;
    struct stat st;

    args.snaplen = 10;
    args.filter = "arp";
    r = start(&args, -1, 0);
    hear_wish(&r, PACKET_FILTER_LOOKS_BYTES);
    begin(&r);
    for (unsigned i = 0; i < 5; i++)
        send_frame(&r, i % 2 == 0 ? 0x806 : 0x800, 0);
    wait_for_size(2 * 50 + 100);
    (void)poll(NULL, 0, 100);
    ck_assert_int_eq(kill(r.pid, SIGINT), 0);
    expect_end(&r, EXIT_OK, "nic 1: 3 packets captured of 5, 0 dropped\n");
    ck_assert_uint_eq(look_at_file(3), 5);
    ck_assert_int_eq(stat("out", &st), 0);
    ck_assert_int_lt(st.st_size, 3 * FRAME + 100);
}
END_TEST

START_TEST(frames_go_to_a_pipe)
{
    struct cli_args args = usual;
    uint8_t bytes[4096];
    struct run r;

    args.write = _i == 0 ? NULL : "-";
    r = start(&args, -1, 0);
    hear_wish(&r, CAPTURE_FRAME_MAX);
    begin(&r);
    ck_assert(comes(r.out, SOON_MS));
    ck_assert_int_gt(read(r.out, bytes, sizeof(bytes)), 0);
    send_frame(&r, 0x800, 0);
    ck_assert(comes(r.out, SOON_MS));
    ck_assert_int_gt(read(r.out, bytes, sizeof(bytes)), FRAME);
    ck_assert_int_eq(kill(r.pid, SIGINT), 0);
    expect_end(&r, EXIT_OK, "nic 1: 1 packets captured");
    ck_assert_int_lt(access("out", F_OK), 0);
}
END_TEST

/* Whether something is on its way or not, and without a word of it. */
START_TEST(who_closes_the_pipe_ends_it)
{
    struct cli_args args = usual;
    struct run r;
    char text[64];
    ssize_t len;

    args.write = NULL;
    r = start(&args, -1, 0);
    hear_wish(&r, CAPTURE_FRAME_MAX);
    begin(&r);
    ck_assert(comes(r.err, SOON_MS)); /* that it begins */
    len = read(r.err, text, sizeof(text) - 1);
    ck_assert_int_gt(len, 0);
    ck_assert_int_eq(kill(r.pid, SIGSTOP), 0); /* or it is over before the frame is sent */
    fd_closep(&r.out);
    if (_i == 1)
        send_frame(&r, 0x800, 0);
    ck_assert_int_eq(kill(r.pid, SIGCONT), 0);
    ck_assert_int_eq(read(r.err, text, 1), 0);
    expect_end(&r, EXIT_OK, "");
}
END_TEST

START_TEST(a_reader_that_sleeps_does_not_keep_it)
{
    struct cli_args args = usual;
    struct run r;

    args.write = NULL;
    r = start(&args, -1, 0);
    hear_wish(&r, CAPTURE_FRAME_MAX);
    begin(&r);
    for (unsigned i = 0; i < PIPE_FRAMES; i++) {
        struct pollfd p = {.fd = r.connection, .events = POLLOUT};

        if (poll(&p, 1, 300) == 0)
            break;
        send_frame(&r, 0x800, 0);
    }
    ck_assert_int_eq(kill(r.pid, SIGINT), 0);
    expect_end(&r, EXIT_FAILED, "stdout: nobody reads it");
}
END_TEST

/* --- what goes wrong --- */

START_TEST(a_refusal_leaves_no_file)
{
    struct run r = start(&usual, -1, 0);

    hear_wish(&r, CAPTURE_FRAME_MAX);
    answer(r.connection, "because", NULL);
    expect_end(&r, EXIT_FAILED, "bulkhead: because\n");
    ck_assert_int_lt(access("out", F_OK), 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_written_is_told)
{
    struct cli_args args = usual;
    struct run r;

    args.write = "not/there";
    r = start(&args, -1, 0);
    hear_wish(&r, CAPTURE_FRAME_MAX);
    begin(&r);
    expect_end(&r, EXIT_FAILED, "bulkhead: -w not/there: No such file or directory\n");
}
END_TEST

/* Of a file with so many packets of FRAME bytes. */
static rlim_t bytes_of(unsigned packets)
{
    static const struct pcapng_interface i = {.name = "nic1", .snaplen = CAPTURE_FRAME_MAX};
    static const struct pcapng_packet p = {.len = FRAME, .captured = FRAME};
    static const uint8_t bytes[FRAME];
    uint8_t block[PCAPNG_HEAD_MAX];

    return pcapng_head(block, &i) + packets * pcapng_packet(block, &p, bytes);
}

/* It is full in the middle of the head, and at each place of a packet's block. */
START_TEST(a_full_disk_leaves_whole_blocks)
{
    bool in_head = _i == 0;
    struct run r = start(&usual, -1, in_head ? 50 : bytes_of(5) + (rlim_t)(_i - 1) * 20);

    hear_wish(&r, CAPTURE_FRAME_MAX);
    begin(&r);
    for (unsigned i = 0; !in_head && i < 6; i++)
        send_frame(&r, 0x800, 0);
    expect_end(&r, EXIT_FAILED,
               in_head ? "out: File too large\n"
                       : "ends early\nbulkhead: nic 1: 5 packets captured, 0 dropped");
    if (in_head)
        ck_assert_int_lt(access("out", F_OK), 0);
    else
        ck_assert_uint_eq(look_at_file(5), 6);
}
END_TEST

START_TEST(a_full_device_is_told)
{
    struct cli_args args = usual;
    AUTO_FD full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct run r;

    args.write = "-";
    r = start(&args, full, 0);
    hear_wish(&r, CAPTURE_FRAME_MAX);
    begin(&r);
    expect_end(&r, EXIT_FAILED, "stdout: No space left on device");
}
END_TEST

START_TEST(a_vm_that_goes_leaves_a_whole_file)
{
    struct run r = start(&usual, -1, 0);

    hear_wish(&r, CAPTURE_FRAME_MAX);
    begin(&r);
    send_frame(&r, 0x800, 3);
    wait_for_size(FRAME + 100);
    fd_closep(&r.connection);
    expect_end(&r, EXIT_FAILED,
               "went away in the middle\nbulkhead: nic 1: 1 packets captured, 3 dropped");
    ck_assert_uint_eq(look_at_file(1), 5);
}
END_TEST

START_TEST(answers_of_nonsense_end_it)
{
    struct run r = start(&usual, -1, 0);
    Bulkhead__FramePart part, *list[] = {&part};
    Bulkhead__AdminAnswer a;

    hear_wish(&r, CAPTURE_FRAME_MAX);
    begin(&r);
    send_frame(&r, 0x800, 0);
    bulkhead__admin_answer__init(&a);
    bulkhead__frame_part__init(&part);
    part.captured = UINT32_MAX;
    part.len = UINT32_MAX;
    a.frames = list;
    a.n_frames = 1;
    send_answer(&r, &a);
    expect_end(&r, EXIT_FAILED, "the VM's answer makes no sense");
    ck_assert_uint_eq(look_at_file(1), 5);
}
END_TEST

static const struct {
    const char *nic, *filter, *says;
} wrongs[] = {
    {"eth0", NULL,        "pcap eth0: the number of a NIC is wanted, 0 to 3"                       },
    {"4",    NULL,        "pcap 4: the number of a NIC is wanted"                                  },
    {"0",    "tcp or or", "pcap: --filter 'tcp or or': can't parse filter expression: syntax error"},
};

START_TEST(what_is_wrong_is_seen_before_the_vm_is_asked)
{
    struct cli_args args = usual;
    struct run r;

    args.target = wrongs[_i].nic;
    args.filter = wrongs[_i].filter;
    r = start(&args, -1, 0);
    ck_assert(!comes(r.listener, 100));
    expect_end(&r, EXIT_USAGE, wrongs[_i].says);
    ck_assert_int_lt(access("out", F_OK), 0);
}
END_TEST

START_TEST(a_terminal_is_no_place_for_it)
{
    struct cli_args args = usual;
    AUTO_FD terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    AUTO_FD end = -1;
    struct run r;

    ck_assert_int_eq(unlockpt(terminal), 0);
    end = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(end, 0);
    args.write = _i == 0 ? NULL : "-";
    r = start(&args, end, 0);
    if (_i == 0) {
        expect_end(&r, EXIT_USAGE, "use -w FILE, or a pipe");
        return;
    }
    hear_wish(&r, CAPTURE_FRAME_MAX); /* it is meant */
    fd_closep(&r.connection);
    expect_end(&r, EXIT_FAILED, "went away");
}
END_TEST

static void add_what_goes_wrong(TCase *tests)
{
    tcase_add_test(tests, a_refusal_leaves_no_file);
    tcase_add_test(tests, a_file_that_cannot_be_written_is_told);
    tcase_add_loop_test(tests, a_full_disk_leaves_whole_blocks, 0, 8);
    tcase_add_test(tests, a_full_device_is_told);
    tcase_add_test(tests, a_vm_that_goes_leaves_a_whole_file);
    tcase_add_test(tests, answers_of_nonsense_end_it);
    tcase_add_loop_test(tests, what_is_wrong_is_seen_before_the_vm_is_asked, 0, COUNT_OF(wrongs));
    tcase_add_loop_test(tests, a_terminal_is_no_place_for_it, 0, 2);
}

int main(void)
{
    Suite *suite = suite_create("pcap_command");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_unchecked_fixture(tests, enter, leave);
    tcase_add_loop_test(tests, frames_go_to_a_file_until_a_signal, 0, 3);
    tcase_add_test(tests, it_ends_after_some_seconds);
    tcase_add_test(tests, a_busy_nic_does_not_keep_it);
    tcase_add_test(tests, a_filter_sees_more_than_is_kept);
    tcase_add_loop_test(tests, frames_go_to_a_pipe, 0, 2);
    tcase_add_loop_test(tests, who_closes_the_pipe_ends_it, 0, 2);
    tcase_add_test(tests, a_reader_that_sleeps_does_not_keep_it);
    add_what_goes_wrong(tests);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
