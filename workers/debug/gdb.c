#include "workers/debug/gdb.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/rd.h"
#include "ipc/manifest.h"
#include "workers/debug/gdb_target.h"
#include "workers/debug/page_walk.h"

enum {
    ERROR_FORM = 0x16,   /* EINVAL: a packet that makes no sense */
    ERROR_MEMORY = 0x0e, /* EFAULT */
    ERROR_ROOM = 0x1c,   /* ENOSPC: no debug register is left */
    ERROR_VCPU = 0x05,   /* EIO */
    SIGNAL_INTERRUPT = 2,
    SIGNAL_TRAP = 5,
    MEMORY_MAX = GDB_REPLY_MAX / 2,
    BREAK_SOFTWARE = 0, /* types of Z and z */
    BREAK_HARDWARE = 1,
    WATCH_WRITE = 2,
    WATCH_ACCESS = 4,
};

/* --- replies --- */

static void add(struct gdb *g, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add(struct gdb *g, const char *fmt, ...)
{
    const size_t room = sizeof(g->reply) - g->reply_len;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(g->reply + g->reply_len, room, fmt, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < room);
    g->reply_len += (size_t)n;
}

static void add_error(struct gdb *g, unsigned error)
{
    g->reply_len = 0;
    add(g, "E%02x", error);
}

static void add_bytes(struct gdb *g, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        add(g, "%02x", bytes[i]);
}

static void send_reply(struct gdb *g)
{
    g->out_len = gdb_packet_make(g->reply, g->reply_len, g->out);
    g->out_sent = 0;
}

static void add_stop(struct gdb *g)
{
    const struct gdb_stop *s = &g->stop;
    bool software = true;

    for (unsigned i = 0; i < g->n_breaks; i++)
        software &= g->is_software[i] || g->breaks[i].kind != GUEST_BREAK_EXECUTE;
    add(g, "T%02d", s->why == GDB_ASKED ? SIGNAL_INTERRUPT : SIGNAL_TRAP); /* both below 10 */
    if (s->why == GDB_WATCH)
        add(g, "watch:%llx;", (unsigned long long)s->address);
    else if (s->why == GDB_BREAK && software && g->sw_break)
        add(g, "swbreak:;");
    else if (s->why == GDB_BREAK && !software && g->hw_break)
        add(g, "hwbreak:;");
    add(g, "thread:%x;", s->vcpu + 1);
}

/* --- reading packets --- */

/* At least one digit, at most 16. */
static int take_number(struct rd *r, uint64_t *ret)
{
    uint64_t v = 0;
    unsigned n = 0;

    while (r->left > 0 && gdb_digit(*r->at) >= 0) {
        if (++n > 16)
            return -EBADMSG;
        v = v << 4 | (uint64_t)gdb_digit(*r->at);
        (void)rd_u8(r);
    }
    if (n == 0)
        return -EBADMSG;
    *ret = v;
    return 0;
}

static bool take_sign(struct rd *r, char sign)
{
    if (r->left == 0 || *r->at != (uint8_t)sign)
        return false;
    (void)rd_u8(r);
    return true;
}

static bool take_word(struct rd *r, const char *word)
{
    const size_t len = strlen(word);

    if (r->left < len || memcmp(r->at, word, len) != 0)
        return false;
    (void)rd_span(r, len);
    return true;
}

/* "ADDRESS,LENGTH" */
static int take_range(struct rd *r, uint64_t *ret_address, uint64_t *ret_len)
{
    if (take_number(r, ret_address) < 0 || !take_sign(r, ','))
        return -EBADMSG;
    return take_number(r, ret_len);
}

static int take_bytes(struct rd *r, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const int high = gdb_digit(rd_u8(r));
        const int low = gdb_digit(rd_u8(r));

        if (high < 0 || low < 0)
            return -EBADMSG;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return rd_ok(r) ? 0 : -EBADMSG;
}

/* The index of a thread's vCPU, or -EBADMSG; 0 and -1 are any, and become the one that is current. */
static int take_thread(const struct gdb *g, struct rd *r)
{
    uint64_t id;

    if (take_word(r, "-1"))
        return (int)g->vcpu;
    if (take_number(r, &id) < 0 || id > g->guest->vcpus)
        return -EBADMSG;
    return id == 0 ? (int)g->vcpu : (int)id - 1;
}

/* --- registers --- */

static int get_regs(const struct gdb *g, struct guest_regs *ret)
{
    return g->guest->get_regs(g->guest->self, g->vcpu, ret);
}

static void add_register(struct gdb *g, const struct guest_regs *regs, unsigned n)
{
    const struct gdb_target_reg t = gdb_target_reg(n);
    uint64_t v;

    if (t.reg == GDB_TARGET_NONE) {
        for (unsigned i = 0; i < t.bytes; i++)
            add(g, "xx");
        return;
    }
    v = htole64(regs->v[t.reg]);
    add_bytes(g, (const uint8_t *)&v, t.bytes);
}

static void on_read_all(struct gdb *g, struct rd *r)
{
    struct guest_regs regs;

    (void)r;
    if (get_regs(g, &regs) < 0) {
        add_error(g, ERROR_VCPU);
        return;
    }
    for (unsigned n = 0; n < GDB_TARGET_REGS; n++)
        add_register(g, &regs, n);
}

static void on_read_one(struct gdb *g, struct rd *r)
{
    struct guest_regs regs;
    uint64_t n;

    if (take_number(r, &n) < 0 || n >= GDB_TARGET_REGS)
        add_error(g, ERROR_FORM);
    else if (get_regs(g, &regs) < 0)
        add_error(g, ERROR_VCPU);
    else
        add_register(g, &regs, (unsigned)n);
}

/* Those that can be changed; *ret is untouched where GDB says that it does not know (x). */
static int take_register(struct rd *r, unsigned n, struct guest_regs *ret)
{
    const struct gdb_target_reg t = gdb_target_reg(n);
    uint64_t v = 0;

    if (take_sign(r, 'x')) {
        (void)rd_span(r, 2 * t.bytes - 1);
        return rd_ok(r) ? 0 : -EBADMSG;
    }
    if (take_bytes(r, (uint8_t *)&v, t.bytes) < 0)
        return -EBADMSG;
    ret->v[t.reg] = le64toh(v);
    return 0;
}

static void put_regs(struct gdb *g, const struct guest_regs *regs)
{
    if (g->guest->set_regs(g->guest->self, g->vcpu, regs) < 0)
        add_error(g, ERROR_VCPU);
    else
        add(g, "OK");
}

static void on_write_all(struct gdb *g, struct rd *r)
{
    struct guest_regs regs;
    int err = get_regs(g, &regs);

    for (unsigned n = 0; err == 0 && n < GUEST_WRITABLE; n++)
        err = take_register(r, n, &regs);
    if (err < 0)
        add_error(g, err == -EBADMSG ? ERROR_FORM : ERROR_VCPU);
    else
        put_regs(g, &regs);
}

static void on_write_one(struct gdb *g, struct rd *r)
{
    struct guest_regs regs;
    uint64_t n;

    if (take_number(r, &n) < 0 || !take_sign(r, '=') || n >= GUEST_WRITABLE ||
        get_regs(g, &regs) < 0 || take_register(r, (unsigned)n, &regs) < 0)
        add_error(g, ERROR_FORM);
    else
        put_regs(g, &regs);
}

/* --- memory --- */

/* Page by page, as far as it goes: how many bytes, or negative errno when there is none. */
static int copy(const struct gdb *g, uint64_t address, uint8_t *bytes, size_t len, bool write)
{
    const struct guest *guest = g->guest;
    struct guest_regs regs;
    size_t done = 0;
    int r = get_regs(g, &regs);

    while (r == 0 && done < len) {
        struct page_place at;
        size_t part;

        r = page_walk(guest, &regs, address + done, &at);
        if (r < 0)
            break;
        part = at.left < len - done ? (size_t)at.left : len - done;
        r = write ? guest->write(guest->self, at.gpa, bytes + done, part)
                  : guest->read(guest->self, at.gpa, bytes + done, part);
        if (r == 0)
            done += part;
    }
    return done > 0 || r == 0 ? (int)done : r;
}

static void on_read_memory(struct gdb *g, struct rd *r)
{
    uint8_t bytes[MEMORY_MAX];
    uint64_t address, len;
    int n;

    if (take_range(r, &address, &len) < 0) {
        add_error(g, ERROR_FORM);
        return;
    }
    n = copy(g, address, bytes, len < sizeof(bytes) ? (size_t)len : sizeof(bytes), false);
    if (n < 0)
        add_error(g, ERROR_MEMORY);
    else
        add_bytes(g, bytes, (size_t)n);
}

static void write_memory(struct gdb *g, uint64_t address, uint8_t *bytes, size_t len)
{
    if (copy(g, address, bytes, len, true) != (int)len)
        add_error(g, ERROR_MEMORY);
    else
        add(g, "OK");
}

static void on_write_memory(struct gdb *g, struct rd *r)
{
    uint8_t bytes[MEMORY_MAX];
    uint64_t address, len;

    if (take_range(r, &address, &len) < 0 || !take_sign(r, ':') || len > sizeof(bytes) ||
        take_bytes(r, bytes, (size_t)len) < 0)
        add_error(g, ERROR_FORM);
    else
        write_memory(g, address, bytes, (size_t)len);
}

static void on_write_binary(struct gdb *g, struct rd *r)
{
    uint8_t bytes[GDB_PACKET_MAX];
    uint64_t address, len;

    if (take_range(r, &address, &len) < 0 || !take_sign(r, ':') || len != r->left) {
        add_error(g, ERROR_FORM);
        return;
    }
    rd_copy(r, bytes, (size_t)len);
    write_memory(g, address, bytes, (size_t)len);
}

/* --- breakpoints --- */

static int find_break(const struct gdb *g, const struct guest_break *b)
{
    for (unsigned i = 0; i < g->n_breaks; i++) {
        if (g->breaks[i].address == b->address && g->breaks[i].kind == b->kind &&
            g->breaks[i].len == b->len)
            return (int)i;
    }
    return -ENOENT;
}

/* "TYPE,ADDRESS,KIND": -EOPNOTSUPP for a type that x86 does not have. */
static int take_break(struct rd *r, struct guest_break *ret, bool *ret_software)
{
    uint64_t type, address, len;

    if (take_number(r, &type) < 0 || !take_sign(r, ',') || take_range(r, &address, &len) < 0 ||
        len > 8)
        return -EBADMSG;
    *ret = (struct guest_break){.address = address, .len = (uint32_t)len};
    *ret_software = type == BREAK_SOFTWARE;
    switch (type) {
    case BREAK_SOFTWARE:
    case BREAK_HARDWARE:
        ret->kind = GUEST_BREAK_EXECUTE;
        ret->len = 1;
        break;
    case WATCH_WRITE:
        ret->kind = GUEST_BREAK_WRITE;
        break;
    case WATCH_ACCESS:
        ret->kind = GUEST_BREAK_ACCESS;
        break;
    default:
        return -EOPNOTSUPP;
    }
    return guest_break_fits(ret) ? 0 : -EBADMSG;
}

static int put_breaks(const struct gdb *g)
{
    return g->guest->set_breaks(g->guest->self, g->breaks, g->n_breaks);
}

/* One that cannot be had leaves those there were. */
static void add_break(struct gdb *g, const struct guest_break *b, bool software)
{
    g->is_software[g->n_breaks] = software;
    g->breaks[g->n_breaks++] = *b;
    if (put_breaks(g) == 0) {
        add(g, "OK");
        return;
    }
    g->n_breaks--;
    (void)!put_breaks(g);
    add_error(g, ERROR_MEMORY);
}

static void on_set_break(struct gdb *g, struct rd *r)
{
    struct guest_break b;
    bool software;
    const int err = take_break(r, &b, &software);

    if (err == -EOPNOTSUPP)
        return;
    if (err < 0) {
        add_error(g, ERROR_FORM);
    } else if (find_break(g, &b) >= 0) {
        add(g, "OK");
    } else if (g->n_breaks == GUEST_BREAKS_MAX) {
        add_error(g, ERROR_ROOM);
    } else {
        add_break(g, &b, software);
    }
}

static void on_clear_break(struct gdb *g, struct rd *r)
{
    struct guest_break b;
    bool software;
    int err = take_break(r, &b, &software);

    if (err == -EOPNOTSUPP)
        return;
    if (err == 0)
        err = find_break(g, &b);
    if (err >= 0) {
        g->breaks[err] = g->breaks[--g->n_breaks];
        g->is_software[err] = g->is_software[g->n_breaks];
    }
    if (err == -EBADMSG)
        add_error(g, ERROR_FORM);
    else if (put_breaks(g) < 0)
        add_error(g, ERROR_VCPU);
    else
        add(g, "OK");
}

/* --- going on --- */

static uint64_t all_vcpus(const struct gdb *g)
{
    return UINT64_MAX >> (64 - g->guest->vcpus);
}

/* No answer now: it is the next stop. */
static void run(struct gdb *g, uint64_t go, uint64_t step)
{
    if (g->guest->go(g->guest->self, go & ~step, step) < 0) {
        add_error(g, ERROR_VCPU);
        return;
    }
    g->stopped = false;
    g->answers = true;
}

/* From an address, if there is one: "c", "cADDRESS". */
static bool jump(struct gdb *g, struct rd *r)
{
    struct guest_regs regs;

    if (r->left == 0)
        return true;
    if (get_regs(g, &regs) < 0 || take_number(r, &regs.v[GUEST_RIP]) < 0)
        return false;
    return g->guest->set_regs(g->guest->self, g->vcpu, &regs) == 0;
}

static void on_continue(struct gdb *g, struct rd *r)
{
    if (!jump(g, r))
        add_error(g, ERROR_FORM);
    else
        run(g, all_vcpus(g), 0);
}

static void on_step(struct gdb *g, struct rd *r)
{
    if (!jump(g, r))
        add_error(g, ERROR_FORM);
    else
        run(g, 0, UINT64_C(1) << g->vcpu);
}

/* "ACTION[:THREAD]": the leftmost that fits a vCPU counts. */
static int take_action(const struct gdb *g, struct rd *r, uint64_t *left, uint64_t *go,
                       uint64_t *step)
{
    const uint8_t action = rd_u8(r);
    uint64_t those = *left;
    uint64_t signal;
    int vcpu;

    if ((action == 'C' || action == 'S') && take_number(r, &signal) < 0)
        return -EBADMSG;
    if (take_sign(r, ':') && !take_word(r, "-1")) {
        vcpu = take_thread(g, r);
        if (vcpu < 0)
            return -EBADMSG;
        those &= UINT64_C(1) << vcpu;
    }
    *left &= ~those;
    if (action == 'c' || action == 'C')
        *go |= those;
    else if (action == 's' || action == 'S')
        *step |= those;
    else
        return -EBADMSG;
    return rd_ok(r) ? 0 : -EBADMSG;
}

static void on_cont(struct gdb *g, struct rd *r)
{
    uint64_t left = all_vcpus(g), go = 0, step = 0;
    int err = 0;

    while (err == 0 && take_sign(r, ';'))
        err = take_action(g, r, &left, &go, &step);
    if (err < 0 || r->left > 0 || (go | step) == 0)
        add_error(g, ERROR_FORM);
    else
        run(g, go, step);
}

static void on_can_cont(struct gdb *g, struct rd *r)
{
    (void)r;
    add(g, "vCont;c;C;s;S");
}

static void on_why(struct gdb *g, struct rd *r)
{
    (void)r;
    add_stop(g);
}

static void leave(struct gdb *g)
{
    g->n_breaks = 0;
    g->over = true;
}

static void on_detach(struct gdb *g, struct rd *r)
{
    (void)r;
    leave(g);
    add(g, "OK");
}

/* There is no killing a guest from here: it is left alone. To a plain k GDB wants no answer. */
static void on_kill(struct gdb *g, struct rd *r)
{
    (void)r;
    leave(g);
}

/* --- threads, and what GDB asks about us --- */

static void on_select(struct gdb *g, struct rd *r)
{
    const uint8_t what = rd_u8(r);
    int vcpu = take_thread(g, r);

    if ((what != 'g' && what != 'c') || vcpu < 0) {
        add_error(g, ERROR_FORM);
        return;
    }
    if (what == 'g')
        g->vcpu = (unsigned)vcpu;
    add(g, "OK");
}

static void on_is_alive(struct gdb *g, struct rd *r)
{
    if (take_thread(g, r) < 0)
        add_error(g, ERROR_FORM);
    else
        add(g, "OK");
}

static void on_threads(struct gdb *g, struct rd *r)
{
    (void)r;
    for (unsigned i = 0; i < g->guest->vcpus; i++)
        add(g, "%c%x", i == 0 ? 'm' : ',', i + 1);
}

static void on_more_threads(struct gdb *g, struct rd *r)
{
    (void)r;
    add(g, "l");
}

/* With more behind it it is another word: qCRC. */
static void on_current(struct gdb *g, struct rd *r)
{
    if (r->left == 0)
        add(g, "QC%x", g->vcpu + 1);
}

static void on_thread_text(struct gdb *g, struct rd *r)
{
    char text[16];
    int vcpu = take_thread(g, r);
    int n;

    if (vcpu < 0) {
        add_error(g, ERROR_FORM);
        return;
    }
    n = snprintf(text, sizeof(text), "vCPU %d", vcpu);
    add_bytes(g, (const uint8_t *)text, (size_t)n);
}

static void on_attached(struct gdb *g, struct rd *r)
{
    (void)r;
    add(g, "1");
}

static void on_features(struct gdb *g, struct rd *r)
{
    uint64_t at, len;
    size_t left;

    if (take_range(r, &at, &len) < 0) {
        add_error(g, ERROR_FORM);
        return;
    }
    left = at < gdb_target_xml_len ? gdb_target_xml_len - (size_t)at : 0;
    len = len < GDB_REPLY_MAX - 1 ? len : GDB_REPLY_MAX - 1;
    add(g, "%c%.*s", left > len ? 'm' : 'l', (int)(left < len ? left : len),
        gdb_target_xml + gdb_target_xml_len - left);
}

static void on_supported(struct gdb *g, struct rd *r)
{
    const char *text = (const char *)r->at; /* a packet's ends in 0 */

    g->sw_break = strstr(text, "swbreak+") != NULL;
    g->hw_break = strstr(text, "hwbreak+") != NULL;
    add(g, "PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+;swbreak+;hwbreak+",
        (unsigned)GDB_PACKET_MAX);
}

static void on_no_acks(struct gdb *g, struct rd *r)
{
    (void)r;
    add(g, "OK");
    g->no_acks = true;
}

/* The longer word of two that begin alike stands first. What is not here is answered with nothing: not supported. */
static const struct {
    const char *word;
    void (*handle)(struct gdb *g, struct rd *r);
} commands[] = {
    {"?",                               on_why         },
    {"g",                               on_read_all    },
    {"G",                               on_write_all   },
    {"p",                               on_read_one    },
    {"P",                               on_write_one   },
    {"m",                               on_read_memory },
    {"M",                               on_write_memory},
    {"X",                               on_write_binary},
    {"Z",                               on_set_break   },
    {"z",                               on_clear_break },
    {"vCont?",                          on_can_cont    },
    {"vCont",                           on_cont        },
    {"c",                               on_continue    },
    {"s",                               on_step        },
    {"D",                               on_detach      },
    {"vKill",                           on_detach      },
    {"k",                               on_kill        },
    {"H",                               on_select      },
    {"T",                               on_is_alive    },
    {"qfThreadInfo",                    on_threads     },
    {"qsThreadInfo",                    on_more_threads},
    {"qThreadExtraInfo,",               on_thread_text },
    {"qC",                              on_current     },
    {"qAttached",                       on_attached    },
    {"qXfer:features:read:target.xml:", on_features    },
    {"qSupported",                      on_supported   },
    {"QStartNoAckMode",                 on_no_acks     },
};

static void execute(struct gdb *g)
{
    struct rd r = rd_over(g->packet.body, g->packet.len);

    g->reply_len = 0;
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (!take_word(&r, commands[i].word))
            continue;
        commands[i].handle(g, &r);
        break;
    }
    if (g->stopped && !(g->over && g->reply_len == 0))
        send_reply(g);
}

/* --- bytes --- */

static void on_token(struct gdb *g, enum gdb_token token)
{
    switch (token) {
    case GDB_PACKET:
        g->sign = g->no_acks ? 0 : '+';
        if (g->stopped)
            execute(g);
        return;
    case GDB_BAD:
        g->sign = g->no_acks ? 0 : '-';
        return;
    case GDB_NAK:
        g->out_sent = 0;
        return;
    case GDB_INTERRUPT:
        if (!g->stopped)
            (void)!g->guest->stop(g->guest->self); /* it fails when all is over, which we hear */
        return;
    case GDB_ACK:
    case GDB_NOTHING:
        return;
    }
}

static bool has_output(const struct gdb *g)
{
    return g->sign != 0 || g->out_sent < g->out_len;
}

/* Before the first stop nothing is known: GDB waits. */
static bool must_wait(const struct gdb *g)
{
    return g->over || has_output(g) || (!g->stopped && !g->answers);
}

size_t gdb_input(struct gdb *g, const uint8_t *bytes, size_t len)
{
    size_t n = 0;

    while (n < len && !must_wait(g))
        on_token(g, gdb_packet_take(&g->packet, bytes[n++]));
    return n;
}

void gdb_stopped(struct gdb *g, const struct gdb_stop *stop)
{
    const bool answers = g->answers;

    if (g->stopped || stop->vcpu >= g->guest->vcpus)
        return;
    g->stopped = true;
    g->answers = false;
    g->stop = *stop;
    if (stop->why != GDB_ASKED)
        g->vcpu = stop->vcpu;
    g->stop.vcpu = g->vcpu;
    if (!answers)
        return;
    g->reply_len = 0;
    add_stop(g);
    send_reply(g);
}

size_t gdb_output(struct gdb *g, uint8_t *out, size_t max)
{
    size_t n = 0;
    size_t part;

    if (g->sign != 0 && max > 0) {
        out[n++] = g->sign;
        g->sign = 0;
    }
    part = g->out_len - g->out_sent < max - n ? g->out_len - g->out_sent : max - n;
    memcpy(out + n, g->out + g->out_sent, part);
    g->out_sent += part;
    return n + part;
}

int gdb_begin(struct gdb *g, const struct guest *guest)
{
    memset(g, 0, sizeof(*g));
    g->guest = guest;
    return guest->stop(guest->self);
}
