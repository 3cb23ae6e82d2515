#include "base/filters.h"
#include "workers/diag/https.h"
#include "workers/diag/kind.h"

const struct diag_kind diag_kind = {.filter = &diag_remote_filter, .network = &https_network};
