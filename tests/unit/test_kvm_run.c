#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/macro.h"
#include "supervisor/partition/kvm.h"

/* What the kernel says to a KVM_RUN. */
struct said {
    int err; /* 0: it returned with that reason */
    uint32_t reason;
};

enum {
    DATA_AT = 0x1000, /* in the run mapping: an OUT's */
    RUN_BYTES = 0x2000,
    VCPU_FD = 77,
};

static union {
    struct kvm_run run;
    uint8_t bytes[RUN_BYTES];
} mapping;
static struct kvm_run *const run = &mapping.run;
static struct kvm_partition partition;
static struct kvm_vcpu *const v = &partition.vcpus[0];
static const struct said *next;
static unsigned runs, n_said;

static int on_run(void)
{
    ck_assert_uint_lt(runs, n_said);
    runs++;
    run->exit_reason = next->reason;
    if (run->kvm_valid_regs != 0) { /* on whatever way out */
        run->s.regs.regs.rcx = 0x12;
        run->s.regs.regs.rip = 0x1000 + runs;
    }
    errno = next->err;
    return next++->err == 0 ? 0 : -1;
}

int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    ck_assert_int_eq(fd, VCPU_FD);
    if (request == KVM_RUN)
        return on_run();
    ck_assert_uint_eq(request, KVM_SET_GUEST_DEBUG);
    return 0;
}

static void says(const struct said *said, unsigned n)
{
    next = said;
    n_said = n;
    runs = 0;
}

static void set_up(void)
{
    memset(&mapping, 0, sizeof(mapping));
    memset(&partition, 0, sizeof(partition));
    partition.base.info.caps = PARTITION_CAP_HYPERCALL;
    partition.sync_regs = true;
    v->base.partition = &partition.base;
    v->fd = VCPU_FD;
    v->run = run;
    v->run_len = sizeof(mapping);
    run->io.direction = KVM_EXIT_IO_OUT;
    run->io.port = KVM_HYPERCALL_PORT;
    run->io.size = 4;
    run->io.count = 1;
    run->io.data_offset = DATA_AT;
    run->s.regs.sregs.efer = 1 << 10;
    run->s.regs.sregs.cs.l = 1;
}

static void expect_run(enum exit_kind kind)
{
    struct vm_exit e;

    kvm_vcpu_run(&v->base, &e);
    ck_assert_int_eq(e.kind, kind);
    if (kind == EXIT_DEBUG)
        ck_assert_uint_eq(e.debug.breaks, 0);
    if (kind == EXIT_HYPERCALL)
        ck_assert_uint_eq(e.hypercall.control, 0x12);
}

START_TEST(a_hypercall_is_fetched_without_entering_the_guest)
{
    static const struct said said[] = {
        {0,     KVM_EXIT_IO  },
        {EINTR, KVM_EXIT_INTR},
        {0,     KVM_EXIT_HLT },
    };

    says(said, COUNT_OF(said));
    expect_run(EXIT_HYPERCALL);
    ck_assert_uint_eq(run->immediate_exit, 0);
    kvm_vcpu_finish(&v->base, 7);
    ck_assert_uint_eq(run->s.regs.regs.rax, 7);
    expect_run(EXIT_HALT);
}
END_TEST

/* The fetch completes the OUT, which ends the step. */
static void step_over_hypercall(void)
{
    static const struct said said[] = {
        {0, KVM_EXIT_IO   },
        {0, KVM_EXIT_DEBUG},
        {0, KVM_EXIT_HLT  },
    };

    says(said, COUNT_OF(said));
    expect_run(EXIT_HYPERCALL);
    kvm_vcpu_finish(&v->base, 7);
}

/* It is told after the hypercall's answer, once. */
START_TEST(a_step_over_a_hypercall_ends_behind_it)
{
    step_over_hypercall();
    expect_run(EXIT_DEBUG);
    ck_assert_uint_eq(runs, 2);
    ck_assert_uint_eq(run->s.regs.regs.rax, 7); /* and it is still to be taken */
    ck_assert_uint_ne(run->kvm_dirty_regs & KVM_SYNC_X86_REGS, 0);
    expect_run(EXIT_HALT);
}
END_TEST

/* Whoever says how it is to run from now on does not want to hear of the step before. */
START_TEST(a_step_that_nobody_waits_for_is_forgotten)
{
    step_over_hypercall();
    ck_assert_int_eq(kvm_vcpu_set_debug(&v->base, NULL, 0, false), 0);
    expect_run(EXIT_HALT);
}
END_TEST

START_TEST(registers_are_there_however_the_fetch_ends)
{
    static const struct said said[] = {
        {0,     KVM_EXIT_DEBUG},
        {EINTR, KVM_EXIT_INTR },
        {0,     KVM_EXIT_HLT  },
        {EIO,   0             },
    };
    struct guest_regs regs;

    says(said, COUNT_OF(said));
    for (unsigned i = 1; i <= 2; i++) {
        ck_assert_int_eq(kvm_vcpu_get_regs(&v->base, &regs), 0);
        ck_assert_uint_eq(regs.v[GUEST_RIP], 0x1000 + i);
    }
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(kvm_vcpu_get_regs(&v->base, &regs), -EIO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kvm_run");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, a_hypercall_is_fetched_without_entering_the_guest);
    tcase_add_test(tests, a_step_over_a_hypercall_ends_behind_it);
    tcase_add_test(tests, a_step_that_nobody_waits_for_is_forgotten);
    tcase_add_test(tests, registers_are_there_however_the_fetch_ends);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
