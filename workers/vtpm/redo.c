#include "workers/vtpm/redo.h"

#include <errno.h>
#include <string.h>

#include "base/wr.h"
#include "drivers/crb.h"
#include "workers/vtpm/command.h"

bool redo_add(struct redo *r, uint8_t locality, const uint8_t *command, size_t len)
{
    struct wr w = wr_over(r->bytes + r->len, sizeof(r->bytes) - r->len);
    size_t added;

    wr_u8(&w, locality);
    wr_le16(&w, (uint16_t)len);
    wr_bytes(&w, command, len);
    if (wr_finish(&w, &added) < 0)
        return false;
    r->len += added;
    return true;
}

int redo_load(struct redo *r, struct span commands)
{
    if (commands.len > sizeof(r->bytes) - r->len)
        return -EBADMSG;
    memcpy(r->bytes + r->len, commands.at, commands.len);
    r->len += commands.len;
    return 0;
}

static int redo_next(struct rd *in, struct tpm *t)
{
    uint8_t command[COMMAND_BYTES_MAX];
    uint8_t locality;
    size_t len;
    struct span bytes;

    locality = rd_u8(in);
    len = rd_le16(in);
    bytes = rd_span(in, len <= sizeof(command) ? len : SIZE_MAX);
    if (!rd_ok(in) || locality >= CRB_LOCALITIES)
        return -EBADMSG;
    memcpy(command, bytes.at, len);
    if (tpm_execute(t, locality, command, len) < 0 ||
        command_response_code(t->response, t->response_len) != COMMAND_RC_OK)
        return -EBADMSG;
    return 0;
}

int redo_all(const struct redo *r, struct tpm *t, unsigned *ret_n)
{
    struct rd in = rd_over(r->bytes, r->len);
    int err;

    *ret_n = 0;
    while (in.left > 0) {
        err = redo_next(&in, t);
        if (err < 0)
            return err;
        ++*ret_n;
    }
    return 0;
}

void redo_forget(struct redo *r)
{
    explicit_bzero(r->bytes, r->len);
    r->len = 0;
}
