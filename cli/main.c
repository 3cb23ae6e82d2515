/*
 * cli/main.c - `bulkhead`: what people use to start a VM and to look after one.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/say.h"

/* `bulkhead --help` and `bulkhead --version` are what people try first. */
static const char *command_name(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return "version";
    return word;
}

/* Whoever keeps what is printed must hear of it when some of it is missing. */
static int after_output(int status)
{
    bool failed = ferror(stdout) != 0;
    int err = fflush(stdout) != 0 ? errno : 0;

    if (status != EXIT_OK || (err == 0 && !failed))
        return status;
    return say(EXIT_FAILED, "stdout: %s",
               err != 0 ? strerror(err) : "not all of it could be written");
}

int main(int argc, char **argv)
{
    const struct command *command;
    struct cli_args args;
    char error[OPTIONS_ERROR_BYTES];
    int r;

    if (argc < 2)
        return say(EXIT_USAGE, "a command is missing: try `bulkhead help`");
    command = command_find(command_name(argv[1]));
    if (command == NULL)
        return say(EXIT_USAGE, "no such command: %s (try `bulkhead help`)", argv[1]);
    r = options_parse(command, argc - 1, argv + 1, &args, error);
    if (r == OPTIONS_HELP) {
        options_help(command, stdout);
        return after_output(EXIT_OK);
    }
    if (r < 0)
        return say(EXIT_USAGE, "%s: %s (try `bulkhead %s --help`)", command->name, error,
                   command->name);
    r = command->run(&args);
    options_done(&args);
    return after_output(r);
}
