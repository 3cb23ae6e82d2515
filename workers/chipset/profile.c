#include "base/macro.h"
#include "base/sandbox.h"

static const struct sbx_rule rules[] = {
    {"exit_group", SBX_ANY, 0, 0, SBX_RUN, "worker_main: leave"},
};

extern const struct sbx_profile sbx_profile_chipset;
const struct sbx_profile sbx_profile_chipset = {
    .name = "chipset",
    .rules = rules,
    .n_rules = COUNT_OF(rules),
};
