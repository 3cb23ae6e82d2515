/*
 * cli/audit_command.c - `bulkhead audit`: who asked what of a VM, and whether the record is whole.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin.pb-c.h"
#include "base/clock.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/operator.h"
#include "cli/options.h"
#include "cli/query.h"
#include "cli/say.h"
#include "ipc/admin_json.h"

struct reading {
    const struct cli_args *args;
    struct audit_record before[AUDIT_RINGS]; /* the last one of each; seq 0: there was none */
    uint64_t n;
    struct audit_record broken; /* the first that does not follow the one before; seq 0: none */
};

static void print(const struct audit_record *r)
{
    time_t seconds = (time_t)(r->time_ns / NS_PER_S);
    const char *decision = audit_decision_name(r->decision);
    const char *role = audit_role_name(r->role);
    char when[32];
    struct tm tm;

    (void)strftime(when, sizeof(when), "%F %T", localtime_r(&seconds, &tm));
    (void)printf("%s %6" PRIu64 "  %s  %-8s %-10s %-7s %-10s %-24s %s\n", audit_ring_name(r->ring),
                 r->seq, when, role != NULL ? role : "?", r->who[0] != '\0' ? r->who : "-",
                 r->remote != 0 ? "network" : "local", admin_verb_name(r->verb), r->target,
                 decision != NULL ? decision : "?");
}

static void clean(char *text, size_t size)
{
    text[size - 1] = '\0';
    operator_clean(text);
}

static int take(struct reading *rd, const ProtobufCBinaryData *bytes)
{
    struct audit_record r, *before;

    if (bytes->len != sizeof(r))
        return say(EXIT_FAILED, "the VM's answer makes no sense");
    memcpy(&r, bytes->data, sizeof(r));
    if (r.ring >= AUDIT_RINGS)
        return say(EXIT_FAILED, "the VM's answer makes no sense");
    before = &rd->before[r.ring];
    if ((before->seq != 0 || r.seq == 1) && rd->broken.seq == 0 &&
        !audit_follows(before->seq != 0 ? before : NULL, &r))
        rd->broken = r;
    *before = r;
    rd->n++;
    clean(r.who, sizeof(r.who));
    clean(r.target, sizeof(r.target));
    if (rd->args->json)
        json_line(admin_audit_json(&r), stdout);
    else if (!rd->args->verify)
        print(&r);
    return 0;
}

static int read_all(struct reading *rd, int fd)
{
    int status = 0;
    bool done = false;

    while (status == 0 && !done) {
        Bulkhead__AdminAnswer *a;

        status = query_next(fd, &a);
        if (status != 0)
            return status;
        for (size_t i = 0; status == 0 && i < a->n_audit; i++)
            status = take(rd, &a->audit[i]);
        done = a->done != 0;
        bulkhead__admin_answer__free_unpacked(a, NULL);
    }
    return status;
}

static int judge(const struct reading *rd)
{
    if (rd->broken.seq != 0)
        return say(EXIT_FAILED,
                   "record %s %" PRIu64 " does not follow the one before: the record was changed",
                   audit_ring_name(rd->broken.ring), rd->broken.seq);
    if (!rd->args->json)
        (void)printf("%" PRIu64 " records, up to number %" PRIu64 " of what was done, %" PRIu64
                     " of the rest: each follows the one before\n",
                     rd->n, rd->before[AUDIT_DONE].seq, rd->before[AUDIT_SEEN].seq);
    return EXIT_OK;
}

int audit_command(const struct cli_args *args)
{
    struct reading rd = {.args = args};
    Bulkhead__AdminCall call;
    AUTO_FD fd = -1;
    int status;

    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__AUDIT;
    status = query_begin(args, &call, &fd);
    if (status == 0)
        status = read_all(&rd, fd);
    return status == 0 && args->verify ? judge(&rd) : status;
}
