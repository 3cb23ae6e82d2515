#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/image_room.h"

enum {
    MIB = 1 << 20,
    REGIONS_AT = 192 << 10,
    METADATA_AT = 2 * MIB,
};

static int new_file(off_t bytes)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, bytes), 0);
    return fd;
}

static void put(int fd, off_t at, const void *bytes, size_t len)
{
    ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
}

static void put_be32(int fd, off_t at, uint32_t v)
{
    uint8_t raw[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

    put(fd, at, raw, sizeof(raw));
}

static void put_le64(int fd, off_t at, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        uint8_t byte = (uint8_t)(v >> (8 * i));

        put(fd, at + i, &byte, 1);
    }
}

static uint64_t length(int fd)
{
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    return (uint64_t)st.st_size;
}

/* --- VHD --- */

static void put_footer(int fd, off_t at, uint32_t type, uint32_t disk_mib)
{
    put(fd, at, "conectix", 8);
    put_be32(fd, at + 20, 512); /* the header's place */
    put_be32(fd, at + 48, disk_mib >> 12);
    put_be32(fd, at + 52, disk_mib << 20);
    put_be32(fd, at + 60, type);
}

/* Dynamic, 100 MiB in blocks of 2 MiB, its table at 1536, no block in use. */
static int make_vhd(void)
{
    int fd = new_file(2048 + 512);

    put_footer(fd, 0, 3, 100);
    put(fd, 512, "cxsparse", 8);
    put_be32(fd, 512 + 20, 1536);
    put_be32(fd, 512 + 28, 50);
    put_be32(fd, 512 + 32, 2 * MIB);
    put_footer(fd, 2048, 3, 100);
    return fd;
}

/* The table and what is before it, rounded up; per block a bitmap of 512 bytes, rounded up with it. */
static const uint64_t VHD_ROOM = 4096 + 50 * (2 * MIB + 4096) + 512;

START_TEST(a_dynamic_vhd)
{
    AUTO_FD fd = make_vhd();
    char cookie[9] = "";
    uint64_t room = image_room(fd, DISK_VHD, length(fd));

    ck_assert_uint_eq(room, VHD_ROOM);
    ck_assert_int_eq(image_grow(fd, DISK_VHD, room), 0);
    ck_assert_uint_eq(length(fd), room);
    ck_assert_int_eq(pread(fd, cookie, 8, (off_t)room - 512), 8);
    ck_assert_str_eq(cookie, "conectix");
    ck_assert_uint_eq(image_room(fd, DISK_VHD, room), 0); /* once is enough */
}
END_TEST

START_TEST(a_vhd_that_lost_its_footer_gets_the_copy)
{
    AUTO_FD fd = make_vhd();
    char cookie[9] = "";

    put(fd, 2048, "xxxxxxxx", 8);
    ck_assert_int_eq(image_grow(fd, DISK_VHD, VHD_ROOM), 0);
    ck_assert_int_eq(pread(fd, cookie, 8, (off_t)VHD_ROOM - 512), 8);
    ck_assert_str_eq(cookie, "conectix");
}
END_TEST

START_TEST(other_vhds_stay_as_they_are)
{
    AUTO_FD fixed = new_file(MIB + 512);
    AUTO_FD broken = make_vhd();

    put_footer(fixed, MIB, 2, 1);
    ck_assert_uint_eq(image_room(fixed, DISK_VHD, length(fixed)), 0);
    put_be32(broken, 512 + 32, 0); /* blocks of nothing */
    ck_assert_uint_eq(image_room(broken, DISK_VHD, length(broken)), 0);
    put_be32(broken, 512 + 32, 2 * MIB);
    put_be32(broken, 16, 0x7fffffff); /* a header behind all that is */
    ck_assert_uint_eq(image_room(broken, DISK_VHD, length(broken)), 0);
    put_be32(broken, 16, 0);
    put_be32(broken, 48, 0xffffffff); /* a disk larger than any */
    ck_assert_uint_eq(image_room(broken, DISK_VHD, length(broken)), 0);
    ck_assert_uint_eq(image_room(broken, DISK_RAW, length(broken)), 0);
}
END_TEST

/* --- VHDX --- */

static const uint8_t metadata_guid[16] = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                          0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};
static const uint8_t parameters_guid[16] = {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
                                            0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b};
static const uint8_t size_guid[16] = {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
                                      0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8};

/* 100 MiB in blocks of 8 MiB; log, metadata and block table, a MiB each, end at 4 MiB. */
static int make_vhdx(off_t regions_at)
{
    int fd = new_file(4 * MIB);

    put(fd, 0, "vhdxfile", 8);
    put(fd, 128 << 10, "head", 4);
    put_le64(fd, (128 << 10) + 64, (uint64_t)MIB << 32); /* version, log length */
    put_le64(fd, (128 << 10) + 72, MIB);
    put(fd, regions_at, "regi", 4);
    put_le64(fd, regions_at + 8, 2);
    put(fd, regions_at + 16, metadata_guid, 16);
    put_le64(fd, regions_at + 32, METADATA_AT);
    put_le64(fd, regions_at + 40, MIB);
    put_le64(fd, regions_at + 48 + 16, 3 * MIB); /* the block table */
    put_le64(fd, regions_at + 48 + 24, MIB);
    put(fd, METADATA_AT, "metadata", 8);
    put(fd, METADATA_AT + 10, "\2", 1);
    put(fd, METADATA_AT + 32, parameters_guid, 16);
    put_le64(fd, METADATA_AT + 48, 65536);
    put(fd, METADATA_AT + 64, size_guid, 16);
    put_le64(fd, METADATA_AT + 80, 65544);
    put_le64(fd, METADATA_AT + 65536, 8 * MIB);
    put_le64(fd, METADATA_AT + 65544, 100 * MIB);
    return fd;
}

START_TEST(a_vhdx)
{
    AUTO_FD fd = make_vhdx(REGIONS_AT + _i * (64 << 10)); /* either table of regions */
    uint64_t room = image_room(fd, DISK_VHDX, length(fd));

    ck_assert_uint_eq(room, (1 + 13) * 8 * MIB);
    ck_assert_int_eq(image_grow(fd, DISK_VHDX, room), 0);
    ck_assert_uint_eq(length(fd), room);
    ck_assert_uint_eq(image_room(fd, DISK_VHDX, room), 0);
}
END_TEST

START_TEST(other_vhdxs_stay_as_they_are)
{
    AUTO_FD fd = make_vhdx(REGIONS_AT);

    put_le64(fd, METADATA_AT + 65536, 4096); /* blocks shorter than any */
    ck_assert_uint_eq(image_room(fd, DISK_VHDX, length(fd)), 0);
    put_le64(fd, METADATA_AT + 65536, 8 * MIB);
    put_le64(fd, METADATA_AT + 65544, UINT64_MAX);
    ck_assert_uint_eq(image_room(fd, DISK_VHDX, length(fd)), 0);
    put_le64(fd, METADATA_AT + 65544, 100 * MIB);
    put_le64(fd, METADATA_AT + 80, UINT32_MAX); /* the size is behind the end */
    ck_assert_uint_eq(image_room(fd, DISK_VHDX, length(fd)), 0);
    put_le64(fd, METADATA_AT + 80, 65544);
    put_le64(fd, REGIONS_AT + 32, UINT64_MAX);
    ck_assert_uint_eq(image_room(fd, DISK_VHDX, length(fd)), 0);
    ck_assert_int_eq(ftruncate(fd, REGIONS_AT), 0);
    ck_assert_uint_eq(image_room(fd, DISK_VHDX, length(fd)), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("image_room");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, a_dynamic_vhd);
    tcase_add_test(tests, a_vhd_that_lost_its_footer_gets_the_copy);
    tcase_add_test(tests, other_vhds_stay_as_they_are);
    tcase_add_loop_test(tests, a_vhdx, 0, 2);
    tcase_add_test(tests, other_vhdxs_stay_as_they_are);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
