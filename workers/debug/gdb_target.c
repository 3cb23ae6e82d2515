#include "workers/debug/gdb_target.h"

enum {
    FIRST_SEGMENT = 18,
    FIRST_X87 = 24,
    FIRST_X87_CONTROL = 32,
    FIRST_BASE = 40,
    X87_BYTES = 10,
};

/* clang-format off */
#define REG64(name) "<reg name=\"" name "\" bitsize=\"64\" type=\"int64\"/>"
#define REG32(name) "<reg name=\"" name "\" bitsize=\"32\" type=\"int32\"/>"
#define PTR64(name, type) "<reg name=\"" name "\" bitsize=\"64\" type=\"" type "\"/>"
#define X87(name) "<reg name=\"" name "\" bitsize=\"80\" type=\"i387_ext\"/>"
#define X87C(name) "<reg name=\"" name "\" bitsize=\"32\" type=\"int\" group=\"float\"/>"

const char gdb_target_xml[] =
    "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
    "<architecture>i386:x86-64</architecture>"
    "<feature name=\"org.gnu.gdb.i386.core\">"
    REG64("rax") REG64("rbx") REG64("rcx") REG64("rdx") REG64("rsi") REG64("rdi")
    PTR64("rbp", "data_ptr") PTR64("rsp", "data_ptr")
    REG64("r8") REG64("r9") REG64("r10") REG64("r11") REG64("r12") REG64("r13") REG64("r14") REG64("r15")
    PTR64("rip", "code_ptr") REG32("eflags")
    REG32("cs") REG32("ss") REG32("ds") REG32("es") REG32("fs") REG32("gs")
    X87("st0") X87("st1") X87("st2") X87("st3") X87("st4") X87("st5") X87("st6") X87("st7")
    X87C("fctrl") X87C("fstat") X87C("ftag") X87C("fiseg") X87C("fioff") X87C("foseg") X87C("fooff") X87C("fop")
    "</feature><feature name=\"org.gnu.gdb.i386.segments\">"
    REG64("fs_base") REG64("gs_base")
    "</feature><feature name=\"org.bulkhead.system\">"
    REG64("cr0") REG64("cr2") REG64("cr3") REG64("cr4") REG64("cr8") REG64("efer")
    "</feature></target>";
/* clang-format on */

const size_t gdb_target_xml_len = sizeof(gdb_target_xml) - 1;

struct gdb_target_reg gdb_target_reg(unsigned n)
{
    if (n >= FIRST_BASE)
        return (struct gdb_target_reg){GUEST_FS_BASE + (int)(n - FIRST_BASE), 8};
    if (n >= FIRST_X87_CONTROL)
        return (struct gdb_target_reg){GDB_TARGET_NONE, 4};
    if (n >= FIRST_X87)
        return (struct gdb_target_reg){GDB_TARGET_NONE, X87_BYTES};
    return (struct gdb_target_reg){(int)n, n >= FIRST_SEGMENT || n == GUEST_RFLAGS ? 4 : 8};
}
_Static_assert(FIRST_BASE + GUEST_REGS - GUEST_FS_BASE == GDB_TARGET_REGS, "all of ours, once");
_Static_assert((int)GUEST_CS == (int)FIRST_SEGMENT && (int)GUEST_FS_BASE == (int)FIRST_X87,
               "the first ones have GDB's numbers");
