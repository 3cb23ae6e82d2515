/*
 * cli/notify.h - telling the service manager that started us how we are (sd_notify(3)'s protocol).
 *
 * A datagram of lines to the socket that $NOTIFY_SOCKET names. Nobody there: nothing is said.
 */
#pragma once

#include "base/macro.h"

/* Send "READY=1" and the like. 0: it was sent, or nobody wants it; negative errno otherwise. */
int MUST_USE notify_send(const char *fmt, ...) PRINTF_LIKE(1, 2);
