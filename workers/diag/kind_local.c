#include "base/filters.h"
#include "workers/diag/kind.h"

const struct diag_kind diag_kind = {.filter = &diag_filter};
