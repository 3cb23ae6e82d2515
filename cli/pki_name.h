/*
 * cli/pki_name.h - who a certificate is for: an operator's name, a role, a server's host.
 *
 * Parsers: text in, an answer out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"
#include "ipc/audit.h"

enum {
    PKI_NAME_MAX_BYTES = AUDIT_WHO_BYTES - 1, /* what a VM takes: its record has room for as many */
};

/* As --role has them, and the subject alternative name of a client's certificate after the prefix. */
#define PKI_ROLES       "viewer|operator|debugger"
#define PKI_ROLE_PREFIX "urn:bulkhead:role:"

enum pki_role {
    PKI_ROLE_VIEWER,
    PKI_ROLE_OPERATOR,
    PKI_ROLE_DEBUGGER,
    PKI_ROLE_COUNT,
};

const char *pki_role_text(enum pki_role role);

/* The role of a URI of len bytes, which need not be text; -EINVAL: it names none. */
int MUST_USE pki_role_of_uri(const char *uri, size_t len, enum pki_role *ret);

/*
 * NULL: a certificate may have the name, and NAME.pem, NAME-key.pem and NAME.p12 are nobody else's.
 * Otherwise what is wanted instead.
 */
const char *pki_name_trouble(const char *name);

enum pki_host {
    PKI_HOST_NAME,
    PKI_HOST_ADDRESS, /* IPv4 or IPv6 */
};

/* -EINVAL: neither. */
int MUST_USE pki_host_kind(const char *host, enum pki_host *ret);
