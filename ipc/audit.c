/* The plain functions of SHA-256: no provider, no file, which diag may not open, and no memory. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "ipc/audit.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

void audit_hash(const struct audit_record *r, const uint8_t before[AUDIT_HASH_BYTES],
                uint8_t ret[AUDIT_HASH_BYTES])
{
    uint8_t bytes[AUDIT_HASH_BYTES + offsetof(struct audit_record, hash)];
    SHA256_CTX c;

    memcpy(bytes, before, AUDIT_HASH_BYTES);
    memcpy(bytes + AUDIT_HASH_BYTES, r, offsetof(struct audit_record, hash));
    (void)SHA256_Init(&c);
    (void)SHA256_Update(&c, bytes, sizeof(bytes));
    (void)SHA256_Final(ret, &c);
}

/* diag alone writes, but a dead generation may have left any bytes there. */
static const struct audit_record *place_of(const struct audit_records *ring, uint64_t seq)
{
    return &ring->records[(seq - 1) % AUDIT_RECORDS];
}

int audit_get(const struct audit_page *page, enum audit_ring ring, uint64_t seq,
              struct audit_record *ret)
{
    const struct audit_records *all = &page->rings[ring];
    uint64_t newest = atomic_load_explicit(&all->seq, memory_order_acquire);

    if (seq == 0 || seq > newest || newest - seq >= AUDIT_KEPT)
        return -ENOENT;
    *ret = *place_of(all, seq);
    ret->who[AUDIT_WHO_BYTES - 1] = ret->target[AUDIT_TARGET_BYTES - 1] = '\0';
    return 0;
}

uint64_t audit_newest(const struct audit_page *page, enum audit_ring ring)
{
    return atomic_load_explicit(&page->rings[ring].seq, memory_order_acquire);
}

uint64_t audit_oldest(const struct audit_page *page, enum audit_ring ring)
{
    uint64_t newest = audit_newest(page, ring);

    return newest <= AUDIT_KEPT ? 1 : newest - AUDIT_KEPT + 1;
}

void audit_add(struct audit_page *page, struct audit_record *r)
{
    static const uint8_t zeros[AUDIT_HASH_BYTES];
    struct audit_records *all = &page->rings[r->ring];
    uint64_t newest = atomic_load_explicit(&all->seq, memory_order_relaxed);

    r->seq = newest + 1;
    audit_hash(r, newest == 0 ? zeros : place_of(all, newest)->hash, r->hash);
    all->records[(r->seq - 1) % AUDIT_RECORDS] = *r;
    atomic_store_explicit(&all->seq, r->seq, memory_order_release);
}

bool audit_follows(const struct audit_record *before, const struct audit_record *r)
{
    static const uint8_t zeros[AUDIT_HASH_BYTES];
    uint8_t hash[AUDIT_HASH_BYTES];

    if (r->seq != (before == NULL ? 1 : before->seq + 1) ||
        (before != NULL && r->ring != before->ring))
        return false;
    audit_hash(r, before == NULL ? zeros : before->hash, hash);
    return memcmp(hash, r->hash, AUDIT_HASH_BYTES) == 0;
}

const char *audit_role_name(unsigned role)
{
    static const char *const names[ROLES] = {"none", "viewer", "operator", "debugger"};

    return role < ROLES ? names[role] : NULL;
}

const char *audit_decision_name(unsigned decision)
{
    static const char *const names[AUDIT_DECISIONS] = {
        [AUDIT_ALLOWED] = "allowed",
        [AUDIT_ROLE] = "role does not suffice",
        [AUDIT_CONFIDENTIAL] = "confidential VM",
        [AUDIT_LIMIT] = "too much at once",
        [AUDIT_STRANGER] = "stranger",
        [AUDIT_NOTHING] = "nothing done",
    };

    return decision < AUDIT_DECISIONS ? names[decision] : NULL;
}

const char *audit_ring_name(unsigned ring)
{
    static const char *const names[AUDIT_RINGS] = {[AUDIT_DONE] = "done", [AUDIT_SEEN] = "seen"};

    return ring < AUDIT_RINGS ? names[ring] : NULL;
}
