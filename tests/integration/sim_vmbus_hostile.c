/*
 * tests/integration/sim_vmbus_hostile.c - a guest that breaks every rule of VMBus and storvsp, against the real
 * workers.
 *
 * Each attack is on the second controller, by vCPU 0. After each, no process may have died, the second
 * controller must work as new, and the verified load that runs on the first one all the time must
 * have gone on. vCPU 1, which puts that load in, also moves its page of event flags all the time, and finds
 * out whether anybody writes to the old one.
 *
 * Arguments: seed=N rounds=N (of everything).
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/rd.h"
#include "base/wr.h"
#include "supervisor/hyperv/hv.h"
#include "tests/sim/disk_load.h"
#include "tests/sim/ring_attacks.h"

enum {
    RING_PAGES = 9,
    SMALL_RING = 2,
    CHANNELS = 3,
    QD = 4,
    RELID = 9,        /* of the second controller's first channel: offers are in order */
    FLAGS_PAGES = 64, /* in turn */
    SILENCE = 0xa5,   /* what is in pages that nobody may write to */
    RAW_PACKETS = 2000,
    RAW_MESSAGES = 3000,
};

static const uint64_t LOOK_NS = 5 * NS_PER_MS;
static const uint64_t PATIENCE_NS = 20 * NS_PER_S;

struct hostile {
    struct sim *sim;
    struct vmbus_guest vmbus;
    struct scsi_guest good, victim; /* controllers */
    struct disk_model model;
    struct disk_load load;
    struct guest_channel raw; /* of the victim, when it is opened without storvsp's rules */
    uint64_t raw_answers, raw_sent;
    uint64_t random;
    _Atomic bool ready, loading;
    _Atomic unsigned moves;
    uint64_t flags_pages[FLAGS_PAGES]; /* guest addresses */
    uint64_t page;                     /* page frame numbers for this and that */
};

static struct hostile *the_guest(void)
{
    static struct hostile h;

    return &h;
}

static uint32_t chance(struct hostile *h, uint32_t n)
{
    return (uint32_t)(sim_random(&h->random) % n);
}

/* --- the second controller, by hand --- */

static void on_raw(struct guest_channel *c, const struct vring_packet *p)
{
    struct hostile *h = c->self;

    (void)p;
    h->raw_answers++;
}

/* listens: its interrupts are looked at, for its ring will be in order. */
static bool open_raw(struct hostile *h, unsigned pages, bool listens)
{
    bool opened;

    h->raw.packet = on_raw;
    h->raw.self = h;
    h->raw_answers = 0;
    h->raw_sent = 0;
    opened = vmbus_open(&h->vmbus, &h->raw, RELID, pages, 0);
    h->raw.open &= listens;
    return opened;
}

static void pause_a_little(struct hostile *h)
{
    (void)vmbus_halt(&h->vmbus, 0, LOOK_NS);
}

/* A packet of storvsp's, with any head and any length. */
static bool send_raw(struct hostile *h, uint16_t type, const void *head, uint32_t head_len,
                     const uint8_t *packet, uint32_t len)
{
    uint64_t end = clock_now_ns() + PATIENCE_NS;
    int r;

    do {
        r = vmbus_send(&h->raw, type, 1 + h->raw_sent, head, head_len, packet, len);
        if (r == -EAGAIN)
            pause_a_little(h);
    } while (r == -EAGAIN && clock_now_ns() < end && !h->vmbus.failed);
    h->raw_sent += r == 0;
    return r == 0;
}

static bool await_raw(struct hostile *h)
{
    uint64_t end = clock_now_ns() + PATIENCE_NS;

    while (h->raw_answers < h->raw_sent && !h->vmbus.failed) {
        if (clock_now_ns() > end)
            vmbus_fail(&h->vmbus, "%llu answers to %llu packets",
                       (unsigned long long)h->raw_answers, (unsigned long long)h->raw_sent);
        pause_a_little(h);
    }
    return !h->vmbus.failed;
}

/* --- rings --- */

static struct ring_attacks rings(struct hostile *h)
{
    return (struct ring_attacks){
        .vmbus = &h->vmbus, .channel = &h->raw, .relid = RELID, .random = &h->random};
}

static bool attack_indices(struct hostile *h)
{
    const struct ring_attacks a = rings(h);

    return ring_attack_indices(&a);
}

static bool attack_packets(struct hostile *h)
{
    const struct ring_attacks a = rings(h);

    return ring_attack_packets(&a);
}

static bool attack_races(struct hostile *h)
{
    const struct ring_attacks a = rings(h);

    return ring_attack_races(&a);
}

static bool attack_one_page(struct hostile *h)
{
    const struct ring_attacks a = rings(h);

    return ring_attack_one_page(&a);
}

/* --- storvsp --- */

static void random_packet(struct hostile *h, uint8_t packet[SCSI_GUEST_PACKET])
{
    static const uint8_t opcodes[] = {0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x25, 0x28,
                                      0x2a, 0x35, 0x41, 0x42, 0x55, 0x5a, 0x5e, 0x5f, 0x88,
                                      0x8a, 0x91, 0x93, 0x9e, 0xa0, 0xa3, 0xff};

    for (unsigned i = 0; i < SCSI_GUEST_PACKET; i++)
        packet[i] = chance(h, 3) == 0 ? (uint8_t)chance(h, 256) : 0;
    memset(packet, 0, 12);
    packet[0] = chance(h, 4) != 0 ? VSTOR_EXECUTE : (uint8_t)chance(h, 20);
    packet[4] = 1;
    memset(packet + 17, 0, 2);
    packet[19] = (uint8_t)chance(h, 3);
    packet[20] = (uint8_t)chance(h, 18);
    packet[22] = (uint8_t)chance(h, 4);
    packet[28] = opcodes[chance(h, COUNT_OF(opcodes))];
}

/* A page frame number: of RAM, past it, of ROM, of a hole, of no address. */
static uint64_t random_pfn(struct hostile *h)
{
    static const uint64_t bad[] = {0xc0000, 0xfed40, 0x3ffff, UINT64_MAX, UINT64_C(1) << 52, 0xf0};

    return chance(h, 4) != 0 ? h->page : bad[chance(h, COUNT_OF(bad))];
}

static uint32_t random_head(struct hostile *h, uint8_t *head, size_t room)
{
    struct wr w = wr_over(head, room);
    uint32_t pages = chance(h, 8);
    size_t len = 0;

    wr_le32(&w, 0);
    wr_le32(&w, chance(h, 8) != 0 ? 1 : chance(h, 2) * UINT32_MAX + 2);
    wr_le32(&w, chance(h, 4) != 0 ? pages * GUEST_PAGE : chance(h, UINT32_MAX));
    wr_le32(&w, chance(h, 4) != 0 ? 0 : chance(h, 5000));
    for (uint32_t i = 0; i < pages; i++)
        wr_le64(&w, random_pfn(h));
    return wr_finish(&w, &len) == 0 ? (uint32_t)len : 0;
}

static bool initialise_raw(struct hostile *h)
{
    static const uint8_t ops[] = {VSTOR_BEGIN_INIT, VSTOR_VERSION, VSTOR_PROPERTIES,
                                  VSTOR_END_INIT};
    uint8_t packet[SCSI_GUEST_PACKET] = {[4] = 1, [12] = 2, [13] = 6};

    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        packet[0] = ops[i];
        (void)send_raw(h, VRING_IN_BAND, NULL, 0, packet, sizeof(packet));
    }
    return await_raw(h);
}

/* Each is answered, whatever it says: the ring is in order. */
static bool attack_storvsp(struct hostile *h)
{
    if (!open_raw(h, RING_PAGES, true) || !initialise_raw(h))
        return false;
    for (unsigned i = 0; i < RAW_PACKETS && !h->vmbus.failed; i++) {
        uint8_t packet[SCSI_GUEST_PACKET], head[16 + 8 * 8];
        uint32_t len = chance(h, 4) != 0 ? SCSI_GUEST_PACKET : chance(h, 9) * 8;
        uint32_t head_len = random_head(h, head, sizeof(head));

        random_packet(h, packet);
        (void)send_raw(h, chance(h, 2) == 0 ? VRING_IN_BAND : VRING_GPA_DIRECT, head,
                       chance(h, 8) == 0 ? 8 * chance(h, 3) : head_len, packet, len);
    }
    return await_raw(h) && vmbus_close(&h->vmbus, &h->raw);
}

/* Everything out of order: the guest is told. */
static bool attack_order(struct hostile *h)
{
    static const uint8_t ops[] = {VSTOR_EXECUTE,     VSTOR_END_INIT,   VSTOR_PROPERTIES,
                                  VSTOR_SUBCHANNELS, VSTOR_RESET_BUS,  VSTOR_BEGIN_INIT,
                                  VSTOR_END_INIT,    VSTOR_PROPERTIES, VSTOR_EXECUTE};
    uint8_t packet[SCSI_GUEST_PACKET] = {0};

    if (!open_raw(h, RING_PAGES, true))
        return false;
    packet[12] = 0xff; /* a version, a number of subchannels */
    packet[13] = 0xff;
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        packet[0] = ops[i];
        (void)send_raw(h, VRING_IN_BAND, NULL, 0, packet, sizeof(packet));
    }
    return await_raw(h) && vmbus_close(&h->vmbus, &h->raw);
}

/* Closed and given back while requests are on their way; answers are never read. */
static bool attack_close(struct hostile *h)
{
    uint8_t packet[SCSI_GUEST_PACKET] = {VSTOR_EXECUTE};

    for (unsigned i = 0; i < 20; i++) {
        if (!open_raw(h, SMALL_RING, false))
            return false;
        for (unsigned j = 0; j < 200; j++) {
            bool signal;

            if (vring_write(&h->raw.out, VRING_IN_BAND, 1, j, NULL, 0, packet, sizeof(packet),
                            &signal) == 0)
                vmbus_kick(&h->raw);
        }
        if (!vmbus_close(&h->vmbus, &h->raw))
            return false;
    }
    return true;
}

/* --- messages --- */

/* Of all kinds but those that end the connection, about all channels but the load's. */
static bool attack_messages(struct hostile *h)
{
    for (unsigned i = 0; i < RAW_MESSAGES && !h->vmbus.failed; i++) {
        uint32_t words[GUEST_MESSAGE_BYTES / 4] = {0};
        uint32_t len = chance(h, GUEST_MESSAGE_BYTES + 1);
        uint32_t connection = chance(h, 16) == 0 ? chance(h, UINT32_MAX) : 1 + 3 * chance(h, 2);

        for (size_t j = 1; j < COUNT_OF(words); j++)
            words[j] = chance(h, 2) == 0 ? chance(h, UINT32_MAX) : chance(h, 80);
        words[0] = chance(h, 30);
        words[2] = RELID + 1 + chance(h, 60); /* not the first: its offer is needed again */
        if (words[0] == MSG_CONTACT || words[0] == MSG_UNLOAD)
            words[0] = MSG_GPADL_HEADER;
        (void)vmbus_post_raw(&h->vmbus, 0, connection, chance(h, 16) == 0 ? chance(h, 4) : 1, words,
                             len, chance(h, 16) == 0 ? chance(h, 1000) : len);
        if (chance(h, 8) == 0)
            vmbus_interrupted(&h->vmbus, 0);
    }
    return true;
}

/* What is asked for is answered, and nobody takes the answers. */
static bool attack_unread(struct hostile *h)
{
    static const uint32_t modify[] = {MSG_MODIFY, 0, RELID, 0};
    uint64_t status = HV_SUCCESS;
    unsigned posted = 0;

    for (; posted < 2000 && status == HV_SUCCESS; posted++)
        status = vmbus_post_raw(&h->vmbus, 0, h->vmbus.connection, 1, modify, sizeof(modify),
                                sizeof(modify));
    if (status != HV_INSUFFICIENT_BUFFERS)
        vmbus_fail(&h->vmbus, "%u answers wait, and there is room: status %#llx", posted,
                   (unsigned long long)status);
    while (vmbus_halt(&h->vmbus, 0, 100 * NS_PER_MS))
        ;
    h->vmbus.n_inbox = 0;
    return !h->vmbus.failed;
}

static bool attack_hypercalls(struct hostile *h)
{
    struct vm_hypercall call = {.privileged = true, .long_mode = true};

    for (unsigned i = 0; i < 5000; i++) {
        call.control = chance(h, 2) == 0 ? 0x5c : chance(h, 4) == 0 ? sim_random(&h->random) : 0x5d;
        call.control |= chance(h, 4) == 0 ? 0x10000 : 0;
        call.input = chance(h, 2) == 0 ? sim_random(&h->random) : chance(h, 1 << 28);
        (void)hv_hypercall(&h->sim->super.vm.hv, 0, &call);
    }
    return true;
}

/* --- memory that is lent, and channels --- */

static bool refuse_gpadl(struct hostile *h, uint16_t said, uint16_t ranges, uint32_t bytes,
                         uint32_t offset)
{
    uint8_t message[28 + 8] = {0};
    struct wr w = wr_over(message, sizeof(message));
    uint32_t gpadl = ++h->vmbus.last_id;
    struct received m;

    wr_le32(&w, MSG_GPADL_HEADER);
    wr_le32(&w, 0);
    wr_le32(&w, RELID);
    wr_le32(&w, gpadl);
    wr_le16(&w, said);
    wr_le16(&w, ranges);
    wr_le32(&w, bytes);
    wr_le32(&w, offset);
    wr_le64(&w, h->page);
    (void)vmbus_post(&h->vmbus, h->vmbus.connection, message, sizeof(message));
    if (!vmbus_await(&h->vmbus, MSG_GPADL_CREATED, RELID, gpadl, &m))
        return false;
    if (m.len >= 20 && m.bytes[16] != 0)
        return true;
    vmbus_fail(&h->vmbus, "%u bytes at %u in %u ranges were lent", bytes, offset, ranges);
    return false;
}

/* More than there is room for is refused, the rest can be given back. */
static bool lend_too_much(struct hostile *h)
{
    uint32_t first = h->vmbus.last_id + 1;
    uint32_t status = 0;
    unsigned n = 0;
    uint64_t pfn = h->page;

    for (; n < 300 && status == 0; n++)
        status = vmbus_lend(&h->vmbus, RELID, ++h->vmbus.last_id, &pfn, 1);
    if (status == 0 || n < 2)
        vmbus_fail(&h->vmbus, "%u lists, status %#x", n, status);
    for (uint32_t i = 0; i + 1 < n && !h->vmbus.failed; i++)
        (void)vmbus_take_back(&h->vmbus, RELID, first + i);
    return !h->vmbus.failed;
}

static bool attack_gpadls(struct hostile *h)
{
    return refuse_gpadl(h, 16, 1, 0, 0) && refuse_gpadl(h, 16, 1, 4096, 4096) &&
           refuse_gpadl(h, 16, 0, 4096, 0) && refuse_gpadl(h, 16, 2, 4096, 0) &&
           refuse_gpadl(h, 24, 1, 4096, 0) && refuse_gpadl(h, 8, 1, 4096, 0) &&
           refuse_gpadl(h, 0xffff, 1, UINT32_MAX, 4095) && lend_too_much(h);
}

static bool refuse_open(struct hostile *h, uint32_t gpadl, uint32_t vp, uint32_t downstream)
{
    uint32_t id = ++h->vmbus.last_id;
    const uint32_t words[] = {MSG_OPEN, 0, RELID, id, gpadl, vp, downstream};
    uint8_t message[148] = {0};
    struct received m;

    memcpy(message, words, sizeof(words));
    (void)vmbus_post(&h->vmbus, h->vmbus.connection, message, sizeof(message));
    if (!vmbus_await(&h->vmbus, MSG_OPEN_RESULT, RELID, id, &m))
        return false;
    if (m.len >= 20 && (m.bytes[16] | m.bytes[19]) != 0)
        return true;
    vmbus_fail(&h->vmbus, "opened for vCPU %u, with the second ring at %u", vp, downstream);
    return false;
}

/* Rings that are not all RAM, or no rings. */
static bool attack_opens(struct hostile *h)
{
    static const uint64_t holes[] = {0xc0000, 0xfed40, UINT64_MAX, UINT64_C(1) << 51};
    uint64_t pfns[6];

    for (size_t i = 0; i < COUNT_OF(holes); i++) {
        uint32_t gpadl = ++h->vmbus.last_id;

        for (unsigned j = 0; j < COUNT_OF(pfns); j++)
            pfns[j] = j == i ? holes[i] : h->page;
        if (vmbus_lend(&h->vmbus, RELID, gpadl, pfns, COUNT_OF(pfns)) == 0 &&
            (!refuse_open(h, gpadl, 0, 3) || !refuse_open(h, gpadl, 0, 0) ||
             !refuse_open(h, gpadl, 0, 1) || !refuse_open(h, gpadl, 0, 5) ||
             !refuse_open(h, gpadl, 0, UINT32_MAX) || !refuse_open(h, gpadl, 64, 3) ||
             !refuse_open(h, gpadl + 1000, 0, 3) || !vmbus_take_back(&h->vmbus, RELID, gpadl)))
            return false;
    }
    return !h->vmbus.failed;
}

/* The pages of vCPU 0, anywhere. */
static bool attack_pages(struct hostile *h)
{
    uint64_t old = h->vmbus.vps[0].flags;

    if (!open_raw(h, RING_PAGES, false))
        return false;
    for (unsigned i = 0; i < 500; i++) {
        const uint64_t places[] = {0xc0000000,
                                   0xfed40000,
                                   0xc0000,
                                   UINT64_C(1) << 40,
                                   h->raw.pfns[0] << 12,
                                   h->raw.pfns[10] << 12,
                                   h->vmbus.vps[0].messages,
                                   old};

        (void)!vmbus_set_flags_page(&h->vmbus, 0, places[chance(h, COUNT_OF(places))]);
        vmbus_kick(&h->raw);
    }
    if (vmbus_set_flags_page(&h->vmbus, 0, old) < 0)
        vmbus_fail(&h->vmbus, "its old page is refused");
    memset(vmbus_host(&h->vmbus, h->vmbus.vps[0].messages), 0, GUEST_PAGE); /* flags, too */
    return vmbus_close(&h->vmbus, &h->raw);
}

/* --- what goes on besides --- */

static const struct {
    const char *name;
    bool (*run)(struct hostile *h);
} attacks[] = {
    {"indices",    attack_indices   },
    {"packets",    attack_packets   },
    {"races",      attack_races     },
    {"one page",   attack_one_page  },
    {"storvsp",    attack_storvsp   },
    {"order",      attack_order     },
    {"close",      attack_close     },
    {"messages",   attack_messages  },
    {"unread",     attack_unread    },
    {"hypercalls", attack_hypercalls},
    {"gpadls",     attack_gpadls    },
    {"opens",      attack_opens     },
    {"pages",      attack_pages     },
};

static bool load_goes_on(struct hostile *h)
{
    uint64_t end = clock_now_ns() + PATIENCE_NS;
    uint64_t before = h->load.done[LOAD_WRITE];

    while (h->load.done[LOAD_WRITE] < before + 50 && !h->vmbus.failed) {
        if (clock_now_ns() > end)
            vmbus_fail(&h->vmbus, "the other controller has stopped");
        pause_a_little(h);
    }
    return !h->vmbus.failed;
}

static bool victim_works(struct hostile *h)
{
    h->vmbus.n_inbox = 0;
    if (!scsi_connect(&h->victim, &h->vmbus, 1, 2, RING_PAGES))
        return false;
    if (scsi_capacity(&h->victim, 0, 0) == 0)
        vmbus_fail(&h->vmbus, "the controller does not work");
    return !h->vmbus.failed && scsi_disconnect(&h->victim);
}

static bool round_of_attacks(struct hostile *h)
{
    for (size_t i = 0; i < COUNT_OF(attacks); i++) {
        uint64_t began = clock_now_ns();

        if (!attacks[i].run(h) || !load_goes_on(h) || !victim_works(h) ||
            !sim_faultless(h->sim, PROCESS_STORAGE) || !sim_faultless(h->sim, PROCESS_VMBUS)) {
            sim_print(h->sim, 0, "it was: %s\n", attacks[i].name);
            return false;
        }
        sim_print(h->sim, 0, "%s: %llu ms\n", attacks[i].name,
                  (unsigned long long)((clock_now_ns() - began) / NS_PER_MS));
    }
    return true;
}

static bool prepare(struct hostile *h)
{
    uint64_t bytes;

    vmbus_start(&h->vmbus, h->sim, h->random);
    h->vmbus.careless = true;
    h->page = vmbus_page(&h->vmbus);
    for (unsigned i = 0; i < FLAGS_PAGES; i++)
        h->flags_pages[i] = vmbus_page(&h->vmbus) * GUEST_PAGE;
    h->ready = true;
    if (!vmbus_connect(&h->vmbus, 0x50003) ||
        !scsi_connect(&h->good, &h->vmbus, 0, CHANNELS, RING_PAGES))
        return false;
    bytes = scsi_capacity(&h->good, 0, 0);
    model_init(&h->model, (uint32_t)(bytes / MODEL_SECTOR), h->random & 0xffff);
    load_init(&h->load, &h->good, &h->model, 0, h->random);
    h->load.qd = QD;
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (!vmbus_move(&h->vmbus, &h->good.queues[i].channel, 1))
            return false;
    }
    h->loading = true;
    return bytes != 0;
}

static void guest(struct sim *sim)
{
    struct hostile *h = the_guest();
    uint8_t digest[32];

    h->sim = sim;
    h->random = sim_option(sim, "seed", 1);
    if (!prepare(h))
        return;
    for (uint64_t left = sim_option(sim, "rounds", 1); left > 0; left--) {
        if (!round_of_attacks(h))
            return;
    }
    h->loading = false;
    sim_sleep_ns(100 * NS_PER_MS);
    if (!load_drain(&h->load, 0) || !load_verify_all(&h->load, 0, digest))
        return;
    sim_print(sim, 0, "moved event flags %u times\n", h->moves);
    load_print(&h->load, "the other controller");
    sim_pass(sim);
}

/*
 * Its page of event flags, elsewhere; what was in the old one is looked for in the rings. From then on
 * nobody may write there.
 */
static void move_flags(struct hostile *h, unsigned vp)
{
    unsigned i = h->moves % FLAGS_PAGES;
    uint64_t next = h->flags_pages[i];
    uint64_t old = h->vmbus.vps[vp].flags;
    const uint8_t *bytes = vmbus_host(&h->vmbus, next);

    for (unsigned j = 0; h->moves >= FLAGS_PAGES && j < GUEST_PAGE; j++) {
        if (bytes[j] != SILENCE) {
            vmbus_fail(&h->vmbus, "event flags were set in a page that had been taken back");
            return;
        }
    }
    if (vmbus_set_flags_page(&h->vmbus, vp, next) < 0)
        vmbus_fail(&h->vmbus, "event flags cannot be moved");
    memset(vmbus_host(&h->vmbus, old), SILENCE, GUEST_PAGE);
    h->flags_pages[i] = old;
    h->moves++;
    for (unsigned j = 0; j < h->good.n_queues; j++)
        vmbus_channel_event(&h->good.queues[j].channel);
}

static void vcpu(struct sim *sim, unsigned index)
{
    struct hostile *h = the_guest();

    while (!vm_has_ended(&sim->super.vm)) {
        if (!h->ready) {
            sim_sleep_ns(NS_PER_MS);
        } else if (!h->loading) {
            (void)vmbus_halt(&h->vmbus, index, NS_PER_MS);
        } else {
            load_step_alone(&h->load, index);
            move_flags(h, index);
        }
    }
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .vcpu = vcpu};

    return sim_main(&sim, argc, argv);
}
