/*
 * ipc/records_json.h - events and crashes as JSON; see admin_json.h.
 */
#pragma once

#include <jansson.h>

#include "admin.pb-c.h"

/* What does not apply is not there. */
json_t *admin_event_json(const Bulkhead__EventRow *row);

json_t *admin_crash_json(const Bulkhead__CrashRow *row);
