#include "supervisor/watch.h"

#include "base/clock.h"
#include "ipc/region.h"
#include "supervisor/lifecycle.h"

enum {
    PLACE_MIN_KICKS = 16, /* cold kicks in one tick that are worth a move */
};

static const uint64_t BACKGROUND_DEADLINE_NS = 300ull * 1000 * 1000 * 1000; /* key generation */
static const uint64_t BACKGROUND_BIT = 1ull << 63;

/* --- what is put off --- */

static void put_off(uint64_t *since_ns, uint64_t late_ns, uint64_t now_ns)
{
    if (*since_ns != 0)
        *since_ns = *since_ns + late_ns < now_ns ? *since_ns + late_ns : now_ns;
}

static void put_off_generation(struct generation *g, uint64_t late_ns, uint64_t now_ns)
{
    put_off(&g->asked_ns, late_ns, now_ns);
    put_off(&g->blamed_ns, late_ns, now_ns);
    put_off(&g->leave_ns, late_ns, now_ns);
    put_off(&g->deaf_ns, late_ns, now_ns);
}

static void put_off_row(struct registry_row *row, uint64_t late_ns, uint64_t now_ns)
{
    put_off(&row->ping_ns, late_ns, now_ns);
    put_off(&row->background_ns, late_ns, now_ns);
    put_off_generation(&row->live, late_ns, now_ns);
    put_off_generation(&row->standby, late_ns, now_ns);
    if (row->port != NULL)
        port_excuse(row->port, late_ns);
}

/* --- what hangs --- */

/* A request counts only from when its generation began to serve. */
static uint64_t blamed_from(const struct registry_row *row, uint64_t since_ns)
{
    return since_ns > row->live.blamed_ns ? since_ns : row->live.blamed_ns;
}

static bool request_overdue(const struct registry_row *row, uint64_t now_ns, uint64_t limit_ns)
{
    for (unsigned slot = 0; slot < PORT_SLOTS; slot++) {
        uint64_t since = port_waiting_since(row->port, slot);

        if (since == 0)
            continue;
        if (now_ns > blamed_from(row, since) + limit_ns)
            return true;
    }
    return false;
}

static bool heartbeat_missed(struct registry_row *row, uint64_t now_ns, uint64_t limit_ns)
{
    if (port_ponged(row->port)) {
        port_ping(row->port);
        row->ping_ns = now_ns;
        return false;
    }
    if (row->ping_ns == 0) /* a ping that the generation before left open */
        row->ping_ns = now_ns;
    return now_ns > blamed_from(row, row->ping_ns) + limit_ns;
}

static bool background_overdue(struct registry_row *row, uint64_t now_ns)
{
    uint64_t id = row->region == NULL ? 0 : region_executing(row->region, row->live.number);

    if ((id & BACKGROUND_BIT) == 0)
        return false;
    if (id != row->background) {
        row->background = id;
        row->background_ns = now_ns;
    }
    return now_ns > blamed_from(row, row->background_ns) + BACKGROUND_DEADLINE_NS;
}

/* --- where it runs --- */

static void place(struct registry *reg, uint32_t process, uint32_t cpu)
{
    struct registry_row *row = &reg->rows[process];
    Bulkhead__Place order;
    Bulkhead__Envelope e;

    row->placed_cpu = cpu;
    bulkhead__place__init(&order);
    bulkhead__envelope__init(&e);
    order.process = process;
    order.generation = row->live.number;
    order.cpu = cpu;
    e.body_case = BULKHEAD__ENVELOPE__BODY_PLACE;
    e.place = &order;
    registry_tell_init(reg, &e, -1);
}

/* A wake-up across CPUs costs ten times one on the same CPU: go where most of them come from. */
static void follow_kicks(struct registry *reg, uint32_t process)
{
    struct registry_row *row = &reg->rows[process];
    uint64_t most = 0, all = 0;
    uint32_t best = 0;

    for (uint32_t cpu = 0; cpu < 64; cpu++) {
        uint64_t kicks = atomic_load_explicit(&row->port->cold_kicks[cpu], memory_order_relaxed);
        uint64_t fresh = kicks - row->kicks_seen[cpu];

        row->kicks_seen[cpu] = kicks;
        all += fresh;
        if (fresh > most) {
            most = fresh;
            best = cpu;
        }
    }
    if (most >= PLACE_MIN_KICKS && most * 4 > all * 3 && best != row->placed_cpu)
        place(reg, process, best);
}

/* --- a tick --- */

static void watch_row(struct registry *reg, uint32_t process, uint64_t now_ns)
{
    struct registry_row *row = &reg->rows[process];
    uint64_t limit_ns = manifest[process].deadline_ms * NS_PER_MS;

    if (row->port == NULL || row->live.active_ns == 0 || row->live.killed)
        return;
    if (row->live.deaf_ns != 0) /* dead, most likely: what of, init will tell */
        return;
    if (heartbeat_missed(row, now_ns, limit_ns) || request_overdue(row, now_ns, limit_ns) ||
        background_overdue(row, now_ns)) {
        lifecycle_kill(reg, &row->live, DEATH_HANG);
        return;
    }
    follow_kicks(reg, process);
}

void watch_tick(struct registry *reg, uint64_t now_ns)
{
    uint64_t due_ns = reg->tick_ns + WATCH_TICK_MS * NS_PER_MS;

    reg->tick_ns = now_ns;
    for (uint32_t p = 0; p < PROCESS_COUNT; p++) {
        if (!registry_has(reg, p))
            continue;
        if (now_ns > due_ns)
            put_off_row(&reg->rows[p], now_ns - due_ns, now_ns);
        watch_row(reg, p, now_ns);
    }
}
