#include <stdio.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/query.h"

/* Done before, too: whoever asks wants it so, and it is so. */
static int put(const struct cli_args *args, Bulkhead__AdminCall__Verb verb, const char *state)
{
    int status = query_do(args, verb);

    if (status == 0 && args->json)
        json_document(json_pack("{s:s}", "guest", state), stdout);
    else if (status == 0)
        (void)printf("guest: %s\n", state);
    return status;
}

int pause_command(const struct cli_args *args)
{
    return put(args, BULKHEAD__ADMIN_CALL__VERB__PAUSE, "paused");
}

int resume_command(const struct cli_args *args)
{
    return put(args, BULKHEAD__ADMIN_CALL__VERB__RESUME, "running");
}
