#include "workers/diag/caller.h"

#include <stddef.h>
#include <stdio.h>

#include "base/macro.h"

/* What is not here, nobody may. A list of revoked certificates anybody may bring: their authority has signed it. */
static const struct rule rules[] = {
    [BULKHEAD__ADMIN_CALL__VERB__PS] = {"ps",        ROLE_VIEWER,   true,  false},
    [BULKHEAD__ADMIN_CALL__VERB__INSPECT] = {"inspect",   ROLE_VIEWER,   true,  false},
    [BULKHEAD__ADMIN_CALL__VERB__LOGS] = {"logs",      ROLE_OPERATOR, true,  false},
    [BULKHEAD__ADMIN_CALL__VERB__RESTART] = {"restart",   ROLE_OPERATOR, true,  true },
    [BULKHEAD__ADMIN_CALL__VERB__REVIVE] = {"revive",    ROLE_OPERATOR, true,  true },
    [BULKHEAD__ADMIN_CALL__VERB__DISK] = {"disk",      ROLE_OPERATOR, true,  true },
    [BULKHEAD__ADMIN_CALL__VERB__LINK] = {"link",      ROLE_OPERATOR, true,  true },
    [BULKHEAD__ADMIN_CALL__VERB__CAPTURE] = {"pcap",      ROLE_DEBUGGER, false, true },
    [BULKHEAD__ADMIN_CALL__VERB__EVENTS] = {"events",    ROLE_VIEWER,   true,  false},
    [BULKHEAD__ADMIN_CALL__VERB__CRASHES] = {"crashes",   ROLE_OPERATOR, true,  false},
    [BULKHEAD__ADMIN_CALL__VERB__TRACE] = {"trace",     ROLE_OPERATOR, false, false},
    [BULKHEAD__ADMIN_CALL__VERB__METRICS] = {"metrics",   ROLE_VIEWER,   true,  false},
    [BULKHEAD__ADMIN_CALL__VERB__AUDIT] = {"audit",     ROLE_OPERATOR, true,  false},
    [BULKHEAD__ADMIN_CALL__VERB__PAUSE] = {"pause",     ROLE_DEBUGGER, false, true },
    [BULKHEAD__ADMIN_CALL__VERB__RESUME] = {"resume",    ROLE_DEBUGGER, false, true },
    [BULKHEAD__ADMIN_CALL__VERB__REGISTERS] = {"registers", ROLE_DEBUGGER, false, true },
    [BULKHEAD__ADMIN_CALL__VERB__DUMP] = {"dump",      ROLE_DEBUGGER, false, true },
    [BULKHEAD__ADMIN_CALL__VERB__LOG_LEVEL] = {"log-level", ROLE_OPERATOR, true,  true },
    [BULKHEAD__ADMIN_CALL__VERB__GDB] = {"gdb",       ROLE_DEBUGGER, false, true },
    [BULKHEAD__ADMIN_CALL__VERB__REVOCATIONS] = {"pki push",  ROLE_VIEWER,   true,  true },
};

const struct rule *rule_of(Bulkhead__AdminCall__Verb verb)
{
    if ((unsigned)verb >= COUNT_OF(rules) || rules[verb].name == NULL)
        return NULL;
    return &rules[verb];
}

enum decision rule_judge(const struct rule *rule, enum role role, bool confidential)
{
    if (role < rule->role)
        return AUDIT_ROLE;
    return confidential && !rule->confidential ? AUDIT_CONFIDENTIAL : AUDIT_ALLOWED;
}

void rule_refusal(const struct rule *rule, enum decision decision, char ret[RULE_TEXT_BYTES])
{
    if (decision == AUDIT_ROLE)
        (void)snprintf(ret, RULE_TEXT_BYTES, "%s is for the role %s and above", rule->name,
                       audit_role_name(rule->role));
    else
        (void)snprintf(ret, RULE_TEXT_BYTES, "%s is closed on a confidential VM", rule->name);
}
