#include <check.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>

#include "workers/debug/core_file.h"

enum {
    PAGE = 4096,
};

static uint8_t head[CORE_HEAD_MAX];
static struct guest_memory memory;
static struct core_file core;
static const char INFO[] = "OSRELEASE=6.1\nPAGESIZE=4096\n";

static void set_up(void)
{
    guest_memory_init(&memory, -1, UINT64_C(4) << 30);
    core = (struct core_file){
        .memory = &memory, .vmcoreinfo = INFO, .vmcoreinfo_len = sizeof(INFO) - 1, .vcpus = 2};
    for (unsigned i = 0; i < GUEST_REGS; i++)
        core.regs[1].v[i] = 1000 + i;
}

static const Elf64_Ehdr *file(void)
{
    return (const Elf64_Ehdr *)(const void *)head;
}

static const Elf64_Phdr *part(unsigned i)
{
    return (const Elf64_Phdr *)(const void *)(head + file()->e_phoff) + i;
}

START_TEST(a_segment_for_each_range)
{
    const size_t len = core_file_head(&core, head);

    ck_assert_mem_eq(file()->e_ident, ELFMAG, SELFMAG);
    ck_assert_int_eq(file()->e_type, ET_CORE);
    ck_assert_int_eq(file()->e_machine, EM_X86_64);
    ck_assert_int_eq(file()->e_phnum, 3);
    ck_assert_uint_eq(len % PAGE, 0);
    ck_assert_uint_eq(part(0)->p_type, PT_NOTE);
    ck_assert_uint_eq(part(1)->p_type, PT_LOAD);
    ck_assert_uint_eq(part(1)->p_paddr, 0);
    ck_assert_uint_eq(part(1)->p_filesz, 0xc0000000);
    ck_assert_uint_eq(part(1)->p_offset, len);
    ck_assert_uint_eq(part(1)->p_align, 0); /* else crash takes it for no kdump */
    ck_assert_uint_eq(part(2)->p_paddr, UINT64_C(1) << 32);
    ck_assert_uint_eq(part(2)->p_memsz, UINT64_C(1) << 30);
    ck_assert_uint_eq(part(2)->p_offset, len + 0xc0000000);
}
END_TEST

/* name, type and what it holds of the note there; where the next one is. */
static size_t note_at(size_t at, const char *name, uint32_t type, const uint8_t **ret,
                      size_t *ret_len)
{
    Elf64_Nhdr n;

    memcpy(&n, head + at, sizeof(n));
    ck_assert_uint_eq(n.n_type, type);
    ck_assert_str_eq((const char *)head + at + sizeof(n), name);
    *ret = head + at + sizeof(n) + (n.n_namesz + 3) / 4 * 4;
    *ret_len = n.n_descsz;
    return (size_t)(*ret - head) + (n.n_descsz + 3) / 4 * 4;
}

START_TEST(notes_of_vcpus_and_of_the_kernel)
{
    struct elf_prstatus status;
    struct user_regs_struct regs;
    const uint8_t *bytes;
    size_t at, len;

    (void)core_file_head(&core, head);
    at = note_at(part(0)->p_offset, "CORE", NT_PRSTATUS, &bytes, &len);
    at = note_at(at, "CORE", NT_PRSTATUS, &bytes, &len);
    ck_assert_uint_eq(len, sizeof(status));
    memcpy(&status, bytes, sizeof(status));
    memcpy(&regs, &status.pr_reg, sizeof(regs));
    ck_assert_int_eq(status.pr_pid, 2);
    ck_assert_uint_eq(regs.rip, 1000 + GUEST_RIP);
    ck_assert_uint_eq(regs.rsp, 1000 + GUEST_RSP);
    ck_assert_uint_eq(regs.r15, 1000 + GUEST_R15);
    ck_assert_uint_eq(regs.gs_base, 1000 + GUEST_GS_BASE);
    at = note_at(at, "VMCOREINFO", 0, &bytes, &len);
    ck_assert_uint_eq(len, sizeof(INFO) - 1);
    ck_assert_mem_eq(bytes, INFO, len);
    ck_assert_uint_eq(at, part(0)->p_offset + part(0)->p_filesz);
}
END_TEST

START_TEST(a_kernel_that_says_nothing)
{
    const uint8_t *bytes;
    size_t at, len;

    core.vmcoreinfo_len = 0;
    core.vcpus = 1;
    (void)core_file_head(&core, head);
    at = note_at(part(0)->p_offset, "CORE", NT_PRSTATUS, &bytes, &len);
    ck_assert_uint_eq(at, part(0)->p_offset + part(0)->p_filesz);
}
END_TEST

START_TEST(the_largest_fits)
{
    static char text[4096];

    memset(text, 'a', sizeof(text));
    core.vmcoreinfo = text;
    core.vmcoreinfo_len = sizeof(text);
    core.vcpus = VPS_MAX;
    ck_assert_uint_le(core_file_head(&core, head), sizeof(head));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core_file");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, a_segment_for_each_range);
    tcase_add_test(tests, notes_of_vcpus_and_of_the_kernel);
    tcase_add_test(tests, a_kernel_that_says_nothing);
    tcase_add_test(tests, the_largest_fits);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
