#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/board.h"
#include "ipc/manifest.h"
#include "ipc/port.h"

/* The table says who may touch what; these are the promises of design.md that it must keep. */

static const struct grant *find(enum process p, enum object_kind kind, unsigned index)
{
    for (size_t i = 0; i < manifest[p].n_grants; i++) {
        const struct grant *g = &manifest[p].grants[i];

        if (g->kind == kind && g->index == index)
            return g;
    }
    return NULL;
}

static bool has(enum process p, enum object_kind kind)
{
    for (unsigned index = 0; index < 64; index++) {
        if (find(p, kind, index) != NULL)
            return true;
    }
    return false;
}

START_TEST(descriptors_follow_the_rows)
{
    ck_assert_int_eq(manifest_fd(PROCESS_CHIPSET, OBJECT_BOARD, PROCESS_CHIPSET), FD_FIRST_GRANT);
    for (int p = 0; p < PROCESS_COUNT; p++) {
        for (size_t i = 0; i < manifest[p].n_grants; i++) {
            const struct grant *g = &manifest[p].grants[i];

            ck_assert_int_eq(manifest_fd((enum process)p, g->kind, g->index),
                             FD_FIRST_GRANT + (int)i);
        }
    }
}
END_TEST

START_TEST(what_is_in_no_row_has_no_descriptor)
{
    ck_assert_int_eq(manifest_fd(PROCESS_CHIPSET, OBJECT_RAM, 0), -ENOENT);
    ck_assert_int_eq(manifest_fd(PROCESS_CHIPSET, OBJECT_COM, COM_COUNT), -ENOENT);
    ck_assert_int_eq(manifest_fd(PROCESS_INIT, OBJECT_BOARD, PROCESS_INIT), -ENOENT);
}
END_TEST

START_TEST(processes_are_found_by_name)
{
    for (int p = 0; p < PROCESS_COUNT; p++)
        ck_assert_int_eq(manifest_find(manifest[p].name), p);
    ck_assert_int_eq(manifest_find("chip"), -ENOENT);
    ck_assert_int_eq(manifest_find(""), -ENOENT);
}
END_TEST

START_TEST(every_row_is_complete)
{
    for (int p = PROCESS_INIT + 1; p < PROCESS_COUNT; p++) {
        const struct process_row *row = &manifest[p];

        ck_assert_ptr_nonnull(row->name);
        ck_assert_ptr_nonnull(row->program);
        ck_assert_uint_le(row->n_grants, MANIFEST_MAX_GRANTS);
        for (size_t i = 0; i < row->n_grants; i++)
            ck_assert_uint_gt(strlen(row->grants[i].reason), 0);
    }
}
END_TEST

START_TEST(diag_alone_has_a_program_for_operators_over_the_network)
{
    for (enum process p = PROCESS_INIT; p < PROCESS_COUNT; p++) {
        ck_assert_ptr_eq(manifest_program(p, false), manifest[p].program);
        if (p != PROCESS_DIAG)
            ck_assert_ptr_eq(manifest_program(p, true), manifest[p].program);
    }
    ck_assert_str_eq(manifest_program(PROCESS_DIAG, true), "bulkhead-diag-remote");
}
END_TEST

START_TEST(every_process_has_a_user_of_its_own)
{
    for (int p = 0; p < PROCESS_COUNT; p++) {
        for (int q = 0; q < p; q++)
            ck_assert_uint_ne(manifest[p].uid, manifest[q].uid);
    }
    ck_assert_uint_eq(manifest[PROCESS_INIT].uid, 0);
}
END_TEST

START_TEST(only_the_owner_writes_its_board)
{
    for (int p = PROCESS_INIT + 1; p < PROCESS_COUNT; p++) {
        const struct grant *own = find((enum process)p, OBJECT_BOARD, (unsigned)p);

        ck_assert_ptr_nonnull(own);
        ck_assert(own->writable);
        for (int q = 0; q < PROCESS_COUNT; q++) {
            const struct grant *other = find((enum process)q, OBJECT_BOARD, (unsigned)p);

            ck_assert(q == p || other == NULL || !other->writable);
        }
    }
}
END_TEST

/* How much a process logs, it cannot change. */
START_TEST(only_the_supervisor_writes_levels)
{
    for (int p = PROCESS_INIT + 1; p < PROCESS_COUNT; p++) {
        const struct grant *g = find((enum process)p, OBJECT_LEVELS, 0);

        ck_assert_ptr_nonnull(g);
        ck_assert(g->writable == (p == PROCESS_SUPERVISOR));
    }
}
END_TEST

/* What diag keeps is nobody else's. */
START_TEST(only_diag_has_the_records_of_operators)
{
    for (int p = PROCESS_INIT + 1; p < PROCESS_COUNT; p++) {
        ck_assert((find((enum process)p, OBJECT_AUDIT, 0) != NULL) == (p == PROCESS_DIAG));
        ck_assert((find((enum process)p, OBJECT_REVOKED, 0) != NULL) == (p == PROCESS_DIAG));
    }
}
END_TEST

START_TEST(only_the_owner_writes_its_region)
{
    for (unsigned p = 0; p < PROCESS_COUNT; p++) {
        for (int q = 0; q < PROCESS_COUNT; q++) {
            const struct grant *g = find((enum process)q, OBJECT_REGION, p);

            ck_assert(g == NULL || g->writable == ((unsigned)q == p));
        }
    }
}
END_TEST

START_TEST(diag_reads_every_board)
{
    for (unsigned p = 0; p < PROCESS_COUNT; p++)
        ck_assert_msg(find(PROCESS_DIAG, OBJECT_BOARD, p) != NULL, "not that of %s",
                      manifest[p].name);
}
END_TEST

START_TEST(a_worker_with_a_port_has_a_region_that_the_supervisor_reads)
{
    for (unsigned p = 0; p < PROCESS_COUNT; p++) {
        ck_assert((find((enum process)p, OBJECT_REGION, p) != NULL) == manifest[p].has_port);
        ck_assert((find(PROCESS_SUPERVISOR, OBJECT_REGION, p) != NULL) == manifest[p].has_port);
        ck_assert(!manifest[p].leaves || manifest[p].has_port); /* it is asked by its port */
        ck_assert_msg((manifest[p].deadline_ms != 0) == manifest[p].has_port, "deadline of %s",
                      manifest[p].name);
    }
}
END_TEST

START_TEST(a_port_is_between_the_supervisor_and_its_owner_alone)
{
    for (unsigned p = 0; p < PROCESS_COUNT; p++) {
        for (int q = 0; q < PROCESS_COUNT; q++) {
            bool wanted = manifest[p].has_port && (q == PROCESS_SUPERVISOR || (unsigned)q == p);

            ck_assert((find((enum process)q, OBJECT_PORT, p) != NULL) == wanted);
        }
    }
}
END_TEST

START_TEST(only_storage_net_and_debug_among_workers_reach_guest_memory_and_none_kvm)
{
    for (int p = 0; p < PROCESS_COUNT; p++) {
        bool wanted = p == PROCESS_SUPERVISOR;

        ck_assert(has((enum process)p, OBJECT_RAM) ==
                  (wanted || p == PROCESS_STORAGE || p == PROCESS_NET || p == PROCESS_DEBUG));
        ck_assert(has((enum process)p, OBJECT_KVM) == wanted);
        ck_assert(has((enum process)p, OBJECT_KERNEL) == wanted);
        ck_assert(has((enum process)p, OBJECT_INITRD) == wanted);
    }
}
END_TEST

START_TEST(only_diag_hears_operators)
{
    for (int p = 0; p < PROCESS_COUNT; p++)
        ck_assert(has((enum process)p, OBJECT_OPERATOR) == (p == PROCESS_DIAG));
}
END_TEST

START_TEST(only_the_vtpm_and_the_guest_share_the_crb)
{
    for (int p = 0; p < PROCESS_COUNT; p++) {
        bool wanted = p == PROCESS_VTPM || p == PROCESS_SUPERVISOR; /* who maps it for the guest */

        ck_assert(has((enum process)p, OBJECT_CRB_BUFFER) == wanted);
        ck_assert(has((enum process)p, OBJECT_CRB_REGISTERS) == wanted);
    }
}
END_TEST

START_TEST(only_storage_reaches_the_disks)
{
    for (int p = 0; p < PROCESS_COUNT; p++) {
        ck_assert(has((enum process)p, OBJECT_RING) == (p == PROCESS_STORAGE));
        ck_assert(has((enum process)p, OBJECT_INFLIGHT) == (p == PROCESS_STORAGE));
        ck_assert(has((enum process)p, OBJECT_DISKS) == (p == PROCESS_STORAGE));
    }
}
END_TEST

START_TEST(only_net_reaches_the_networks)
{
    for (int p = 0; p < PROCESS_COUNT; p++) {
        ck_assert(has((enum process)p, OBJECT_NET) == (p == PROCESS_NET));
        ck_assert(has((enum process)p, OBJECT_FRAMES) == (p == PROCESS_NET));
    }
}
END_TEST

/* It shows frames that net writes. */
START_TEST(captured_frames_have_one_writer_and_one_reader)
{
    for (int p = 0; p < PROCESS_COUNT; p++) {
        const struct grant *capture = find((enum process)p, OBJECT_CAPTURE, 0);

        ck_assert((capture != NULL) == (p == PROCESS_NET || p == PROCESS_DIAG));
        ck_assert(capture == NULL || capture->writable == (p == PROCESS_NET));
    }
}
END_TEST

/* It sets links; whose they are, net reads. */
START_TEST(only_the_supervisor_writes_the_page_of_nics)
{
    for (int p = 0; p < PROCESS_COUNT; p++) {
        const struct grant *nets = find((enum process)p, OBJECT_NETS, 0);

        ck_assert((nets != NULL) == (p == PROCESS_NET || p == PROCESS_SUPERVISOR));
        ck_assert(nets == NULL || nets->writable == (p == PROCESS_SUPERVISOR));
    }
}
END_TEST

/* Who writes a page is the only one who can. */
START_TEST(pages_of_vmbus_have_one_writer_each)
{
    for (int p = 0; p < PROCESS_COUNT; p++) {
        const struct grant *posts = find((enum process)p, OBJECT_POSTS, 0);
        const struct grant *synic = find((enum process)p, OBJECT_SYNIC, 0);
        const struct grant *channels = find((enum process)p, OBJECT_CHANNELS, PROCESS_STORAGE);
        const struct grant *acks = find((enum process)p, OBJECT_ACKS, PROCESS_STORAGE);

        ck_assert(posts == NULL || posts->writable == (p == PROCESS_SUPERVISOR));
        ck_assert(synic == NULL || synic->writable == (p == PROCESS_SUPERVISOR));
        ck_assert(channels == NULL || channels->writable == (p == PROCESS_VMBUS));
        ck_assert(acks == NULL || acks->writable == (p == PROCESS_STORAGE));
        channels = find((enum process)p, OBJECT_CHANNELS, PROCESS_NET);
        acks = find((enum process)p, OBJECT_ACKS, PROCESS_NET);
        ck_assert(channels == NULL || channels->writable == (p == PROCESS_VMBUS));
        ck_assert(acks == NULL || acks->writable == (p == PROCESS_NET));
    }
}
END_TEST

START_TEST(what_each_vcpu_has_comes_last)
{
    unsigned one = manifest_n_fds(PROCESS_STORAGE, 1);

    ck_assert_uint_eq(one, manifest[PROCESS_STORAGE].n_grants);
    ck_assert_uint_eq(manifest_n_fds(PROCESS_STORAGE, 5), one + 4);
    ck_assert_uint_eq(manifest_n_fds(PROCESS_CHIPSET, 5), manifest[PROCESS_CHIPSET].n_grants);
    ck_assert_int_eq(manifest_grant(PROCESS_STORAGE, one + 3).kind, OBJECT_VP_IRQ);
    ck_assert_uint_eq(manifest_grant(PROCESS_STORAGE, one + 3).index, 4);
    ck_assert_int_eq(manifest_grant(PROCESS_STORAGE, 0).kind, OBJECT_BOARD);
    ck_assert_int_eq(manifest_fd(PROCESS_STORAGE, OBJECT_VP_IRQ, 4), FD_FIRST_GRANT + (int)one + 3);
    ck_assert_int_eq(manifest_fd(PROCESS_STORAGE, OBJECT_VP_IRQ, VPS_MAX), -ENOENT);
    for (int p = 0; p < PROCESS_COUNT; p++) {
        for (size_t i = 0; i + 1 < manifest[p].n_grants; i++)
            ck_assert_int_ne(manifest[p].grants[i].kind, OBJECT_VP_IRQ);
    }
}
END_TEST

START_TEST(serial_lines_belong_to_the_chipset)
{
    for (int p = 0; p < PROCESS_COUNT; p++)
        ck_assert(has((enum process)p, OBJECT_COM) == (p == PROCESS_CHIPSET));
    for (unsigned i = 0; i < COM_COUNT; i++)
        ck_assert_ptr_nonnull(find(PROCESS_CHIPSET, OBJECT_COM, i));
    for (unsigned i = 0; i < IRQ_LINE_COUNT; i++)
        ck_assert_ptr_nonnull(find(PROCESS_CHIPSET, OBJECT_IRQ, i));
}
END_TEST

START_TEST(shared_memory_has_a_size_and_nothing_else_has)
{
    ck_assert_uint_eq(manifest_object_bytes(OBJECT_BOARD, 0), BOARD_BYTES);
    ck_assert_uint_eq(manifest_object_bytes(OBJECT_PORT, PROCESS_VTPM), PORT_BYTES);
    ck_assert_uint_eq(manifest_object_bytes(OBJECT_REGION, PROCESS_CHIPSET), REGION_CHIPSET_BYTES);
    ck_assert_uint_eq(manifest_object_bytes(OBJECT_REGION, PROCESS_VTPM), REGION_VTPM_BYTES);
    ck_assert_uint_eq(manifest_object_bytes(OBJECT_CRB_REGISTERS, 0), CRB_REGISTERS_BYTES);
    ck_assert_uint_eq(manifest_object_bytes(OBJECT_CRB_BUFFER, 0), CRB_BUFFER_BYTES);
    ck_assert_uint_eq(manifest_object_bytes(OBJECT_BELL, 0), 0);
    ck_assert_uint_eq(manifest_object_bytes(OBJECT_IRQ, 0), 0);
    ck_assert_uint_eq(manifest_object_bytes(OBJECT_COM, 0), 0);
    ck_assert_uint_eq(manifest_object_bytes(OBJECT_RAM, 0), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("manifest");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(c, descriptors_follow_the_rows);
    tcase_add_test(c, what_is_in_no_row_has_no_descriptor);
    tcase_add_test(c, processes_are_found_by_name);
    tcase_add_test(c, every_row_is_complete);
    tcase_add_test(c, diag_alone_has_a_program_for_operators_over_the_network);
    tcase_add_test(c, every_process_has_a_user_of_its_own);
    tcase_add_test(c, only_the_owner_writes_its_board);
    tcase_add_test(c, only_the_supervisor_writes_levels);
    tcase_add_test(c, only_diag_has_the_records_of_operators);
    tcase_add_test(c, only_the_owner_writes_its_region);
    tcase_add_test(c, diag_reads_every_board);
    tcase_add_test(c, a_worker_with_a_port_has_a_region_that_the_supervisor_reads);
    tcase_add_test(c, a_port_is_between_the_supervisor_and_its_owner_alone);
    tcase_add_test(c, only_storage_net_and_debug_among_workers_reach_guest_memory_and_none_kvm);
    tcase_add_test(c, only_diag_hears_operators);
    tcase_add_test(c, only_the_vtpm_and_the_guest_share_the_crb);
    tcase_add_test(c, only_storage_reaches_the_disks);
    tcase_add_test(c, only_net_reaches_the_networks);
    tcase_add_test(c, captured_frames_have_one_writer_and_one_reader);
    tcase_add_test(c, only_the_supervisor_writes_the_page_of_nics);
    tcase_add_test(c, pages_of_vmbus_have_one_writer_each);
    tcase_add_test(c, what_each_vcpu_has_comes_last);
    tcase_add_test(c, serial_lines_belong_to_the_chipset);
    tcase_add_test(c, shared_memory_has_a_size_and_nothing_else_has);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
