/*
 * supervisor/boot/dsdt.asl - the devices that have no other way to be found.
 *
 * Ports, interrupts and addresses are those of the chipset and vtpm workers; see acpi.h.
 */
DefinitionBlock ("", "DSDT", 2, "BULKHD", "BULKHEAD", 1)
{
    Name (\_S5, Package () { 5, 5, 0, 0 }) // SLP_TYP for power off

    Scope (\_SB)
    {
        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x3F8, 0x3F8, 1, 8)
                IRQ (Edge, ActiveHigh, Exclusive) { 4 }
            })
        }

        Device (COM2)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 2)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x2F8, 0x2F8, 1, 8)
                IRQ (Edge, ActiveHigh, Exclusive) { 3 }
            })
        }

        Device (COM3)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 3)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x3E8, 0x3E8, 1, 8)
                IRQ (Edge, ActiveHigh, Exclusive) { 5 }
            })
        }

        Device (COM4)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 4)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x2E8, 0x2E8, 1, 8)
                IRQ (Edge, ActiveHigh, Exclusive) { 7 }
            })
        }

        Device (RTC)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x70, 0x70, 1, 2)
                IRQ (Edge, ActiveHigh, Exclusive) { 8 }
            })
        }

        Device (TPM)
        {
            Name (_HID, "MSFT0101")
            Name (_STA, 0x0F)
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xFED40000, 0x5000) // registers of five localities
                Memory32Fixed (ReadWrite, 0xFED45000, 0x1000) // command and response
            })
        }

        Device (VMOD) // addresses that VMBus devices may have; none has any so far
        {
            Name (_HID, "ACPI0004")
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0, 0xF8000000, 0xFDFFFFFF, 0, 0x06000000)
            })

            Device (VMBS) // the name is what guests look for, whatever iasl thinks of its length
            {
                Name (_HID, "VMBus")
                Name (_UID, 0)
                Name (_DDN, "VMBUS")
                Name (_STA, 0x0F)
                Name (_CRS, ResourceTemplate () {})
            }
        }

        Device (HVIO) // ports of the hypercall page
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0xE0, 0xE0, 1, 8)
            })
        }

        Device (PEVT) // tells of a guest's panic
        {
            Name (_HID, "QEMU0001")
            Name (_STA, 0x0F)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x505, 0x505, 1, 1)
            })
        }
    }
}
