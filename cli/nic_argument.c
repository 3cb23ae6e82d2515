#include "cli/nic_argument.h"

#include "cli/option.h"
#include "cli/options.h"
#include "cli/say.h"
#include "ipc/nets.h"

int nic_argument(const char *command, const struct cli_args *args, uint32_t *ret)
{
    uint64_t nic;

    if (option_number(args->target, &nic) < 0 || nic >= NETS_MAX)
        return say(
            EXIT_USAGE,
            "%s %s: the number of a NIC is wanted, 0 to %d, as `bulkhead inspect net` has it",
            command, args->target, NETS_MAX - 1);
    *ret = (uint32_t)nic;
    return 0;
}
