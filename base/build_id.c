#include "base/build_id.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/rd.h"

enum {
    MAX_SEGMENTS = 64,
    MAX_NOTE_BYTES = 4096, /* of one segment */
    MAX_NOTES = 64,        /* in one segment */
};

struct segment {
    uint32_t type;
    uint64_t offset, len;
};

/* All len bytes at offset, or -EBADMSG. */
static int read_at(int fd, uint64_t offset, uint8_t *out, size_t len)
{
    uint64_t end;

    if (u64_add(offset, len, &end) < 0 || end > INT64_MAX)
        return -EBADMSG;
    return pread(fd, out, len, (off_t)offset) == (ssize_t)len ? 0 : -EBADMSG;
}

/* @spec ELF-64 1.5 section 3 (file header) */
static int parse_header(const uint8_t raw[sizeof(Elf64_Ehdr)], uint64_t *ret_table,
                        unsigned *ret_segments)
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB};
    struct rd r = rd_over(raw, sizeof(Elf64_Ehdr));
    struct span magic = rd_span(&r, EI_NIDENT);
    uint64_t table;
    unsigned size, n;

    (void)rd_span(&r, 16); /* type, machine, version, entry */
    table = rd_le64(&r);
    (void)rd_span(&r, 14); /* section table, flags, size of this header */
    size = rd_le16(&r);
    n = rd_le16(&r);
    if (!rd_ok(&r) || memcmp(magic.at, ident, sizeof(ident)) != 0)
        return -EBADMSG;
    if (size != sizeof(Elf64_Phdr) || n > MAX_SEGMENTS)
        return -EBADMSG;
    *ret_table = table;
    *ret_segments = n;
    return 0;
}

/* @spec ELF-64 1.5 section 8 (program header table) */
static struct segment parse_segment(const uint8_t raw[sizeof(Elf64_Phdr)])
{
    struct rd r = rd_over(raw, sizeof(Elf64_Phdr));
    struct segment s;

    s.type = rd_le32(&r);
    (void)rd_le32(&r); /* flags */
    s.offset = rd_le64(&r);
    (void)rd_span(&r, 16); /* addresses */
    s.len = rd_le64(&r);
    return s;
}

static void to_text(struct span id, char ret[BUILD_ID_TEXT_BYTES])
{
    for (size_t i = 0; i < id.len; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", id.at[i]);
}

/* Step over one note; true and *ret_id when it is the build id. */
static bool next_note(struct rd *r, struct span *ret_id)
{
    uint32_t name_len = rd_le32(r);
    uint32_t id_len = rd_le32(r);
    uint32_t type = rd_le32(r);
    struct span name = rd_span(r, u64_align_up(name_len, 4));
    struct span id = rd_span(r, u64_align_up(id_len, 4));

    if (!rd_ok(r) || type != NT_GNU_BUILD_ID || name_len != sizeof(ELF_NOTE_GNU) ||
        memcmp(name.at, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) != 0)
        return false;
    if (id_len == 0 || id_len > BUILD_ID_MAX_BYTES)
        return false;
    *ret_id = (struct span){.at = id.at, .len = id_len};
    return true;
}

static bool find_note(const uint8_t *notes, size_t len, char ret[BUILD_ID_TEXT_BYTES])
{
    struct rd r = rd_over(notes, len);
    struct span id;

    for (int left = MAX_NOTES; left > 0 && rd_ok(&r) && r.left > 0; left--) {
        if (next_note(&r, &id)) {
            to_text(id, ret);
            return true;
        }
    }
    return false;
}

static bool find_in_segment(int fd, const struct segment *s, char ret[BUILD_ID_TEXT_BYTES])
{
    uint8_t notes[MAX_NOTE_BYTES];

    if (s->type != PT_NOTE || s->len > sizeof(notes) || read_at(fd, s->offset, notes, s->len) < 0)
        return false;
    return find_note(notes, s->len, ret);
}

void build_id_read(int fd, char ret[BUILD_ID_TEXT_BYTES])
{
    uint8_t raw[sizeof(Elf64_Ehdr)];
    uint64_t table;
    unsigned n;

    ret[0] = '\0';
    if (read_at(fd, 0, raw, sizeof(raw)) < 0 || parse_header(raw, &table, &n) < 0)
        return;
    for (unsigned i = 0; i < n; i++) {
        uint8_t entry[sizeof(Elf64_Phdr)];
        struct segment s;
        uint64_t at;

        if (u64_add(table, i * sizeof(entry), &at) < 0 || read_at(fd, at, entry, sizeof(entry)) < 0)
            return;
        s = parse_segment(entry);
        if (find_in_segment(fd, &s, ret))
            return;
    }
}
