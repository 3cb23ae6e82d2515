#include "init/rights.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/capability.h>

static const struct {
    cap_value_t cap;
    const char *reason;
} needed[] = {
    {CAP_SYS_ADMIN,  "namespaces and mounts"             },
    {CAP_SETUID,     "a uid for each process"            },
    {CAP_SETGID,     "and a gid"                         },
    {CAP_SETPCAP,    "to give up capabilities for good"  },
    {CAP_KILL,       "to end processes of other uids"    },
    {CAP_SYS_PTRACE, "to look at a jail from outside"    },
    {CAP_SYS_NICE,   "to place workers beside their vCPU"},
};

static bool has(cap_t caps, cap_value_t cap)
{
    cap_flag_value_t value = CAP_CLEAR;

    return cap_get_flag(caps, cap, CAP_EFFECTIVE, &value) == 0 && value == CAP_SET;
}

int rights_check(struct why *why)
{
    cap_t caps = cap_get_proc();
    int r = caps == NULL ? why_errno(why, -errno, "its own capabilities") : 0;

    for (size_t i = 0; r == 0 && i < COUNT_OF(needed); i++) {
        char *name;

        if (has(caps, needed[i].cap))
            continue;
        name = cap_to_name(needed[i].cap);
        r = why_say(why, -EPERM, "%s is missing (%s): start it as root", name == NULL ? "?" : name,
                    needed[i].reason);
        (void)cap_free(name);
    }
    if (caps != NULL)
        (void)cap_free(caps);
    return r;
}
