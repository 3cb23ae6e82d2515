#include "cli/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/cpio.h"
#include "cli/payload_disks.h"
#include "cli/payload_nets.h"
#include "cli/pool.h"
#include "control.pb-c.h"

/* Paths in the outer VM. */
#define NESTED_CONFIG   "/etc/bulkhead/config.pb"
#define NESTED_SCRIPT   "/etc/bulkhead/vtl2-script"
#define NESTED_KERNEL   "/boot/guest-kernel"
#define NESTED_INITRD   "/boot/guest-initrd"
#define NESTED_PROGRAMS "/usr/libexec/bulkhead"
#define NESTED_SOCKET   "/run/bulkhead/vm.sock"

enum {
    MODE_DATA = 0600,
    MODE_SCRIPT = 0700,
    START_S = 180,
    START_MAX_S = 24 * 3600,
};

char *payload_append(const char *extra)
{
    char *text;

    /* quiet: each character on a serial port costs exits, and those are dear when nested. */
    if (asprintf(&text, "console=ttyS0 quiet panic=-1%s%s", *extra != '\0' ? " " : "", extra) < 0)
        return NULL;
    return text;
}

uint32_t payload_start_s(const struct disks_plan *disks)
{
    uint64_t seconds = START_S;

    for (size_t i = 0; i < disks->n; i++)
        seconds += disks->at[i].option->ram_bytes >> 30;
    return seconds < START_MAX_S ? (uint32_t)seconds : START_MAX_S;
}

/* Strings of protobuf-c messages are not const; packing does not change them. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

static int pack_config(const Bulkhead__VmConfig *config, uint8_t **ret, size_t *ret_len)
{
    size_t len = bulkhead__vm_config__get_packed_size(config);
    uint8_t *bytes = malloc(len);

    if (bytes == NULL)
        return -ENOMEM;
    *ret_len = bulkhead__vm_config__pack(config, bytes);
    *ret = bytes;
    return 0;
}

static int fill_common(const struct cli_args *args, const struct run_plan *plan, char *append,
                       struct pool *pool, Bulkhead__VmConfig *config)
{
    int r;

    bulkhead__vm_config__init(config);
    config->name = text_of(args->name);
    config->vcpus = (uint32_t)args->vcpus;
    config->memory_bytes = args->memory_bytes;
    config->append = append;
    config->confidential = args->confidential;
    config->start_limit_s = payload_start_s(&plan->disks);
    if (plan->remote.wanted) /* packing does not change it */
        config->remote = (Bulkhead__Remote *)(uintptr_t)&plan->remote.message;
    r = payload_disks(&plan->disks, plan->mode == RUN_NESTED, pool, config);
    return r < 0 ? r : payload_nets(&plan->nets, pool, config);
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0)
            return -errno;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

int payload_hosted(const struct cli_args *args, const struct run_plan *plan, int *ret_fd)
{
    AUTO_FD fd = memfd_create("bulkhead-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    AUTO_FREE char *append = payload_append(args->append);
    AUTO_FREE uint8_t *bytes = NULL;
    CLEANUP(pool_done) struct pool pool = {0};
    Bulkhead__VmConfig config;
    size_t len;
    int r;

    if (fd < 0)
        return -errno;
    if (append == NULL)
        return -ENOMEM;
    r = fill_common(args, plan, append, &pool, &config);
    if (r < 0)
        return r;
    config.kernel_path = text_of(plan->kernel);
    config.initrd_path = text_of(plan->initrd);
    config.programs_dir = text_of(plan->programs);
    config.operator_socket = text_of(plan->socket);
    config.vtl2_script = text_of(plan->vtl2_exec);
    r = pack_config(&config, &bytes, &len);
    if (r == 0)
        r = write_all(fd, bytes, len);
    if (r < 0)
        return r;
    if (lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return -errno;
    *ret_fd = fd_steal(&fd);
    return 0;
}

static int nested_config(const struct cli_args *args, const struct run_plan *plan, uint8_t **ret,
                         size_t *ret_len)
{
    AUTO_FREE char *append = payload_append(args->append);
    CLEANUP(pool_done) struct pool pool = {0};
    Bulkhead__VmConfig config;
    int r;

    if (append == NULL)
        return -ENOMEM;
    r = fill_common(args, plan, append, &pool, &config);
    if (r < 0)
        return r;
    config.kernel_path = text_of(NESTED_KERNEL);
    config.initrd_path = text_of(args->initrd != NULL ? NESTED_INITRD : "");
    config.programs_dir = text_of(NESTED_PROGRAMS);
    config.operator_socket = text_of(NESTED_SOCKET);
    config.vtl2_script = text_of(plan->vtl2_exec[0] != '\0' ? NESTED_SCRIPT : "");
    return pack_config(&config, ret, ret_len);
}

/* Copy a file to the end of fd; *ret_len is its length. */
static int copy_image(int fd, const char *path, uint64_t *ret_len)
{
    AUTO_FD image = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t len = 0;
    ssize_t n;

    if (image < 0)
        return -errno;
    while ((n = sendfile(fd, image, NULL, 1 << 30)) > 0)
        len += (uint64_t)n;
    if (n < 0)
        return -errno;
    *ret_len = len;
    return 0;
}

static void add_file(struct cpio *c, const char *as, unsigned mode, const char *path)
{
    AUTO_FD src = -1;

    if (c->err < 0 || *path == '\0')
        return;
    src = open(path, O_RDONLY | O_CLOEXEC);
    if (src < 0)
        c->err = -errno;
    else
        cpio_copy(c, as, mode, src);
}

int payload_nested(const struct cli_args *args, const struct run_plan *plan, int *ret_fd)
{
    AUTO_FD fd = memfd_create("bulkhead-initramfs", MFD_CLOEXEC);
    AUTO_FREE uint8_t *config = NULL;
    uint64_t image_bytes = 0;
    size_t config_bytes = 0;
    struct cpio c;
    int r;

    if (fd < 0)
        return -errno;
    r = nested_config(args, plan, &config, &config_bytes);
    if (r == 0)
        r = copy_image(fd, plan->vtl2_image, &image_bytes);
    if (r < 0)
        return r;
    c = cpio_over(fd, image_bytes);
    cpio_folder(&c, "/boot");
    cpio_folder(&c, "/etc");
    cpio_folder(&c, "/etc/bulkhead");
    cpio_bytes(&c, NESTED_CONFIG, MODE_DATA, config, config_bytes);
    add_file(&c, NESTED_KERNEL, MODE_DATA, plan->kernel);
    add_file(&c, NESTED_INITRD, MODE_DATA, plan->initrd);
    add_file(&c, NESTED_SCRIPT, MODE_SCRIPT, plan->vtl2_exec);
    r = cpio_finish(&c);
    if (r < 0)
        return r;
    *ret_fd = fd_steal(&fd);
    return 0;
}
