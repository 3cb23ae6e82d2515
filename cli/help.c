#include <stdio.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/say.h"

static void list_commands(void)
{
    (void)printf("usage: bulkhead COMMAND [OPTION]...\n\ncommands:\n");
    for (const struct command *c = commands; c->name != NULL; c++)
        (void)printf("  %-10s %s\n", c->name, c->summary);
    (void)printf("\n`bulkhead COMMAND --help` tells more, bulkhead(1) all.\n");
}

int help_command(const struct cli_args *args)
{
    const struct command *c;

    if (args->target == NULL) {
        list_commands();
        return EXIT_OK;
    }
    c = command_find(args->target);
    if (c == NULL)
        return say(EXIT_USAGE, "no such command: %s", args->target);
    options_help(c, stdout);
    return EXIT_OK;
}

int version_command(const struct cli_args *args)
{
    (void)args;
    (void)printf("bulkhead %s\n", BULKHEAD_VERSION);
    return EXIT_OK;
}
