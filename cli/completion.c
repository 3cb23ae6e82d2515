#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/say.h"
#include "ipc/manifest.h"

/*
 * What stays the same for any table: which word is looked at, and how its kind is completed. A word
 * after an equals sign is a word of its own to bash.
 */
static const char before[] =
    "# bash completion for bulkhead, made by `bulkhead completion bash`\n"
    "# shellcheck shell=bash\n"
    "\n"
    "_bulkhead_vms() {\n"
    "    local socket\n"
    "    for socket in /run/bulkhead/*.sock \"${XDG_RUNTIME_DIR:-/run}\"/bulkhead/*.sock; do\n"
    "        [[ ! -S $socket ]] || { socket=${socket##*/} && printf '%s\\n' \"${socket%.sock}\"; }\n"
    "    done\n"
    "}\n"
    "\n"
    "_bulkhead_complete() { # CURRENT KIND [WORD]...\n"
    "    case $2 in\n"
    "        files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$1\") ;;\n"
    "        folders) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$1\") ;;\n"
    "        vms) mapfile -t COMPREPLY < <(compgen -W \"$(_bulkhead_vms)\" -- \"$1\") ;;\n"
    "        words) mapfile -t COMPREPLY < <(compgen -W \"${*:3}\" -- \"$1\") ;;\n"
    "    esac\n"
    "}\n";

static const char after[] =
    "_bulkhead() {\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} kind=() n=0 i\n"
    "    COMPREPLY=()\n"
    "    if ((COMP_CWORD == 1)); then\n"
    "        _bulkhead_complete \"$current\" words \"${_bulkhead_commands[@]}\"\n"
    "        return\n"
    "    fi\n"
    "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
    "        if _bulkhead_value \"$command\" \"${COMP_WORDS[i]}\"; then\n"
    "            i=$((i + 1))\n"
    "            [[ ${COMP_WORDS[i]} != '=' ]] || ((i == COMP_CWORD)) || i=$((i + 1))\n"
    "        elif [[ ${COMP_WORDS[i]} != -* ]]; then\n"
    "            n=$((n + 1))\n"
    "        fi\n"
    "    done\n"
    "    [[ $current != '=' ]] || current=''\n"
    "    if ((i > COMP_CWORD)); then\n"
    "        _bulkhead_value \"$command\" \"${COMP_WORDS[COMP_CWORD - 1]}\" ||\n"
    "            _bulkhead_value \"$command\" \"${COMP_WORDS[COMP_CWORD - 2]}\" || true\n"
    "    elif [[ $current == -* ]]; then\n"
    "        _bulkhead_options \"$command\"\n"
    "    else\n"
    "        _bulkhead_target \"$command\" \"$n\"\n"
    "    fi\n"
    "    ((${#kind[@]} == 0)) || _bulkhead_complete \"$current\" \"${kind[@]}\"\n"
    "}\n"
    "\n"
    "complete -F _bulkhead bulkhead\n";

/* "a|b" as "a b"; a bracket around it, or the end of the word, ends it. */
static void put_choices(const char *text)
{
    for (const char *c = text; strchr("] ", *c) == NULL; c++) {
        if (*c != '[')
            (void)putchar(*c == '|' ? ' ' : *c);
    }
}

static void put_commands(void)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        (void)printf("%s%s", c == commands ? "" : " ", c->name);
}

/* The supervisor has log lines, and is replaced with nothing. */
static void put_processes(bool supervisor)
{
    bool first = true;

    for (size_t i = 0; i < PROCESS_COUNT; i++) {
        if (manifest[i].program == NULL || (i == PROCESS_SUPERVISOR && !supervisor))
            continue;
        (void)printf("%s%s", first ? "" : " ", manifest[i].name);
        first = false;
    }
}

/* --- values of options --- */

static void put_kind(const struct option_row *row)
{
    switch (row->kind) {
    case OPTION_CHOICE:
    case OPTION_NUMBERS:
        (void)printf("words ");
        put_choices(row->value);
        break;
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_PATHS:
    case OPTION_DISKS:
        if (strcmp(row->name, "name") == 0)
            (void)printf("vms");
        else if (strcmp(row->value, "DIR") == 0)
            (void)printf("folders");
        else if (row->kind != OPTION_TEXT || strcmp(row->value, "FILE") == 0)
            (void)printf("files");
        break;
    case OPTION_FLAG:
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_TEXTS:
    case OPTION_PAIRS:
    case OPTION_NETS:
        break;
    }
}

static void put_values(const struct command *c)
{
    for (size_t i = 0; i < c->n_options; i++) {
        const struct option_row *row = &c->options[i];

        if (row->kind == OPTION_FLAG)
            continue;
        (void)printf("        '%s --%s'", c->name, row->name);
        if (row->letter != 0)
            (void)printf(" | '%s -%c'", c->name, row->letter);
        (void)printf(") kind=(");
        put_kind(row);
        (void)printf(") ;;\n");
    }
}

static void put_all_values(void)
{
    (void)printf(
        "\n_bulkhead_value() { # COMMAND WORD; is it an option with a value, and of what kind?\n"
        "    kind=()\n    case \"$1 $2\" in\n");
    for (const struct command *c = commands; c->name != NULL; c++)
        put_values(c);
    (void)printf("        *) return 1 ;;\n    esac\n}\n");
}

/* --- options and targets --- */

static void put_all_options(void)
{
    (void)printf("\n_bulkhead_options() { # COMMAND\n    case $1 in\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        (void)printf("        %s) kind=(words", c->name);
        for (size_t i = 0; i < c->n_options; i++)
            (void)printf(" --%s", c->options[i].name);
        (void)printf(" --help) ;;\n");
    }
    (void)printf("    esac\n}\n");
}

static void put_target(const struct command *c, int n, const char *word)
{
    size_t len = strcspn(word, " ");

    (void)printf("        '%s %d') kind=(", c->name, n);
    if (memchr(word, '|', len) != NULL) {
        (void)printf("words ");
        put_choices(word);
    } else if (strstr(word, "WORKER") != NULL) {
        (void)printf("words ");
        put_processes(word[0] == '[');
    } else if (strstr(word, "COMMAND") != NULL) {
        (void)printf("words ");
        put_commands();
    } else if (strstr(word, "DISK") != NULL) {
        (void)printf("files");
    } else if (strstr(word, "bash") != NULL) {
        (void)printf("words bash");
    }
    (void)printf(") ;;\n");
}

static void put_all_targets(void)
{
    (void)printf("\n_bulkhead_target() { # COMMAND N\n    kind=()\n    case \"$1 $2\" in\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        const char *second = c->target == NULL ? NULL : strchr(c->target, ' ');

        if (c->target != NULL)
            put_target(c, 0, c->target);
        if (second != NULL)
            put_target(c, 1, second + 1);
    }
    (void)printf("    esac\n}\n\n");
}

int completion_command(const struct cli_args *args)
{
    if (strcmp(args->target, "bash") != 0)
        return say(EXIT_USAGE, "completion %s: bash is the shell that there is one for",
                   args->target);
    (void)printf("%s\n_bulkhead_commands=(", before);
    put_commands();
    (void)printf(")\n");
    put_all_values();
    put_all_options();
    put_all_targets();
    (void)printf("%s", after);
    return EXIT_OK;
}
