#include <string.h>
#include <unistd.h>

#include "base/rd.h"
#include "ipc/records.h"
#include "workers/journal.h"
#include "workers/net/net.h"

enum {
    ID_NIC_SHIFT = 56,
};

static void ring(int fd)
{
    static const uint64_t one = 1;

    (void)!write(fd, &one, sizeof(one)); /* full means that it is rung already */
}

/* --- executing --- */

/* Both kinds of messages begin with their type. */
static void say_doing(struct net *s, enum doing doing, const uint8_t *message, uint32_t len)
{
    struct rd r = rd_over(message, len);

    region_set_doing(&s->worker->region, doing, rd_le32(&r));
}

static void execute_rndis(struct net *s, struct nic *n, const struct vmring_packet *p,
                          const struct nvsp_rndis_packet *rndis, bool refuse, struct control *c)
{
    static uint8_t message[RNDIS_CONTROL_MAX];
    struct carried *in = &s->carried[NET_BATCH - 1];
    uint32_t status = NVSP_INVALID_RNDIS;
    uint32_t len;

    if (carried_by(n, nic_primary(n), p, rndis, in) == 0) {
        len = in->len < sizeof(message) ? in->len : (uint32_t)sizeof(message);
        if (carried_copy(s, n, in, 0, message, len) == 0) {
            say_doing(s, DOING_RNDIS, message, len);
            c->reply_len =
                refuse ? rndis_refuse(message, len, c->reply)
                       : rndis_control(&n->nvsp, &n->config, n->counters, message, len, c->reply);
            status = NVSP_SUCCESS;
        }
    }
    c->answer_len = nvsp_rndis_complete(&n->nvsp, status, c->answer);
}

static void execute(struct net *s, struct nic *n, const struct vmring_packet *p, bool refuse,
                    struct control *c)
{
    struct nic_lookup look = {s, n};
    struct nvsp_rndis_packet rndis;
    uint8_t message[NVSP_MESSAGE_MAX];
    uint32_t len =
        p->payload_bytes < sizeof(message) ? p->payload_bytes : (uint32_t)sizeof(message);

    vmring_copy(&nic_primary(n)->in, p, p->head_bytes, message, len);
    say_doing(s, DOING_NVSP, message, len);
    if (nvsp_parse_rndis_packet(message, len, &rndis))
        execute_rndis(s, n, p, &rndis, refuse, c);
    else if (refuse)
        c->answer_len = nvsp_refuse(&n->nvsp, message, len, c->answer);
    else
        c->answer_len =
            nvsp_message(&n->nvsp, &n->config, message, len, nic_lent_bytes, &look, c->answer);
    if ((p->flags & VMRING_WANTS_COMPLETION) == 0)
        c->answer_len = 0;
}

/* The same for a successor that tries it again: which packet of which opening it was. */
static uint64_t id_of(const struct nic *n)
{
    const struct control *c = &n->control;

    return (uint64_t)(n->index + 1) << ID_NIC_SHIFT | (uint64_t)(c->opening & 0xffffff) << 32 |
           c->number;
}

static void execute_once(struct net *s, struct nic *n, const struct vmring_packet *p)
{
    uint64_t id = id_of(n);
    bool refuse = id == s->worker->poison;

    region_set_executing(&s->worker->region, id);
    if (refuse)
        board_log(&s->worker->board, LOG_LEVEL_WARN,
                  "nic %u: a request that net has died of is refused", n->index);
    execute(s, n, p, refuse, &n->control);
    region_set_executing(&s->worker->region, 0);
    board_log(&s->worker->board, LOG_LEVEL_DEBUG, "nic %u: control message %u, %u bytes answered",
              n->index, n->control.number, n->control.answer_len);
    journal_commit(s->worker);
}

/*
 * What it changed and what is answered are committed together, before the packet is taken: a successor that finds it
 * not taken knows it by its number, and executes it no second time.
 */
void control_execute(struct net *s, struct nic *n, const struct vmring_packet *p)
{
    struct line *l = nic_primary(n);
    struct control *c = &n->control;

    if (c->opening != l->log->opening || c->number != l->taken + 1) {
        *c = (struct control){.opening = l->log->opening, .number = l->taken + 1};
        execute_once(s, n, p);
    }
    nic_take_buffers(s, n);
    atomic_store(&s->bus.acks->subchannels[NET_FIRST_DEVICE + n->index], n->nvsp.channels - 1);
    ring(s->bus.vmbus_bell_fd);
    line_take(l, p, LINE_CONTROL, 0);
}

/* --- telling --- */

static bool answer_is_due(const struct nic *n)
{
    uint32_t number;

    return line_control(&n->lines[0], &number) && number + 1 == n->control.number;
}

static bool reply_is_due(const struct nic *n)
{
    return n->control.reply_len != 0 && n->receive.id != 0 &&
           atomic_load(&n->lines[0].log->replied) != n->control.number;
}

static bool offloads_are_due(const struct nic *n)
{
    return n->nvsp.offloads_are_due != 0 && n->nvsp.rndis_initialized != 0 && n->receive.id != 0;
}

/* Also behind frames whose completions are due before its answer. */
static bool is_taken_and_not_done(const struct nic *n)
{
    const struct line *l = &n->lines[0];

    return n->control.number - 1 - l->done < l->taken - l->done;
}

bool control_is_due(const struct nic *n)
{
    return n->control.number != 0 && n->lines[0].open &&
           (is_taken_and_not_done(n) || reply_is_due(n));
}

/* An RNDIS message in a section of the receive buffer; replied as line_give(). False: there is no room now. */
static bool give_message(struct net *s, struct nic *n, const uint8_t *message, uint32_t len,
                         uint32_t replied)
{
    uint8_t payload[NVSP_HEAD_BYTES];
    uint32_t payload_len = nvsp_rndis_packet(&n->nvsp, NVSP_CHANNEL_CONTROL, payload);
    int section = rx_sections(n, 1, true);
    struct line_group g = {.first = (uint16_t)section, .n = 1, .n_ranges = 1};
    bool signal = false;
    bool given;

    if (section < 0)
        return false;
    g.ranges[0].bytes = len;
    g.ranges[0].offset = (uint32_t)section * n->nvsp.receive.section_bytes;
    gmem_pages_copy_out(&n->receive.pages, n->receive.offset + g.ranges[0].offset, message, len);
    given = line_give(nic_primary(n), &g, 1, (uint16_t)n->nvsp.receive.id, payload, payload_len,
                      replied, &signal) == 1;
    if (signal)
        nic_interrupt(s, n, 0, false);
    return given;
}

static bool tell_table(struct net *s, struct nic *n)
{
    uint8_t message[NVSP_MESSAGE_MAX];
    bool signal = false;

    if (!line_say(nic_primary(n), message, nvsp_indirection_table(&n->nvsp, message), &signal))
        return false;
    if (signal)
        nic_interrupt(s, n, 0, false);
    n->nvsp.table_is_due = 0;
    journal_commit(s->worker);
    return true;
}

/* Told again after a death, at worst. */
static bool tell_offloads(struct net *s, struct nic *n)
{
    uint8_t message[RNDIS_ANSWER_MAX];
    uint32_t len = rndis_indicate_offloads(&n->nvsp, message);

    if (!give_message(s, n, message, len, atomic_load(&nic_primary(n)->log->replied)))
        return false;
    n->nvsp.offloads_are_due = 0;
    journal_commit(s->worker);
    return true;
}

bool control_tell(struct net *s, struct nic *n)
{
    struct line *l = nic_primary(n);
    bool signal = false;

    if (!l->open || l->stopped)
        return true;
    if (answer_is_due(n)) {
        if (!line_tell(l, n->control.answer, n->control.answer_len, &signal))
            return false;
        if (signal)
            nic_interrupt(s, n, 0, false);
    }
    if (reply_is_due(n) &&
        !give_message(s, n, n->control.reply, n->control.reply_len, n->control.number))
        return false;
    if (n->nvsp.table_is_due != 0 && !tell_table(s, n))
        return false;
    return !offloads_are_due(n) || tell_offloads(s, n);
}

/* Told again after a death, at worst: its driver looks at the link's state then. */
void control_tell_link(struct net *s, struct nic *n)
{
    uint8_t message[RNDIS_ANSWER_MAX];
    struct nvsp before = n->nvsp;
    uint32_t len;

    if (n->nvsp.rndis_initialized == 0 || n->receive.id == 0 || !nic_primary(n)->open ||
        n->nvsp.told_link_up == n->config.link_up)
        return;
    len = rndis_indicate_link(&n->nvsp, &n->config, message);
    if (give_message(s, n, message, len, atomic_load(&nic_primary(n)->log->replied)))
        journal_commit(s->worker);
    else
        n->nvsp = before;
}
