#include "base/code.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SEGMENTS_MAX = 8, /* of a program; it has four */
};

struct segments {
    unsigned n;
    struct {
        uintptr_t begin, end;
    } at[SEGMENTS_MAX];
};

/* Writable segments hold what the file does not. */
static int find_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
    uintptr_t page = (uintptr_t)getpagesize();
    struct segments *s = arg;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum && s->n < SEGMENTS_MAX; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type != PT_LOAD || (p->p_flags & PF_W) != 0)
            continue;
        s->at[s->n].begin = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
        s->at[s->n].end = (info->dlpi_addr + p->p_vaddr + p->p_memsz + page - 1) & ~(page - 1);
        s->n++;
    }
    return 1; /* the first is the program */
}

/* The list of segments is in the first of them: whoever looked at it while it forgets would map that again. */
void code_forget(void)
{
    struct segments s = {0};

    (void)dl_iterate_phdr(find_segments, &s);
    for (unsigned i = 0; i < s.n; i++)
        (void)madvise((void *)s.at[i].begin, s.at[i].end - s.at[i].begin, MADV_DONTNEED);
}
