#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/disks.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/payload_disks.h"
#include "cli/query.h"
#include "cli/say.h"

/* In the order of rows. */
static const char actions[] = "add|remove|resize|insert|eject";

static const struct action_row {
    Bulkhead__DiskChange__Action action;
    const char *done;
    bool with_file;
    bool dvd;
} rows[] = {
    {BULKHEAD__DISK_CHANGE__ACTION__ADD,    "added",    true,  false},
    {BULKHEAD__DISK_CHANGE__ACTION__REMOVE, "removed",  false, false},
    {BULKHEAD__DISK_CHANGE__ACTION__RESIZE, "resized",  false, false},
    {BULKHEAD__DISK_CHANGE__ACTION__INSERT, "inserted", true,  true },
    {BULKHEAD__DISK_CHANGE__ACTION__EJECT,  "ejected",  false, true },
};

/* What the words say, as the message that goes to the VM. */
struct change {
    const struct cli_args *args;
    const struct action_row *row;
    struct disk_list list; /* one */
    struct disks_plan plan;
    struct pool pool;
    Bulkhead__VmConfig disks; /* one */
    int file;
};

static bool names_file(const struct change *c)
{
    const struct disk_option *d = &c->list.at[0];

    return d->file != NULL || d->members.n > 0 || d->format == DISK_OPTION_RAM;
}

static int parse(struct change *c)
{
    char why[OPTION_WHY_BYTES];
    struct disk_option *d;

    if (disk_option_parse(c->args->detail, &c->list, &c->pool, why) < 0)
        return say(EXIT_USAGE, "%s: %s", c->args->detail, why);
    d = &c->list.at[0];
    d->from = c->args->detail;
    if (c->row->dvd)
        d->kind = DISK_OPTION_DVD;
    if (d->lun == DISK_OPTION_ANY_LUN)
        return say(EXIT_USAGE, "%s: say which place it has: lun=N", c->args->detail);
    if (!c->row->with_file && names_file(c))
        return say(EXIT_USAGE, "%s: %s takes a place alone: lun=N or controller=N,lun=N",
                   c->args->detail, c->args->target);
    if (d->members.n > 0 || d->format == DISK_OPTION_RAM)
        return say(EXIT_USAGE, "%s: a stripe, or memory, is there from the start or not at all",
                   c->args->detail);
    if (c->row->action == BULKHEAD__DISK_CHANGE__ACTION__INSERT && d->file == NULL)
        return say(EXIT_USAGE, "%s: the disc's file is missing", c->args->detail);
    return 0;
}

/* Not locked and not exclusive: init will have both. */
static int open_file(struct change *c)
{
    const struct disk_plan *p = &c->plan.at[0];

    if (!c->row->with_file || p->n_files == 0)
        return 0;
    c->file = open(p->paths[0], (p->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
    if (c->file < 0)
        return say(EXIT_FAILED, "%s: %s", p->paths[0], strerror(errno));
    return 0;
}

static int settle(struct change *c)
{
    char error[DISKS_ERROR_BYTES];
    int r;

    if (!c->row->with_file) { /* the place is all that is looked at */
        c->list.at[0].kind = DISK_OPTION_DVD;
        c->list.at[0].block_bytes = 0;
    }
    r = disks_check(c->args->name, &c->list, false, &c->plan, error);
    if (r != 0)
        return say(r, "%s", error);
    bulkhead__vm_config__init(&c->disks);
    if (payload_disks(&c->plan, false, &c->pool, &c->disks) < 0)
        return say(EXIT_FAILED, "%s", strerror(ENOMEM));
    return open_file(c);
}

static int ask(const struct change *c)
{
    Bulkhead__DiskChange change;
    const struct disk_plan *p = &c->plan.at[0];
    int status;

    bulkhead__disk_change__init(&change);
    change.action = c->row->action;
    change.disk = c->disks.disks[0];
    status = query_disk(c->args, &change, c->file);
    if (status == 0 && c->args->json)
        json_document(json_pack("{s:I, s:I, s:s}", "controller", (json_int_t)p->option->controller,
                                "lun", (json_int_t)p->lun, "done", c->args->target),
                      stdout);
    else if (status == 0)
        (void)printf("disk %u:%u: %s\n", (unsigned)p->option->controller, p->lun, c->row->done);
    return status;
}

int disk_command(const struct cli_args *args)
{
    struct change c = {.args = args, .file = -1};
    unsigned which;
    int status;

    if (option_choice(args->target, actions, &which) < 0)
        return say(EXIT_USAGE, "disk %s: one of %s is wanted", args->target, actions);
    c.row = &rows[which];
    status = parse(&c);
    if (status == 0)
        status = settle(&c);
    if (status == 0)
        status = ask(&c);
    disks_done(&c.plan);
    pool_done(&c.pool);
    fd_closep(&c.file);
    return status;
}
