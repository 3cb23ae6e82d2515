/*
 * The 64-bit code is run, by this processor: its OUT faults here, and the fault's handler is the
 * hypervisor. The 32-bit code is run by a small interpreter that was written from the processor's manual; the
 * same interpreter runs the 64-bit code too, and must agree with the processor.
 */
#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/macro.h"
#include "supervisor/partition/partition_ops.h"

enum {
    SLOW_PORT = 0xe4,
    STEPS_MAX = 32,
};

static const uint64_t SLOW_RESULT = 0x1122334455667788;
static const uint64_t FAST_SIGNAL = 0x1005d;

static const struct partition partition = {.ops = &partition_kvm_ops};
static uint8_t page[HYPERCALL_PAGE_BYTES];

/* What was written, and where; at most one write a call. */
struct seen {
    unsigned writes;
    uint8_t port;
    uint32_t value;
};

struct regs {
    uint64_t rax, rbx, rcx, rdx;
};

/* --- the interpreter --- */

struct machine {
    struct regs r;
    bool wide;
    bool zero; /* the flag */
    size_t at;
    struct seen seen;
};

static uint32_t le32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool match(struct machine *m, const char *code, size_t len)
{
    if (memcmp(page + m->at, code, len) != 0)
        return false;
    m->at += len;
    return true;
}

static void out(struct machine *m)
{
    m->seen.writes++;
    m->seen.port = page[m->at];
    m->seen.value = (uint32_t)m->r.rax;
    m->at++;
    if (m->seen.port != SLOW_PORT)
        return;
    m->r.rax = m->wide ? SLOW_RESULT : (uint32_t)SLOW_RESULT;
    m->r.rdx = m->wide ? m->r.rdx : SLOW_RESULT >> 32;
}

static void jump_if_not_zero(struct machine *m)
{
    m->at += 1u + (m->zero ? 0 : page[m->at]); /* forward jumps only */
}

/* One instruction; false: it was a return. */
static bool step(struct machine *m)
{
    if (match(m, "\x48\x81\xf9", 3)) { /* cmp rcx, imm32 */
        m->zero = m->r.rcx == (uint64_t)(int32_t)le32(page + m->at);
        m->at += 4;
    } else if (match(m, "\x3d", 1)) { /* cmp eax, imm32 */
        m->zero = (uint32_t)m->r.rax == le32(page + m->at);
        m->at += 4;
    } else if (match(m, "\x75", 1)) {
        jump_if_not_zero(m);
    } else if (match(m, "\x48\x89\xd0", 3)) { /* mov rax, rdx */
        m->r.rax = m->r.rdx;
    } else if (match(m, "\x48\xc1\xe8\x20", 4)) { /* shr rax, 32 */
        m->r.rax >>= 32;
        m->zero = m->r.rax == 0;
    } else if (match(m, "\x89\xd0", 2)) { /* mov eax, edx */
        m->r.rax = (uint32_t)m->r.rdx;
    } else if (match(m, "\x89\xc8", 2)) { /* mov eax, ecx */
        m->r.rax = (uint32_t)m->r.rcx;
    } else if (match(m, "\x85\xd2", 2)) { /* test edx, edx */
        m->zero = (uint32_t)m->r.rdx == 0;
    } else if (match(m, "\x85\xdb", 2)) { /* test ebx, ebx */
        m->zero = (uint32_t)m->r.rbx == 0;
    } else if (match(m, "\x31\xc0", 2)) { /* xor eax, eax */
        m->r.rax = 0;
    } else if (match(m, "\x31\xd2", 2)) { /* xor edx, edx */
        m->r.rdx = 0;
    } else if (match(m, "\xe7", 1)) { /* out imm8, eax */
        out(m);
    } else if (match(m, "\xc3", 1)) {
        return false;
    } else {
        ck_abort_msg("unknown instruction %02x at %zx", page[m->at], m->at);
    }
    return true;
}

static struct machine interpret(const struct regs *r, bool wide)
{
    struct machine m = {.r = *r, .wide = wide};

    ck_assert(match(&m, wide ? "\xf3\x0f\x1e\xfa" : "\xf3\x0f\x1e\xfb", 4));
    for (int i = 0; i < STEPS_MAX; i++) {
        if (!step(&m))
            return m;
    }
    ck_abort_msg("it does not return");
    return m;
}

/* --- the processor --- */

static struct seen seen;
static const uint8_t *code;

static void on_fault(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    const uint8_t *at = (const uint8_t *)u->uc_mcontext.gregs[REG_RIP];

    (void)number;
    (void)info;
    if (at < code || at >= code + HYPERCALL_PAGE_BYTES || at[0] != 0xe7)
        _exit(99);
    seen.writes++;
    seen.port = at[1];
    seen.value = (uint32_t)u->uc_mcontext.gregs[REG_RAX];
    if (seen.port == SLOW_PORT)
        u->uc_mcontext.gregs[REG_RAX] = (greg_t)SLOW_RESULT;
    u->uc_mcontext.gregs[REG_RIP] += 2;
}

static struct regs run(const struct regs *before)
{
    struct regs after = *before;

    seen = (struct seen){0};
    __asm__ volatile("sub $128, %%rsp\n\t" /* the red zone is the compiler's */
                     "call *%[code]\n\t"
                     "add $128, %%rsp"
                     : "+a"(after.rax), "+b"(after.rbx), "+c"(after.rcx), "+d"(after.rdx)
                     : [code] "r"(code)
                     : "cc", "memory");
    return after;
}

static void load_64(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    void *at = mmap(NULL, HYPERCALL_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);

    ck_assert_ptr_ne(at, MAP_FAILED);
    partition_hypercall_page(&partition, true, page);
    memcpy(at, page, sizeof(page));
    ck_assert_int_eq(mprotect(at, HYPERCALL_PAGE_BYTES, PROT_READ | PROT_EXEC), 0);
    ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
    code = at;
}

/* --- tests --- */

static const uint64_t controls[] = {
    0x1005d, 0x5d,      0x5c, 0x1005c, 0x11005d, 0, 0x8001005d, 0x10001005d, 0xffffffff0001005d,
    0x1005e, UINT64_MAX};
static const uint64_t inputs[] = {0x2001,      0,           1,
                                  0xffffffff,  0x100002001, 0x7ff00002001,
                                  0x123456000, UINT64_MAX,  UINT64_C(1) << 63};

START_TEST(the_processor_runs_the_64_bit_code)
{
    load_64();
    for (size_t i = 0; i < COUNT_OF(controls); i++) {
        for (size_t j = 0; j < COUNT_OF(inputs); j++) {
            struct regs before = {0x5555555555555555, 0x6666, controls[i], inputs[j]};
            struct regs after = run(&before);
            bool fast = controls[i] == FAST_SIGNAL && inputs[j] >> 32 == 0;
            struct machine m;

            ck_assert_uint_eq(seen.writes, 1);
            ck_assert_uint_eq(seen.port, fast ? PARTITION_SIGNAL_PORT : SLOW_PORT);
            ck_assert_uint_eq(after.rax, fast ? 0 : SLOW_RESULT);
            if (fast)
                ck_assert_uint_eq(seen.value, inputs[j]);
            /* Nothing else has changed: the hypervisor finds the call's registers. */
            ck_assert_uint_eq(after.rbx, before.rbx);
            ck_assert_uint_eq(after.rcx, before.rcx);
            ck_assert_uint_eq(after.rdx, before.rdx);
            m = interpret(&before, true);
            ck_assert_mem_eq(&m.r, &after, sizeof(after));
            ck_assert_uint_eq(m.seen.port, seen.port);
            ck_assert_uint_eq(m.seen.value, seen.value);
            ck_assert_uint_eq(m.seen.writes, 1);
        }
    }
}
END_TEST

/* EDX:EAX control, EBX:ECX input. */
START_TEST(the_32_bit_code_does_the_same)
{
    partition_hypercall_page(&partition, false, page);
    for (size_t i = 0; i < COUNT_OF(controls); i++) {
        for (size_t j = 0; j < COUNT_OF(inputs); j++) {
            struct regs before = {.rax = (uint32_t)controls[i],
                                  .rdx = controls[i] >> 32,
                                  .rcx = (uint32_t)inputs[j],
                                  .rbx = inputs[j] >> 32};
            struct machine m = interpret(&before, false);
            bool fast = controls[i] == FAST_SIGNAL && inputs[j] >> 32 == 0;

            ck_assert_uint_eq(m.seen.writes, 1);
            ck_assert_uint_eq(m.seen.port, fast ? PARTITION_SIGNAL_PORT : SLOW_PORT);
            ck_assert_uint_eq(m.r.rax, fast ? 0 : (uint32_t)SLOW_RESULT);
            ck_assert_uint_eq(m.r.rdx, fast ? 0 : SLOW_RESULT >> 32);
            ck_assert_uint_eq(m.seen.value, (uint32_t)(fast ? inputs[j] : controls[i]));
            ck_assert_uint_eq(m.r.rcx, before.rcx);
            ck_assert_uint_eq(m.r.rbx, before.rbx);
        }
    }
}
END_TEST

/* Linux turns indirect branch tracking off when the page does not begin with a landing pad. */
START_TEST(it_begins_with_a_landing_pad)
{
    partition_hypercall_page(&partition, true, page);
    ck_assert_mem_eq(page, "\xf3\x0f\x1e\xfa", 4);
    partition_hypercall_page(&partition, false, page);
    ck_assert_mem_eq(page, "\xf3\x0f\x1e\xfb", 4);
}
END_TEST

START_TEST(the_rest_traps)
{
    for (int wide = 0; wide <= 1; wide++) {
        memset(page, 0, sizeof(page));
        partition_hypercall_page(&partition, wide != 0, page);
        for (size_t i = 32; i < sizeof(page); i++)
            ck_assert_uint_eq(page[i], 0xcc);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hypercall_page");
    TCase *t = tcase_create("hypercall_page");
    SRunner *r;
    int failed;

    tcase_add_test(t, the_processor_runs_the_64_bit_code);
    tcase_add_test(t, the_32_bit_code_does_the_same);
    tcase_add_test(t, it_begins_with_a_landing_pad);
    tcase_add_test(t, the_rest_traps);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
