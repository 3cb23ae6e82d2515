#include "base/code.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Writable segments hold what the file does not. */
static int forget_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
    uintptr_t page = (uintptr_t)getpagesize();

    (void)size;
    (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t begin = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
        uintptr_t end = (info->dlpi_addr + p->p_vaddr + p->p_memsz + page - 1) & ~(page - 1);

        if (p->p_type != PT_LOAD || (p->p_flags & PF_W) != 0)
            continue;
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void code_forget(void)
{
    (void)dl_iterate_phdr(forget_segments, NULL);
}
