/*
 * tests/fakes/cmos_registers.h - the clock's registers and bits, as a guest names them.
 *
 * @spec MC146818 registers
 */
#pragma once

enum {
    SECONDS = 0x00,
    SECONDS_ALARM = 0x01,
    MINUTES = 0x02,
    MINUTES_ALARM = 0x03,
    HOURS = 0x04,
    HOURS_ALARM = 0x05,
    A = 0x0a,
    B = 0x0b,
    C = 0x0c,
    A_NO_RATE = 0x20,
    B_SET = 0x80,
    UF = 0x10, /* register C; the same bits of register B enable them */
    AF = 0x20,
    PF = 0x40,
    IRQF = 0x80,
};
