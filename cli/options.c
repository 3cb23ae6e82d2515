#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "cli/config_file.h"
#include "cli/json_file.h"
#include "ipc/capture.h"

enum {
    MAX_OPTIONS = 32,
    LONG_BASE = 256, /* getopt's value of row i is LONG_BASE + i, whichever form was written */
    HELP_COLUMN = 30,
};

static const struct cli_args defaults = {
    .name = "vm",
    .append = "",
    .vcpus = 1,
    .memory_bytes = UINT64_C(512) << 20,
    .snaplen = CAPTURE_FRAME_MAX,
    .role = UINT_MAX, /* OPTION_UNSAID */
};

/* What getopt_long() wants, made from the rows. */
struct getopt_tables {
    struct option longs[MAX_OPTIONS + 2];
    char shorts[2 * MAX_OPTIONS + 4];
};

static int wrong(char error[OPTIONS_ERROR_BYTES], const char *fmt, ...) PRINTF_LIKE(2, 3);

static int wrong(char error[OPTIONS_ERROR_BYTES], const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(error, OPTIONS_ERROR_BYTES, fmt, args);
    va_end(args);
    return -EINVAL;
}

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

static void make_tables(const struct command *c, struct getopt_tables *t)
{
    size_t n_shorts = 0;

    *t = (struct getopt_tables){0};
    t->shorts[n_shorts++] = ':'; /* tell a missing value from an unknown option */
    t->shorts[n_shorts++] = 'h';
    for (size_t i = 0; i < c->n_options && i < MAX_OPTIONS; i++) {
        const struct option_row *row = &c->options[i];
        bool has_value = row->kind != OPTION_FLAG;

        t->longs[i] = (struct option){.name = row->name,
                                      .has_arg = has_value ? required_argument : no_argument,
                                      .val = LONG_BASE + (int)i};
        if (row->letter == 0)
            continue;
        t->shorts[n_shorts++] = row->letter;
        if (has_value)
            t->shorts[n_shorts++] = ':';
    }
    t->longs[c->n_options] = (struct option){.name = "help", .val = 'h'};
}

/* "--NAME VALUE: what is wanted instead". */
static int set_field(const struct option_row *row, const char *text, struct cli_args *args,
                     char *error)
{
    char why[OPTION_WHY_BYTES];
    bool shown = text != NULL && *text != '\0';

    if (option_set(row, text, args, &args->pool, why) == 0)
        return 0;
    return wrong(error, "--%s%s%s: %s", row->name, shown ? " " : "", shown ? text : "", why);
}

static const struct option_row *find_row(const struct command *c, int value)
{
    if (value >= LONG_BASE && (size_t)(value - LONG_BASE) < c->n_options)
        return &c->options[value - LONG_BASE];
    for (size_t i = 0; i < c->n_options; i++) {
        if (c->options[i].letter != 0 && c->options[i].letter == value)
            return &c->options[i];
    }
    return NULL;
}

/* getopt names a long option by where it stands, a short one by its letter. */
static int bad_option(const char *what, char **argv, char *error)
{
    if (optopt > 0 && optopt < LONG_BASE)
        return wrong(error, "%s: -%c", what, optopt);
    return wrong(error, "%s: %s", what, argv[optind - 1]);
}

static int take_target(const struct command *c, int argc, char **argv, struct cli_args *args,
                       char *error)
{
    int n = argc - optind;
    const char *second = c->target == NULL ? NULL : strchr(c->target, ' ');
    int max = c->target == NULL ? 0 : second == NULL ? 1 : 2;
    bool needed = c->target != NULL && c->target[0] != '[';

    if (n > max)
        return wrong(error, "unexpected argument: %s", argv[argc - 1]);
    if (needed && n == 0)
        return wrong(error, "%s is missing", c->target);
    if (second != NULL && n < max && second[1] != '[')
        return wrong(error, "%s is missing", second + 1);
    args->target = n > 0 ? argv[optind] : NULL;
    args->detail = n > 1 ? argv[optind + 1] : NULL;
    return 0;
}

static int parse_words(const struct command *command, int argc, char **argv, struct cli_args *args,
                       char *error)
{
    struct getopt_tables t;
    int value;

    make_tables(command, &t);
    optind = 0; /* start anew: tests parse more than once */
    opterr = 0;
    while ((value = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
        const struct option_row *row;

        if (value == 'h')
            return OPTIONS_HELP;
        if (value == '?')
            return bad_option("unknown option", argv, error);
        if (value == ':')
            return bad_option("this option needs a value", argv, error);
        row = find_row(command, value);
        if (row == NULL || set_field(row, optarg, args, error) < 0)
            return -EINVAL;
    }
    return take_target(command, argc, argv, args, error);
}

static int read_config(const struct command *command, const char *path, struct cli_args *args,
                       char *error)
{
    char why[JSON_FILE_ERROR_BYTES];
    struct json_file f;
    int r = json_file_read(path, &f, why);

    if (r == 0)
        r = config_file_apply(&f, command->options, command->n_options, args, &args->pool, why);
    json_file_done(&f);
    return r < 0 ? wrong(error, "%s", why) : 0;
}

/* The file first, then the words again: what is said there counts. */
static int parse_over_config(const struct command *command, int argc, char **argv, const char *path,
                             struct cli_args *args, char *error)
{
    struct cli_args over = defaults;
    size_t n_disks;
    int r;

    over.pool = args->pool;
    r = read_config(command, path, &over, error);
    n_disks = over.disks.n;
    if (r == 0)
        r = parse_words(command, argc, argv, &over, error);
    disk_option_override(&over.disks, n_disks);
    *args = over;
    return r;
}

int options_parse(const struct command *command, int argc, char **argv, struct cli_args *ret,
                  char error[OPTIONS_ERROR_BYTES])
{
    struct cli_args args = defaults;
    int r = parse_words(command, argc, argv, &args, error);

    if (r == 0 && args.config != NULL)
        r = parse_over_config(command, argc, argv, args.config, &args, error);
    if (r == 0)
        *ret = args;
    else
        pool_done(&args.pool);
    return r;
}

void options_done(struct cli_args *args)
{
    pool_done(&args->pool);
}

static bool has_kind(const struct command *c, enum option_kind kind)
{
    for (size_t i = 0; i < c->n_options; i++) {
        if (c->options[i].kind == kind)
            return true;
    }
    return false;
}

static void help_keys(const char *of, const struct option_row *rows, size_t n_rows, FILE *out)
{
    (void)fprintf(out, "\nkeys of --%s (a comma in a value is written twice):\n", of);
    for (size_t i = 0; i < n_rows; i++) {
        const struct option_row *row = &rows[i];
        int width = fprintf(out, "      %s%s%s", row->name, row->value != NULL ? "=" : "",
                            row->value != NULL ? row->value : "");

        (void)fprintf(out, "%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 2, "", row->help);
    }
}

static void help_row(char letter, const char *name, const char *value, const char *help, FILE *out)
{
    int width = fprintf(out, letter != 0 ? "  -%c, " : "      ", letter);

    width += fprintf(out, "--%s%s%s", name, value != NULL ? " " : "", value != NULL ? value : "");
    (void)fprintf(out, "%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 2, "", help);
}

void options_help(const struct command *command, FILE *out)
{
    (void)fprintf(out, "usage: bulkhead %s%s%s%s\n\n%s\n\noptions:\n", command->name,
                  command->n_options > 0 ? " [OPTION]..." : "", command->target != NULL ? " " : "",
                  command->target != NULL ? command->target : "", command->summary);
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option_row *row = &command->options[i];

        help_row(row->letter, row->name, row->value, row->help, out);
    }
    help_row('h', "help", NULL, "this text", out);
    if (has_kind(command, OPTION_DISKS))
        help_keys("disk", disk_rows, DISK_ROW_COUNT, out);
    if (has_kind(command, OPTION_NETS))
        help_keys("net", net_rows, NET_ROW_COUNT, out);
}
