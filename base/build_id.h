/*
 * base/build_id.h - which build a program is, read from its ELF notes.
 *
 * The program may come from an operator: every offset and length in it is a stranger's.
 */
#pragma once

enum {
    BUILD_ID_MAX_BYTES = 32,
    BUILD_ID_TEXT_BYTES = 2 * BUILD_ID_MAX_BYTES + 1,
};

/*
 * The GNU build id of the ELF64 program in fd, in hexadecimal; "" when it has none, or is no such
 * program. Reads a bounded number of bytes with pread(2); the file offset stays.
 */
void build_id_read(int fd, char ret[BUILD_ID_TEXT_BYTES]);
