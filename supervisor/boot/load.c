#include "supervisor/boot/load.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/wr.h"
#include "supervisor/boot/acpi.h"
#include "supervisor/boot/bzimage.h"

enum {
    PAGE_BYTES = 4096,
    CHUNK_BYTES = 256 * 1024, /* of a file, on its way to the guest: stays in the cache */
};

static const uint64_t LARGE_PAGE_BYTES = UINT64_C(2) << 20;

/* Offsets in the zero page. @spec Linux x86 zero page */
enum zero_page {
    ZP_ACPI_RSDP_ADDR = 0x070,
    ZP_E820_ENTRIES = 0x1e8,
    ZP_SETUP = 0x1f1,
    ZP_VID_MODE = 0x1fa,
    ZP_TYPE_OF_LOADER = 0x210,
    ZP_RAMDISK_IMAGE = 0x218,
    ZP_RAMDISK_SIZE = 0x21c,
    ZP_CMD_LINE_PTR = 0x228,
    ZP_SETUP_DATA = 0x250,
    ZP_E820_TABLE = 0x2d0,
    E820_ENTRY_BYTES = 20,
    LOADER_UNKNOWN = 0xff,
    VID_MODE_NORMAL = 0xffff,
};

enum gdt {
    GDT_CODE = 0x10, /* the boot protocol asks for these two selectors */
    GDT_DATA = 0x18,
    GDT_TSS = 0x20, /* 16 bytes */
    GDT_BYTES = 0x30,
};

static const uint64_t GDT_CODE_64 = 0x00af9b000000ffff;
static const uint64_t GDT_DATA_FLAT = 0x00cf93000000ffff;
static const uint64_t GDT_TSS_BUSY = 0x00008b0000000067;

enum page_flag {
    PAGE_TABLE = 0x3,  /* present, writable */
    PAGE_LARGE = 0x83, /* present, writable, 2 MiB */
    PAGE_ENTRIES = PAGE_BYTES / 8,
    IDENTITY_GIB = 4,
};

/* Bytes of a regular file; 0 for /dev/null. */
static int file_bytes(int fd, uint64_t *ret)
{
    off_t end = lseek(fd, 0, SEEK_END);

    if (end < 0)
        return -errno;
    *ret = (uint64_t)end;
    return 0;
}

/* Read exactly len bytes; -EBADMSG when the file has become shorter. */
static int read_all(int fd, uint64_t offset, uint8_t *out, size_t len)
{
    while (len != 0) {
        ssize_t n = pread(fd, out, len, (off_t)offset);

        if (n == 0)
            return -EBADMSG;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        out += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int copy_file(const struct gmem *m, int fd, uint64_t offset, uint64_t len, struct gpa to)
{
    AUTO_FREE uint8_t *chunk = malloc(CHUNK_BYTES);

    if (chunk == NULL)
        return -ENOMEM;
    while (len != 0) {
        size_t n = len < CHUNK_BYTES ? (size_t)len : CHUNK_BYTES;
        int r = read_all(fd, offset, chunk, n);

        if (r == 0)
            r = gmem_copy_out(m, to, chunk, n);
        if (r < 0)
            return r;
        to.v += n;
        offset += n;
        len -= n;
    }
    return 0;
}

static int read_kernel_head(int fd, struct bzimage *ret)
{
    uint8_t head[BZIMAGE_HEAD_BYTES];
    uint64_t file_len;
    size_t len;
    int r = file_bytes(fd, &file_len);

    if (r < 0)
        return r;
    len = file_len < sizeof(head) ? (size_t)file_len : sizeof(head);
    r = read_all(fd, 0, head, len);
    return r < 0 ? r : bzimage_parse(head, len, file_len, ret);
}

/* Where things of the size of a kernel may be: above the first MiB, below the hole. */
static uint64_t low_end(const struct memory_map *map)
{
    return map->ram[0].start + map->ram[0].len;
}

static int load_kernel(const struct gmem *m, const struct memory_map *map, int fd,
                       const struct bzimage *b)
{
    uint64_t end;

    if (b->load_at < HIGH_RAM_START || u64_add(b->load_at, b->room, &end) < 0 || end > low_end(map))
        return -EFBIG;
    return copy_file(m, fd, b->code_offset, b->code_len, (struct gpa){b->load_at});
}

/* As high as the kernel takes it, above the kernel. */
static int load_initrd(const struct gmem *m, const struct memory_map *map, int fd,
                       const struct bzimage *b, struct memory_range *ret)
{
    uint64_t end = b->initrd_end < low_end(map) ? b->initrd_end : low_end(map);
    uint64_t kernel_end = b->load_at + b->room;
    uint64_t start;
    uint64_t len = 0;
    int r = fd < 0 ? 0 : file_bytes(fd, &len);

    if (r < 0)
        return r;
    if (len == 0) {
        *ret = (struct memory_range){0};
        return 0;
    }
    if (len > end)
        return -E2BIG;
    start = (end - len) & ~(uint64_t)(PAGE_BYTES - 1);
    if (start < kernel_end)
        return -E2BIG;
    r = copy_file(m, fd, 0, len, (struct gpa){start});
    if (r < 0)
        return r;
    *ret = (struct memory_range){.start = start, .len = len};
    return 0;
}

static int put_command_line(const struct gmem *m, const char *text, uint32_t max)
{
    size_t len = strlen(text);

    if (len > max || len >= COMMAND_LINE_ROOM)
        return -ENAMETOOLONG;
    return gmem_copy_out(m, (struct gpa){COMMAND_LINE_GPA}, text, len + 1);
}

static void put16(uint8_t *page, size_t offset, uint16_t v)
{
    struct wr w = wr_over(page + offset, sizeof(v));

    wr_le16(&w, v);
}

static void put32(uint8_t *page, size_t offset, uint32_t v)
{
    struct wr w = wr_over(page + offset, sizeof(v));

    wr_le32(&w, v);
}

static void put64(uint8_t *page, size_t offset, uint64_t v)
{
    struct wr w = wr_over(page + offset, sizeof(v));

    wr_le64(&w, v);
}

static void put_e820(uint8_t *page, const struct memory_map *map)
{
    struct wr w = wr_over(page + ZP_E820_TABLE, (size_t)map->n_entries * E820_ENTRY_BYTES);

    page[ZP_E820_ENTRIES] = (uint8_t)map->n_entries;
    for (unsigned i = 0; i < map->n_entries; i++) {
        wr_le64(&w, map->entries[i].range.start);
        wr_le64(&w, map->entries[i].range.len);
        wr_le32(&w, map->entries[i].kind);
    }
}

static int put_zero_page(const struct gmem *m, const struct memory_map *map,
                         const struct bzimage *b, const struct memory_range *initrd)
{
    uint8_t page[PAGE_BYTES] = {0};

    memcpy(page + ZP_SETUP, b->setup, b->setup_len);
    put64(page, ZP_ACPI_RSDP_ADDR, ACPI_GPA);
    put16(page, ZP_VID_MODE, VID_MODE_NORMAL);
    page[ZP_TYPE_OF_LOADER] = LOADER_UNKNOWN;
    put32(page, ZP_RAMDISK_IMAGE, (uint32_t)initrd->start); /* low_end: below 4 GiB */
    put32(page, ZP_RAMDISK_SIZE, (uint32_t)initrd->len);
    put32(page, ZP_CMD_LINE_PTR, COMMAND_LINE_GPA);
    put64(page, ZP_SETUP_DATA, 0);
    put_e820(page, map);
    return gmem_copy_out(m, (struct gpa){ZERO_PAGE_GPA}, page, sizeof(page));
}

static int put_gdt(const struct gmem *m)
{
    uint8_t gdt[GDT_BYTES] = {0};

    put64(gdt, GDT_CODE, GDT_CODE_64);
    put64(gdt, GDT_DATA, GDT_DATA_FLAT);
    put64(gdt, GDT_TSS, GDT_TSS_BUSY);
    return gmem_copy_out(m, (struct gpa){GDT_GPA}, gdt, sizeof(gdt));
}

/* Fill one table with n entries that point to first, first + step and so on. */
static int put_page_table(const struct gmem *m, uint64_t at, unsigned n, uint64_t first,
                          uint64_t step)
{
    uint8_t page[PAGE_BYTES] = {0};

    for (unsigned i = 0; i < n; i++)
        put64(page, (size_t)i * 8, first + i * step);
    return gmem_copy_out(m, (struct gpa){at}, page, sizeof(page));
}

/* The first 4 GiB, mapped to themselves. */
static int put_page_tables(const struct gmem *m)
{
    const uint64_t pdpt = PAGE_TABLES_GPA + PAGE_BYTES;
    const uint64_t directories = pdpt + PAGE_BYTES;
    const uint64_t gib = LARGE_PAGE_BYTES * PAGE_ENTRIES;
    int r = put_page_table(m, PAGE_TABLES_GPA, 1, pdpt | PAGE_TABLE, 0);

    if (r == 0)
        r = put_page_table(m, pdpt, IDENTITY_GIB, directories | PAGE_TABLE, PAGE_BYTES);
    for (unsigned i = 0; i < IDENTITY_GIB && r == 0; i++) {
        r = put_page_table(m, directories + (uint64_t)i * PAGE_BYTES, PAGE_ENTRIES,
                           i * gib | PAGE_LARGE, LARGE_PAGE_BYTES);
    }
    return r;
}

static int put_acpi(const struct gmem *m, unsigned n_vcpus)
{
    uint8_t tables[2 * PAGE_BYTES];
    size_t len;
    int r = acpi_build(ACPI_GPA, n_vcpus, tables, sizeof(tables), &len);

    return r < 0 ? r : gmem_copy_out(m, (struct gpa){ACPI_GPA}, tables, len);
}

static int load_files(const struct gmem *m, const struct memory_map *map,
                      const struct boot_config *config, struct bzimage *ret_kernel,
                      struct memory_range *ret_initrd)
{
    int r = read_kernel_head(config->kernel_fd, ret_kernel);

    if (r == 0)
        r = put_command_line(m, config->append, ret_kernel->append_max);
    if (r == 0)
        r = load_kernel(m, map, config->kernel_fd, ret_kernel);
    if (r == 0)
        r = load_initrd(m, map, config->initrd_fd, ret_kernel, ret_initrd);
    return r;
}

int boot_load(const struct gmem *m, const struct memory_map *map, const struct boot_config *config,
              struct boot_regs *ret)
{
    struct memory_range initrd;
    struct bzimage kernel;
    int r = load_files(m, map, config, &kernel, &initrd);

    if (r == 0)
        r = put_zero_page(m, map, &kernel, &initrd);
    if (r == 0)
        r = put_gdt(m);
    if (r == 0)
        r = put_page_tables(m);
    if (r == 0)
        r = put_acpi(m, config->n_vcpus);
    if (r < 0)
        return r;
    *ret = (struct boot_regs){
        .rip = kernel.load_at + BZIMAGE_ENTRY_64,
        .rsi = ZERO_PAGE_GPA,
        .rsp = STACK_GPA,
        .cr3 = PAGE_TABLES_GPA,
        .gdt = GDT_GPA,
        .gdt_limit = GDT_BYTES - 1,
        .cs = GDT_CODE,
        .ds = GDT_DATA,
        .tr = GDT_TSS,
    };
    return 0;
}

const char *boot_error_text(int err)
{
    switch (-err) {
    case ENOEXEC:
        return "the kernel is not a bzImage";
    case EBADMSG:
        return "the kernel image is damaged or cut short";
    case ENOSYS:
        return "the kernel is 32-bit only or not relocatable: a 64-bit one is needed";
    case EFBIG:
        return "the kernel does not fit into the guest's memory";
    case E2BIG:
        return "the initrd does not fit into the guest's memory beside the kernel";
    case ENAMETOOLONG:
        return "the kernel command line is too long for this kernel";
    case ERANGE:
        return "the memory size must be from 64 MiB to 512 GiB";
    case EINVAL:
        return "the memory size must be a multiple of 2 MiB";
    default:
        return "the kernel or initrd cannot be read";
    }
}
