#include "workers/storage/scsi_sense.h"

#include <errno.h>
#include <string.h>

enum {
    SENSE_FIXED = 0x70,
    SENSE_ADDITIONAL_BYTES = SCSI_SENSE_BYTES - 8,
    SKS_VALID = 0x80,
    SKS_CDB = 0x40, /* else the parameter list */
    SKS_BIT = 0x08,
};

static void fill_pointer(uint8_t out[3], enum scsi_sense s, const struct scsi_pointer *p)
{
    out[0] = SKS_VALID;
    if (s == SENSE_INVALID_CDB)
        out[0] |= SKS_CDB;
    if (p->bit >= 0)
        out[0] |= (uint8_t)(SKS_BIT | (p->bit & 7));
    out[1] = (uint8_t)(p->byte >> 8);
    out[2] = (uint8_t)p->byte;
}

void scsi_sense_fill(uint8_t out[SCSI_SENSE_BYTES], enum scsi_sense s, const struct scsi_pointer *p)
{
    memset(out, 0, SCSI_SENSE_BYTES);
    out[0] = SENSE_FIXED;
    out[2] = (uint8_t)(s >> 16);
    out[7] = SENSE_ADDITIONAL_BYTES;
    out[12] = (uint8_t)(s >> 8);
    out[13] = (uint8_t)s;
    if (p != NULL && p->valid && (s == SENSE_INVALID_CDB || s == SENSE_INVALID_LIST))
        fill_pointer(out + 15, s, p);
}

void scsi_answer_with(struct scsi_answer *a, enum scsi_sense s, const struct scsi_pointer *p)
{
    a->sense_len = 0;
    memset(a->sense, 0, sizeof(a->sense));
    a->status = SCSI_GOOD;
    if (s == SENSE_CONFLICT) {
        a->status = SCSI_RESERVATION_CONFLICT;
    } else if (s != SENSE_NONE) {
        a->status = SCSI_CHECK_CONDITION;
        scsi_sense_fill(a->sense, s, p);
        a->sense_len = SCSI_SENSE_BYTES;
    }
}

struct error_row {
    int err;
    enum scsi_sense read;
    enum scsi_sense write;
};

/* What is not here is an error of the medium. */
static const struct error_row errors[] = {
    {-ENOSPC,    SENSE_READ_ERROR,       SENSE_NO_SPACE        },
    {-EDQUOT,    SENSE_READ_ERROR,       SENSE_NO_SPACE        },
    {-EFBIG,     SENSE_READ_ERROR,       SENSE_NO_SPACE        },
    {-EROFS,     SENSE_READ_ERROR,       SENSE_WRITE_PROTECTED },
    {-EACCES,    SENSE_READ_ERROR,       SENSE_WRITE_PROTECTED },
    {-EPERM,     SENSE_READ_ERROR,       SENSE_WRITE_PROTECTED },
    {-ENOMEDIUM, SENSE_NO_MEDIUM,        SENSE_NO_MEDIUM       },
    {-ENODEV,    SENSE_NOT_READY_MANUAL, SENSE_NOT_READY_MANUAL},
    {-ENXIO,     SENSE_NOT_READY_MANUAL, SENSE_NOT_READY_MANUAL},
    {-ETIMEDOUT, SENSE_TIMEOUT,          SENSE_TIMEOUT         },
    {-ECANCELED, SENSE_ABORTED,          SENSE_ABORTED         },
    {-ENOMEM,    SENSE_ABORTED,          SENSE_ABORTED         },
    {-EAGAIN,    SENSE_ABORTED,          SENSE_ABORTED         },
    {-EBUSY,     SENSE_ABORTED,          SENSE_ABORTED         },
};

void scsi_io_error(enum scsi_io_kind kind, int err, struct scsi_answer *ret)
{
    struct error_row row = {0, SENSE_READ_ERROR, SENSE_WRITE_ERROR};

    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        if (errors[i].err == err)
            row = errors[i];
    }
    ret->in_len = 0;
    scsi_answer_with(ret, kind == SCSI_IO_READ ? row.read : row.write, NULL);
}

void scsi_poisoned(struct scsi_answer *ret)
{
    ret->changed = false;
    ret->ejected = false;
    ret->in_len = 0;
    scsi_answer_with(ret, SENSE_TARGET_FAILURE, NULL);
}
