/*
 * supervisor/admin.h - what operators ask for through diag: restart, revive, changes of disks and links,
 * captures, and debuggers.
 */
#pragma once

#include "supervisor/registry.h"

/* Handle an AdminRequest from diag; the binary that may come along is taken. */
int admin_request(struct registry *reg, struct channel_msg *m);

/* Tell the operator what init says of the change of a disk. -EPROTO: nobody asked. */
int admin_disk_changed(struct registry *reg, const Bulkhead__DiskChanged *changed);

/* Tell diag; "" is success. session is of a debugger's answer, else 0. */
void admin_answer_session(struct registry *reg, uint32_t tag, const char *text, uint32_t session);

/* Tell the operator who waits for this row's replacement, if any; "" is success. */
void admin_finish(struct registry *reg, struct registry_row *row, const char *error);
