#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/nic_argument.h"
#include "cli/option.h"
#include "cli/options.h"
#include "cli/query.h"
#include "cli/say.h"

static int set(const struct cli_args *args, uint32_t nic)
{
    static const char words[] = "down|up"; /* as numbers: 0, 1 */
    Bulkhead__LinkChange change;
    unsigned up;

    if (option_choice(args->detail, words, &up) < 0)
        return say(EXIT_USAGE, "link %u %s: up or down is wanted", nic, args->detail);
    bulkhead__link_change__init(&change);
    change.nic = nic;
    change.up = up != 0;
    return query_link(args, &change);
}

static int get(const struct cli_args *args, uint32_t nic, char ret[QUERY_TEXT_BYTES])
{
    char path[32];
    int status;

    (void)snprintf(path, sizeof(path), "supervisor/nic%u/link", nic);
    status = query_text(args, false, path, ret);
    if (status != 0 || ret[0] != '\0')
        return status;
    if (nic == 0) /* the first one */
        return say(EXIT_FAILED, "this VM has no NIC");
    return say(EXIT_FAILED, "no NIC of that number: `bulkhead inspect net` shows which there are");
}

int link_command(const struct cli_args *args)
{
    char link[QUERY_TEXT_BYTES];
    uint32_t nic;
    int status = nic_argument("link", args, &nic);

    if (status == 0 && args->detail != NULL)
        status = set(args, nic);
    if (status == 0)
        status = get(args, nic, link);
    if (status == 0 && args->json)
        json_document(json_pack("{s:I, s:s}", "nic", (json_int_t)nic, "link", link), stdout);
    else if (status == 0)
        (void)printf("nic %u: %s\n", nic, link);
    return status;
}
