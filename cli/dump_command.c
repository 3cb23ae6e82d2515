#include <elf.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/query.h"
#include "cli/say.h"
#include "cli/sparse_file.h"

enum {
    PROGRESS_MS = 200,
    HEADERS_MAX = 16,
    HEAD_BYTES = sizeof(Elf64_Ehdr) + HEADERS_MAX * sizeof(Elf64_Phdr),
};

struct dump {
    const char *path;
    int fd;      /* to diag */
    int stop_fd; /* readable after a signal */
    struct sparse_file file;
    uint8_t head[HEAD_BYTES]; /* its first bytes say how long it will be */
    size_t head_len;
    uint64_t total; /* bytes; 0: not known yet */
    uint64_t shown_ns;
    bool shows; /* somebody looks on */
};

/* How long the file is that begins so; 0: it is no core. */
static uint64_t length_of(const uint8_t *head, size_t len)
{
    Elf64_Ehdr file;
    uint64_t end = 0;

    memcpy(&file, head, sizeof(file));
    if (memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 || file.e_type != ET_CORE ||
        file.e_phoff != sizeof(file) || file.e_phnum > HEADERS_MAX)
        return 0;
    for (size_t i = 0; i < file.e_phnum; i++) {
        Elf64_Phdr part;
        uint64_t part_end;

        if (!range_inside(sizeof(file) + i * sizeof(part), sizeof(part), len))
            return 0;
        memcpy(&part, head + sizeof(file) + i * sizeof(part), sizeof(part));
        if (u64_add(part.p_offset, part.p_filesz, &part_end) < 0)
            return 0;
        end = part_end > end ? part_end : end;
    }
    return end;
}

static void show(struct dump *d)
{
    const uint64_t bytes = sparse_file_bytes(&d->file);
    const uint64_t now_ns = clock_now_ns();

    if (!d->shows || d->total == 0 || now_ns < d->shown_ns + PROGRESS_MS * NS_PER_MS)
        return;
    d->shown_ns = now_ns;
    (void)fprintf(stderr, "\r%s: %llu of %llu MiB", d->path, (unsigned long long)(bytes >> 20),
                  (unsigned long long)(d->total >> 20));
}

static void clear_line(const struct dump *d)
{
    if (d->shown_ns != 0)
        (void)fprintf(stderr, "\r\033[K");
}

static int add(struct dump *d, const uint8_t *bytes, size_t len)
{
    const size_t room = sizeof(d->head) - d->head_len;
    int r;

    memcpy(d->head + d->head_len, bytes, len < room ? len : room);
    d->head_len += len < room ? len : room;
    if (d->total == 0 && d->head_len == sizeof(d->head))
        d->total = length_of(d->head, d->head_len);
    if (d->head_len == sizeof(d->head) && d->total == 0)
        return say(EXIT_FAILED, "the VM's answer makes no sense");
    r = sparse_file_add(&d->file, bytes, len);
    if (r < 0)
        return say(EXIT_FAILED, "%s: %s", d->path, strerror(-r));
    show(d);
    return 0;
}

static int take_answer(struct dump *d, bool *ret_done)
{
    Bulkhead__AdminAnswer *a = NULL;
    int status = query_next(d->fd, &a);

    if (status != 0)
        return status;
    *ret_done = a->done;
    if (a->data.len > 0)
        status = add(d, a->data.data, a->data.len);
    bulkhead__admin_answer__free_unpacked(a, NULL);
    return status;
}

static int take_all(struct dump *d)
{
    bool done = false;
    int status = 0;

    while (status == 0 && !done) {
        struct pollfd fds[] = {
            {.fd = d->stop_fd, .events = POLLIN},
            {.fd = d->fd,      .events = POLLIN},
        };

        if (poll(fds, COUNT_OF(fds), -1) < 0)
            continue; /* stopped and continued */
        if (fds[0].revents != 0)
            status = say(EXIT_FAILED, "interrupted: there is no dump");
        else
            status = take_answer(d, &done);
    }
    if (status == 0 && (d->total == 0 || sparse_file_bytes(&d->file) != d->total))
        status = say(EXIT_FAILED, "the dump ended early: there is none");
    return status;
}

static int finish(struct dump *d)
{
    const uint64_t bytes = sparse_file_bytes(&d->file);
    int r = sparse_file_finish(&d->file);

    if (r < 0)
        return say(EXIT_FAILED, "%s: %s", d->path, strerror(-r));
    (void)printf("%s: %llu MiB\n", d->path, (unsigned long long)(bytes >> 20));
    return EXIT_OK;
}

/* Nobody is to die of them: what is half a file is to be removed. */
static int take_signals(void)
{
    sigset_t set;
    int fd;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static int write_file(const struct cli_args *args, struct dump *d)
{
    struct cli_args asked = *args;
    Bulkhead__AdminCall call;
    int status;
    int r = sparse_file_open(&d->file, d->path);

    if (r < 0)
        return say(EXIT_FAILED, "%s: %s", d->path,
                   r == -EINVAL ? "it is no file that could be replaced" : strerror(-r));
    asked.target = NULL; /* the file is nobody's business there */
    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__DUMP;
    status = query_begin(&asked, &call, &d->fd);
    if (status == 0)
        status = take_all(d);
    clear_line(d);
    if (status == 0)
        status = finish(d);
    sparse_file_close(&d->file);
    return status;
}

int dump_command(const struct cli_args *args)
{
    static struct dump d; /* more than a stack should hold */
    int status;

    d = (struct dump){.path = args->target, .fd = -1};
    d.shows = isatty(STDERR_FILENO) != 0;
    d.stop_fd = take_signals();
    if (d.stop_fd < 0)
        return say(EXIT_FAILED, "%s", strerror(-d.stop_fd));
    status = write_file(args, &d);
    fd_closep(&d.stop_fd);
    fd_closep(&d.fd);
    return status;
}
