/*
 * workers/storage/scsi_exec.h - a command while it is executed: what the files of the unit share.
 *
 * A handler answers SENSE_NONE, or why not; who called it makes status and sense of that. The unit is
 * read-only for handlers, but for what scsi_change() gives: so none changes it unnoticed.
 */
#pragma once

#include "workers/storage/scsi.h"
#include "workers/storage/scsi_sense.h"

struct scsi_exec {
    const struct scsi_lun *lun;
    const struct scsi_command *c;
    struct scsi_io *io;
    struct scsi_answer *answer;
    struct scsi_state *state;    /* for scsi_change() */
    struct scsi_pointer pointer; /* what SENSE_INVALID_CDB and SENSE_INVALID_LIST point to */
};

typedef enum scsi_sense scsi_handler(struct scsi_exec *x);

/* What a foreign reservation forbids; a mask. @spec SPC-4 5.13.1, SBC-3 4.17, SPC-2 5.5.1 */
enum scsi_access {
    SCSI_ACCESS_FREE = 0,
    SCSI_NOT_UNDER_RESERVE = 1, /* of RESERVE(6) or (10) */
    SCSI_NOT_UNDER_WRITE_EXCLUSIVE = 2,
    SCSI_NOT_UNDER_EXCLUSIVE_ACCESS = 4,
    SCSI_ACCESS_STATE = SCSI_NOT_UNDER_RESERVE,
    SCSI_ACCESS_READ = SCSI_ACCESS_STATE | SCSI_NOT_UNDER_EXCLUSIVE_ACCESS,
    SCSI_ACCESS_WRITE = SCSI_ACCESS_READ | SCSI_NOT_UNDER_WRITE_EXCLUSIVE,
};

struct scsi_state *scsi_change(struct scsi_exec *x);

/* 5/24 and 5/26 with a pointer; bit -1: the whole byte. */
enum scsi_sense scsi_bad_cdb(struct scsi_exec *x, unsigned byte, int bit);
enum scsi_sense scsi_bad_list(struct scsi_exec *x, unsigned byte, int bit);

/* The first len bytes of answer.in as zeros, to be filled. */
uint8_t *scsi_in(struct scsi_exec *x, size_t len);

/* len bytes of answer.in are the answer, cut to alloc and to the room there is. */
enum scsi_sense scsi_give(struct scsi_exec *x, size_t len, uint64_t alloc);

/* The parameter list: 0 bytes unless there is one. */
struct span scsi_out(const struct scsi_exec *x);

uint64_t scsi_blocks(const struct scsi_lun *lun);

/* Why the medium cannot be used. */
enum scsi_sense scsi_not_ready(const struct scsi_lun *lun);

/* The sense of the attention that is next for this initiator, which is told by that; else SENSE_NONE. */
enum scsi_sense scsi_take_attention(struct scsi_exec *x);

/* Big-endian fields of 1 to 8 bytes. */
static inline uint64_t scsi_get(const uint8_t *at, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | at[i];
    return v;
}

static inline void scsi_put(uint8_t *at, unsigned bytes, uint64_t v)
{
    for (unsigned i = bytes; i > 0; i--, v >>= 8)
        at[i - 1] = (uint8_t)v;
}

/* v, or the largest number that 4 bytes hold. */
static inline uint32_t scsi_clip32(uint64_t v)
{
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* scsi_disk.c */
scsi_handler scsi_read, scsi_write, scsi_verify, scsi_flush, scsi_unmap, scsi_write_same;
scsi_handler scsi_capacity10, scsi_capacity16, scsi_lba_status, scsi_start_stop, scsi_diagnostic;

/* scsi_inquiry.c */
scsi_handler scsi_inquiry;

/* scsi_mode.c */
scsi_handler scsi_mode_sense, scsi_mode_select;

/* scsi_pr.c, scsi_pr_in.c */
scsi_handler scsi_pr_in, scsi_pr_out, scsi_reserve, scsi_release;
bool scsi_conflicts(const struct scsi_state *s, uint64_t initiator, unsigned access);
bool scsi_pr_type_is_known(unsigned type);
bool scsi_pr_is_all_registrants(unsigned type);
bool scsi_pr_is_holder(const struct scsi_state *s, uint64_t initiator);
int scsi_pr_find(const struct scsi_state *s, uint64_t initiator); /* his row, or -1 */

/* scsi_dvd.c */
scsi_handler scsi_dvd_start_stop, scsi_dvd_toc, scsi_dvd_configuration, scsi_dvd_event;
scsi_handler scsi_dvd_disc, scsi_dvd_track, scsi_dvd_mechanism, scsi_dvd_structure;
scsi_handler scsi_dvd_performance, scsi_dvd_speed, scsi_prevent;
