#include "init/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "init/nets.h"
#include "init/remote.h"
#include "ipc/ram.h"

struct text_limit {
    size_t offset; /* of the char pointer in the message */
    size_t min, max;
    const char *what;
};

#define TEXT(field) offsetof(Bulkhead__VmConfig, field)

static const struct text_limit text_limits[] = {
    {TEXT(name),            0, CONFIG_MAX_NAME,   "name"           },
    {TEXT(kernel_path),     1, CONFIG_MAX_PATH,   "kernel path"    },
    {TEXT(initrd_path),     0, CONFIG_MAX_PATH,   "initrd path"    },
    {TEXT(append),          0, CONFIG_MAX_APPEND, "command line"   },
    {TEXT(programs_dir),    1, CONFIG_MAX_PATH,   "programs folder"},
    {TEXT(operator_socket), 1, CONFIG_MAX_SOCKET, "operator socket"},
    {TEXT(vtl2_script),     0, CONFIG_MAX_PATH,   "vtl2 script"    },
};

static bool has_control(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return true;
    }
    return false;
}

static int check_text(const Bulkhead__VmConfig *c, const struct text_limit *limit, struct why *why)
{
    const char *text;
    size_t len;

    memcpy(&text, (const char *)c + limit->offset, sizeof(text));
    len = strlen(text);
    if (len < limit->min)
        return why_say(why, -EINVAL, "%s: none given", limit->what);
    if (len > limit->max)
        return why_say(why, -EINVAL, "%s: %zu characters, at most %zu are possible", limit->what,
                       len, limit->max);
    if (has_control(text))
        return why_say(why, -EINVAL, "%s: has control characters", limit->what);
    return 0;
}

static int check_numbers(const Bulkhead__VmConfig *c, struct why *why)
{
    if (c->vcpus < 1 || c->vcpus > CONFIG_MAX_VCPUS)
        return why_say(why, -EINVAL, "vcpus: %" PRIu32 ", 1 to %d are possible", c->vcpus,
                       CONFIG_MAX_VCPUS);
    if (c->memory_bytes < RAM_MIN_BYTES)
        return why_say(why, -EINVAL,
                       "memory: %" PRIu64 " KiB, a guest needs at least %" PRIu64 " KiB",
                       c->memory_bytes >> 10, RAM_MIN_BYTES >> 10);
    if (c->memory_bytes > RAM_MAX_BYTES)
        return why_say(why, -EINVAL,
                       "memory: %" PRIu64 " GiB, at most %" PRIu64 " GiB are possible",
                       c->memory_bytes >> 30, RAM_MAX_BYTES >> 30);
    if (c->memory_bytes % RAM_UNIT_BYTES != 0)
        return why_say(why, -EINVAL,
                       "memory: %" PRIu64 " bytes are not a multiple of %" PRIu64 " MiB",
                       c->memory_bytes, RAM_UNIT_BYTES >> 20);
    return 0;
}

static int check(const Bulkhead__VmConfig *c, struct why *why)
{
    int r = check_numbers(c, why);

    for (size_t i = 0; r == 0 && i < COUNT_OF(text_limits); i++)
        r = check_text(c, &text_limits[i], why);
    if (r == 0)
        r = nets_check(c->nets, c->n_nets, why);
    return r < 0 ? r : remote_check(c->remote, why);
}

int config_parse(const void *bytes, size_t len, Bulkhead__VmConfig **ret, struct why *why)
{
    CLEANUP(config_freep) Bulkhead__VmConfig *c = NULL;
    int r;

    if (len > CONFIG_MAX_BYTES)
        return why_say(why, -EBADMSG, "configuration: longer than %d bytes", CONFIG_MAX_BYTES);
    c = bulkhead__vm_config__unpack(NULL, len, bytes);
    if (c == NULL)
        return why_say(why, -EBADMSG, "configuration: not readable");
    r = check(c, why);
    if (r < 0)
        return r;
    *ret = c;
    c = NULL;
    return 0;
}

int config_read(int fd, Bulkhead__VmConfig **ret, struct why *why)
{
    AUTO_FREE uint8_t *bytes = malloc(CONFIG_MAX_BYTES + 1);
    size_t len = 0;

    if (bytes == NULL)
        return why_errno(why, -ENOMEM, "configuration");
    while (len <= CONFIG_MAX_BYTES) {
        ssize_t n = pread(fd, bytes + len, CONFIG_MAX_BYTES + 1 - len, (off_t)len);

        if (n < 0)
            return why_errno(why, -errno, "cannot read the configuration");
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return config_parse(bytes, len, ret, why);
}

int config_check_memory(uint64_t memory_bytes, uint64_t machine_bytes, struct why *why)
{
    if (memory_bytes <= machine_bytes)
        return 0;
    return why_say(why, -ENOMEM,
                   "memory: %" PRIu64 " MiB asked for, this machine has %" PRIu64 " MiB",
                   memory_bytes >> 20, machine_bytes >> 20);
}

void config_freep(Bulkhead__VmConfig **config)
{
    if (*config != NULL)
        bulkhead__vm_config__free_unpacked(*config, NULL);
    *config = NULL;
}
