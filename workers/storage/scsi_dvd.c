#include <string.h>

#include "workers/storage/scsi_exec.h"

/*
 * A DVD-ROM drive with a tray and, at times, a disc of one session with one data track.
 *
 * @spec MMC-6
 */

enum {
    MSF_OFFSET = 150, /* LBA 0 is at 00:02:00 */
    FRAMES = 75,      /* of a second */
    CONTROL_DATA = 0x14,
    LEAD_OUT = 0xaa,
    PROFILE_DVD_ROM = 0x10,
    FEATURE_HEADER_BYTES = 8,
    EVENT_MEDIA = 4, /* the class, and a bit of the mask of classes */
    STRUCTURE_PHYSICAL_BYTES = 4 + 2048,
    FIRST_SECTOR = 0x030000, /* of the data area of every DVD */
    SPEED = 22160,           /* kB/s */
};

static bool has_disc(const struct scsi_lun *lun)
{
    return scsi_not_ready(lun) == SENSE_NONE;
}

/* --- the tray --- */

static enum scsi_sense open_tray(struct scsi_exec *x)
{
    struct scsi_state *s;

    if ((x->lun->state.flags & SCSI_TRAY_OPEN) != 0)
        return SENSE_NONE;
    if ((x->lun->state.flags & SCSI_REMOVAL_PREVENTED) != 0)
        return SENSE_REMOVAL_PREVENTED;
    s = scsi_change(x);
    if (has_disc(x->lun)) {
        x->answer->ejected = true;
        s->flags |= SCSI_EVENT_REMOVED;
    }
    s->attentions &= ~(uint32_t)SCSI_MEDIUM_CHANGED;
    s->flags &= ~(uint32_t)SCSI_EVENT_NEW;
    s->flags |= SCSI_TRAY_OPEN;
    return SENSE_NONE;
}

/* What lies in it is a new disc, whatever it was. */
static enum scsi_sense close_tray(struct scsi_exec *x)
{
    struct scsi_state *s;

    if ((x->lun->state.flags & SCSI_TRAY_OPEN) == 0)
        return SENSE_NONE;
    s = scsi_change(x);
    s->flags &= ~(uint32_t)SCSI_TRAY_OPEN;
    if (has_disc(x->lun)) {
        s->attentions |= SCSI_MEDIUM_CHANGED;
        s->flags |= SCSI_EVENT_NEW;
    }
    return SENSE_NONE;
}

/* A disc spins up when it is read: to start or stop it changes nothing that can be seen. */
enum scsi_sense scsi_dvd_start_stop(struct scsi_exec *x)
{
    uint8_t bits = x->c->cdb[4];
    bool start = (bits & 1) != 0;

    if (bits >> 4 != 0)
        return scsi_bad_cdb(x, 4, 7); /* no power conditions */
    if ((bits & 4) != 0)
        return scsi_bad_cdb(x, 4, 2); /* FL: no layers of formats */
    if ((bits & 2) == 0)
        return start ? scsi_not_ready(x->lun) : SENSE_NONE;
    return start ? close_tray(x) : open_tray(x);
}

/*
 * Of a disk nothing can be removed, so it is not even noted. Persistent prevention (2 and 3) is about
 * the button of a drive, and there is none.
 */
enum scsi_sense scsi_prevent(struct scsi_exec *x)
{
    unsigned how = x->c->cdb[4] & 3;
    uint32_t prevented = how == 1 ? SCSI_REMOVAL_PREVENTED : 0;

    if (x->lun->config.kind != DISK_DVD || how >= 2 ||
        (x->lun->state.flags & SCSI_REMOVAL_PREVENTED) == prevented)
        return SENSE_NONE;
    scsi_change(x)->flags ^= SCSI_REMOVAL_PREVENTED;
    return SENSE_NONE;
}

/* --- READ TOC --- */

/* @spec MMC-6 4.2.3.6: addresses that minutes cannot hold are FF:3B:4A */
static void put_msf(uint8_t at[4], uint64_t lba)
{
    uint64_t frames = lba + MSF_OFFSET;
    uint64_t minutes = frames / FRAMES / 60;

    at[0] = 0;
    if (minutes > UINT8_MAX) {
        at[1] = 0xff;
        at[2] = 0x3b;
        at[3] = 0x4a;
        return;
    }
    at[1] = (uint8_t)minutes;
    at[2] = (uint8_t)(frames / FRAMES % 60);
    at[3] = (uint8_t)(frames % FRAMES);
}

static void put_address(const struct scsi_exec *x, uint8_t at[4], uint64_t lba)
{
    if ((x->c->cdb[1] & 2) != 0)
        put_msf(at, lba);
    else
        scsi_put(at, 4, scsi_clip32(lba));
}

static size_t put_track(const struct scsi_exec *x, uint8_t *at, uint8_t track, uint64_t lba)
{
    at[1] = CONTROL_DATA;
    at[2] = track;
    put_address(x, at + 4, lba);
    return 8;
}

static size_t toc_tracks(const struct scsi_exec *x, uint8_t *in)
{
    size_t len = 4;

    if (x->c->cdb[6] <= 1)
        len += put_track(x, in + len, 1, 0);
    return len + put_track(x, in + len, LEAD_OUT, scsi_blocks(x->lun));
}

static size_t toc_sessions(const struct scsi_exec *x, uint8_t *in)
{
    return 4 + put_track(x, in + 4, 1, 0); /* first track of the last session */
}

static size_t put_point(uint8_t *at, uint8_t point)
{
    at[0] = 1; /* session */
    at[1] = CONTROL_DATA;
    at[3] = point;
    return 11;
}

static size_t toc_full(const struct scsi_exec *x, uint8_t *in)
{
    static const uint8_t points[] = {0xa0, 0xa1, 0xa2, 1};
    size_t len = 4;

    for (size_t i = 0; i < COUNT_OF(points); i++) {
        uint8_t *at = in + len;

        len += put_point(at, points[i]);
        if (points[i] == 0xa2)
            put_address(x, at + 7, scsi_blocks(x->lun));
        else if (points[i] == 1)
            put_address(x, at + 7, 0);
        else
            at[8] = 1; /* first and last track */
    }
    return len;
}

/* Old drives had the format in the last byte, and Linux still asks so for sessions. */
enum scsi_sense scsi_dvd_toc(struct scsi_exec *x)
{
    static size_t (*const formats[])(const struct scsi_exec *x,
                                     uint8_t *in) = {toc_tracks, toc_sessions, toc_full};
    const uint8_t *cdb = x->c->cdb;
    unsigned format = (cdb[2] & 0x0f) != 0 ? cdb[2] & 0x0f : cdb[9] >> 6;
    uint8_t *in;
    size_t len;

    if (format >= COUNT_OF(formats))
        return scsi_bad_cdb(x, 2, 3);
    if ((format == 0 && cdb[6] > 1 && cdb[6] != LEAD_OUT) || (format == 2 && cdb[6] > 1))
        return scsi_bad_cdb(x, 6, -1);
    in = scsi_in(x, 64); /* more than any */
    len = formats[format](x, in);
    scsi_put(in, 2, len - 2);
    in[2] = 1; /* first and last track or session */
    in[3] = 1;
    return scsi_give(x, len, scsi_get(cdb + 7, 2));
}

/* --- GET CONFIGURATION --- */

struct feature {
    uint16_t code;
    uint8_t version;
    bool of_disc; /* current only with one */
    uint8_t len;
    uint8_t data[8];
};

static const struct feature features[] = {
    {0x0000, 0, false, 4, {0, PROFILE_DVD_ROM, 0, 0}       }, /* profiles */
    {0x0001, 2, false, 8, {0, 0, 0, 1, 1, 0, 0, 0}         }, /* core: SCSI, DBE */
    {0x0003, 1, false, 4, {0x39, 0, 0, 0}                  }, /* tray, ejects, locks */
    {0x0010, 0, true,  8, {0, 0, 2048 >> 8, 0, 0, 16, 1, 0}}, /* random readable */
    {0x001f, 1, true,  4, {0, 0, 0, 0}                     }, /* DVD read */
};

static size_t put_feature(const struct feature *f, bool disc, uint8_t *at)
{
    bool current = !f->of_disc || disc;

    scsi_put(at, 2, f->code);
    at[2] = (uint8_t)(f->version << 2 | (f->of_disc ? 0 : 2) | current);
    at[3] = f->len;
    memcpy(at + 4, f->data, f->len);
    if (f->code == 0)
        at[6] = disc; /* the profile is current */
    return 4 + (size_t)f->len;
}

enum scsi_sense scsi_dvd_configuration(struct scsi_exec *x)
{
    enum { ALL, CURRENT, ONE, RESERVED };
    unsigned which = x->c->cdb[1] & 3;
    uint64_t first = scsi_get(x->c->cdb + 2, 2);
    bool disc = has_disc(x->lun);
    size_t len = FEATURE_HEADER_BYTES;
    uint8_t *in;

    if (which == RESERVED)
        return scsi_bad_cdb(x, 1, 1);
    in = scsi_in(x, 128); /* more than all */
    for (size_t i = 0; i < COUNT_OF(features); i++) {
        const struct feature *f = &features[i];

        if (which == ONE ? f->code != first : f->code < first)
            continue;
        if (which != CURRENT || !f->of_disc || disc)
            len += put_feature(f, disc, in + len);
    }
    scsi_put(in, 4, len - 4);
    scsi_put(in + 6, 2, disc ? PROFILE_DVD_ROM : 0);
    return scsi_give(x, len, scsi_get(x->c->cdb + 7, 2));
}

/* --- GET EVENT STATUS NOTIFICATION --- */

/* The event that is next is told and forgotten, if there is room to tell it. */
static uint8_t take_media_event(struct scsi_exec *x, bool told)
{
    uint32_t flags = x->lun->state.flags;
    uint32_t event =
        (flags & SCSI_EVENT_REMOVED) != 0 ? SCSI_EVENT_REMOVED : flags & SCSI_EVENT_NEW;

    if (event == 0)
        return 0;
    if (told)
        scsi_change(x)->flags &= ~event;
    return event == SCSI_EVENT_REMOVED ? 3 : 2;
}

enum scsi_sense scsi_dvd_event(struct scsi_exec *x)
{
    enum { HEADER_BYTES = 4, EVENT_BYTES = 8 };
    uint64_t alloc = scsi_get(x->c->cdb + 7, 2);
    uint8_t *in;

    if ((x->c->cdb[1] & 1) == 0)
        return scsi_bad_cdb(x, 1, 0); /* only when it is asked */
    in = scsi_in(x, EVENT_BYTES);
    in[3] = 1 << EVENT_MEDIA; /* the classes there are */
    if ((x->c->cdb[4] >> EVENT_MEDIA & 1) == 0) {
        in[1] = HEADER_BYTES - 2;
        in[2] = 0x80; /* NEA: nothing of what was asked for */
        return scsi_give(x, HEADER_BYTES, alloc);
    }
    in[1] = EVENT_BYTES - 2;
    in[2] = EVENT_MEDIA;
    in[5] = (uint8_t)(((x->lun->state.flags & SCSI_TRAY_OPEN) != 0 ? 1 : 0) |
                      (has_disc(x->lun) ? 2 : 0));
    (void)scsi_give(x, EVENT_BYTES, alloc);
    in[4] = take_media_event(x, x->answer->in_len == EVENT_BYTES);
    return SENSE_NONE;
}

/* --- the disc --- */

enum scsi_sense scsi_dvd_disc(struct scsi_exec *x)
{
    enum { BYTES = 34 };
    uint8_t *in;

    if ((x->c->cdb[1] & 7) != 0)
        return scsi_bad_cdb(x, 1, 2); /* the standard information only */
    in = scsi_in(x, BYTES);
    scsi_put(in, 2, BYTES - 2);
    in[2] = 0x0e; /* the last session is complete, and so is the disc */
    in[3] = 1;    /* first track; sessions; first and last track of the last session */
    in[4] = 1;
    in[5] = 1;
    in[6] = 1;
    in[7] = 0x20;             /* unrestricted use */
    memset(in + 16, 0xff, 8); /* nothing can be appended */
    return scsi_give(x, BYTES, scsi_get(x->c->cdb + 7, 2));
}

/* Is what bytes 2 to 5 name in the one track? By type: address, track, session. */
static enum scsi_sense check_track(struct scsi_exec *x)
{
    uint64_t number = scsi_get(x->c->cdb + 2, 4);
    unsigned type = x->c->cdb[1] & 3;

    if (type == 3)
        return scsi_bad_cdb(x, 1, 1);
    if (type == 0)
        return number < scsi_blocks(x->lun) ? SENSE_NONE : SENSE_LBA_RANGE;
    return number == 1 ? SENSE_NONE : scsi_bad_cdb(x, 2, -1);
}

enum scsi_sense scsi_dvd_track(struct scsi_exec *x)
{
    enum { BYTES = 36 };
    enum scsi_sense s = check_track(x);
    uint8_t *in;

    if (s != SENSE_NONE)
        return s;
    in = scsi_in(x, BYTES);
    scsi_put(in, 2, BYTES - 2);
    in[2] = 1;    /* track */
    in[3] = 1;    /* session */
    in[5] = 0x04; /* data, recorded at once */
    in[6] = 0x01; /* mode 1 */
    scsi_put(in + 24, 4, scsi_clip32(scsi_blocks(x->lun)));
    scsi_put(in + 28, 4, scsi_clip32(scsi_blocks(x->lun) - 1));
    return scsi_give(x, BYTES, scsi_get(x->c->cdb + 7, 2));
}

enum scsi_sense scsi_dvd_mechanism(struct scsi_exec *x)
{
    enum { BYTES = 8 };
    uint8_t *in = scsi_in(x, BYTES);

    if ((x->lun->state.flags & SCSI_TRAY_OPEN) != 0)
        in[1] = 0x10; /* the door is open */
    return scsi_give(x, BYTES, scsi_get(x->c->cdb + 8, 2));
}

/* @spec MMC-6 6.22.3.2.1, and 6.22.3.2.2: it is not protected */
enum scsi_sense scsi_dvd_structure(struct scsi_exec *x)
{
    const uint8_t *cdb = x->c->cdb;
    bool physical = cdb[7] == 0;
    size_t len = physical ? STRUCTURE_PHYSICAL_BYTES : 8;
    uint8_t *in;

    if ((cdb[1] & 0x0f) != 0)
        return scsi_bad_cdb(x, 1, 3); /* another kind of disc */
    if (cdb[7] > 1)
        return scsi_bad_cdb(x, 7, -1);
    if (physical && cdb[6] != 0)
        return scsi_bad_cdb(x, 6, -1); /* layer */
    in = scsi_in(x, len);
    scsi_put(in, 2, len - 2);
    if (physical) {
        uint64_t last = FIRST_SECTOR + scsi_blocks(x->lun) - 1;

        in[4] = 0x01; /* DVD-ROM */
        in[5] = 0x0f; /* 120 mm, any speed */
        in[6] = 0x01; /* one layer, not writable */
        scsi_put(in + 9, 3, FIRST_SECTOR);
        scsi_put(in + 13, 3, last > 0xffffff ? 0xffffff : last);
    }
    return scsi_give(x, len, scsi_get(cdb + 8, 2));
}

/* @spec MMC-6 6.8: as fast everywhere; no exceptions, and no speeds to write at */
enum scsi_sense scsi_dvd_performance(struct scsi_exec *x)
{
    enum { HEADER_BYTES = 8, DESCRIPTOR_BYTES = 16 };
    const uint8_t *cdb = x->c->cdb;
    bool nominal = (cdb[1] & 3) == 0 && cdb[10] == 0;
    size_t len = HEADER_BYTES;
    uint8_t *in;

    if (cdb[10] != 0 && cdb[10] != 3)
        return scsi_bad_cdb(x, 10, -1);
    if (cdb[10] == 0 && (cdb[1] & 4) != 0)
        return scsi_bad_cdb(x, 1, 2); /* writing */
    in = scsi_in(x, HEADER_BYTES + DESCRIPTOR_BYTES);
    if (nominal) {
        scsi_put(in + 12, 4, SPEED);
        scsi_put(in + 16, 4, scsi_clip32(scsi_blocks(x->lun) - 1));
        scsi_put(in + 20, 4, SPEED);
        len += DESCRIPTOR_BYTES;
    }
    scsi_put(in, 4, len - 4);
    return scsi_give(x, len, HEADER_BYTES + scsi_get(cdb + 8, 2) * DESCRIPTOR_BYTES);
}

enum scsi_sense scsi_dvd_speed(struct scsi_exec *x)
{
    (void)x; /* it is as fast as it is */
    return SENSE_NONE;
}
