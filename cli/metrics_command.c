#include <stdbool.h>
#include <stdio.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/query.h"

/* What came is printed part by part: the whole may be long. */
int metrics_command(const struct cli_args *args)
{
    Bulkhead__AdminCall call;
    AUTO_FD fd = -1;
    bool done = false;
    int status;

    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__METRICS;
    call.plain = args->plain;
    status = query_begin(args, &call, &fd);
    while (status == 0 && !done) {
        Bulkhead__AdminAnswer *answer;

        status = query_next(fd, &answer);
        if (status != 0)
            break;
        (void)fputs(answer->metrics, stdout);
        done = answer->done != 0;
        bulkhead__admin_answer__free_unpacked(answer, NULL);
    }
    return status;
}
