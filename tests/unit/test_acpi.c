#include <check.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rd.h"
#include "supervisor/boot/acpi.h"
#include "supervisor/boot/memory_map.h"

extern char **environ;

enum {
    ROOM = 8192,
    MAX_TABLES = 8,
};

static uint8_t blob[ROOM];
static size_t blob_len;

static void build(unsigned n_vcpus)
{
    memset(blob, 0xcc, sizeof(blob));
    ck_assert_int_eq(acpi_build(ACPI_GPA, n_vcpus, blob, sizeof(blob), &blob_len), 0);
}

static uint8_t sum(const uint8_t *at, size_t len)
{
    uint8_t total = 0;

    for (size_t i = 0; i < len; i++)
        total = (uint8_t)(total + at[i]);
    return total;
}

static uint32_t le32(const uint8_t *at)
{
    struct rd r = rd_over(at, 4);

    return rd_le32(&r);
}

static uint64_t le64(const uint8_t *at)
{
    struct rd r = rd_over(at, 8);

    return rd_le64(&r);
}

/* The table at a guest address, whole and with a good checksum. */
static const uint8_t *table_at(uint64_t gpa, const char *signature)
{
    const uint8_t *at;

    ck_assert_uint_ge(gpa, ACPI_GPA);
    ck_assert_uint_le(gpa - ACPI_GPA + 36, blob_len);
    at = blob + (gpa - ACPI_GPA);
    ck_assert_mem_eq(at, signature, 4);
    ck_assert_uint_le(gpa - ACPI_GPA + le32(at + 4), blob_len);
    if (strcmp(signature, "FACS") != 0)
        ck_assert_uint_eq(sum(at, le32(at + 4)), 0);
    return at;
}

static const uint8_t *xsdt(void)
{
    return table_at(le64(blob + 24), "XSDT");
}

static const uint8_t *table(unsigned index, const char *signature)
{
    return table_at(le64(xsdt() + 36 + 8 * (size_t)index), signature);
}

START_TEST(the_rsdp_is_first_and_sums_to_zero)
{
    build(2);
    ck_assert_mem_eq(blob, "RSD PTR ", 8);
    ck_assert_uint_eq(sum(blob, 20), 0);
    ck_assert_uint_eq(sum(blob, 36), 0);
    ck_assert_uint_eq(blob[15], 2);
}
END_TEST

START_TEST(the_xsdt_lists_every_table)
{
    build(2);
    ck_assert_uint_eq(le32(xsdt() + 4), 36 + 4 * 8);
    (void)table(0, "FACP");
    (void)table(1, "APIC");
    (void)table(2, "TPM2");
    (void)table(3, "SPCR");
}
END_TEST

START_TEST(the_fadt_names_ports_and_tables)
{
    const uint8_t *f;

    build(1);
    f = table(0, "FACP");
    ck_assert_uint_eq(le32(f + 4), 276);
    (void)table_at(le32(f + 36), "FACS");
    ck_assert_uint_eq(le32(f + 36) % 64, 0);
    (void)table_at(le32(f + 40), "DSDT");
    ck_assert_uint_eq(le64(f + 140), le32(f + 40));
    ck_assert_uint_eq(f[46], 9);        /* SCI */
    ck_assert_uint_eq(le32(f + 48), 0); /* no SMI command port */
    ck_assert_uint_eq(le32(f + 56), 0x600);
    ck_assert_uint_eq(le32(f + 64), 0x604);
    ck_assert_uint_eq(le32(f + 76), 0x608);
    ck_assert_uint_eq(f[88], 4);
    ck_assert_uint_eq(f[89], 2);
    ck_assert_uint_eq(f[91], 4);
    ck_assert_uint_eq(f[109], 0x15); /* legacy devices, no VGA, no ASPM */
    ck_assert_uint_eq(le32(f + 112), 0x575);
    ck_assert_uint_eq(f[116], 1); /* reset register: an I/O port */
    ck_assert_uint_eq(le64(f + 120), 0x64);
    ck_assert_uint_eq(f[128], 0xfe);
    ck_assert_uint_eq(le64(f + 152), 0x600);
    ck_assert_uint_eq(le64(f + 176), 0x604);
    ck_assert_uint_eq(le64(f + 212), 0x608);
}
END_TEST

/* Walk the MADT's entries, none of which may be empty or pass its end. */
static unsigned count_cpus(const uint8_t *madt)
{
    size_t len = le32(madt + 4);
    unsigned cpus = 0;

    for (size_t at = 44; at < len; at += madt[at + 1]) {
        ck_assert_uint_ge(madt[at + 1], 2);
        ck_assert_uint_le(at + madt[at + 1], len);
        if (madt[at] == 0) {
            ck_assert_uint_eq(madt[at + 2], cpus);
            ck_assert_uint_eq(madt[at + 3], cpus);
            ck_assert_uint_eq(le32(madt + at + 4), 1);
            cpus++;
        }
    }
    return cpus;
}

START_TEST(the_madt_has_every_vcpu)
{
    for (unsigned n = 1; n <= 64; n++) {
        build(n);
        ck_assert_uint_eq(count_cpus(table(1, "APIC")), n);
    }
}
END_TEST

START_TEST(only_the_sci_is_overridden)
{
    static const uint8_t sci[] = {2, 10, 0, 9, 9, 0, 0, 0, 0xd, 0}; /* level, active high */
    const uint8_t *madt;
    unsigned n = 0;

    build(1);
    madt = table(1, "APIC");
    for (size_t at = 44; at < le32(madt + 4); at += madt[at + 1]) {
        if (madt[at] != 2)
            continue;
        ck_assert_mem_eq(madt + at, sci, sizeof(sci));
        n++;
    }
    ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(the_tpm2_table_is_a_crb)
{
    const uint8_t *t;

    build(1);
    t = table(2, "TPM2");
    ck_assert_uint_eq(t[8], 4);
    ck_assert_uint_eq(le32(t + 36), 0);
    ck_assert_uint_eq(le64(t + 40), 0xfed40040);
    ck_assert_uint_eq(le32(t + 48), 7);
}
END_TEST

/* Where bytes are in the DSDT; they must be there once. */
static const uint8_t *in_dsdt(const void *bytes, size_t len)
{
    const uint8_t *dsdt = table_at(le32(table(0, "FACP") + 40), "DSDT");
    const uint8_t *end = dsdt + le32(dsdt + 4);
    const uint8_t *found = memmem(dsdt, (size_t)(end - dsdt), bytes, len);

    ck_assert_ptr_nonnull(found);
    ck_assert_ptr_null(memmem(found + 1, (size_t)(end - found) - 1, bytes, len));
    return found;
}

/* Linux looks for VMBus by name, and for its addresses at its parents. */
START_TEST(vmbus_is_in_a_module_with_addresses)
{
    const uint8_t *module, *window, *vmbus;

    build(1);
    module = in_dsdt("ACPI0004", 9);
    window = in_dsdt("\x87\x17\0", 3); /* DWord address space, 23 bytes */
    vmbus = in_dsdt("_HID\x0dVMBus", 11);
    ck_assert(module < window && window < vmbus);
    ck_assert_uint_eq(window[3], 0); /* memory */
    ck_assert_uint_ge(le32(window + 10), RAM_LOW_END);
    ck_assert_uint_lt(le32(window + 14), 0xfec00000); /* I/O APIC; the TPM is above it */
    ck_assert_uint_eq(le32(window + 14) - le32(window + 10) + 1, le32(window + 22));
    /* Resources of its own it must have, if none: an end tag. */
    ck_assert_ptr_nonnull(memmem(vmbus, 80, "_CRS\x11\x05\x0a\x02\x79", 9));
}
END_TEST

START_TEST(the_hypercall_pages_ports_are_taken)
{
    build(1);
    (void)in_dsdt("\x47\1\xe0\0\xe0\0\1\x08", 8);
}
END_TEST

START_TEST(it_fits_into_its_place)
{
    build(64);
    ck_assert_uint_le(blob_len, ACPI_BYTES);
}
END_TEST

START_TEST(too_little_room_is_noticed)
{
    size_t len = 77;

    build(4);
    for (size_t room = 0; room < blob_len; room++) {
        uint8_t *exact = malloc(room + 1);

        ck_assert_ptr_nonnull(exact);
        ck_assert_int_eq(acpi_build(ACPI_GPA, 4, exact, room, &len), -ENOBUFS);
        ck_assert_uint_eq(len, 77);
        free(exact);
    }
}
END_TEST

static void write_file(const char *path, const uint8_t *bytes, size_t len)
{
    FILE *f = fopen(path, "we");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

/* Run iasl -d on a table; its output goes to the file log. */
static int disassemble(const char *path, const char *log)
{
    const char *const argv[] = {"iasl", "-d", path, NULL};
    posix_spawn_file_actions_t actions;
    int status = -1;
    pid_t pid;

    ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
    ck_assert_int_eq(posix_spawn_file_actions_addopen(&actions, 1, log, 0x241, 0600), 0);
    ck_assert_int_eq(posix_spawn_file_actions_adddup2(&actions, 1, 2), 0);
    ck_assert_int_eq(
        posix_spawnp(&pid, "iasl", &actions, NULL, (char *const *)(uintptr_t)argv, environ), 0);
    ck_assert_int_eq(posix_spawn_file_actions_destroy(&actions), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/* The word that iasl complains with in the file, or NULL. */
static const char *complaint(const char *path)
{
    static const char *const words[] = {"Error",   "Warning",   "Incorrect", "Invalid",
                                        "Unknown", "should be", "ERROR"};
    static char text[65536];
    FILE *f = fopen(path, "re");
    size_t len;

    ck_assert_ptr_nonnull(f);
    len = fread(text, 1, sizeof(text) - 1, f);
    text[len] = '\0';
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_uint_gt(len, 0);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(text, words[i]) != NULL)
            return words[i];
    }
    return NULL;
}

static void check_with_iasl(const char *dir, const char *name, const uint8_t *t)
{
    char aml[128];
    char dsl[128];
    char log[128];

    snprintf(aml, sizeof(aml), "%s/%s.aml", dir, name);
    snprintf(dsl, sizeof(dsl), "%s/%s.dsl", dir, name);
    snprintf(log, sizeof(log), "%s/%s.log", dir, name);
    write_file(aml, t, le32(t + 4));
    ck_assert_int_eq(disassemble(aml, log), 0);
    ck_assert_ptr_null(complaint(log));
    ck_assert_ptr_null(complaint(dsl));
    ck_assert_int_eq(unlink(aml), 0);
    ck_assert_int_eq(unlink(dsl), 0);
    ck_assert_int_eq(unlink(log), 0);
}

START_TEST(iasl_reads_every_table)
{
    char dir[] = "/tmp/test_acpi.XXXXXX";
    const uint8_t *fadt;

    build(3);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    fadt = table(0, "FACP");
    check_with_iasl(dir, "facp", fadt);
    check_with_iasl(dir, "facs", table_at(le32(fadt + 36), "FACS"));
    check_with_iasl(dir, "dsdt", table_at(le32(fadt + 40), "DSDT"));
    check_with_iasl(dir, "apic", table(1, "APIC"));
    check_with_iasl(dir, "tpm2", table(2, "TPM2"));
    check_with_iasl(dir, "spcr", table(3, "SPCR"));
    check_with_iasl(dir, "xsdt", xsdt());
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(iasl_would_have_complained)
{
    char dir[] = "/tmp/test_acpi.XXXXXX";
    static uint8_t bad[276];
    char path[128];
    char log[128];

    build(1);
    memcpy(bad, table(0, "FACP"), sizeof(bad));
    bad[9]++; /* its checksum */
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/bad.aml", dir);
    snprintf(log, sizeof(log), "%s/bad.log", dir);
    write_file(path, bad, sizeof(bad));
    (void)disassemble(path, log);
    ck_assert_ptr_nonnull(complaint(log));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(unlink(log), 0);
    snprintf(path, sizeof(path), "%s/bad.dsl", dir);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("acpi");
    TCase *t = tcase_create("acpi");
    SRunner *r;
    int failed;

    tcase_add_test(t, the_rsdp_is_first_and_sums_to_zero);
    tcase_add_test(t, the_xsdt_lists_every_table);
    tcase_add_test(t, the_fadt_names_ports_and_tables);
    tcase_add_test(t, the_madt_has_every_vcpu);
    tcase_add_test(t, only_the_sci_is_overridden);
    tcase_add_test(t, the_tpm2_table_is_a_crb);
    tcase_add_test(t, vmbus_is_in_a_module_with_addresses);
    tcase_add_test(t, the_hypercall_pages_ports_are_taken);
    tcase_add_test(t, it_fits_into_its_place);
    tcase_add_test(t, too_little_room_is_noticed);
    tcase_add_test(t, iasl_reads_every_table);
    tcase_add_test(t, iasl_would_have_complained);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
