/*
 * cli/vtl2_settings.h - disks from a document of OpenHCL's VTL2 settings, in JSON.
 *
 * Each SCSI controller of the document is one of ours, in their order, and each of its LUNs a disk. What
 * the document calls devices, a type, a GUID and a number, are files here: the caller's table says
 * which. What cannot be had is an error where the guest would find other disks, sizes or data than the
 * document says; else it is a note.
 *
 * @spec OpenVMM vtl2_settings.proto and vtl2_settings.namespaces.proto, as JSON by pbjson
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "cli/disk_option.h"
#include "cli/json_file.h"
#include "cli/option.h"
#include "cli/pool.h"

enum {
    VTL2_NOTES_MAX = 32,
};

/* What was read and is not used, one line each. */
struct vtl2_notes {
    const char *at[VTL2_NOTES_MAX];
    size_t n;
};

/*
 * Add the document's disks to the list. 0; -EINVAL: error holds one line that says what is wrong and
 * where. Texts are in the pool.
 */
int MUST_USE vtl2_settings_apply(const struct json_file *f, const struct pair_list *devices,
                                 struct disk_list *disks, struct vtl2_notes *notes,
                                 struct pool *pool, char error[JSON_FILE_ERROR_BYTES]);
