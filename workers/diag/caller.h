/*
 * workers/diag/caller.h - who asks, and what whoever asks may: one table for all that can be asked.
 */
#pragma once

#include <stdbool.h>

#include "admin.pb-c.h"
#include "ipc/audit.h"

enum {
    RULE_TEXT_BYTES = 128,
};

struct caller {
    enum role role;
    bool remote;
    char name[AUDIT_WHO_BYTES]; /* printable */
};

struct rule {
    const char *name;  /* of the call, for operators */
    enum role role;    /* that it takes, at least */
    bool confidential; /* allowed of a confidential VM, too */
    bool is_deed;      /* it changes something, or shows what is the guest's: enum audit_ring */
};

/* NULL: there is no such call. */
const struct rule *rule_of(Bulkhead__AdminCall__Verb verb);

/* AUDIT_ALLOWED, AUDIT_ROLE or AUDIT_CONFIDENTIAL. */
enum decision rule_judge(const struct rule *rule, enum role role, bool confidential);

/* What whoever may not is told. */
void rule_refusal(const struct rule *rule, enum decision decision, char ret[RULE_TEXT_BYTES]);
