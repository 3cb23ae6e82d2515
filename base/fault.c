#include "base/fault.h"

#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <ucontext.h>

#include "base/macro.h"

enum {
    STACK_BYTES = 32 * 1024, /* more than the widest registers need; untouched until a fault */
};

struct watch {
    struct board_page *page;
    uint32_t generation;
    uintptr_t base, begin, end; /* of the program; of its code */
};

/* A handler is given no argument of ours. */
static struct watch *the_watch(void)
{
    static struct watch one;

    return &one;
}

static void note(int signal, uintptr_t at)
{
    const struct watch *w = the_watch();
    struct board_fault *f = &w->page->fault;

    if (at < w->begin || at >= w->end) /* it jumped to nowhere: that is all there is to say */
        return;
    f->code = at - w->base;
    f->signal = (uint32_t)signal;
    atomic_store_explicit(&f->generation, w->generation, memory_order_release);
}

/* The same fault again. What does not come about (SIGBUS, where nobody checks alignment) ends as SIGSEGV. */
static _Noreturn void die_of(int signal)
{
    if (signal == SIGILL)
        __asm__ volatile("ud2");
    if (signal == SIGFPE)
        __asm__ volatile("xor %%ecx, %%ecx; div %%ecx" : : : "eax", "ecx", "edx");
    if (signal == SIGBUS)
        __asm__ volatile("pushf; orl $0x40000, (%%rsp); popf; mov 1(%%rsp), %%eax"
                         :
                         :
                         : "eax", "cc", "memory");
    for (;;)
        __asm__ volatile("hlt");
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *c = context;

    if (info->si_code > 0) /* the processor's, nobody's kill(2) */
        note(signal, (uintptr_t)c->uc_mcontext.gregs[REG_RIP]);
    die_of(signal);
}

static int find_code(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct watch *w = arg;

    (void)size;
    w->base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type != PT_LOAD || (p->p_flags & PF_X) == 0)
            continue;
        w->begin = info->dlpi_addr + p->p_vaddr;
        w->end = w->begin + p->p_memsz;
    }
    return 1; /* the first is the program */
}

int fault_watch(struct board_page *page, uint32_t generation)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    static _Alignas(64) uint8_t stack[STACK_BYTES];
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct watch *w = the_watch();

    *w = (struct watch){.page = page, .generation = generation};
    (void)dl_iterate_phdr(find_code, w);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        (void)sigaddset(&action.sa_mask, signals[i]);
    if (sigaltstack(&own, NULL) < 0)
        return -errno;
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        if (sigaction(signals[i], &action, NULL) < 0)
            return -errno;
    }
    return 0;
}
