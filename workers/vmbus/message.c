#include "workers/vmbus/message.h"

#include <errno.h>

#include "base/wr.h"

enum {
    PAGE_BYTES = 4096,
    OFFER_USER_BYTES = 120,
    OFFER_ENUMERATE = 1, /* flag: the guest makes a device of it */
    NO_MONITOR = 0xff,
};

int message_read_contact(struct rd *r, struct message_contact *ret)
{
    struct message_contact m;

    m.version = rd_le32(r);
    m.target_vp = rd_le32(r);
    (void)rd_span(r, 24); /* interrupt page, monitor pages: not used */
    if (!rd_ok(r))
        return -EBADMSG;
    *ret = m;
    return 0;
}

int message_read_open(struct rd *r, struct message_open *ret)
{
    struct message_open m;

    m.relid = rd_le32(r);
    m.open_id = rd_le32(r);
    m.gpadl = rd_le32(r);
    m.target_vp = rd_le32(r);
    m.downstream = rd_le32(r);
    if (!rd_ok(r))
        return -EBADMSG;
    *ret = m;
    return 0;
}

int message_read_gpadl(struct rd *r, struct message_gpadl *ret)
{
    struct message_gpadl m;
    uint64_t pages;

    m.relid = rd_le32(r);
    m.gpadl = rd_le32(r);
    m.said = rd_le16(r);
    m.n_ranges = rd_le16(r);
    m.bytes = rd_le32(r);
    m.offset = rd_le32(r);
    m.pfns = rd_span(r, r->left & ~(size_t)7);
    pages = ((uint64_t)m.offset + m.bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    if (!rd_ok(r))
        return -EBADMSG;
    m.pages = (uint32_t)pages;
    *ret = m;
    return 0;
}

int message_read_body(struct rd *r, struct message_body *ret)
{
    struct message_body m;

    (void)rd_le32(r); /* its number: Linux always says 0 */
    m.gpadl = rd_le32(r);
    m.pfns = rd_span(r, r->left & ~(size_t)7);
    if (!rd_ok(r) || m.pfns.len == 0)
        return -EBADMSG;
    *ret = m;
    return 0;
}

int message_read_modify(struct rd *r, struct message_modify *ret)
{
    struct message_modify m;

    m.relid = rd_le32(r);
    m.target_vp = rd_le32(r);
    if (!rd_ok(r))
        return -EBADMSG;
    *ret = m;
    return 0;
}

int message_read_u32(struct rd *r, uint32_t *ret)
{
    uint32_t value = rd_le32(r);

    if (!rd_ok(r))
        return -EBADMSG;
    *ret = value;
    return 0;
}

int message_read_teardown(struct rd *r, uint32_t *ret_relid, uint32_t *ret_gpadl)
{
    uint32_t relid = rd_le32(r);
    uint32_t gpadl = rd_le32(r);

    if (!rd_ok(r))
        return -EBADMSG;
    *ret_relid = relid;
    *ret_gpadl = gpadl;
    return 0;
}

/* --- to the guest --- */

static struct wr begin(uint8_t *to, enum vmbus_type type)
{
    struct wr w = wr_over(to, VMBUS_MESSAGE_BYTES);

    wr_le32(&w, (uint32_t)type);
    wr_le32(&w, 0);
    return w;
}

static uint32_t end(const struct wr *w)
{
    size_t len = 0;

    return wr_finish(w, &len) == 0 ? (uint32_t)len : 0; /* all of them fit */
}

static void zeros(struct wr *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        wr_u8(w, 0);
}

uint32_t message_offer(uint8_t *to, unsigned device, unsigned subchannel)
{
    const struct vmbus_device *d = &vmbus_devices[device];
    uint32_t relid = vmbus_relid(device, subchannel);
    struct wr w = begin(to, VMBUS_OFFER);

    wr_bytes(&w, d->interface, sizeof(d->interface));
    wr_bytes(&w, d->instance, sizeof(d->instance));
    zeros(&w, 16);
    wr_le16(&w, OFFER_ENUMERATE);
    wr_le16(&w, 0); /* MMIO: none */
    zeros(&w, OFFER_USER_BYTES);
    wr_le16(&w, (uint16_t)subchannel);
    wr_le16(&w, 0);
    wr_le32(&w, relid);
    wr_u8(&w, NO_MONITOR);
    wr_u8(&w, 0);
    wr_le16(&w, 1); /* an interrupt of its own */
    wr_le32(&w, VMBUS_CONNECTION | relid);
    return end(&w);
}

uint32_t message_version(uint8_t *to, bool supported, uint32_t connection)
{
    struct wr w = begin(to, VMBUS_VERSION_RESPONSE);

    wr_u8(&w, supported);
    wr_u8(&w, 0); /* connected */
    wr_le16(&w, 0);
    wr_le32(&w, connection);
    return end(&w);
}

uint32_t message_open_result(uint8_t *to, uint32_t relid, uint32_t open_id, uint32_t status)
{
    struct wr w = begin(to, VMBUS_OPEN_RESULT);

    wr_le32(&w, relid);
    wr_le32(&w, open_id);
    wr_le32(&w, status);
    return end(&w);
}

uint32_t message_created(uint8_t *to, uint32_t relid, uint32_t gpadl, uint32_t status)
{
    struct wr w = begin(to, VMBUS_GPADL_CREATED);

    wr_le32(&w, relid);
    wr_le32(&w, gpadl);
    wr_le32(&w, status);
    return end(&w);
}

uint32_t message_plain(uint8_t *to, enum vmbus_type type)
{
    struct wr w = begin(to, type);

    return end(&w);
}

uint32_t message_one(uint8_t *to, enum vmbus_type type, uint32_t value)
{
    struct wr w = begin(to, type);

    wr_le32(&w, value);
    return end(&w);
}

uint32_t message_two(uint8_t *to, enum vmbus_type type, uint32_t first, uint32_t second)
{
    struct wr w = begin(to, type);

    wr_le32(&w, first);
    wr_le32(&w, second);
    return end(&w);
}
