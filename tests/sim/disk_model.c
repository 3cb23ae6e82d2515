#include "tests/sim/disk_model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const uint64_t MAGIC = UINT64_C(0x62756c6b68656164);
static const uint64_t ANY_SECTOR = UINT64_MAX; /* MODEL_SAME */

enum {
    WORDS = MODEL_SECTOR / 8,
};

void model_init(struct disk_model *m, uint32_t n_sectors, uint64_t seed)
{
    (void)pthread_mutex_init(&m->lock, NULL);
    m->seed = seed;
    m->tick = 1;
    m->last_version = 1;
    m->n_sectors = n_sectors < MODEL_SECTORS_MAX ? n_sectors : MODEL_SECTORS_MAX;
    for (uint32_t i = 0; i < m->n_sectors; i++)
        m->sectors[i][0] = (struct model_candidate){.version = 1, .kind = MODEL_ZERO, .acked = 1};
}

void model_fill(const struct disk_model *m, uint32_t lba, uint32_t version, enum model_kind kind,
                uint8_t out[MODEL_SECTOR])
{
    uint64_t words[WORDS] = {MAGIC, kind == MODEL_SAME ? ANY_SECTOR : lba, version, m->seed};
    uint64_t x = words[1] * UINT64_C(0x9e3779b97f4a7c15) ^ version ^ m->seed << 32;

    for (unsigned i = 4; i < WORDS; i++) {
        x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + i;
        words[i] = x;
    }
    memset(out, 0, MODEL_SECTOR);
    if (kind != MODEL_ZERO)
        memcpy(out, words, sizeof(words));
}

/* --- candidates --- */

/* Reads that began before its death may still find it. */
static uint64_t oldest_reader(const struct disk_model *m)
{
    uint64_t oldest = UINT64_MAX;

    for (unsigned i = 0; i < MODEL_READERS; i++) {
        if (m->readers[i] != 0 && m->readers[i] < oldest)
            oldest = m->readers[i];
    }
    return oldest;
}

static struct model_candidate *find_empty(struct model_candidate *row)
{
    for (unsigned i = 0; i < MODEL_CANDIDATES; i++) {
        if (row[i].version == 0)
            return &row[i];
    }
    return NULL;
}

static struct model_candidate *make_room(struct model_candidate *row, uint64_t oldest)
{
    for (unsigned i = 0; i < MODEL_CANDIDATES; i++) {
        if (row[i].died != 0 && row[i].died < oldest)
            row[i] = (struct model_candidate){0};
    }
    return find_empty(row);
}

static bool has_room(struct disk_model *m, uint32_t lba, uint32_t n)
{
    uint64_t oldest = 0;

    for (uint32_t i = lba; i < lba + n; i++) {
        if (find_empty(m->sectors[i]) != NULL)
            continue;
        oldest = oldest == 0 ? oldest_reader(m) : oldest;
        if (make_room(m->sectors[i], oldest) == NULL)
            return false;
    }
    return true;
}

bool model_write_begin(struct disk_model *m, uint32_t lba, uint32_t n, enum model_kind kind,
                       uint32_t *version, uint64_t *ret_tick)
{
    bool room;

    (void)pthread_mutex_lock(&m->lock);
    room = has_room(m, lba, n);
    if (room) {
        *version = ++m->last_version;
        *ret_tick = ++m->tick;
        for (uint32_t i = lba; i < lba + n; i++)
            *find_empty(m->sectors[i]) =
                (struct model_candidate){.version = *version, .kind = (uint8_t)kind};
    }
    (void)pthread_mutex_unlock(&m->lock);
    return room;
}

void model_write_end(struct disk_model *m, uint32_t lba, uint32_t n, uint32_t version,
                     uint64_t tick)
{
    uint64_t now;

    (void)pthread_mutex_lock(&m->lock);
    now = ++m->tick;
    for (uint32_t i = lba; i < lba + n; i++) {
        for (unsigned j = 0; j < MODEL_CANDIDATES; j++) {
            struct model_candidate *c = &m->sectors[i][j];

            if (c->version == version)
                c->acked = now;
            else if (c->version != 0 && c->died == 0 && c->acked != 0 && c->acked < tick)
                c->died = now;
        }
    }
    (void)pthread_mutex_unlock(&m->lock);
}

/* --- reads --- */

void model_read_begin(struct disk_model *m, unsigned reader)
{
    (void)pthread_mutex_lock(&m->lock);
    m->readers[reader] = ++m->tick;
    (void)pthread_mutex_unlock(&m->lock);
}

void model_read_end(struct disk_model *m, unsigned reader)
{
    (void)pthread_mutex_lock(&m->lock);
    m->readers[reader] = 0;
    (void)pthread_mutex_unlock(&m->lock);
}

/* Which candidate the bytes are of; NULL: of none. */
static struct model_candidate *identify(const struct disk_model *m, struct model_candidate *row,
                                        uint32_t lba, const uint8_t *bytes, uint64_t began)
{
    uint8_t expected[MODEL_SECTOR];
    uint64_t words[3];
    bool zero;

    memcpy(words, bytes, sizeof(words));
    zero = words[0] == 0;
    for (unsigned i = 0; i < MODEL_CANDIDATES; i++) {
        struct model_candidate *c = &row[i];

        if (c->version == 0 || (c->died != 0 && c->died < began) ||
            zero != (c->kind == MODEL_ZERO) || (!zero && words[2] != c->version))
            continue;
        model_fill(m, lba, c->version, (enum model_kind)c->kind, expected);
        if (memcmp(bytes, expected, sizeof(expected)) == 0)
            return c;
    }
    return NULL;
}

/* Is it one sector as some write wrote it, whichever? Then it is no mixture. */
static bool is_whole(const struct disk_model *m, const uint8_t *bytes)
{
    static const uint8_t zeros[MODEL_SECTOR];
    uint8_t expected[MODEL_SECTOR];
    uint64_t words[3];

    memcpy(words, bytes, sizeof(words));
    if (memcmp(bytes, zeros, MODEL_SECTOR) == 0)
        return true;
    model_fill(m, (uint32_t)words[1], (uint32_t)words[2],
               words[1] == ANY_SECTOR ? MODEL_SAME : MODEL_DATA, expected);
    return memcmp(bytes, expected, MODEL_SECTOR) == 0;
}

static bool met_a_write(const struct model_candidate *row, uint64_t began)
{
    for (unsigned i = 0; i < MODEL_CANDIDATES; i++) {
        if (row[i].version != 0 && (row[i].acked == 0 || row[i].acked > began))
            return true;
    }
    return false;
}

/* Zeros look alike: which of several was seen is not known. */
static bool is_certain(const struct model_candidate *row, const struct model_candidate *found)
{
    for (unsigned i = 0; i < MODEL_CANDIDATES; i++) {
        if (&row[i] != found && row[i].version != 0 && row[i].kind == MODEL_ZERO &&
            found->kind == MODEL_ZERO)
            return false;
    }
    return true;
}

/*
 * What was read has overwritten all that was acknowledged, or seen, before the read began. So a write that
 * is done again after a death must not come back over another one that followed it.
 */
static void learn(struct disk_model *m, struct model_candidate *row, struct model_candidate *found,
                  uint64_t began)
{
    if (is_certain(row, found))
        found->seen = ++m->tick;
    for (unsigned i = 0; i < MODEL_CANDIDATES; i++) {
        struct model_candidate *c = &row[i];
        bool looks_the_same = c->kind == MODEL_ZERO && found->kind == MODEL_ZERO;

        if (c == found || looks_the_same || c->version == 0 || c->died != 0)
            continue;
        if ((c->acked != 0 && c->acked < began) || (c->seen != 0 && c->seen < began))
            c->died = ++m->tick;
    }
}

static void explain(const struct model_candidate *row, uint32_t lba, const uint8_t *bytes,
                    char why[160])
{
    uint64_t words[3];
    int at;

    memcpy(words, bytes, sizeof(words));
    at = snprintf(why, 160, "sector %u: %s%llu:%llu, not", lba, words[0] == MAGIC ? "" : "?",
                  (unsigned long long)words[1], (unsigned long long)words[2]);
    for (unsigned i = 0; i < MODEL_CANDIDATES && at > 0 && at < 160; i++) {
        const struct model_candidate *c = &row[i];

        if (c->version != 0)
            at += snprintf(why + at, 160 - (size_t)at, " %u%s%s%s", c->version,
                           c->kind == MODEL_ZERO ? "z" : "", c->acked == 0 ? "?" : "",
                           c->died != 0 ? "+" : "");
    }
}

int model_check(struct disk_model *m, unsigned reader, uint32_t lba,
                const uint8_t bytes[MODEL_SECTOR], char why[160])
{
    struct model_candidate *row = m->sectors[lba];
    struct model_candidate *found;
    uint64_t began;
    int r = 0;

    (void)pthread_mutex_lock(&m->lock);
    began = m->readers[reader];
    found = identify(m, row, lba, bytes, began);
    if (found != NULL) {
        learn(m, row, found, began);
    } else if (met_a_write(row, began) && !is_whole(m, bytes)) {
        m->torn++;
    } else {
        explain(row, lba, bytes, why);
        r = -EIO;
    }
    (void)pthread_mutex_unlock(&m->lock);
    return r;
}
