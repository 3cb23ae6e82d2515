#include "workers/diag/tell.h"

#include <string.h>

#include "base/clock.h"
#include "workers/diag/caller.h"
#include "workers/diag/diag.h"
#include "workers/diag/ps.h"

enum {
    API_VERSION = 1,
};

json_t *tell_health(const struct diag *d, const struct caller *caller)
{
    struct ps_row rows[PROCESS_COUNT];
    json_t *ill = json_object();

    (void)caller;
    ps_collect(d->boards[PROCESS_SUPERVISOR], d->boards[PROCESS_INIT], clock_now_ns(), rows);
    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        if (rows[i].present && strcmp(rows[i].state, "running") != 0)
            (void)json_object_set_new(ill, manifest[i].name, json_string(rows[i].state));
    }
    return json_pack("{s:b, s:o}", "healthy", json_object_size(ill) == 0, "processes", ill);
}

json_t *tell_version(const struct diag *d, const struct caller *caller)
{
    (void)d;
    (void)caller;
    return json_pack("{s:s, s:i}", "version", BULKHEAD_VERSION, "api", API_VERSION);
}

json_t *tell_whoami(const struct diag *d, const struct caller *caller)
{
    return json_pack("{s:s, s:s, s:b}", "name", caller->name, "role", audit_role_name(caller->role),
                     "confidential", d->confidential);
}
