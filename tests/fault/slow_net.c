/*
 * tests/fault/slow_net.c - the net worker, slow between the stores that a successor relies on: see dawdle.h.
 */
#include <sys/socket.h>

#include "base/filters.h"
#include "tests/fault/dawdle.h"
#include "workers/journal.h"
#include "workers/net/net.h"

bool __real_vmring_produced(const struct vmring *r, uint32_t before, uint32_t write);
bool __wrap_vmring_produced(const struct vmring *r, uint32_t before, uint32_t write);
bool __real_vmring_consumed(const struct vmring *r, uint32_t before, uint32_t read);
bool __wrap_vmring_consumed(const struct vmring *r, uint32_t before, uint32_t read);
void __real_line_taken(struct line *l);
void __wrap_line_taken(struct line *l);
void __real_line_put_back(struct line *l, const struct line_mark *packet, unsigned part);
void __wrap_line_put_back(struct line *l, const struct line_mark *packet, unsigned part);
uint32_t __real_line_free_sections(struct line *l);
uint32_t __wrap_line_free_sections(struct line *l);
int __real_gmem_set_bit(const struct gmem *m, struct gpa word, unsigned bit);
int __wrap_gmem_set_bit(const struct gmem *m, struct gpa word, unsigned bit);
void __real_journal_commit(struct worker *w);
void __wrap_journal_commit(struct worker *w);
ssize_t __real_recv(int fd, void *bytes, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags);

bool __wrap_vmring_produced(const struct vmring *r, uint32_t before, uint32_t write)
{
    bool signal;

    dawdle();
    signal = __real_vmring_produced(r, before, write);
    dawdle();
    return signal;
}

bool __wrap_vmring_consumed(const struct vmring *r, uint32_t before, uint32_t read)
{
    bool signal;

    dawdle();
    signal = __real_vmring_consumed(r, before, read);
    dawdle();
    return signal;
}

void __wrap_line_taken(struct line *l)
{
    dawdle();
    __real_line_taken(l);
    dawdle();
}

void __wrap_line_put_back(struct line *l, const struct line_mark *packet, unsigned part)
{
    dawdle();
    __real_line_put_back(l, packet, part);
    dawdle();
}

uint32_t __wrap_line_free_sections(struct line *l)
{
    uint32_t n;

    dawdle();
    n = __real_line_free_sections(l);
    dawdle();
    return n;
}

int __wrap_gmem_set_bit(const struct gmem *m, struct gpa word, unsigned bit)
{
    int was;

    dawdle();
    was = __real_gmem_set_bit(m, word, bit);
    dawdle();
    return was;
}

void __wrap_journal_commit(struct worker *w)
{
    dawdle();
    __real_journal_commit(w);
    dawdle();
}

/* Of a stream: looked at, then taken out. */
ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags)
{
    ssize_t n;

    dawdle();
    n = __real_recv(fd, bytes, len, flags);
    dawdle();
    return n;
}

static const struct worker_ops ops = {
    .process = PROCESS_NET,
    .filter = &net_filter,
    .schema = NET_SCHEMA,
    .schema_min = NET_SCHEMA,
    .state_max = NET_STATE_MAX,
    .setup = net_setup,
    .load = net_load,
    .save = net_save,
    .loop = net_loop,
};

int main(int argc, char **argv)
{
    static struct net s; /* more than a stack should hold */

    return worker_main(&ops, &s, argc, argv);
}
