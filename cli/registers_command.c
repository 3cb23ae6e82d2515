#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/query.h"
#include "cli/say.h"

enum {
    TEXT_MAX = 256 * 1024, /* of all vCPUs; more is no answer */
    COLUMNS = 3,
};

/* What comes, up to its end. */
static int collect(int fd, char *text, size_t *ret_len)
{
    bool done = false;
    int status = 0;

    *ret_len = 0;
    while (status == 0 && !done) {
        Bulkhead__AdminAnswer *a = NULL;

        status = query_next(fd, &a);
        if (status != 0)
            break;
        if (a->data.len > TEXT_MAX - *ret_len)
            status = say(EXIT_FAILED, "the VM's answer is too long to make sense");
        else if (a->data.len > 0)
            memcpy(text + *ret_len, a->data.data, a->data.len);
        *ret_len += a->data.len;
        done = a->done;
        bulkhead__admin_answer__free_unpacked(a, NULL);
    }
    return status;
}

/* Values are 0x and digits, or they are not shown: they come from a process that may have been taken over. */
static bool is_number(const char *text)
{
    return text != NULL && strncmp(text, "0x", 2) == 0 && strlen(text) <= 18 &&
           text[2 + strspn(text + 2, "0123456789abcdef")] == '\0';
}

static bool is_name(const char *text)
{
    return strlen(text) <= 8 && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void show_vcpu(json_t *vcpu)
{
    unsigned n = 0;
    const char *name;
    json_t *value;

    (void)printf("vCPU %lld\n", (long long)json_integer_value(json_object_get(vcpu, "vcpu")));
    json_object_foreach(vcpu, name, value)
    {
        const char *text = json_string_value(value);

        if (!is_number(text) || !is_name(name))
            continue;
        n++;
        (void)printf("  %-8s%-18s%s", name, text, n % COLUMNS == 0 ? "\n" : "");
    }
    if (n % COLUMNS != 0)
        (void)printf("\n");
}

static bool makes_sense(json_t *list)
{
    size_t i;
    json_t *vcpu;

    json_array_foreach(list, i, vcpu)
    {
        if (!json_is_integer(json_object_get(vcpu, "vcpu")))
            return false;
    }
    return json_is_array(list);
}

static int show(const struct cli_args *args, const char *text, size_t len)
{
    json_t *list = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    size_t i;
    json_t *vcpu;

    if (!makes_sense(list)) {
        json_decref(list);
        return say(EXIT_FAILED, "the VM's answer makes no sense");
    }
    if (args->json) {
        json_document(list, stdout);
        return EXIT_OK;
    }
    json_array_foreach(list, i, vcpu) show_vcpu(vcpu);
    json_decref(list);
    return EXIT_OK;
}

int registers_command(const struct cli_args *args)
{
    AUTO_FREE char *text = malloc(TEXT_MAX);
    AUTO_FD fd = -1;
    Bulkhead__AdminCall call;
    size_t len = 0;
    int status;

    if (text == NULL)
        return say(EXIT_FAILED, "%s", strerror(ENOMEM));
    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__REGISTERS;
    status = query_begin(args, &call, &fd);
    if (status == 0)
        status = collect(fd, text, &len);
    return status != 0 ? status : show(args, text, len);
}
