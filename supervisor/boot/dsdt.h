/*
 * supervisor/boot/dsdt.h - dsdt.asl, compiled.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

extern const uint8_t dsdt_aml[];
extern const size_t dsdt_aml_len; /* bytes */
