#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "supervisor/boot/load.h"

enum {
    RAM_BYTES = 64 << 20,
    CODE_OFFSET = 1024,
    CODE_LEN = 4096 + 32,
    KERNEL_BYTES = CODE_OFFSET + CODE_LEN,
    ROOM = 0x800000,
    INITRD_BYTES = 300001, /* more than one chunk, not whole pages */
};

static const uint64_t LOAD_AT = 0x1000000;

static uint8_t *ram;
static struct gmem mem;
static struct memory_map map;
static uint8_t kernel[KERNEL_BYTES];
static int kernel_fd;
static int initrd_fd;
static struct boot_regs regs;

static void put(size_t offset, unsigned size, uint64_t v)
{
    for (unsigned i = 0; i < size; i++)
        kernel[offset + i] = (uint8_t)(v >> (8 * i));
}

static void fill(uint8_t *at, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(i * 7 + i / 251 + seed);
}

static void good_kernel(void)
{
    memset(kernel, 0, CODE_OFFSET);
    fill(kernel + CODE_OFFSET, CODE_LEN, 1);
    put(0x1f1, 1, 1);
    put(0x1f4, 4, CODE_LEN / 16);
    put(0x1fe, 2, 0xaa55);
    put(0x201, 1, 0x6a);
    memcpy(kernel + 0x202, "HdrS", 4);
    put(0x206, 2, 0x020f);
    put(0x211, 1, 1);
    put(0x22c, 4, 0x7fffffff);
    put(0x230, 4, 0x200000);
    put(0x234, 1, 1);
    put(0x236, 2, 1);
    put(0x238, 4, 100);
    put(0x258, 8, LOAD_AT);
    put(0x260, 4, ROOM);
}

static void set_file(int fd, const uint8_t *bytes, size_t len)
{
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(pwrite(fd, bytes, len, 0), (ssize_t)len);
}

static void setup(void)
{
    static uint8_t initrd[INITRD_BYTES];

    ck_assert_int_eq(memory_map_make(RAM_BYTES, &map), 0);
    ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(ram, MAP_FAILED);
    mem = (struct gmem){0};
    ck_assert_int_eq(gmem_add(&mem, (struct gpa){0}, RAM_BYTES, ram), 0);
    kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
    initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
    ck_assert_int_ge(kernel_fd, 0);
    ck_assert_int_ge(initrd_fd, 0);
    good_kernel();
    fill(initrd, sizeof(initrd), 2);
    set_file(initrd_fd, initrd, sizeof(initrd));
    memset(&regs, 0x33, sizeof(regs));
}

static void teardown(void)
{
    ck_assert_int_eq(munmap(ram, RAM_BYTES), 0);
    ck_assert_int_eq(close(kernel_fd), 0);
    ck_assert_int_eq(close(initrd_fd), 0);
}

static int load(int initrd, const char *append)
{
    struct boot_config c = {
        .kernel_fd = kernel_fd, .initrd_fd = initrd, .append = append, .n_vcpus = 2};

    set_file(kernel_fd, kernel, sizeof(kernel));
    return boot_load(&mem, &map, &c, &regs);
}

static void refused(int initrd, const char *append, int err)
{
    struct boot_regs before = regs;

    ck_assert_int_eq(load(initrd, append), err);
    ck_assert_mem_eq(&regs, &before, sizeof(regs));
}

static uint64_t ram_le(uint64_t at, unsigned size)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)ram[at + i] << (8 * i);
    return v;
}

static uint64_t zero_page(size_t offset, unsigned size)
{
    return ram_le(ZERO_PAGE_GPA + offset, size);
}

START_TEST(the_code_is_where_it_wants_to_be)
{
    ck_assert_int_eq(load(-1, "quiet"), 0);
    ck_assert_mem_eq(ram + LOAD_AT, kernel + CODE_OFFSET, CODE_LEN);
    ck_assert_uint_eq(ram[LOAD_AT + CODE_LEN], 0);
    ck_assert_uint_eq(regs.rip, LOAD_AT + 0x200);
    ck_assert_uint_eq(regs.rsi, ZERO_PAGE_GPA);
}
END_TEST

START_TEST(the_zero_page_tells_all)
{
    ck_assert_int_eq(load(initrd_fd, "quiet"), 0);
    ck_assert_mem_eq(ram + ZERO_PAGE_GPA + 0x202, "HdrS", 4);
    ck_assert_uint_eq(zero_page(0x070, 8), ACPI_GPA);
    ck_assert_mem_eq(ram + ACPI_GPA, "RSD PTR ", 8);
    ck_assert_uint_eq(zero_page(0x210, 1), 0xff);
    ck_assert_uint_eq(zero_page(0x228, 4), COMMAND_LINE_GPA);
    ck_assert_str_eq((const char *)ram + COMMAND_LINE_GPA, "quiet");
    ck_assert_uint_eq(zero_page(0x1e8, 1), map.n_entries);
    ck_assert_uint_eq(zero_page(0x1ef, 1), 0); /* sentinel: this page is made, not copied */
    for (unsigned i = 0; i < map.n_entries; i++) {
        ck_assert_uint_eq(zero_page(0x2d0 + 20 * i, 8), map.entries[i].range.start);
        ck_assert_uint_eq(zero_page(0x2d8 + 20 * i, 8), map.entries[i].range.len);
        ck_assert_uint_eq(zero_page(0x2e0 + 20 * i, 4), map.entries[i].kind);
    }
}
END_TEST

START_TEST(the_initrd_is_high_and_whole)
{
    static uint8_t expected[INITRD_BYTES];
    uint64_t at;

    ck_assert_int_eq(load(initrd_fd, ""), 0);
    at = zero_page(0x218, 4);
    fill(expected, sizeof(expected), 2);
    ck_assert_uint_eq(zero_page(0x21c, 4), INITRD_BYTES);
    ck_assert_uint_eq(at % 4096, 0);
    ck_assert_uint_ge(at + INITRD_BYTES, RAM_BYTES - 4096);
    ck_assert_uint_le(at + INITRD_BYTES, RAM_BYTES);
    ck_assert_mem_eq(ram + at, expected, INITRD_BYTES);
}
END_TEST

START_TEST(the_initrd_stays_below_the_kernels_limit)
{
    put(0x22c, 4, 0x2ffffff);
    ck_assert_int_eq(load(initrd_fd, ""), 0);
    ck_assert_uint_le(zero_page(0x218, 4) + INITRD_BYTES, 0x3000000);
}
END_TEST

START_TEST(without_an_initrd_there_is_none)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(null, 0);
    ck_assert_int_eq(load(null, ""), 0);
    ck_assert_uint_eq(zero_page(0x218, 4), 0);
    ck_assert_uint_eq(zero_page(0x21c, 4), 0);
    ck_assert_int_eq(close(null), 0);
}
END_TEST

START_TEST(four_gib_are_mapped_to_themselves)
{
    ck_assert_int_eq(load(-1, ""), 0);
    ck_assert_uint_eq(regs.cr3, PAGE_TABLES_GPA);
    for (uint64_t at = 0; at < UINT64_C(4) << 30; at += 2 << 20) {
        uint64_t pml4e = ram_le(regs.cr3, 8);
        uint64_t pdpte = ram_le((pml4e & ~0xfffull) + (at >> 30) * 8, 8);
        uint64_t pde = ram_le((pdpte & ~0xfffull) + (at >> 21 & 511) * 8, 8);

        ck_assert_uint_eq(pml4e & 3, 3);
        ck_assert_uint_eq(pdpte & 0x83, 3);
        ck_assert_uint_eq(pde, at | 0x83);
    }
    ck_assert_uint_eq(ram_le(regs.cr3 + 8, 8), 0);
}
END_TEST

START_TEST(the_selectors_are_in_the_gdt)
{
    ck_assert_int_eq(load(-1, ""), 0);
    ck_assert_uint_eq(regs.gdt, GDT_GPA);
    ck_assert_uint_eq(regs.cs, 0x10);
    ck_assert_uint_eq(regs.ds, 0x18);
    ck_assert_uint_eq(ram_le(GDT_GPA, 8), 0);
    ck_assert_uint_eq(ram_le(regs.gdt + regs.cs, 8), 0x00af9b000000ffff);
    ck_assert_uint_eq(ram_le(regs.gdt + regs.ds, 8), 0x00cf93000000ffff);
    ck_assert_int_ge(regs.gdt_limit, regs.tr + 15);
}
END_TEST

START_TEST(the_longest_command_line_fits)
{
    char line[102] = {0};

    memset(line, 'x', 100);
    memset(ram + COMMAND_LINE_GPA, 0xff, COMMAND_LINE_ROOM);
    ck_assert_int_eq(load(-1, line), 0);
    ck_assert_str_eq((const char *)ram + COMMAND_LINE_GPA, line);
    line[100] = 'x';
    refused(-1, line, -ENAMETOOLONG);
}
END_TEST

START_TEST(our_own_room_for_the_command_line_ends_too)
{
    static char line[COMMAND_LINE_ROOM + 1];

    put(0x238, 4, UINT32_MAX);
    memset(line, 'x', COMMAND_LINE_ROOM);
    refused(-1, line, -ENAMETOOLONG);
    line[COMMAND_LINE_ROOM - 1] = '\0';
    ck_assert_int_eq(load(-1, line), 0);
}
END_TEST

START_TEST(a_kernel_larger_than_memory_is_refused)
{
    put(0x260, 4, RAM_BYTES - (uint32_t)LOAD_AT + 1);
    refused(-1, "", -EFBIG);
    put(0x260, 4, RAM_BYTES - (uint32_t)LOAD_AT);
    ck_assert_int_eq(load(-1, ""), 0);
}
END_TEST

START_TEST(a_kernel_that_wants_an_impossible_place_is_refused)
{
    put(0x258, 8, 0xffffffffffe00000);
    refused(-1, "", -EFBIG);
    put(0x258, 8, 0xfffffffffffffe00);
    put(0x230, 4, 0x200);
    refused(-1, "", -EFBIG);
    put(0x258, 8, 0);
    refused(-1, "", -EFBIG);
    put(0x258, 8, 0x100000000);
    refused(-1, "", -EFBIG);
}
END_TEST

START_TEST(an_initrd_that_would_touch_the_kernel_is_refused)
{
    put(0x260, 4, RAM_BYTES - (uint32_t)LOAD_AT);
    refused(initrd_fd, "", -E2BIG);
}
END_TEST

START_TEST(an_initrd_larger_than_memory_is_refused)
{
    ck_assert_int_eq(ftruncate(initrd_fd, (off_t)RAM_BYTES + 1), 0);
    refused(initrd_fd, "", -E2BIG);
    ck_assert_int_eq(ftruncate(initrd_fd, (off_t)1 << 60), 0);
    refused(initrd_fd, "", -E2BIG);
}
END_TEST

START_TEST(an_initrd_limit_of_nothing_is_refused)
{
    put(0x22c, 4, 0);
    refused(initrd_fd, "", -E2BIG);
    put(0x22c, 4, 0x1ffffff); /* room only inside the kernel's own */
    put(0x260, 4, 0x1000000);
    refused(initrd_fd, "", -E2BIG);
}
END_TEST

START_TEST(files_that_are_no_kernel_are_refused)
{
    memset(kernel, 0x90, sizeof(kernel));
    refused(-1, "", -ENOEXEC);
    memset(kernel, 0, sizeof(kernel));
    refused(-1, "", -ENOEXEC);
}
END_TEST

START_TEST(an_empty_kernel_is_refused)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct boot_config c = {.kernel_fd = null, .initrd_fd = -1, .append = "", .n_vcpus = 1};

    ck_assert_int_eq(boot_load(&mem, &map, &c, &regs), -ENOEXEC);
    ck_assert_int_eq(close(null), 0);
}
END_TEST

START_TEST(a_32_bit_kernel_is_refused)
{
    put(0x236, 2, 0);
    refused(-1, "", -ENOSYS);
}
END_TEST

START_TEST(a_bad_descriptor_is_an_error)
{
    refused(9999, "", -EBADF);
}
END_TEST

START_TEST(every_error_has_its_text)
{
    static const int errors[] = {ENOEXEC,      EBADMSG, ENOSYS, EFBIG, E2BIG,
                                 ENAMETOOLONG, ERANGE,  EINVAL, EIO};

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(boot_error_text(-errors[i]), boot_error_text(-errors[j]));
    }
}
END_TEST

static void add_refusals(TCase *t)
{
    tcase_add_test(t, a_kernel_larger_than_memory_is_refused);
    tcase_add_test(t, a_kernel_that_wants_an_impossible_place_is_refused);
    tcase_add_test(t, an_initrd_that_would_touch_the_kernel_is_refused);
    tcase_add_test(t, an_initrd_larger_than_memory_is_refused);
    tcase_add_test(t, an_initrd_limit_of_nothing_is_refused);
    tcase_add_test(t, files_that_are_no_kernel_are_refused);
    tcase_add_test(t, an_empty_kernel_is_refused);
    tcase_add_test(t, a_32_bit_kernel_is_refused);
    tcase_add_test(t, a_bad_descriptor_is_an_error);
    tcase_add_test(t, every_error_has_its_text);
}

int main(void)
{
    Suite *s = suite_create("load");
    TCase *t = tcase_create("load");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_code_is_where_it_wants_to_be);
    tcase_add_test(t, the_zero_page_tells_all);
    tcase_add_test(t, the_initrd_is_high_and_whole);
    tcase_add_test(t, the_initrd_stays_below_the_kernels_limit);
    tcase_add_test(t, without_an_initrd_there_is_none);
    tcase_add_test(t, four_gib_are_mapped_to_themselves);
    tcase_add_test(t, the_selectors_are_in_the_gdt);
    tcase_add_test(t, the_longest_command_line_fits);
    tcase_add_test(t, our_own_room_for_the_command_line_ends_too);
    add_refusals(t);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
