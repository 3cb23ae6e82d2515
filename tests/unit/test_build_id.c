#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/build_id.h"
#include "base/fd.h"
#include "base/macro.h"

enum {
    FILE_BYTES = 8192,
    NOTES_AT = 4096,
    ID_BYTES = 20,
};

static uint8_t file[FILE_BYTES];
static Elf64_Ehdr head;
static Elf64_Phdr segments[4];
static struct {
    Elf64_Nhdr head;
    char name[4];
    uint8_t id[ID_BYTES];
} note;

static const char good_text[] = "000102030405060708090a0b0c0d0e0f10111213";

static void good(void)
{
    memset(file, 0, sizeof(file));
    head = (Elf64_Ehdr){
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 2
    };
    memset(segments, 0, sizeof(segments));
    segments[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_filesz = FILE_BYTES};
    segments[1] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTES_AT, .p_filesz = sizeof(note)};
    note.head = (Elf64_Nhdr){.n_namesz = 4, .n_descsz = ID_BYTES, .n_type = NT_GNU_BUILD_ID};
    memcpy(note.name, "GNU", 4);
    for (uint8_t i = 0; i < ID_BYTES; i++)
        note.id[i] = i;
}

/* Lay the parts out as a file of len bytes, and read its build id. */
static const char *read_len(size_t len)
{
    static char text[BUILD_ID_TEXT_BYTES];
    AUTO_FD fd = memfd_create("elf", MFD_CLOEXEC);

    memcpy(file, &head, sizeof(head));
    memcpy(file + sizeof(head), segments, sizeof(segments));
    memcpy(file + NOTES_AT, &note, sizeof(note));
    ck_assert_int_eq(write(fd, file, len), (ssize_t)len);
    memset(text, 'x', sizeof(text));
    build_id_read(fd, text);
    ck_assert_ptr_nonnull(memchr(text, '\0', sizeof(text)));
    return text;
}

static const char *read_all(void)
{
    return read_len(FILE_BYTES);
}

START_TEST(a_build_id_is_found)
{
    ck_assert_str_eq(read_all(), good_text);
}
END_TEST

START_TEST(our_own_is_found)
{
    char text[BUILD_ID_TEXT_BYTES];
    AUTO_FD fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    build_id_read(fd, text);
    ck_assert_uint_eq(strlen(text), 40); /* the linker makes SHA-1 ones */
}
END_TEST

START_TEST(notes_before_it_are_stepped_over)
{
    static const uint8_t other[] = {4,   0,   0, 0, 5, 0, 0, 0, 9, 0, 0, 0, 'G',
                                    'N', 'U', 0, 1, 2, 3, 4, 5, 0, 0, 0}; /* 5 bytes, padded to 8 */
    char text[BUILD_ID_TEXT_BYTES];
    AUTO_FD fd = memfd_create("elf", MFD_CLOEXEC);

    segments[1].p_filesz = sizeof(other) + sizeof(note);
    memcpy(file, &head, sizeof(head));
    memcpy(file + sizeof(head), segments, sizeof(segments));
    memcpy(file + NOTES_AT, other, sizeof(other));
    memcpy(file + NOTES_AT + sizeof(other), &note, sizeof(note));
    ck_assert_int_eq(write(fd, file, sizeof(file)), FILE_BYTES);
    build_id_read(fd, text);
    ck_assert_str_eq(text, good_text);
}
END_TEST

START_TEST(every_truncation_has_none)
{
    for (size_t len = 0; len < NOTES_AT + sizeof(note); len += len < 512 ? 1 : 61)
        ck_assert_str_eq(read_len(len), "");
    ck_assert_str_eq(read_len(NOTES_AT + sizeof(note)), good_text);
}
END_TEST

START_TEST(other_files_have_none)
{
    head.e_ident[0] = '#';
    ck_assert_str_eq(read_all(), "");
    good();
    head.e_ident[EI_CLASS] = ELFCLASS32;
    ck_assert_str_eq(read_all(), "");
    good();
    head.e_ident[EI_DATA] = ELFDATA2MSB;
    ck_assert_str_eq(read_all(), "");
}
END_TEST

START_TEST(a_table_elsewhere_has_none)
{
    static const uint64_t where[] = {FILE_BYTES, FILE_BYTES - 1, UINT64_MAX, UINT64_MAX - 55,
                                     INT64_MAX};

    for (size_t i = 0; i < COUNT_OF(where); i++) {
        head.e_phoff = where[i];
        ck_assert_str_eq(read_all(), "");
    }
}
END_TEST

START_TEST(a_strange_table_has_none)
{
    head.e_phnum = 65535;
    ck_assert_str_eq(read_all(), "");
    head.e_phnum = 0;
    ck_assert_str_eq(read_all(), "");
    good();
    head.e_phentsize = sizeof(Elf64_Phdr) + 1;
    ck_assert_str_eq(read_all(), "");
}
END_TEST

START_TEST(a_strange_segment_has_none)
{
    segments[1].p_filesz = UINT64_MAX;
    ck_assert_str_eq(read_all(), "");
    segments[1].p_filesz = 4097; /* more than is looked at */
    ck_assert_str_eq(read_all(), "");
    good();
    segments[1].p_offset = UINT64_MAX - 3;
    ck_assert_str_eq(read_all(), "");
    good();
    segments[1].p_type = PT_DYNAMIC;
    ck_assert_str_eq(read_all(), "");
}
END_TEST

START_TEST(a_strange_note_has_none)
{
    note.head.n_namesz = UINT32_MAX;
    ck_assert_str_eq(read_all(), "");
    good();
    note.head.n_descsz = UINT32_MAX;
    ck_assert_str_eq(read_all(), "");
    note.head.n_descsz = 0;
    ck_assert_str_eq(read_all(), "");
    good();
    note.head.n_descsz = ID_BYTES + 1;
    ck_assert_str_eq(read_all(), "");
    good();
    memcpy(note.name, "BSD", 4);
    ck_assert_str_eq(read_all(), "");
    good();
    note.head.n_type = 1;
    ck_assert_str_eq(read_all(), "");
}
END_TEST

START_TEST(an_id_too_long_has_none)
{
    segments[1].p_filesz = 2048;
    note.head.n_descsz = BUILD_ID_MAX_BYTES + 1;
    ck_assert_str_eq(read_all(), "");
    note.head.n_descsz = BUILD_ID_MAX_BYTES;
    ck_assert_uint_eq(strlen(read_all()), 2 * BUILD_ID_MAX_BYTES);
}
END_TEST

START_TEST(no_file_has_none)
{
    char text[BUILD_ID_TEXT_BYTES] = "x";

    build_id_read(-1, text);
    ck_assert_str_eq(text, "");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("build_id");
    TCase *c = tcase_create("build_id");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, good, NULL);
    tcase_add_test(c, a_build_id_is_found);
    tcase_add_test(c, our_own_is_found);
    tcase_add_test(c, notes_before_it_are_stepped_over);
    tcase_add_test(c, every_truncation_has_none);
    tcase_add_test(c, other_files_have_none);
    tcase_add_test(c, a_table_elsewhere_has_none);
    tcase_add_test(c, a_strange_table_has_none);
    tcase_add_test(c, a_strange_segment_has_none);
    tcase_add_test(c, a_strange_note_has_none);
    tcase_add_test(c, an_id_too_long_has_none);
    tcase_add_test(c, no_file_has_none);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
