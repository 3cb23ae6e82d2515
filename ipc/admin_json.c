#include "ipc/admin_json.h"

#include "base/board.h"

enum {
    HEX_BYTES = 2 * AUDIT_HASH_BYTES + 1,
};

json_t *admin_process_json(const Bulkhead__ProcessRow *p)
{
    return json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:s, s:s, s:s}", "name", p->name, "state",
                     p->state, "pid", p->pid, "generation", (json_int_t)p->generation, "restarts",
                     (json_int_t)p->restarts, "uptime_ms", (json_int_t)p->uptime_ms, "build_id",
                     p->build_id, "last_death", p->last_death, "sandbox", p->sandbox);
}

json_t *admin_value_json(const Bulkhead__ValueRow *row)
{
    return row->is_text ? json_string(row->text) : json_integer((json_int_t)row->number);
}

const char *admin_level_name(uint32_t level)
{
    const char *name = log_level_name(level);

    return name == NULL ? "info" : name;
}

json_t *admin_line_json(const Bulkhead__LogRow *row)
{
    return json_pack("{s:I, s:s, s:I, s:s, s:s}", "time_ns", (json_int_t)row->time_ns, "process",
                     row->process, "generation", (json_int_t)row->generation, "level",
                     admin_level_name(row->level), "text", row->text);
}

/* As the commands are called. */
const char *admin_verb_name(unsigned verb)
{
    static const char *const names[] = {
        [BULKHEAD__ADMIN_CALL__VERB__EVENTS] = "events",
        [BULKHEAD__ADMIN_CALL__VERB__CRASHES] = "crash",
        [BULKHEAD__ADMIN_CALL__VERB__NONE] = "connect",
        [BULKHEAD__ADMIN_CALL__VERB__PS] = "ps",
        [BULKHEAD__ADMIN_CALL__VERB__INSPECT] = "inspect",
        [BULKHEAD__ADMIN_CALL__VERB__LOGS] = "logs",
        [BULKHEAD__ADMIN_CALL__VERB__RESTART] = "restart",
        [BULKHEAD__ADMIN_CALL__VERB__REVIVE] = "revive",
        [BULKHEAD__ADMIN_CALL__VERB__DISK] = "disk",
        [BULKHEAD__ADMIN_CALL__VERB__LINK] = "link",
        [BULKHEAD__ADMIN_CALL__VERB__CAPTURE] = "pcap",
        [BULKHEAD__ADMIN_CALL__VERB__TRACE] = "trace",
        [BULKHEAD__ADMIN_CALL__VERB__AUDIT] = "audit",
        [BULKHEAD__ADMIN_CALL__VERB__METRICS] = "metrics",
        [BULKHEAD__ADMIN_CALL__VERB__PAUSE] = "pause",
        [BULKHEAD__ADMIN_CALL__VERB__RESUME] = "resume",
        [BULKHEAD__ADMIN_CALL__VERB__REGISTERS] = "registers",
        [BULKHEAD__ADMIN_CALL__VERB__DUMP] = "dump",
        [BULKHEAD__ADMIN_CALL__VERB__GDB] = "gdb",
        [BULKHEAD__ADMIN_CALL__VERB__LOG_LEVEL] = "log-level",
        [BULKHEAD__ADMIN_CALL__VERB__REVOCATIONS] = "pki push",
    };

    return verb < sizeof(names) / sizeof(*names) && names[verb] != NULL ? names[verb] : "?";
}

static void hex_of(const uint8_t hash[AUDIT_HASH_BYTES], char ret[HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < AUDIT_HASH_BYTES; i++) {
        ret[2 * i] = digits[hash[i] >> 4];
        ret[2 * i + 1] = digits[hash[i] & 15];
    }
    ret[HEX_BYTES - 1] = '\0';
}

static const char *known(const char *name)
{
    return name != NULL ? name : "?";
}

json_t *admin_audit_json(const struct audit_record *r)
{
    char hash[HEX_BYTES];

    hex_of(r->hash, hash);
    return json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "ring",
                     known(audit_ring_name(r->ring)), "seq", (json_int_t)r->seq, "time_ns",
                     (json_int_t)r->time_ns, "generation", (json_int_t)r->generation, "decision",
                     known(audit_decision_name(r->decision)), "role",
                     known(audit_role_name(r->role)), "via", r->remote != 0 ? "network" : "local",
                     "call", admin_verb_name(r->verb), "who", r->who, "target", r->target, "hash",
                     hash);
}
