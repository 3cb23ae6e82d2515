/*
 * ipc/admin_json.h - what operators are told, as JSON: the same over the network and on the command line.
 *
 * Each returns a new reference, or NULL when there is no memory.
 */
#pragma once

#include <jansson.h>

#include "admin.pb-c.h"
#include "ipc/audit.h"

json_t *admin_process_json(const Bulkhead__ProcessRow *row);

/* The value alone, without its path. */
json_t *admin_value_json(const Bulkhead__ValueRow *row);

json_t *admin_line_json(const Bulkhead__LogRow *row);

json_t *admin_audit_json(const struct audit_record *r);

/* For operators. */
const char *admin_level_name(uint32_t level);
const char *admin_verb_name(unsigned verb);
