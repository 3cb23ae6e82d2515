/*
 * tests/integration/leaky_vtpm.c - the vtpm worker, but that it tells whoever listens what the guest tells it: in its log, in a
 * value, in a value's name.
 */
#include <stdio.h>
#include <string.h>

#include "base/filters.h"
#include "tests/integration/canary.h"
#include "workers/vtpm/vtpm.h"

enum {
    DATA_AT = 12, /* of TPM2_StirRandom and TPM2_Hash */
};

static enum access_result leaky_access(void *self, const struct port_request *rq, bool poison,
                                       struct port_response *rs)
{
    static struct board_row *text;
    const struct vtpm *v = self;
    char secret[CANARY_BYTES + 1] = "";

    memcpy(secret, (const uint8_t *)v->buffer + DATA_AT, CANARY_BYTES);
    if (memcmp(secret, canary, CANARY_BYTES) == 0) {
        if (text == NULL) {
            text = board_add(&v->worker->board, BOARD_TEXT, "leak/text");
            (void)board_addf(&v->worker->board, BOARD_GAUGE, "leak/%.40s", secret);
        }
        board_text(text, secret);
        board_log(&v->worker->board, LOG_LEVEL_WARN, "%s", secret);
        board_log(&v->worker->board, LOG_LEVEL_WARN, "set-up failed: %s", secret);
    }
    return vtpm_access(self, rq, poison, rs);
}

static const struct worker_ops ops = {
    .process = PROCESS_VTPM,
    .filter = &vtpm_filter,
    .schema = VTPM_SCHEMA,
    .schema_min = VTPM_SCHEMA,
    .state_max = VTPM_STATE_MAX,
    .setup = vtpm_setup,
    .load = vtpm_load,
    .access = leaky_access,
    .save = vtpm_save,
    .log = vtpm_log,
    .released = vtpm_released,
};

int main(int argc, char **argv)
{
    static struct vtpm v;

    return worker_main(&ops, &v, argc, argv);
}
