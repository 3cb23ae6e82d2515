#include "workers/storage/scsi.h"

#include <assert.h>
#include <string.h>

#include "workers/storage/scsi_exec.h"

enum {
    OP_REPORT_LUNS = 0xa0,
    OP_REQUEST_SENSE = 0x03,
    OP_INQUIRY = 0x12,
    OP_START_STOP = 0x1b,
    OP_PREVENT = 0x1e,
    ANY = -1, /* the opcode has no service actions */
    ON_DISK = 1 << DISK_DISK,
    ON_DVD = 1 << DISK_DVD,
    ON_BOTH = ON_DISK | ON_DVD,
    CONTROL_NACA = 2, /* bit of the last byte of a CDB */
};

enum op_flag {
    OP_IN = 1,
    OP_OUT = 2,
    OP_MEDIUM = 4, /* needs a medium that is ready */
    /* Whatever is pending stays so: the standards say it of some; of MODE SENSE, Linux would not see
     * the sense and take what it got for the page. */
    OP_UNATTENDED = 8,
    OP_PARKED = 16,      /* a parked unit serves it too */
    OP_FORCED_GOOD = 32, /* a conflict is answered with the data as well, see struct scsi_answer */
};

struct scsi_op {
    uint8_t opcode;
    int8_t action;
    uint8_t kinds;
    uint8_t flags;
    uint8_t access;
    scsi_handler *run;
};

static enum scsi_sense test_unit_ready(struct scsi_exec *x)
{
    (void)x; /* that it is ready has been seen to */
    return SENSE_NONE;
}

static enum scsi_sense request_sense(struct scsi_exec *x)
{
    enum scsi_sense s;

    if ((x->c->cdb[1] & 1) != 0)
        return scsi_bad_cdb(x, 1, 0); /* descriptor format */
    s = scsi_take_attention(x);
    if (s == SENSE_NONE)
        s = scsi_not_ready(x->lun);
    scsi_sense_fill(scsi_in(x, SCSI_SENSE_BYTES), s, NULL);
    return scsi_give(x, SCSI_SENSE_BYTES, x->c->cdb[4]);
}

enum { META = OP_UNATTENDED | OP_PARKED };

/* What is frequent comes first. */
static const struct scsi_op ops[] = {
    {0x28, ANY,  ON_BOTH, OP_IN | OP_MEDIUM,             SCSI_ACCESS_READ,  scsi_read             },
    {0x2a, ANY,  ON_DISK, OP_OUT | OP_MEDIUM,            SCSI_ACCESS_WRITE, scsi_write            },
    {0x88, ANY,  ON_BOTH, OP_IN | OP_MEDIUM,             SCSI_ACCESS_READ,  scsi_read             },
    {0x8a, ANY,  ON_DISK, OP_OUT | OP_MEDIUM,            SCSI_ACCESS_WRITE, scsi_write            },
    {0x35, ANY,  ON_DISK, OP_MEDIUM,                     SCSI_ACCESS_WRITE, scsi_flush            },
    {0x42, ANY,  ON_DISK, OP_OUT | OP_MEDIUM,            SCSI_ACCESS_WRITE, scsi_unmap            },
    {0x00, ANY,  ON_BOTH, OP_MEDIUM,                     SCSI_ACCESS_STATE, test_unit_ready       },
    {0x03, ANY,  ON_BOTH, OP_IN | META,                  SCSI_ACCESS_FREE,  request_sense         },
    {0x08, ANY,  ON_DISK, OP_IN | OP_MEDIUM,             SCSI_ACCESS_READ,  scsi_read             },
    {0x0a, ANY,  ON_DISK, OP_OUT | OP_MEDIUM,            SCSI_ACCESS_WRITE, scsi_write            },
    {0x12, ANY,  ON_BOTH, OP_IN | META,                  SCSI_ACCESS_FREE,  scsi_inquiry          },
    {0x15, ANY,  ON_DISK, OP_OUT,                        SCSI_ACCESS_WRITE, scsi_mode_select      },
    {0x16, ANY,  ON_DISK, 0,                             SCSI_ACCESS_FREE,  scsi_reserve          },
    {0x17, ANY,  ON_DISK, 0,                             SCSI_ACCESS_FREE,  scsi_release          },
    {0x1a, ANY,  ON_BOTH, OP_IN | OP_FORCED_GOOD | META, SCSI_ACCESS_READ,  scsi_mode_sense       },
    {0x1b, ANY,  ON_DISK, 0,                             SCSI_ACCESS_WRITE, scsi_start_stop       },
    {0x1b, ANY,  ON_DVD,  0,                             SCSI_ACCESS_WRITE, scsi_dvd_start_stop   },
    {0x1d, ANY,  ON_DISK, 0,                             SCSI_ACCESS_WRITE, scsi_diagnostic       },
    {0x1e, ANY,  ON_BOTH, 0,                             SCSI_ACCESS_WRITE, scsi_prevent          },
    {0x25, ANY,  ON_BOTH, OP_IN | OP_MEDIUM,             SCSI_ACCESS_STATE, scsi_capacity10       },
    {0x2e, ANY,  ON_DISK, OP_OUT | OP_MEDIUM,            SCSI_ACCESS_WRITE, scsi_write            },
    {0x2f, ANY,  ON_DISK, OP_MEDIUM,                     SCSI_ACCESS_READ,  scsi_verify           },
    {0x41, ANY,  ON_DISK, OP_OUT | OP_MEDIUM,            SCSI_ACCESS_WRITE, scsi_write_same       },
    {0x43, ANY,  ON_DVD,  OP_IN | OP_MEDIUM,             SCSI_ACCESS_READ,  scsi_dvd_toc          },
    {0x46, ANY,  ON_DVD,  OP_IN | OP_UNATTENDED,         SCSI_ACCESS_FREE,  scsi_dvd_configuration},
    {0x4a, ANY,  ON_DVD,  OP_IN | OP_UNATTENDED,         SCSI_ACCESS_FREE,  scsi_dvd_event        },
    {0x51, ANY,  ON_DVD,  OP_IN | OP_MEDIUM,             SCSI_ACCESS_READ,  scsi_dvd_disc         },
    {0x52, ANY,  ON_DVD,  OP_IN | OP_MEDIUM,             SCSI_ACCESS_READ,  scsi_dvd_track        },
    {0x55, ANY,  ON_DISK, OP_OUT,                        SCSI_ACCESS_WRITE, scsi_mode_select      },
    {0x56, ANY,  ON_DISK, 0,                             SCSI_ACCESS_FREE,  scsi_reserve          },
    {0x57, ANY,  ON_DISK, 0,                             SCSI_ACCESS_FREE,  scsi_release          },
    {0x5a, ANY,  ON_BOTH, OP_IN | OP_FORCED_GOOD | META, SCSI_ACCESS_READ,  scsi_mode_sense       },
    {0x5e, ANY,  ON_DISK, OP_IN,                         SCSI_ACCESS_STATE, scsi_pr_in            },
    {0x5f, ANY,  ON_DISK, OP_OUT,                        SCSI_ACCESS_STATE, scsi_pr_out           },
    {0x8e, ANY,  ON_DISK, OP_OUT | OP_MEDIUM,            SCSI_ACCESS_WRITE, scsi_write            },
    {0x8f, ANY,  ON_DISK, OP_MEDIUM,                     SCSI_ACCESS_READ,  scsi_verify           },
    {0x91, ANY,  ON_DISK, OP_MEDIUM,                     SCSI_ACCESS_WRITE, scsi_flush            },
    {0x93, ANY,  ON_DISK, OP_OUT | OP_MEDIUM,            SCSI_ACCESS_WRITE, scsi_write_same       },
    {0x9e, 0x10, ON_DISK, OP_IN | OP_MEDIUM,             SCSI_ACCESS_STATE, scsi_capacity16       },
    {0x9e, 0x12, ON_DISK, OP_IN | OP_MEDIUM,             SCSI_ACCESS_READ,  scsi_lba_status       },
    {0xa8, ANY,  ON_BOTH, OP_IN | OP_MEDIUM,             SCSI_ACCESS_READ,  scsi_read             },
    {0xaa, ANY,  ON_DISK, OP_OUT | OP_MEDIUM,            SCSI_ACCESS_WRITE, scsi_write            },
    {0xac, ANY,  ON_DVD,  OP_IN | OP_MEDIUM,             SCSI_ACCESS_READ,  scsi_dvd_performance  },
    {0xad, ANY,  ON_DVD,  OP_IN | OP_MEDIUM,             SCSI_ACCESS_READ,  scsi_dvd_structure    },
    {0xae, ANY,  ON_DISK, OP_OUT | OP_MEDIUM,            SCSI_ACCESS_WRITE, scsi_write            },
    {0xaf, ANY,  ON_DISK, OP_MEDIUM,                     SCSI_ACCESS_READ,  scsi_verify           },
    {0xbb, ANY,  ON_DVD,  0,                             SCSI_ACCESS_STATE, scsi_dvd_speed        },
    {0xbd, ANY,  ON_DVD,  OP_IN,                         SCSI_ACCESS_STATE, scsi_dvd_mechanism    },
};

/* NULL: not an opcode of this kind of unit, or (*ret_known) not a service action of it. */
static const struct scsi_op *find_op(enum disk_kind kind, const uint8_t *cdb, bool *ret_known)
{
    *ret_known = false;
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        if (ops[i].opcode != cdb[0] || (ops[i].kinds >> kind & 1) == 0)
            continue;
        *ret_known = true;
        if (ops[i].action == ANY || ops[i].action == (cdb[1] & 0x1f))
            return &ops[i];
    }
    return NULL;
}

/* @spec SAM-4 5.2: the group of the opcode says how long the CDB is */
static unsigned cdb_bytes(uint8_t opcode)
{
    static const uint8_t bytes[] = {6, 10, 10, SCSI_CDB_BYTES, SCSI_CDB_BYTES, 12, 0, 0};

    return bytes[opcode >> 5];
}

/* What the CDB asks for may be more harmless than its opcode. @spec SBC-3 table 12 */
static unsigned access_of(const struct scsi_op *op, const uint8_t *cdb)
{
    if (op->opcode == OP_START_STOP && (cdb[4] & 0xf1) == 1)
        return SCSI_ACCESS_STATE; /* only starts it */
    if (op->opcode == OP_PREVENT && (cdb[4] & 3) == 0)
        return SCSI_ACCESS_FREE;
    return op->access;
}

/* --- for the handlers --- */

struct scsi_state *scsi_change(struct scsi_exec *x)
{
    x->answer->changed = true;
    return x->state;
}

static enum scsi_sense bad(struct scsi_exec *x, enum scsi_sense s, unsigned byte, int bit)
{
    x->pointer = (struct scsi_pointer){true, (uint16_t)byte, (int8_t)bit};
    return s;
}

enum scsi_sense scsi_bad_cdb(struct scsi_exec *x, unsigned byte, int bit)
{
    return bad(x, SENSE_INVALID_CDB, byte, bit);
}

enum scsi_sense scsi_bad_list(struct scsi_exec *x, unsigned byte, int bit)
{
    return bad(x, SENSE_INVALID_LIST, byte, bit);
}

uint8_t *scsi_in(struct scsi_exec *x, size_t len)
{
    assert(len <= sizeof(x->answer->in));
    memset(x->answer->in, 0, len);
    return x->answer->in;
}

enum scsi_sense scsi_give(struct scsi_exec *x, size_t len, uint64_t alloc)
{
    uint64_t room = x->c->direction == SCSI_DATA_IN ? x->c->data_len : 0;

    if (len > alloc)
        len = alloc;
    x->answer->in_len = (uint32_t)(len > room ? room : len);
    return SENSE_NONE;
}

struct span scsi_out(const struct scsi_exec *x)
{
    if (x->c->direction != SCSI_DATA_OUT)
        return (struct span){0};
    return (struct span){x->c->out, x->c->out_len};
}

uint64_t scsi_blocks(const struct scsi_lun *lun)
{
    assert(lun->config.block_bytes != 0);
    return lun->config.bytes / lun->config.block_bytes;
}

enum scsi_sense scsi_not_ready(const struct scsi_lun *lun)
{
    if (lun->config.kind == DISK_DVD) {
        if ((lun->state.flags & SCSI_TRAY_OPEN) != 0)
            return SENSE_NO_MEDIUM_OPEN;
        return scsi_blocks(lun) == 0 ? SENSE_NO_MEDIUM_CLOSED : SENSE_NONE;
    }
    if (scsi_blocks(lun) == 0)
        return SENSE_NO_MEDIUM;
    return (lun->state.flags & SCSI_STOPPED) != 0 ? SENSE_NOT_READY_STOPPED : SENSE_NONE;
}

/* --- attentions --- */

struct attention_row {
    enum scsi_attention attention;
    enum scsi_sense sense;
};

/* In the order in which they are told. */
static const struct attention_row attention_rows[] = {
    {SCSI_MEDIUM_CHANGED,   SENSE_MEDIUM_CHANGED  },
    {SCSI_CAPACITY_CHANGED, SENSE_CAPACITY_CHANGED},
    {SCSI_PR_PREEMPTED,     SENSE_PR_PREEMPTED    },
    {SCSI_PR_RELEASED,      SENSE_PR_RELEASED     },
    {SCSI_PR_UNREGISTERED,  SENSE_PR_UNREGISTERED },
    {SCSI_LUNS_CHANGED,     SENSE_LUNS_CHANGED    },
};

/* The unit's attentions are told once, to whoever comes first: one guest has the unit. */
static uint32_t *pending_for(struct scsi_state *s, uint64_t initiator)
{
    for (size_t i = 0; i < COUNT_OF(s->notices); i++) {
        if (s->notices[i].initiator == initiator)
            return &s->notices[i].attentions;
    }
    return &s->attentions;
}

static void drop_told_notices(struct scsi_state *s)
{
    for (size_t i = 0; i < COUNT_OF(s->notices); i++) {
        if (s->notices[i].attentions == 0)
            s->notices[i].initiator = 0;
    }
}

enum scsi_sense scsi_take_attention(struct scsi_exec *x)
{
    uint32_t *pending = pending_for(x->state, x->c->initiator);

    if (*pending == 0)
        return SENSE_NONE;
    for (size_t i = 0; i < COUNT_OF(attention_rows); i++) {
        if ((*pending & attention_rows[i].attention) != 0) {
            *pending &= ~(uint32_t)attention_rows[i].attention;
            drop_told_notices(scsi_change(x));
            return attention_rows[i].sense;
        }
    }
    return SENSE_NONE;
}

/* --- execution --- */

static enum scsi_sense check_cdb(struct scsi_exec *x, const struct scsi_op *op)
{
    unsigned bytes = cdb_bytes(op->opcode);

    if (x->c->cdb_len < bytes)
        return SENSE_INVALID_CDB;
    if ((x->c->cdb[bytes - 1] >> CONTROL_NACA & 1) != 0)
        return scsi_bad_cdb(x, bytes - 1, CONTROL_NACA);
    /* The transport knows another direction than the command: nothing can be moved. */
    if (x->c->data_len != 0 && (((op->flags & OP_IN) != 0 && x->c->direction == SCSI_DATA_OUT) ||
                                ((op->flags & OP_OUT) != 0 && x->c->direction == SCSI_DATA_IN)))
        return SENSE_INVALID_CDB;
    return SENSE_NONE;
}

static enum scsi_sense run_op(struct scsi_exec *x, const struct scsi_op *op)
{
    enum scsi_sense s = check_cdb(x, op);

    if (s == SENSE_NONE && (op->flags & OP_MEDIUM) != 0)
        s = scsi_not_ready(x->lun);
    return s == SENSE_NONE ? op->run(x) : s;
}

/*
 * @spec SAM-4 5.3.3: a reservation conflict comes before all other statuses, so an attention stays
 * until the initiator asks for something that it may have.
 */
static enum scsi_sense execute(struct scsi_exec *x)
{
    bool known;
    const struct scsi_op *op = find_op(x->lun->config.kind, x->c->cdb, &known);
    enum scsi_sense s = SENSE_NONE;

    if (op != NULL && scsi_conflicts(&x->lun->state, x->c->initiator, access_of(op, x->c->cdb))) {
        if ((op->flags & OP_FORCED_GOOD) != 0)
            (void)run_op(x, op);
        return SENSE_CONFLICT;
    }
    if (op == NULL || (op->flags & OP_UNATTENDED) == 0)
        s = scsi_take_attention(x);
    if (s != SENSE_NONE)
        return s;
    if (op == NULL)
        return known ? scsi_bad_cdb(x, 1, 4) : SENSE_INVALID_OPCODE;
    return run_op(x, op);
}

static enum scsi_sense execute_parked(struct scsi_exec *x)
{
    bool known;
    const struct scsi_op *op = find_op(x->lun->config.kind, x->c->cdb, &known);

    if (op == NULL || (op->flags & OP_PARKED) == 0)
        return SENSE_NOT_READY_MANUAL;
    return run_op(x, op);
}

static void answer_init(struct scsi_answer *a)
{
    a->changed = false;
    a->ejected = false;
    a->in_len = 0;
    scsi_answer_with(a, SENSE_NONE, NULL);
}

static void run(struct scsi_lun *lun, const struct scsi_command *c, struct scsi_io *io,
                struct scsi_answer *a, scsi_handler *how)
{
    struct scsi_exec x = {
        .lun = lun, .c = c, .io = io, .answer = a, .state = &lun->state, .pointer = {0}};
    enum scsi_sense s;

    answer_init(a);
    io->kind = SCSI_IO_NONE;
    io->fua = false;
    io->may_discard = false;
    io->n_ranges = 0;
    s = how(&x);
    if (s != SENSE_NONE) {
        io->kind = SCSI_IO_NONE;
        io->n_ranges = 0;
    }
    scsi_answer_with(a, s, &x.pointer);
}

void scsi_execute(struct scsi_lun *lun, const struct scsi_command *c, struct scsi_io *ret_io,
                  struct scsi_answer *ret)
{
    run(lun, c, ret_io, ret, execute);
}

/* What a parked unit was asked changes nothing: it works on a copy. */
void scsi_parked(const struct scsi_lun *lun, const struct scsi_command *c, struct scsi_answer *ret)
{
    struct scsi_lun copy = *lun;
    struct scsi_io io;

    run(&copy, c, &io, ret, execute_parked);
    ret->changed = false;
    if (c->cdb[0] == OP_REQUEST_SENSE && ret->status == SCSI_GOOD)
        scsi_sense_fill(ret->in, SENSE_NOT_READY_MANUAL, NULL);
}

/* --- units that are not there, and all of them --- */

static uint32_t cut(const struct scsi_command *c, uint64_t len, uint64_t alloc)
{
    uint64_t room = c->direction == SCSI_DATA_IN ? c->data_len : 0;

    len = len > alloc ? alloc : len;
    return (uint32_t)(len > room ? room : len);
}

bool scsi_absent(const struct scsi_command *c, struct scsi_answer *ret)
{
    static const uint8_t nothing[36] = {0x7f, 0, 5, 2, 36 - 5};

    answer_init(ret);
    if (c->cdb[0] != OP_INQUIRY)
        return false;
    memcpy(ret->in, nothing, sizeof(nothing));
    ret->in_len = cut(c, sizeof(nothing), scsi_get(c->cdb + 3, 2));
    if ((c->cdb[1] & 1) != 0 || c->cdb[2] != 0)
        scsi_answer_with(ret, SENSE_INVALID_CDB, NULL);
    return true;
}

bool scsi_is_report_luns(const struct scsi_command *c)
{
    return c->cdb[0] == OP_REPORT_LUNS;
}

/* @spec SPC-4 6.33; SAM-4 4.7.4: peripheral device addressing */
void scsi_report_luns(uint64_t mask, const struct scsi_command *c, struct scsi_answer *ret)
{
    uint8_t select = c->cdb[2];
    uint32_t len = 8;

    answer_init(ret);
    if (select > 2 || c->cdb_len < cdb_bytes(OP_REPORT_LUNS)) {
        struct scsi_pointer p = {select > 2, 2, -1};

        scsi_answer_with(ret, SENSE_INVALID_CDB, &p);
        return;
    }
    memset(ret->in, 0, len);
    for (unsigned lun = 0; lun < DISK_LUNS && select != 1; lun++) { /* 1: well-known ones: none */
        if ((mask >> lun & 1) == 0)
            continue;
        memset(ret->in + len, 0, 8);
        ret->in[len + 1] = (uint8_t)lun;
        len += 8;
    }
    scsi_put(ret->in, 4, len - 8);
    ret->in_len = cut(c, len, scsi_get(c->cdb + 6, 4));
}

/* --- what happens to a unit --- */

void scsi_resize(struct scsi_lun *lun, uint64_t bytes)
{
    if (bytes == lun->config.bytes)
        return;
    lun->config.bytes = bytes;
    lun->state.attentions |= SCSI_CAPACITY_CHANGED;
}

void scsi_insert(struct scsi_lun *lun, uint64_t bytes)
{
    struct scsi_state *s = &lun->state;

    if (lun->config.bytes != 0 && bytes == 0 && (s->flags & SCSI_TRAY_OPEN) == 0)
        s->flags |= SCSI_EVENT_REMOVED; /* with the tray it was told already */
    lun->config.bytes = bytes;
    s->attentions &= ~(uint32_t)SCSI_MEDIUM_CHANGED;
    s->flags &= ~(uint32_t)SCSI_EVENT_NEW;
    if (bytes == 0)
        return; /* that is no attention: commands find no medium */
    s->attentions |= SCSI_MEDIUM_CHANGED;
    s->flags &= ~(uint32_t)SCSI_TRAY_OPEN;
    s->flags |= SCSI_EVENT_NEW;
}

void scsi_luns_changed(struct scsi_lun *lun)
{
    lun->state.attentions |= SCSI_LUNS_CHANGED;
}

void scsi_reset(struct scsi_lun *lun)
{
    lun->state.old_holder = 0;
    lun->state.flags &= ~(uint32_t)(SCSI_STOPPED | SCSI_REMOVAL_PREVENTED);
}
