#include "workers/debug/core_file.h"

#include <assert.h>
#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>

#include "base/num.h"

enum {
    PAGE_BYTES = 4096,
    NOTE_ALIGN = 4,
};

static const char VMCOREINFO_NAME[] = "VMCOREINFO";
static const char CORE_NAME[] = "CORE";

/* Where the next bytes of the head go. */
struct head {
    uint8_t *out;
    size_t len;
};

static void put(struct head *h, const void *bytes, size_t len)
{
    assert(len <= CORE_HEAD_MAX - h->len);
    if (len > 0)
        memcpy(h->out + h->len, bytes, len);
    h->len += len;
}

static void align(struct head *h, size_t bytes)
{
    const size_t len = (size_t)u64_align_up(h->len, bytes);

    assert(len <= CORE_HEAD_MAX);
    memset(h->out + h->len, 0, len - h->len);
    h->len = len;
}

static void put_note(struct head *h, const char *name, uint32_t type, const void *desc, size_t len)
{
    const Elf64_Nhdr note = {
        .n_namesz = (Elf64_Word)strlen(name) + 1, .n_descsz = (Elf64_Word)len, .n_type = type};

    put(h, &note, sizeof(note));
    put(h, name, note.n_namesz);
    align(h, NOTE_ALIGN);
    put(h, desc, len);
    align(h, NOTE_ALIGN);
}

/* Which of ours is which of those of a process. */
static void fill_user_regs(const struct guest_regs *r, struct user_regs_struct *ret)
{
    *ret = (struct user_regs_struct){
        .r15 = r->v[GUEST_R15],
        .r14 = r->v[GUEST_R14],
        .r13 = r->v[GUEST_R13],
        .r12 = r->v[GUEST_R12],
        .rbp = r->v[GUEST_RBP],
        .rbx = r->v[GUEST_RBX],
        .r11 = r->v[GUEST_R11],
        .r10 = r->v[GUEST_R10],
        .r9 = r->v[GUEST_R9],
        .r8 = r->v[GUEST_R8],
        .rax = r->v[GUEST_RAX],
        .rcx = r->v[GUEST_RCX],
        .rdx = r->v[GUEST_RDX],
        .rsi = r->v[GUEST_RSI],
        .rdi = r->v[GUEST_RDI],
        .orig_rax = r->v[GUEST_RAX],
        .rip = r->v[GUEST_RIP],
        .cs = r->v[GUEST_CS],
        .eflags = r->v[GUEST_RFLAGS],
        .rsp = r->v[GUEST_RSP],
        .ss = r->v[GUEST_SS],
        .fs_base = r->v[GUEST_FS_BASE],
        .gs_base = r->v[GUEST_GS_BASE],
        .ds = r->v[GUEST_DS],
        .es = r->v[GUEST_ES],
        .fs = r->v[GUEST_FS],
        .gs = r->v[GUEST_GS],
    };
}

static void put_vcpu(struct head *h, const struct guest_regs *regs, unsigned vcpu)
{
    struct user_regs_struct user;
    struct elf_prstatus status;

    memset(&status, 0, sizeof(status)); /* padding goes out as well */
    fill_user_regs(regs, &user);
    status.pr_pid = (int)vcpu + 1;
    _Static_assert(sizeof(status.pr_reg) == sizeof(user), "layout");
    memcpy(&status.pr_reg, &user, sizeof(user));
    put_note(h, CORE_NAME, NT_PRSTATUS, &status, sizeof(status));
}

static void put_notes(struct head *h, const struct core_file *c)
{
    for (unsigned i = 0; i < c->vcpus; i++)
        put_vcpu(h, &c->regs[i], i);
    if (c->vmcoreinfo_len > 0)
        put_note(h, VMCOREINFO_NAME, 0, c->vmcoreinfo, c->vmcoreinfo_len);
}

static Elf64_Ehdr file_header(const struct core_file *c)
{
    return (Elf64_Ehdr){
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = (Elf64_Half)(1 + c->memory->n_ranges),
    };
}

/* Program headers, once it is known where the notes end. */
static void fill_program_headers(const struct core_file *c, size_t notes_at, size_t notes_end,
                                 Elf64_Phdr *ret)
{
    const uint64_t data = u64_align_up(notes_end, PAGE_BYTES);

    ret[0] = (Elf64_Phdr){.p_type = PT_NOTE,
                          .p_offset = notes_at,
                          .p_filesz = notes_end - notes_at,
                          .p_memsz = notes_end - notes_at,
                          .p_align = NOTE_ALIGN};
    for (unsigned i = 0; i < c->memory->n_ranges; i++) {
        const struct guest_memory_range *range = &c->memory->ranges[i];

        /* p_align of 0, as a kdump has it: crash takes a core with any other for an old netdump. */
        ret[1 + i] = (Elf64_Phdr){.p_type = PT_LOAD,
                                  .p_flags = PF_R | PF_W | PF_X,
                                  .p_offset = data + range->offset,
                                  .p_paddr = range->start,
                                  .p_filesz = range->len,
                                  .p_memsz = range->len};
    }
}

size_t core_file_head(const struct core_file *c, uint8_t *out)
{
    const Elf64_Ehdr file = file_header(c);
    Elf64_Phdr headers[1 + GUEST_MEMORY_RANGES] = {0};
    const size_t headers_bytes = (1 + c->memory->n_ranges) * sizeof(headers[0]);
    struct head h = {.out = out};
    size_t notes_at;

    put(&h, &file, sizeof(file));
    put(&h, headers, headers_bytes);
    notes_at = h.len;
    put_notes(&h, c);
    fill_program_headers(c, notes_at, h.len, headers);
    memcpy(out + sizeof(file), headers, headers_bytes);
    align(&h, PAGE_BYTES);
    return h.len;
}
