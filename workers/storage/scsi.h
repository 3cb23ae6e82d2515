/*
 * workers/storage/scsi.h - a logical unit: what a SCSI command means, without any I/O.
 *
 * scsi_execute() either answers a command, or says what I/O it takes; the caller does that and reports
 * an error of it with scsi_io_error(). What must survive a restart is struct scsi_state, plain data:
 * the caller commits it before the answer goes out, whenever answer.changed.
 *
 * CDBs and parameter lists are the guest's: private copies, any bytes.
 *
 * @spec SPC-4, SBC-3, MMC-6
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"
#include "ipc/disks.h"

enum {
    SCSI_CDB_BYTES = 16,
    SCSI_SENSE_BYTES = 18,
    SCSI_IN_MAX = 4096 + 512, /* bytes of the longest answer that is not data of the medium */
    SCSI_OUT_MAX = 16 * 1024, /* bytes of the longest parameter list that is looked at */
    SCSI_RANGES_MAX = 256,    /* block descriptors of an UNMAP */
    SCSI_REGISTRANTS_MAX = 8, /* of persistent reservations */
    SCSI_NOTICES_MAX = 8,
    SCSI_STATE_BYTES = 24 + 16 * SCSI_REGISTRANTS_MAX + 8 + 12 * SCSI_NOTICES_MAX, /* saved */
    /* Told in VPD page B0h, and what a command beyond it is refused for. */
    SCSI_UNMAP_BYTES_MAX = 1 << 30, /* of all ranges of one UNMAP */
    SCSI_WRITE_SAME_BYTES_MAX = 8 << 20,
};

enum scsi_status {
    SCSI_GOOD = 0x00,
    SCSI_CHECK_CONDITION = 0x02,
    SCSI_RESERVATION_CONFLICT = 0x18,
};

enum scsi_direction {
    SCSI_NO_DATA,
    SCSI_DATA_IN,  /* from the device */
    SCSI_DATA_OUT, /* to the device */
};

/* Constant while the unit is what it is; changed by scsi_resize() and scsi_insert(). */
struct scsi_config {
    enum disk_kind kind;
    uint64_t bytes;          /* of the medium; DVD: 0 without a disc */
    uint32_t block_bytes;    /* 512, 4096; DVD: 2048 */
    uint32_t physical_bytes; /* 512, 4096: at least block_bytes */
    uint32_t discard_bytes;  /* unit of UNMAP, a multiple of block_bytes; 0: none */
    uint32_t max_bytes;      /* of one READ or WRITE */
    bool read_only;
    bool persistent; /* struct scsi_state outlives the VM: without it, APTPL is refused */
    char serial[DISK_SERIAL_BYTES];
    uint8_t identity[16];
};

struct scsi_registrant {
    uint64_t initiator; /* 0: an empty row */
    uint64_t key;
};

/* What another initiator did to somebody's reservation, and he is still to be told. */
struct scsi_notice {
    uint64_t initiator;  /* 0: an empty row */
    uint32_t attentions; /* mask of enum scsi_attention, of SCSI_PR_* only */
    uint32_t zero;       /* instead of padding: states are compared as bytes */
};

/* What survives. Fixed size, no pointers. */
struct scsi_state {
    uint32_t attentions; /* mask of enum scsi_attention that are pending, of all but SCSI_PR_* */
    uint32_t flags;      /* mask of enum scsi_flag */
    uint32_t pr_generation;
    uint32_t pr_type;   /* 0: nobody has reserved it */
    uint64_t pr_holder; /* 0: nobody, or all registrants (types 7 and 8) */
    struct scsi_registrant registrants[SCSI_REGISTRANTS_MAX];
    uint64_t old_holder; /* of RESERVE(6) and (10); 0: nobody */
    struct scsi_notice notices[SCSI_NOTICES_MAX];
};

enum scsi_attention {
    SCSI_CAPACITY_CHANGED = 1, /* 2A/09 */
    SCSI_MEDIUM_CHANGED = 2,   /* 28/00 */
    SCSI_PR_PREEMPTED = 4,     /* 2A/03 */
    SCSI_PR_RELEASED = 8,      /* 2A/04 */
    SCSI_LUNS_CHANGED = 16,    /* 3F/0E */
    SCSI_PR_UNREGISTERED = 32, /* 2A/05 */
};

enum scsi_flag {
    SCSI_TRAY_OPEN = 1,
    SCSI_REMOVAL_PREVENTED = 2,
    SCSI_STOPPED = 4, /* START STOP UNIT: not ready until started */
    SCSI_APTPL = 8,
    SCSI_EVENT_NEW = 16,     /* GET EVENT STATUS NOTIFICATION has to say that a disc came */
    SCSI_EVENT_REMOVED = 32, /* or went */
};

struct scsi_lun {
    struct scsi_config config;
    struct scsi_state state;
};

struct scsi_command {
    uint8_t cdb[SCSI_CDB_BYTES]; /* zeros after its end */
    uint8_t cdb_len;             /* as the guest says, up to 16 */
    enum scsi_direction direction;
    uint32_t data_len;  /* bytes that the guest gives or has room for */
    const uint8_t *out; /* SCSI_DATA_OUT: the beginning of the data, out_len bytes of it */
    uint32_t out_len;   /* the smaller of data_len and SCSI_OUT_MAX */
    uint64_t initiator; /* whose I_T nexus; never 0 */
};

enum scsi_io_kind {
    SCSI_IO_NONE, /* the command is answered */
    SCSI_IO_READ,
    SCSI_IO_WRITE, /* data from the guest */
    SCSI_IO_FLUSH,
    /*
     * Ranges must read as zeros afterwards. may_discard: holes are best, but LBPRZ is advertised, so
     * what cannot become one is written. A range that is no whole discard units is no error.
     */
    SCSI_IO_ZERO,
    SCSI_IO_SAME, /* ranges[0]: filled with the first block_bytes of the command's data */
};

struct scsi_range {
    uint64_t offset; /* bytes; inside the medium */
    uint64_t len;
};

/* What the command takes. Ranges are inside the medium and whole blocks. */
struct scsi_io {
    enum scsi_io_kind kind;
    bool fua; /* durable before it is answered; of a READ: flush what was written before */
    bool may_discard;
    uint32_t n_ranges;
    struct scsi_range ranges[SCSI_RANGES_MAX]; /* READ, WRITE and SAME: one, not empty */
};

struct scsi_answer {
    enum scsi_status status;
    uint8_t sense[SCSI_SENSE_BYTES];
    uint8_t sense_len; /* 0: none */
    bool changed;      /* lun.state changed, also by what takes I/O: commit it before it is seen */
    bool ejected;      /* the medium is to be taken out */
    /*
     * Bytes of in, cut to what the command allows. To be delivered whatever the status is: drivers
     * that take each INQUIRY and MODE SENSE for good (Linux) then find no stale bytes.
     */
    uint32_t in_len;
    uint8_t in[SCSI_IN_MAX];
};

/*
 * Execute a command. With SCSI_IO_NONE the answer is complete. Otherwise do the I/O; when it worked the
 * answer is SCSI_GOOD as it stands (a read's data is the medium's), else fill it by scsi_io_error().
 * REPORT LUNS is the controller's: ask scsi_is_report_luns() first.
 */
void scsi_execute(struct scsi_lun *lun, const struct scsi_command *c, struct scsi_io *ret_io,
                  struct scsi_answer *ret);

/* The sense of an I/O that failed with negative errno err. What the command changed stays changed. */
void scsi_io_error(enum scsi_io_kind kind, int err, struct scsi_answer *ret);

/*
 * A command that must not be tried again (it killed two workers): HARDWARE ERROR. Not ABORTED COMMAND,
 * which Linux tries five times more.
 */
void scsi_poisoned(struct scsi_answer *ret);

/* A unit that serves errors only: NOT READY, and INQUIRY and the like as always. */
void scsi_parked(const struct scsi_lun *lun, const struct scsi_command *c, struct scsi_answer *ret);

/*
 * A command to a unit that is not there. False: there is no answer to it in SCSI terms; the
 * transport says that the unit is invalid.
 */
bool scsi_absent(const struct scsi_command *c, struct scsi_answer *ret);

/* REPORT LUNS of a controller: mask has a bit per unit. Answered even where unit 0 is absent. */
void scsi_report_luns(uint64_t mask, const struct scsi_command *c, struct scsi_answer *ret);
bool scsi_is_report_luns(const struct scsi_command *c);

/* The medium has another size. Pending attention: the guest is told at its next command. */
void scsi_resize(struct scsi_lun *lun, uint64_t bytes);

/* A disc was put in; 0 bytes: taken out. */
void scsi_insert(struct scsi_lun *lun, uint64_t bytes);

/* Other units of the controller came or went. */
void scsi_luns_changed(struct scsi_lun *lun);

/*
 * The bus, the controller or the unit was reset: RESERVE(6), a stopped unit and a locked tray are
 * over. Persistent reservations stay.
 */
void scsi_reset(struct scsi_lun *lun);

/* The state, SCSI_STATE_BYTES long, and back. -EBADMSG for what cannot be, *ret untouched. */
void scsi_state_save(const struct scsi_state *s, struct wr *out);
int MUST_USE scsi_state_load(struct rd *in, struct scsi_state *ret);
