#include <stdbool.h>

#include "cli/commands.h"
#include "cli/option.h"
#include "cli/options.h"
#include "cli/pki_name.h"
#include "cli/pki_verbs.h"
#include "cli/say.h"

/* In the order of rows. */
static const char verbs[] = "init|issue|revoke|push|list";

static const struct verb_row {
    int (*run)(const struct cli_args *args);
    bool with_name;
    bool with_hosts;
    bool with_role; /* and what else a new certificate has */
    bool with_vm;
} rows[] = {
    {pki_init,   false, true,  false, false},
    {pki_issue,  true,  false, true,  false},
    {pki_revoke, true,  false, false, false},
    {pki_push,   false, false, false, true },
    {pki_list,   false, false, false, false},
};

static int check_name(const struct cli_args *args, const struct verb_row *row)
{
    const char *trouble;

    if (!row->with_name)
        return args->detail == NULL
                   ? 0
                   : say(EXIT_USAGE, "pki %s: unexpected argument: %s", args->target, args->detail);
    if (args->detail == NULL)
        return say(EXIT_USAGE, "pki %s: NAME is missing", args->target);
    trouble = pki_name_trouble(args->detail);
    return trouble == NULL ? 0
                           : say(EXIT_USAGE, "pki %s %s: %s", args->target, args->detail, trouble);
}

static int check_options(const struct cli_args *args, const struct verb_row *row)
{
    const char *extra = NULL;

    if (!row->with_hosts && args->hosts.n > 0)
        extra = "host";
    if (!row->with_role && args->role != OPTION_UNSAID)
        extra = "role";
    if (!row->with_role && args->days != 0)
        extra = "days";
    if (!row->with_role && args->password_file != NULL)
        extra = "password-file";
    if (!row->with_vm && args->connect != NULL)
        extra = "connect";
    if (!row->with_vm && args->identity != NULL)
        extra = "identity";
    if (!row->with_vm && args->socket != NULL)
        extra = "socket";
    if (extra != NULL)
        return say(EXIT_USAGE, "pki %s: --%s has no meaning there", args->target, extra);
    if (row->with_role && args->role == OPTION_UNSAID)
        return say(EXIT_USAGE, "pki %s: --role is missing: one of %s", args->target, PKI_ROLES);
    return 0;
}

int pki_command(const struct cli_args *args)
{
    unsigned which;
    int status;

    if (option_choice(args->target, verbs, &which) < 0)
        return say(EXIT_USAGE, "pki %s: one of %s is wanted", args->target, verbs);
    status = check_name(args, &rows[which]);
    if (status == 0)
        status = check_options(args, &rows[which]);
    return status != 0 ? status : rows[which].run(args);
}
