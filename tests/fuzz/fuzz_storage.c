/*
 * tests/fuzz/fuzz_storage.c - a guest, a kernel and a death of the worker at any time, as the input says; and
 * a model that knows what each sector may hold.
 *
 * Input: 4 bytes a step: what, and three for how. Units: 0:0 raw, 0:1 a VHD that grows, 0:2 raw with blocks
 * of 4096 bytes, 0:3 a stripe of two files.
 *
 * What must hold: each request is answered once, with an error only where there was one; a read finds what may
 * be there; what was acknowledged is there at the end; what was acknowledged before a flush began is durable
 * after it; nothing in the guest's memory changes but the data of reads that are on their way.
 */
#include "tests/fakes/storage_world.h"
#include "tests/fakes/vhd_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

enum {
    UNITS = 4,
    SECTOR = 512,
    OPS_MAX = 240,
    RANGES_MAX = 3,
    RUN_MAX = 40, /* sectors of a request */
    DATA_PAGES = 96,
    VHD_BLOCK = 1 << 16,
    STRIPE_CHUNK = 4096,
    LAST_RUN = 128, /* sectors */
    STEP_BYTES = 4,
    STEPS_MAX = 600,
    SAME_TAG = 1 << 30,
};

/* Whoever dies in the middle of opening an image leaves its memory behind. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

enum op_kind {
    OP_READ,
    OP_WRITE,
    OP_SAME,
    OP_ZERO,
    OP_FLUSH,
    OP_KINDS,
};

struct op {
    enum op_kind kind;
    unsigned channel, unit;
    uint32_t n_ranges, lba[RANGES_MAX], n[RANGES_MAX]; /* sectors */
    uint32_t page, offset, len;                        /* data: len bytes at byte offset of page */
    bool fua, ended, ok;
    uint64_t sent, end; /* when */
};

struct unit_spec {
    uint32_t sectors, block; /* sectors of a block */
};

static const struct unit_spec units[UNITS] = {
    {512,  1},
    {2048, 1},
    {512,  8},
    {512,  1}
};

struct fuzz {
    struct op ops[OPS_MAX + 1]; /* the last one reads at the end */
    uint32_t n_ops;
    uint64_t tick;
    uint32_t errors; /* that the kernel told of */
    int32_t fail_next, again_next;
    bool no_allocation;
    bool closing[WORLD_CHANNELS];
    uint32_t next_page;
    uint8_t shadow[DATA_PAGES * 4096];
};

static uint8_t ram[WORLD_PAGES * 4096] __attribute__((aligned(4096)));
static struct world the;
static struct fuzz fuzz;

static void fail(const char *what, uint64_t a, uint64_t b)
{
    (void)fprintf(stderr, "%s: %llu, %llu\n", what, (unsigned long long)a, (unsigned long long)b);
    abort();
}

/* --- the model --- */

static bool changes(const struct op *o)
{
    return o->kind == OP_WRITE || o->kind == OP_SAME || o->kind == OP_ZERO;
}

static bool covers(const struct op *o, unsigned unit, uint32_t sector)
{
    if (o->unit != unit)
        return false;
    for (uint32_t i = 0; i < o->n_ranges; i++) {
        if (sector >= o->lba[i] && sector - o->lba[i] < o->n[i])
            return true;
    }
    return false;
}

/* A look at a sector: between two times, after all that had ended well by then, or (FUA) after one alone. */
struct look {
    uint64_t from, to;
    const struct op *after;
};

/* May what w left in the sector (NULL: it was never written) be seen? */
static bool may_be(const struct op *w, unsigned unit, uint32_t sector, const struct look *l)
{
    uint64_t w_end = w == NULL ? 0 : w->ended ? w->end : UINT64_MAX;

    if (w != NULL && w->sent > l->to)
        return false;
    for (uint32_t i = 0; i < fuzz.n_ops; i++) {
        const struct op *o = &fuzz.ops[i];

        if (changes(o) && o->ended && o->ok && o->end < l->from && o->sent > w_end &&
            (l->after == NULL || l->after == o) && covers(o, unit, sector))
            return false;
    }
    return true;
}

static uint64_t word_of(uint32_t op, uint32_t tag)
{
    return (uint64_t)(op + 1) << 32 | tag;
}

static bool zeros_may_be(unsigned unit, uint32_t sector, const struct look *l)
{
    if (may_be(NULL, unit, sector, l))
        return true;
    for (uint32_t i = 0; i < fuzz.n_ops; i++) {
        const struct op *o = &fuzz.ops[i];

        if (o->kind == OP_ZERO && covers(o, unit, sector) && may_be(o, unit, sector, l))
            return true;
    }
    return false;
}

static void check_sector(unsigned unit, uint32_t sector, const uint8_t *bytes, const struct look *l)
{
    uint64_t words[SECTOR / 8];
    uint32_t op, tag;

    memcpy(words, bytes, sizeof(words));
    for (size_t i = 1; i < COUNT_OF(words); i++) {
        if (words[i] != words[0])
            fail("a torn sector", unit, sector);
    }
    if (words[0] == 0) {
        if (!zeros_may_be(unit, sector, l))
            fail("zeros", unit, sector);
        return;
    }
    op = (uint32_t)(words[0] >> 32) - 1;
    tag = fuzz.ops[op % (OPS_MAX + 1)].kind == OP_SAME ? SAME_TAG | sector % units[unit].block
                                                       : sector;
    if (op >= fuzz.n_ops || words[0] != word_of(op, tag) || !covers(&fuzz.ops[op], unit, sector))
        fail("what nobody wrote there", unit, sector);
    if (!may_be(&fuzz.ops[op], unit, sector, l))
        fail("what was overwritten", unit, sector);
}

/* --- what a power failure would leave --- */

static const uint8_t *durable_at(unsigned unit, uint32_t sector)
{
    uint64_t at = (uint64_t)sector * SECTOR;
    uint64_t chunk = at / STRIPE_CHUNK;

    if (unit == 0 || unit == 2)
        return the.files[unit].durable + at;
    return the.files[3 + chunk % 2].durable + chunk / 2 * STRIPE_CHUNK + at % STRIPE_CHUNK;
}

static void check_durable(unsigned unit, uint32_t lba, uint32_t n, const struct look *l)
{
    if (unit == 1) /* where its sectors are is the image's affair: tests/unit/test_vhd.c */
        return;
    for (uint32_t i = lba; i < lba + n; i++)
        check_sector(unit, i, durable_at(unit, i), l);
}

/* --- the guest's memory --- */

static uint8_t *data_page(uint32_t page)
{
    return ram + (size_t)(WORLD_DATA_AT + page) * 4096;
}

static bool is_used(uint32_t first, uint32_t n)
{
    for (uint32_t i = 0; i < fuzz.n_ops; i++) {
        const struct op *o = &fuzz.ops[i];
        uint32_t pages = (o->offset + o->len + 4095) / 4096;

        if (!o->ended && first < o->page + pages && o->page < first + n)
            return true;
    }
    return false;
}

static bool take_pages(struct op *o)
{
    uint32_t n = (o->offset + o->len + 4095) / 4096;

    for (uint32_t tries = DATA_PAGES; tries > 0; tries--) {
        uint32_t first = fuzz.next_page++ % DATA_PAGES;

        if (first + n <= DATA_PAGES && !is_used(first, n)) {
            o->page = first;
            return true;
        }
    }
    return false;
}

static void look_at_memory(void)
{
    bool read_into[DATA_PAGES] = {false};

    for (uint32_t i = 0; i < fuzz.n_ops; i++) {
        const struct op *o = &fuzz.ops[i];

        for (uint32_t k = 0;
             !o->ended && o->kind == OP_READ && k < (o->offset + o->len + 4095) / 4096; k++)
            read_into[o->page + k] = true;
    }
    for (uint32_t i = 0; i < DATA_PAGES; i++) {
        if (!read_into[i] && memcmp(data_page(i), fuzz.shadow + (size_t)i * 4096, 4096) != 0)
            fail("memory that nothing is read into", i, 0);
    }
}

/* What a read brought is the guest's; what is beside it in its pages was not touched. */
static void accept_read(const struct op *o)
{
    uint8_t *to = fuzz.shadow + (size_t)o->page * 4096;
    uint32_t end = o->offset + o->len;
    uint32_t pages_end = (end + 4095) / 4096 * 4096;
    const uint8_t *from = data_page(o->page);
    const struct look l = {.from = o->sent, .to = o->end};

    if (memcmp(from, to, o->offset) != 0 || memcmp(from + end, to + end, pages_end - end) != 0)
        fail("memory beside a read", o->page, o->offset);
    memcpy(to + o->offset, from + o->offset, o->len);
    for (uint32_t i = 0; o->ok && i < o->n[0]; i++)
        check_sector(o->unit, o->lba[0] + i, from + o->offset + (size_t)i * SECTOR, &l);
}

static void fill(const struct op *o, uint32_t number)
{
    uint8_t *to = data_page(o->page) + o->offset;

    for (uint32_t i = 0; i < o->len / SECTOR; i++) {
        uint32_t tag = o->kind == OP_SAME ? SAME_TAG | i : o->lba[0] + i;
        uint64_t word = o->kind == OP_ZERO ? 0 : word_of(number, tag);

        for (uint32_t k = 0; k < SECTOR; k += 8)
            memcpy(to + (size_t)i * SECTOR + k, &word, 8);
    }
}

/* --- the guest's requests --- */

static void put_be(uint8_t *at, unsigned bytes, uint64_t v)
{
    for (unsigned i = bytes; i > 0; i--, v >>= 8)
        at[i - 1] = (uint8_t)v;
}

static void unmap_list(const struct op *o)
{
    uint8_t *list = data_page(o->page) + o->offset;
    uint32_t block = units[o->unit].block;

    memset(list, 0, o->len);
    put_be(list, 2, o->len - 2);
    put_be(list + 2, 2, o->len - 8);
    for (uint32_t i = 0; i < o->n_ranges; i++) {
        put_be(list + 8 + 16 * (size_t)i, 8, o->lba[i] / block);
        put_be(list + 16 + 16 * (size_t)i, 4, o->n[i] / block);
    }
}

static struct world_srb srb_of(const struct op *o, bool by_unmap)
{
    static const uint8_t opcodes[OP_KINDS] = {0x88, 0x8a, 0x93, 0x93, 0x91};
    struct world_srb srb = {.channel = o->channel,
                            .lun = (uint8_t)o->unit,
                            .cdb_len = 16,
                            .data_in = o->kind == OP_READ ? 1
                                       : o->len == 0      ? 2
                                                          : 0,
                            .page = WORLD_DATA_AT + o->page,
                            .offset = o->offset,
                            .data_len = o->len};

    srb.cdb[0] = opcodes[o->kind];
    if (o->kind == OP_FLUSH)
        return srb;
    put_be(srb.cdb + 2, 8, o->lba[0] / units[o->unit].block);
    put_be(srb.cdb + 10, 4, o->n[0] / units[o->unit].block);
    srb.cdb[1] = o->fua ? 8 : 0;
    if (by_unmap) {
        memset(srb.cdb, 0, sizeof(srb.cdb));
        srb.cdb[0] = 0x42;
        srb.cdb_len = 10;
        put_be(srb.cdb + 7, 2, o->len);
    }
    return srb;
}

static void choose_range(struct op *o, uint32_t i, uint8_t where, uint8_t how)
{
    const struct unit_spec *u = &units[o->unit];
    uint32_t n = 1u + how % RUN_MAX;
    /* Most of it in few places, so that requests meet; and at the border of a block of the VHD. */
    uint32_t lba = (where & 7) < 6 ? where % 64u : (uint32_t)where * 8 % u->sectors;

    if (o->unit == 1 && (where & 1) != 0)
        lba = VHD_BLOCK / SECTOR * (1 + where % 8u) - 1 - how % 20u;
    n = (n + u->block - 1) / u->block * u->block;
    lba = lba / u->block * u->block;
    o->lba[i] = lba + n > u->sectors ? u->sectors - n : lba;
    o->n[i] = n;
}

static void send(uint8_t a, uint8_t b, uint8_t c)
{
    static const uint32_t offsets[] = {0, 512, 8, 4096 - 512};
    struct op *o = &fuzz.ops[fuzz.n_ops];
    bool by_unmap;
    struct world_srb srb;

    if (fuzz.n_ops == OPS_MAX)
        return;
    *o = (struct op){.kind = (enum op_kind)(a % OP_KINDS),
                     .unit = a / OP_KINDS % UNITS,
                     .channel = a / (OP_KINDS * UNITS) % WORLD_CHANNELS,
                     .offset = offsets[c >> 6]};
    if (fuzz.closing[o->channel])
        return;
    by_unmap = o->kind == OP_ZERO && (c & 1) != 0;
    o->n_ranges = o->kind == OP_FLUSH ? 0 : by_unmap ? 1u + b % RANGES_MAX : 1;
    for (uint32_t i = 0; i < o->n_ranges; i++)
        choose_range(o, i, (uint8_t)(b + 37 * i), (uint8_t)(c + 11 * i));
    o->fua = (o->kind == OP_READ || o->kind == OP_WRITE) && c % 5 == 0;
    if (o->kind == OP_READ || o->kind == OP_WRITE)
        o->len = o->n[0] * SECTOR;
    else if (o->kind != OP_FLUSH)
        o->len = by_unmap ? 8 + 16 * o->n_ranges : units[o->unit].block * SECTOR;
    if (!take_pages(o))
        return;
    if (by_unmap)
        unmap_list(o);
    else if (o->kind != OP_READ)
        fill(o, fuzz.n_ops);
    srb = srb_of(o, by_unmap);
    srb.tid = fuzz.n_ops + 1;
    memcpy(fuzz.shadow + (size_t)o->page * 4096, data_page(o->page),
           (o->offset + o->len + 4095) / 4096 * 4096);
    if (!world_send(&the, &srb))
        return;
    o->sent = ++fuzz.tick;
    fuzz.n_ops++;
}

static void end(struct op *o, bool ok)
{
    struct look flushed = {.from = o->sent, .to = UINT64_MAX};
    struct look alone = {.from = UINT64_MAX, .to = UINT64_MAX, .after = o};

    o->ended = true;
    o->ok = ok;
    o->end = ++fuzz.tick;
    if (o->kind == OP_READ)
        accept_read(o);
    if (ok && o->kind == OP_FLUSH)
        check_durable(o->unit, 0, units[o->unit].sectors, &flushed);
    if (ok && o->fua && o->kind == OP_WRITE)
        check_durable(o->unit, o->lba[0], o->n[0], &alone);
}

static void take_answer(unsigned channel, const struct world_answer *a)
{
    struct op *o = &fuzz.ops[(a->tid - 1) % (OPS_MAX + 1)];
    bool is_busy = a->scsi_status == 8;
    bool ok = a->srb_status == SRB_SUCCESS && a->scsi_status == SCSI_GOOD;

    if (a->type != VMRING_COMPLETION || a->tid == 0 || a->tid > fuzz.n_ops || o->ended ||
        o->channel != channel)
        fail("an answer to nothing", a->type, a->tid);
    if (!ok && !is_busy && fuzz.errors == 0)
        fail("an error without any", a->tid, a->srb_status);
    if (ok && o->kind == OP_READ && a->data_len != o->len)
        fail("a read of another length", a->tid, a->data_len);
    end(o, ok);
}

static bool take_answers(unsigned channel)
{
    struct world_answer a;
    bool any = false;

    while (world_receive(&the, channel, &a)) {
        take_answer(channel, &a);
        any = true;
    }
    if (any)
        look_at_memory();
    return any;
}

/* --- the kernel --- */

static int32_t meddle(struct world *w, const struct io_uring_sqe *sqe)
{
    int32_t r = WORLD_AS_EVER;

    /* A disk that cannot be opened again is gone: a test of its own. */
    if (w->storage == NULL || w->storage->disks_seq == 0)
        return WORLD_AS_EVER;
    if (fuzz.no_allocation && sqe->opcode == IORING_OP_FALLOCATE)
        return -EOPNOTSUPP;
    if (fuzz.fail_next != 0) {
        r = fuzz.fail_next;
        fuzz.fail_next = 0;
        fuzz.errors++;
    } else if (fuzz.again_next != 0) {
        r = fuzz.again_next;
        fuzz.again_next = 0;
    }
    return r;
}

/* --- steps --- */

static void run(void)
{
    int r = world_run(&the);

    if (r < 0)
        fail("no successor can serve", (uint64_t)-r, the.generation);
}

/* What was on its way there ends unanswered. */
static void close_channel(unsigned channel)
{
    if (!fuzz.closing[channel]) {
        world_close_channel(&the, channel);
        fuzz.closing[channel] = true;
        return;
    }
    run();
    if (!world_is_acknowledged(&the, channel))
        return;
    (void)take_answers(channel);
    for (uint32_t i = 0; i < fuzz.n_ops; i++) {
        if (fuzz.ops[i].channel == channel && !fuzz.ops[i].ended)
            end(&fuzz.ops[i], false);
    }
    world_open_channel(&the, channel);
    fuzz.closing[channel] = false;
}

enum step {
    STEP_SEND_LAST = 9,
    STEP_RUN,
    STEP_RUN_MORE,
    STEP_COMPLETE,
    STEP_COMPLETE_MORE,
    STEP_TAKE,
    STEP_DIE,
    STEP_DIE_INSIDE,
    STEP_FAIL,
    STEP_AGAIN,
    STEP_SHORT,
    STEP_ALLOCATION,
    STEP_FINISH,
    STEP_CLOSE,
    STEPS,
};

static void complete(uint8_t how, uint8_t which)
{
    for (unsigned i = 0; i <= how % 8u; i++) {
        if (the.kernel.n_waiting > 0)
            (void)world_complete(&the, which % the.kernel.n_waiting);
    }
}

static void finish_all(void)
{
    bool any = true;

    while (any) {
        if (world_finish(&the) < 0)
            fail("no successor can serve at the end", the.generation, 0);
        any = false;
        for (unsigned channel = 0; channel < WORLD_CHANNELS; channel++)
            any |= take_answers(channel);
    }
}

static void trouble(enum step what, uint8_t a, uint8_t b)
{
    static const int32_t errors[] = {-EIO, -ENOSPC, -EIO, -ENODEV};
    static const int32_t again[] = {-EAGAIN, -EINTR, -ECANCELED};

    if (what == STEP_DIE) {
        world_die(&the);
    } else if (what == STEP_DIE_INSIDE) {
        the.die_in = 1 + a % 8u;
        the.die_late = (b & 1) != 0;
    } else if (what == STEP_FAIL) {
        fuzz.fail_next = errors[a % COUNT_OF(errors)];
    } else if (what == STEP_AGAIN) {
        fuzz.again_next = again[a % COUNT_OF(again)];
    } else if (what == STEP_SHORT) {
        the.short_bytes = a % 4 == 0 ? 0 : SECTOR * (a % 16u);
    } else if (what == STEP_ALLOCATION) {
        fuzz.no_allocation = (a & 1) != 0;
    }
}

static void step(const uint8_t *at)
{
    enum step what = (enum step)(at[0] % STEPS);

    if (what <= STEP_SEND_LAST)
        send(at[1], at[2], at[3]);
    else if (what == STEP_RUN || what == STEP_RUN_MORE)
        run();
    else if (what == STEP_COMPLETE || what == STEP_COMPLETE_MORE)
        complete(what == STEP_COMPLETE ? 0 : at[1], at[2]);
    else if (what == STEP_TAKE)
        (void)take_answers(at[1] % WORLD_CHANNELS);
    else if (what == STEP_CLOSE)
        close_channel(1u + at[1] % (WORLD_CHANNELS - 1));
    else if (what == STEP_FINISH)
        finish_all();
    else
        trouble(what, at[1], at[2]);
}

/* --- a run --- */

static void make_vhd(void)
{
    static struct store s;

    vi_make_dynamic(&s, (uint64_t)units[1].sectors * SECTOR, VHD_BLOCK);
    world_file_make(&the, 1, s.bytes, 4u * units[1].sectors * SECTOR);
    store_read(&s, 0, the.files[1].now, s.bytes);
    store_read(&s, 0, the.files[1].durable, s.bytes);
}

static void set_up(void)
{
    struct disk_row *stripe;

    memset(&fuzz, 0, sizeof(fuzz));
    world_init(&the, ram);
    for (unsigned i = 0; i < 5; i++)
        world_file_make(&the, i, units[0].sectors * SECTOR, units[0].sectors * SECTOR);
    make_vhd();
    the.disks.files[3].bytes = units[3].sectors * SECTOR / 2;
    the.disks.files[4].bytes = units[3].sectors * SECTOR / 2;
    (void)world_add_disk(&the, 0, DISK_RAW, 0);
    (void)world_add_disk(&the, 1, DISK_VHD, 1);
    world_add_disk(&the, 2, DISK_RAW, 2)->block_bytes = 4096;
    stripe = world_add_disk(&the, 3, DISK_RAW, 3);
    stripe->n_members = 2;
    stripe->members[1] = 4;
    stripe->chunk_bytes = STRIPE_CHUNK;
    if (!world_connect(&the, WORLD_CHANNELS))
        fail("no connection", 0, 0);
    the.meddle = meddle;
}

static void read_at_last(unsigned unit, uint32_t lba)
{
    struct op *o = &fuzz.ops[fuzz.n_ops];
    struct world_srb srb;

    *o = (struct op){.kind = OP_READ, .unit = unit, .n_ranges = 1, .len = LAST_RUN * SECTOR};
    o->lba[0] = lba;
    o->n[0] = LAST_RUN;
    srb = srb_of(o, false);
    srb.tid = fuzz.n_ops + 1;
    o->sent = ++fuzz.tick;
    memcpy(fuzz.shadow, data_page(0), o->len);
    fuzz.n_ops++;
    if (!world_send(&the, &srb))
        fail("no room in the ring", 0, 0);
    finish_all();
    if (!o->ended || !o->ok)
        fail("a last read", unit, lba);
    fuzz.n_ops--;
}

/* All is well from now on: everything is answered, and all that may be read is what may be there. */
static void wind_up(void)
{
    the.meddle = NULL;
    the.short_bytes = 0;
    the.die_in = 0;
    finish_all();
    for (uint32_t i = 0; i < fuzz.n_ops; i++) {
        if (!fuzz.ops[i].ended && !fuzz.closing[fuzz.ops[i].channel])
            fail("a request without an answer", i + 1, fuzz.ops[i].kind);
    }
    for (unsigned unit = 0; unit < UNITS; unit++) {
        for (uint32_t lba = 0; lba < units[unit].sectors; lba += LAST_RUN)
            read_at_last(unit, lba);
    }
    look_at_memory();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    set_up();
    the.random = 88172645463325252u + size;
    for (unsigned i = 0; i < STEPS_MAX && size >= STEP_BYTES; i++) {
        step(data);
        data += STEP_BYTES;
        size -= STEP_BYTES;
    }
    wind_up();
    world_die(&the);
    return 0;
}
