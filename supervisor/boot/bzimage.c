#include "supervisor/boot/bzimage.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/num.h"
#include "base/rd.h"

enum {
    SECTOR_BYTES = 512,
    PARAGRAPH_BYTES = 16,
    SETUP_SECTORS_OLD = 4, /* what 0 means */
    BOOT_FLAG = 0xaa55,
    MAGIC_HDRS = 0x53726448, /* "HdrS" */
    VERSION_64 = 0x020c,     /* the first with xloadflags */
    LOADED_HIGH = 1,         /* bit of loadflags: a bzImage, not a zImage */
    XLF_KERNEL_64 = 1,       /* bit of xloadflags */
    MAGIC_OFFSET = 0x202,    /* the jump over the header counts from here */
};

/* The fields of the header that matter here, as they are in the file. */
struct fields {
    uint8_t setup_sectors;
    uint32_t paragraphs;
    uint16_t boot_flag;
    uint8_t jump;
    uint32_t magic;
    uint16_t version;
    uint8_t loadflags;
    uint32_t initrd_addr_max;
    uint32_t alignment;
    uint8_t relocatable;
    uint16_t xloadflags;
    uint32_t cmdline_size;
    uint64_t pref_address;
    uint32_t init_size;
};

static void skip(struct rd *r, size_t len)
{
    (void)rd_span(r, len);
}

/* Up to the magic number: the same in every version. False when the bytes end before. */
static bool read_first(struct rd *r, struct fields *f)
{
    skip(r, BZIMAGE_SETUP_START);
    f->setup_sectors = rd_u8(r);
    skip(r, 2); /* 1f2 root_flags */
    f->paragraphs = rd_le32(r);
    skip(r, 6); /* 1f8 ram_size, vid_mode, root_dev */
    f->boot_flag = rd_le16(r);
    skip(r, 1); /* 200 the jump's opcode */
    f->jump = rd_u8(r);
    f->magic = rd_le32(r);
    f->version = rd_le16(r);
    return rd_ok(r);
}

/* The rest, of version 2.12 and later. */
static bool read_rest(struct rd *r, struct fields *f)
{
    skip(r, 9); /* 208 realmode_swtch, start_sys_seg, kernel_version, type_of_loader */
    f->loadflags = rd_u8(r);
    skip(r, 26); /* 212 setup_move_size to cmd_line_ptr */
    f->initrd_addr_max = rd_le32(r);
    f->alignment = rd_le32(r);
    f->relocatable = rd_u8(r);
    skip(r, 1); /* 235 min_alignment */
    f->xloadflags = rd_le16(r);
    f->cmdline_size = rd_le32(r);
    skip(r, 28); /* 23c hardware_subarch, its data, payload, setup_data */
    f->pref_address = rd_le64(r);
    f->init_size = rd_le32(r);
    return rd_ok(r);
}

static int read_fields(const void *head, size_t head_len, struct fields *ret)
{
    struct rd r = rd_over(head, head_len);
    struct fields f = {0};

    if (!read_first(&r, &f) || f.boot_flag != BOOT_FLAG || f.magic != MAGIC_HDRS)
        return -ENOEXEC;
    if (f.version < VERSION_64)
        return -ENOSYS;
    if (!read_rest(&r, &f))
        return -EBADMSG;
    if ((f.loadflags & LOADED_HIGH) == 0)
        return -ENOEXEC;
    if ((f.xloadflags & XLF_KERNEL_64) == 0 || f.relocatable == 0)
        return -ENOSYS;
    *ret = f;
    return 0;
}

static bool is_power_of_two(uint64_t v)
{
    return v != 0 && (v & (v - 1)) == 0;
}

static int check_numbers(const struct fields *f, uint64_t file_len, struct bzimage *b)
{
    unsigned sectors = f->setup_sectors == 0 ? SETUP_SECTORS_OLD : f->setup_sectors;

    b->code_offset = ((uint64_t)sectors + 1) * SECTOR_BYTES;
    b->code_len = (uint64_t)f->paragraphs * PARAGRAPH_BYTES;
    if (b->code_len <= BZIMAGE_ENTRY_64 || !range_inside(b->code_offset, b->code_len, file_len))
        return -EBADMSG;
    b->load_at = f->pref_address;
    if (!is_power_of_two(f->alignment) || (b->load_at & (f->alignment - 1)) != 0)
        return -EBADMSG;
    b->room = f->init_size > b->code_len ? f->init_size : b->code_len;
    b->initrd_end = (uint64_t)f->initrd_addr_max + 1;
    b->append_max = f->cmdline_size;
    return 0;
}

int bzimage_parse(const void *head, size_t head_len, uint64_t file_len, struct bzimage *ret)
{
    struct bzimage b = {0};
    struct fields f;
    struct span setup;
    struct rd r;
    int e = read_fields(head, head_len, &f);

    if (e == 0)
        e = check_numbers(&f, file_len, &b);
    if (e < 0)
        return e;
    b.setup_len = (size_t)MAGIC_OFFSET + f.jump - BZIMAGE_SETUP_START;
    if (b.setup_len > BZIMAGE_SETUP_MAX) /* a later version: its new fields are not ours to set */
        b.setup_len = BZIMAGE_SETUP_MAX;
    r = rd_over(head, head_len);
    skip(&r, BZIMAGE_SETUP_START);
    setup = rd_span(&r, b.setup_len);
    if (!rd_ok(&r))
        return -EBADMSG;
    memcpy(b.setup, setup.at, setup.len);
    *ret = b;
    return 0;
}
