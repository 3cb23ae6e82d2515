/*
 * tests/fuzz/fuzz_config.c - the packed configuration of a VM.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "init/config.h"
#include "ipc/ram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t max)
{
    size_t len = strlen(text);

    if (len > max)
        abort();
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20)
            abort();
    }
}

static void check_good(const Bulkhead__VmConfig *c)
{
    if (c->vcpus < 1 || c->vcpus > CONFIG_MAX_VCPUS)
        abort();
    if (c->memory_bytes < RAM_MIN_BYTES || c->memory_bytes > RAM_MAX_BYTES ||
        c->memory_bytes % RAM_UNIT_BYTES != 0)
        abort();
    check_text(c->name, CONFIG_MAX_NAME);
    check_text(c->kernel_path, CONFIG_MAX_PATH);
    check_text(c->append, CONFIG_MAX_APPEND);
    check_text(c->operator_socket, CONFIG_MAX_SOCKET);
    if (c->kernel_path[0] == '\0' || c->operator_socket[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(config_freep) Bulkhead__VmConfig *c = NULL;
    struct why why = {0};
    int r = config_parse(data, size, &c, &why);

    if ((r == 0) != (c != NULL) || (r < 0) != (why.text[0] != '\0'))
        abort();
    if (c != NULL)
        check_good(c);
    return 0;
}
