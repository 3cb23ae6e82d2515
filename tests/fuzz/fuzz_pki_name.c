/*
 * tests/fuzz/fuzz_pki_name.c - names, hosts and roles for certificates.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pki_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    enum pki_role role;
    enum pki_host kind;

    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (pki_name_trouble(text) == NULL &&
        (strchr(text, '/') != NULL || *text == '.' || strlen(text) > PKI_NAME_MAX_BYTES))
        abort();
    if (pki_host_kind(text, &kind) == 0 && kind == PKI_HOST_NAME && strpbrk(text, "/ *:,") != NULL)
        abort();
    if (pki_role_of_uri(text, size, &role) == 0 &&
        strcmp(text + strlen(PKI_ROLE_PREFIX), pki_role_text(role)) != 0)
        abort();
    free(text);
    return 0;
}
