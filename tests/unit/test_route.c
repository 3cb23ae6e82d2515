#include <check.h>
#include <stdlib.h>

#include "base/num.h"
#include "supervisor/route.h"

START_TEST(com1_is_the_chipset)
{
    const struct route_row *row = route_find(PORT_SPACE_IO, 0x3f8, 1);

    ck_assert_ptr_nonnull(row);
    ck_assert_int_eq(row->process, PROCESS_CHIPSET);
    ck_assert_ptr_eq(route_find(PORT_SPACE_IO, 0x3ff, 1), row);
}
END_TEST

START_TEST(the_crb_is_the_vtpm)
{
    const struct route_row *row = route_find(PORT_SPACE_MMIO, 0xfed4004c, 4);

    ck_assert_ptr_nonnull(row);
    ck_assert_int_eq(row->process, PROCESS_VTPM);
}
END_TEST

START_TEST(an_access_over_the_end_is_nobodys)
{
    ck_assert_ptr_null(route_find(PORT_SPACE_IO, 0x3ff, 2));
    ck_assert_ptr_null(route_find(PORT_SPACE_IO, 0x3f7, 2));
    ck_assert_ptr_null(route_find(PORT_SPACE_MMIO, 0xfed44ffe, 4));
}
END_TEST

START_TEST(spaces_are_apart)
{
    ck_assert_ptr_null(route_find(PORT_SPACE_MMIO, 0x3f8, 1));
    ck_assert_ptr_null(route_find(PORT_SPACE_IO, 0xfed40000, 4));
}
END_TEST

START_TEST(the_last_address_does_not_wrap)
{
    ck_assert_ptr_null(route_find(PORT_SPACE_MMIO, UINT64_MAX, 8));
}
END_TEST

START_TEST(rows_do_not_overlap_and_have_a_port)
{
    for (size_t i = 0; i < route_map_rows; i++) {
        ck_assert(manifest[route_map[i].process].has_port);
        for (size_t j = i + 1; j < route_map_rows; j++) {
            if (route_map[i].space != route_map[j].space)
                continue;
            ck_assert(!range_overlap(route_map[i].first, route_map[i].len, route_map[j].first,
                                     route_map[j].len));
        }
    }
}
END_TEST

START_TEST(only_the_chipset_may_end_the_vm)
{
    for (size_t i = 0; i < route_map_rows; i++) {
        if (route_map[i].process != PROCESS_CHIPSET)
            ck_assert_uint_eq(route_map[i].effects, 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("route");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(c, com1_is_the_chipset);
    tcase_add_test(c, the_crb_is_the_vtpm);
    tcase_add_test(c, an_access_over_the_end_is_nobodys);
    tcase_add_test(c, spaces_are_apart);
    tcase_add_test(c, the_last_address_does_not_wrap);
    tcase_add_test(c, rows_do_not_overlap_and_have_a_port);
    tcase_add_test(c, only_the_chipset_may_end_the_vm);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
