#include "supervisor/boot/acpi.h"

#include <errno.h>
#include <string.h>

#include "base/wr.h"
#include "supervisor/boot/dsdt.h"

enum {
    RSDP_BYTES = 36,
    RSDP_V1_BYTES = 20, /* the part that the first checksum covers */
    HEADER_BYTES = 36,
    FACS_BYTES = 64,
    LENGTH_OFFSET = 4,
    CHECKSUM_OFFSET = 9,
    ALIGNMENT = 64, /* the FACS wants it; the others do not mind */
};

enum gas_space {
    GAS_NONE = 0,
    GAS_IO = 1,
};

enum fadt_flag {
    FADT_WBINVD = 1u << 0,
    FADT_PROC_C1 = 1u << 2,
    FADT_NO_POWER_BUTTON = 1u << 4,
    FADT_NO_SLEEP_BUTTON = 1u << 5,
    FADT_NO_RTC_WAKE = 1u << 6,
    FADT_TIMER_32_BITS = 1u << 8,
    FADT_RESET_REGISTER = 1u << 10,
};

enum boot_arch_flag {
    BOOT_ARCH_LEGACY_DEVICES = 1u << 0,
    BOOT_ARCH_NO_VGA = 1u << 2,
    BOOT_ARCH_NO_ASPM = 1u << 4,
};

enum madt {
    MADT_PCAT_COMPAT = 1, /* there are 8259s too */
    MADT_LOCAL_APIC = 0,
    MADT_IO_APIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LOCAL_APIC_NMI = 4,
    MADT_ENABLED = 1,
    MADT_LEVEL_HIGH = 0xd,
    MADT_ALL_CPUS = 0xff,
};

static const uint32_t LOCAL_APIC_GPA = 0xfee00000;
static const uint32_t IO_APIC_GPA = 0xfec00000;

/* Where each table went, as an address of the guest; 0: not yet. */
struct addresses {
    uint32_t facs, dsdt, fadt, madt, tpm2, spcr, xsdt;
};

struct tables {
    struct wr w;
    uint32_t gpa; /* of the buffer's start */
};

static uint32_t here(const struct tables *t)
{
    return t->gpa + (uint32_t)(t->w.at - t->w.start);
}

static void zeros(struct wr *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        wr_u8(w, 0);
}

static void align(struct tables *t)
{
    size_t past = (size_t)(t->w.at - t->w.start) % ALIGNMENT;

    zeros(&t->w, past == 0 ? 0 : ALIGNMENT - past);
}

/* What makes the sum of all bytes 0. */
static uint8_t checksum(const uint8_t *bytes, size_t len)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return (uint8_t)-sum;
}

/* @spec ACPI 6.4 5.2.6 */
static uint8_t *table_begin(struct tables *t, const char *signature, uint8_t revision)
{
    struct wr *w = &t->w;
    uint8_t *start;

    align(t);
    start = w->at;
    wr_bytes(w, signature, 4);
    wr_le32(w, 0); /* length: table_end */
    wr_u8(w, revision);
    wr_u8(w, 0); /* checksum: table_end */
    wr_bytes(w, "BULKHD", 6);
    wr_bytes(w, "BULKHEAD", 8);
    wr_le32(w, 1);
    wr_bytes(w, "BLKH", 4);
    wr_le32(w, 1);
    return start;
}

static void table_end(struct tables *t, uint8_t *start)
{
    size_t len = (size_t)(t->w.at - start);
    struct wr length;

    if (t->w.err != 0)
        return;
    length = wr_over(start + LENGTH_OFFSET, 4);
    wr_le32(&length, (uint32_t)len);
    start[CHECKSUM_OFFSET] = checksum(start, len);
}

/* @spec ACPI 6.4 5.2.3.2 (generic address) */
static void gas(struct wr *w, enum gas_space space, uint8_t bytes, uint64_t address)
{
    uint8_t access = bytes == 1 ? 1 : bytes == 2 ? 2 : bytes == 4 ? 3 : 0;

    wr_u8(w, (uint8_t)space);
    wr_u8(w, (uint8_t)(bytes * 8));
    wr_u8(w, 0);
    wr_u8(w, access);
    wr_le64(w, address);
}

static void gas_none(struct wr *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        gas(w, GAS_NONE, 0, 0);
}

/* @spec ACPI 6.4 5.2.10. No header of the usual kind, no checksum. */
static void put_facs(struct tables *t)
{
    struct wr *w = &t->w;

    wr_bytes(w, "FACS", 4);
    wr_le32(w, FACS_BYTES);
    zeros(w, 24);
    wr_u8(w, 2); /* version */
    zeros(w, 31);
}

static void fadt_ports(struct wr *w)
{
    wr_le32(w, ACPI_PM1_EVENT_PORT);
    wr_le32(w, 0);
    wr_le32(w, ACPI_PM1_CONTROL_PORT);
    wr_le32(w, 0);
    wr_le32(w, 0); /* no PM2 */
    wr_le32(w, ACPI_PM_TIMER_PORT);
    zeros(w, 8); /* no general-purpose events */
    wr_u8(w, 4); /* lengths: PM1 event, PM1 control, PM2, timer */
    wr_u8(w, 2);
    wr_u8(w, 0);
    wr_u8(w, 4);
    zeros(w, 4); /* of general-purpose events; C states */
}

static void fadt_wide_ports(struct wr *w)
{
    gas(w, GAS_IO, 4, ACPI_PM1_EVENT_PORT);
    gas_none(w, 1);
    gas(w, GAS_IO, 2, ACPI_PM1_CONTROL_PORT);
    gas_none(w, 2);
    gas(w, GAS_IO, 4, ACPI_PM_TIMER_PORT);
    gas_none(w, 4); /* general-purpose events; sleep control and status */
    zeros(w, 8);    /* hypervisor vendor */
}

/* @spec ACPI 6.4 5.2.9 */
static void put_fadt(struct tables *t, const struct addresses *a)
{
    struct wr *w = &t->w;
    uint8_t *start = table_begin(t, "FACP", 6);

    wr_le32(w, a->facs);
    wr_le32(w, a->dsdt);
    wr_u8(w, 0);
    wr_u8(w, 4); /* profile: enterprise server */
    wr_le16(w, ACPI_SCI_IRQ);
    zeros(w, 8); /* no SMI command port: ACPI is always on */
    fadt_ports(w);
    wr_le16(w, 0xffff); /* latency of C2, C3: none */
    wr_le16(w, 0xffff);
    zeros(w, 9); /* cache flushing, duty cycle, alarm days, century: none */
    wr_le16(w, BOOT_ARCH_LEGACY_DEVICES | BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_ASPM);
    wr_u8(w, 0);
    wr_le32(w, FADT_WBINVD | FADT_PROC_C1 | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON |
                   FADT_NO_RTC_WAKE | FADT_TIMER_32_BITS | FADT_RESET_REGISTER);
    gas(w, GAS_IO, 1, ACPI_RESET_PORT);
    wr_u8(w, ACPI_RESET_VALUE);
    wr_le16(w, 0); /* Arm */
    wr_u8(w, 4);   /* minor version */
    wr_le64(w, 0); /* the FACS' address is above, and must be in one place only */
    wr_le64(w, a->dsdt);
    fadt_wide_ports(w);
    table_end(t, start);
}

static void madt_cpus(struct wr *w, unsigned n_vcpus)
{
    for (unsigned i = 0; i < n_vcpus; i++) {
        wr_u8(w, MADT_LOCAL_APIC);
        wr_u8(w, 8);
        wr_u8(w, (uint8_t)i); /* ACPI's number of it */
        wr_u8(w, (uint8_t)i); /* APIC id */
        wr_le32(w, MADT_ENABLED);
    }
    wr_u8(w, MADT_LOCAL_APIC_NMI);
    wr_u8(w, 6);
    wr_u8(w, MADT_ALL_CPUS);
    wr_le16(w, 0);
    wr_u8(w, 1); /* LINT1 */
}

/*
 * Every ISA interrupt is the I/O APIC pin of its own number, the timer's too: the kvm backend
 * keeps the kernel's default routing, so there is no override from 0 to 2 as on a PC.
 *
 * @spec ACPI 6.4 5.2.12
 */
static void put_madt(struct tables *t, unsigned n_vcpus)
{
    struct wr *w = &t->w;
    uint8_t *start = table_begin(t, "APIC", 5);

    wr_le32(w, LOCAL_APIC_GPA);
    wr_le32(w, MADT_PCAT_COMPAT);
    wr_u8(w, MADT_IO_APIC);
    wr_u8(w, 12);
    wr_u8(w, 0); /* id */
    wr_u8(w, 0);
    wr_le32(w, IO_APIC_GPA);
    wr_le32(w, 0); /* its first interrupt */
    wr_u8(w, MADT_OVERRIDE);
    wr_u8(w, 10);
    wr_u8(w, 0); /* ISA */
    wr_u8(w, ACPI_SCI_IRQ);
    wr_le32(w, ACPI_SCI_IRQ);
    wr_le16(w, MADT_LEVEL_HIGH);
    madt_cpus(w, n_vcpus);
    table_end(t, start);
}

/* @spec TCG ACPI 1.2 7.3 */
static void put_tpm2(struct tables *t)
{
    struct wr *w = &t->w;
    uint8_t *start = table_begin(t, "TPM2", 4);

    wr_le16(w, 0); /* platform class: client */
    wr_le16(w, 0);
    wr_le64(w, ACPI_TPM_CONTROL_AREA);
    wr_le32(w, 7); /* start method: command response buffer */
    zeros(w, 12);  /* its parameters: none */
    wr_le32(w, 0); /* event log: none */
    wr_le64(w, 0);
    table_end(t, start);
}

/* @spec Microsoft SPCR 1.02 */
static void put_spcr(struct tables *t)
{
    struct wr *w = &t->w;
    uint8_t *start = table_begin(t, "SPCR", 2);

    wr_u8(w, 0); /* 16550 */
    zeros(w, 3);
    gas(w, GAS_IO, 1, 0x3f8);
    wr_u8(w, 3);   /* interrupts: 8259 and I/O APIC */
    wr_u8(w, 4);   /* 8259 */
    wr_le32(w, 4); /* I/O APIC */
    wr_u8(w, 7);   /* 115200 */
    wr_u8(w, 0);   /* no parity */
    wr_u8(w, 1);   /* one stop bit */
    wr_u8(w, 0);   /* no flow control */
    wr_u8(w, 3);   /* ANSI terminal */
    wr_u8(w, 0);
    wr_le16(w, 0xffff); /* not a PCI device */
    wr_le16(w, 0xffff);
    zeros(w, 12);
    table_end(t, start);
}

/* @spec ACPI 6.4 5.2.8 */
static void put_xsdt(struct tables *t, const struct addresses *a)
{
    struct wr *w = &t->w;
    uint8_t *start = table_begin(t, "XSDT", 1);

    wr_le64(w, a->fadt); /* the FADT has to be the first */
    wr_le64(w, a->madt);
    wr_le64(w, a->tpm2);
    wr_le64(w, a->spcr);
    table_end(t, start);
}

/* @spec ACPI 6.4 5.2.5.3 */
static int put_rsdp(void *buf, size_t room, uint32_t xsdt)
{
    struct wr w = wr_over(buf, room < RSDP_BYTES ? room : RSDP_BYTES);
    uint8_t *bytes = buf;
    size_t len;
    int r;

    wr_bytes(&w, "RSD PTR ", 8);
    wr_u8(&w, 0); /* checksum of the first part */
    wr_bytes(&w, "BULKHD", 6);
    wr_u8(&w, 2);   /* revision */
    wr_le32(&w, 0); /* no RSDT */
    wr_le32(&w, RSDP_BYTES);
    wr_le64(&w, xsdt);
    zeros(&w, 4); /* checksum of all; reserved */
    r = wr_finish(&w, &len);
    if (r < 0)
        return r;
    bytes[8] = checksum(bytes, RSDP_V1_BYTES);
    bytes[32] = checksum(bytes, RSDP_BYTES);
    return 0;
}

int acpi_build(uint32_t gpa, unsigned n_vcpus, void *buf, size_t room, size_t *ret_len)
{
    struct tables t = {.w = wr_over(buf, room), .gpa = gpa};
    struct addresses a = {0};
    size_t len;
    int r;

    zeros(&t.w, RSDP_BYTES); /* comes last: it needs to know where the XSDT is */
    align(&t);
    a.facs = here(&t);
    put_facs(&t);
    a.dsdt = here(&t);
    wr_bytes(&t.w, dsdt_aml, dsdt_aml_len);
    align(&t);
    a.fadt = here(&t);
    put_fadt(&t, &a);
    align(&t);
    a.madt = here(&t);
    put_madt(&t, n_vcpus);
    align(&t);
    a.tpm2 = here(&t);
    put_tpm2(&t);
    align(&t);
    a.spcr = here(&t);
    put_spcr(&t);
    align(&t);
    a.xsdt = here(&t);
    put_xsdt(&t, &a);
    r = wr_finish(&t.w, &len);
    if (r == 0)
        r = put_rsdp(buf, room, a.xsdt);
    if (r < 0)
        return r;
    *ret_len = len;
    return 0;
}
