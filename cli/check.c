#include "cli/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/rd.h"
#include "cli/json_file.h"
#include "cli/machine.h"
#include "cli/operator.h"
#include "cli/programs.h"
#include "cli/say.h"
#include "ipc/ram.h"

enum {
    /* Offsets in the boot sector, from the boot protocol. */
    BOOT_FLAG_AT = 0x1fe,
    MAGIC_AT = 0x202,
    LOADFLAGS_AT = 0x211,
    XLOADFLAGS_AT = 0x236,
    INIT_SIZE_AT = 0x260,
    BOOT_FLAG = 0xaa55,
    MAGIC = 0x53726448,      /* "HdrS" */
    VERSION_64_BIT = 0x020c, /* the first with xloadflags */
    LOADED_HIGH = 1,
    XLF_KERNEL_64 = 1,
    GUEST_SLACK_MIB = 16, /* what a guest needs besides kernel and initrd, at the very least */
};

static int wrong(int status, char *error, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int wrong(int status, char *error, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(error, CHECK_ERROR_BYTES, fmt, args);
    va_end(args);
    return status;
}

enum kernel_verdict check_kernel_head(const uint8_t *head, size_t len, uint32_t *ret_init_bytes)
{
    struct rd boot = rd_over(head, len);
    uint16_t flag, version, xloadflags;
    uint32_t magic, init_bytes;
    uint8_t loadflags;

    (void)rd_span(&boot, BOOT_FLAG_AT);
    flag = rd_le16(&boot);
    (void)rd_span(&boot, MAGIC_AT - BOOT_FLAG_AT - 2);
    magic = rd_le32(&boot);
    version = rd_le16(&boot);
    (void)rd_span(&boot, LOADFLAGS_AT - MAGIC_AT - 6);
    loadflags = rd_u8(&boot);
    (void)rd_span(&boot, XLOADFLAGS_AT - LOADFLAGS_AT - 1);
    xloadflags = rd_le16(&boot);
    (void)rd_span(&boot, INIT_SIZE_AT - XLOADFLAGS_AT - 2);
    init_bytes = rd_le32(&boot);
    if (!rd_ok(&boot) || flag != BOOT_FLAG || magic != MAGIC || (loadflags & LOADED_HIGH) == 0)
        return KERNEL_NOT_BZIMAGE;
    if (version < VERSION_64_BIT)
        return KERNEL_OLD;
    if ((xloadflags & XLF_KERNEL_64) == 0)
        return KERNEL_32_BIT;
    *ret_init_bytes = init_bytes;
    return KERNEL_GOOD;
}

/* An absolute path to a readable file: what is started later runs elsewhere. */
static int check_file(const char *what, const char *path, char *ret, char *error, int *ret_fd)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return wrong(EXIT_USAGE, error, "%s does not exist: %s", what, path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return wrong(EXIT_USAGE, error, "%s cannot be read: %s: %s", what, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return wrong(EXIT_USAGE, error, "%s is not a file: %s", what, path);
    if (realpath(path, ret) == NULL)
        return wrong(EXIT_USAGE, error, "%s: %s: %s", what, path, strerror(errno));
    if (ret_fd != NULL)
        *ret_fd = fd_steal(&fd);
    return 0;
}

static int check_kernel(const char *what, const char *path, char *ret, uint32_t *ret_init_bytes,
                        char *error)
{
    uint8_t head[KERNEL_HEAD_BYTES];
    AUTO_FD fd = -1;
    ssize_t len;
    int r = check_file(what, path, ret, error, &fd);

    if (r != 0)
        return r;
    len = pread(fd, head, sizeof(head), 0);
    switch (check_kernel_head(head, len < 0 ? 0 : (size_t)len, ret_init_bytes)) {
    case KERNEL_GOOD:
        return 0;
    case KERNEL_NOT_BZIMAGE:
        return wrong(EXIT_USAGE, error, "%s is not a Linux kernel image (bzImage): %s", what, path);
    case KERNEL_OLD:
        return wrong(EXIT_USAGE, error, "%s is too old (before Linux 3.8): %s", what, path);
    case KERNEL_32_BIT:
        return wrong(EXIT_USAGE, error, "%s has no 64-bit entry (a 32-bit kernel?): %s", what,
                     path);
    }
    return EXIT_FAILED;
}

/* In the unit that makes the number short. */
static const char *size_text(uint64_t bytes, char text[32])
{
    uint64_t mib = bytes >> 20;

    if (mib >= 10 * 1024)
        (void)snprintf(text, 32, "%llu GiB", (unsigned long long)(mib >> 10));
    else if (mib > 0)
        (void)snprintf(text, 32, "%llu MiB", (unsigned long long)mib);
    else
        (void)snprintf(text, 32, "%llu bytes", (unsigned long long)bytes);
    return text;
}

int check_memory_size(uint64_t bytes, char error[CHECK_ERROR_BYTES])
{
    char wish[32], limit[32];

    if (bytes < RAM_MIN_BYTES)
        return wrong(EXIT_USAGE, error, "--memory %s is too small: a guest needs at least %s",
                     size_text(bytes, wish), size_text(RAM_MIN_BYTES, limit));
    if (bytes > RAM_MAX_BYTES)
        return wrong(EXIT_USAGE, error, "--memory: a guest has at most %s",
                     size_text(RAM_MAX_BYTES, limit));
    if (bytes % RAM_UNIT_BYTES != 0)
        return wrong(EXIT_USAGE, error, "--memory: a multiple of %s is wanted",
                     size_text(RAM_UNIT_BYTES, limit));
    return 0;
}

static int check_memory(const struct cli_args *args, const struct machine *m, enum run_mode mode,
                        char *error)
{
    uint64_t headroom = mode == RUN_NESTED ? (uint64_t)NESTED_HEADROOM_MIB << 20 : 0;
    uint64_t needed;
    char wish[32], have[32], extra[32];
    int r = check_memory_size(args->memory_bytes, error);

    if (r != 0)
        return r;
    size_text(args->memory_bytes, wish);
    if (u64_add(args->memory_bytes, headroom, &needed) < 0 || needed > m->memory_bytes)
        return wrong(EXIT_USAGE, error, "--memory %s is more than this machine has: %s%s%s%s", wish,
                     size_text(m->memory_bytes, have), headroom != 0 ? ", less " : "",
                     headroom != 0 ? size_text(headroom, extra) : "",
                     headroom != 0 ? " for the outer VM" : "");
    return 0;
}

static int check_initrd(const struct cli_args *args, uint32_t kernel_bytes, struct run_plan *plan,
                        char *error)
{
    uint64_t room = args->memory_bytes - ((uint64_t)GUEST_SLACK_MIB << 20);
    AUTO_FD fd = -1;
    struct stat st;
    char need[32], have[32], extra[32];
    int r;

    if (args->initrd == NULL)
        return 0;
    r = check_file("the initrd", args->initrd, plan->initrd, error, &fd);
    if (r != 0)
        return r;
    if (fstat(fd, &st) < 0)
        return wrong(EXIT_FAILED, error, "%s: %s", args->initrd, strerror(errno));
    if ((uint64_t)st.st_size <= room && (uint64_t)st.st_size + kernel_bytes > room)
        return wrong(EXIT_USAGE, error,
                     "the kernel (%s) and the initrd (%s) do not fit into the guest's memory (%s)",
                     size_text(kernel_bytes, extra), size_text((uint64_t)st.st_size, need),
                     size_text(args->memory_bytes, have));
    if ((uint64_t)st.st_size > room)
        return wrong(EXIT_USAGE, error, "the initrd (%s) does not fit into the guest's memory (%s)",
                     size_text((uint64_t)st.st_size, need), size_text(args->memory_bytes, have));
    return 0;
}

static int check_guest(const struct cli_args *args, const struct machine *m, struct run_plan *plan,
                       char *error)
{
    uint32_t kernel_bytes = 0;
    int r;

    if (args->kernel == NULL)
        return wrong(EXIT_USAGE, error, "--kernel is missing");
    r = check_kernel("the kernel", args->kernel, plan->kernel, &kernel_bytes, error);
    if (r == 0)
        r = check_memory(args, m, plan->mode, error);
    if (r == 0)
        r = check_initrd(args, kernel_bytes, plan, error);
    if (r == 0 && args->vtl2_exec != NULL)
        r = check_file("the script", args->vtl2_exec, plan->vtl2_exec, error, NULL);
    return r;
}

enum run_mode check_mode(enum run_mode wish, const struct machine *m, char *why, size_t why_len)
{
    if (wish != RUN_AUTO) {
        (void)snprintf(why, why_len, "asked for");
        return wish;
    }
    if (m->virtualization == NULL)
        (void)snprintf(why, why_len, "this CPU offers neither vmx nor svm");
    else if (m->kvm_error != 0)
        (void)snprintf(why, why_len, "%s is there, but /dev/kvm does not open: %s",
                       m->virtualization, strerror(m->kvm_error));
    else if (!m->root)
        (void)snprintf(why, why_len, "%s and /dev/kvm are there, but hosted mode needs root",
                       m->virtualization);
    else {
        (void)snprintf(why, why_len, "%s and /dev/kvm are there", m->virtualization);
        return RUN_HOSTED;
    }
    return RUN_NESTED;
}

static int check_hosted(const struct cli_args *args, const struct machine *m, struct run_plan *plan,
                        char *error)
{
    const char *missing;

    if (!m->root)
        return wrong(EXIT_FAILED, error,
                     "hosted mode needs root: run it as root, or --mode nested");
    if (m->kvm_error != 0)
        return wrong(EXIT_FAILED, error, "hosted mode needs KVM: /dev/kvm: %s",
                     strerror(m->kvm_error));
    if (args->programs == NULL) {
        if (programs_find(plan->programs) < 0)
            return wrong(EXIT_FAILED, error,
                         "Bulkhead's programs are not beside this one: "
                         "say where with --programs DIR");
        return 0;
    }
    if (realpath(args->programs, plan->programs) == NULL)
        return wrong(EXIT_USAGE, error, "--programs %s: %s", args->programs, strerror(errno));
    missing = programs_missing(plan->programs);
    if (missing != NULL)
        return wrong(EXIT_USAGE, error, "--programs %s: no program %s there", args->programs,
                     missing);
    return 0;
}

static int find_in_path(const char *program, char *ret)
{
    const char *path = getenv("PATH");
    char place[PATH_MAX];

    if (path == NULL || *path == '\0')
        path = "/usr/local/bin:/usr/bin:/bin";
    while (*path != '\0') {
        size_t len = strcspn(path, ":");

        (void)snprintf(place, sizeof(place), "%.*s/%s", (int)len, path, program);
        if (len > 0 && access(place, X_OK) == 0 && realpath(place, ret) != NULL)
            return 0;
        path += len + (path[len] == ':' ? 1 : 0);
    }
    return -ENOENT;
}

static int check_nested(const struct cli_args *args, struct run_plan *plan, char *error)
{
    uint32_t kernel_bytes = 0;
    int r;

    if (args->vtl2_kernel == NULL || args->vtl2_image == NULL)
        return wrong(EXIT_USAGE, error, "nested mode (%s) needs --%s FILE (./run makes both files)",
                     plan->why, args->vtl2_kernel == NULL ? "vtl2-kernel" : "vtl2-image");
    if (find_in_path("qemu-system-x86_64", plan->qemu) < 0)
        return wrong(EXIT_FAILED, error, "nested mode needs qemu-system-x86_64: install it");
    r = check_kernel("the VTL2 kernel", args->vtl2_kernel, plan->vtl2_kernel, &kernel_bytes, error);
    if (r == 0)
        r = check_file("the VTL2 image", args->vtl2_image, plan->vtl2_image, error, NULL);
    return r;
}

static int read_settings(const struct cli_args *args, struct run_plan *plan, char *error)
{
    char why[JSON_FILE_ERROR_BYTES];
    struct json_file f;
    int r = json_file_read(args->vtl2_settings, &f, why);

    if (r == 0)
        r = vtl2_settings_apply(&f, &args->devices, &plan->disk_list, &plan->notes, &plan->pool,
                                why);
    json_file_done(&f);
    return r < 0 ? wrong(EXIT_USAGE, error, "%s", why) : 0;
}

/* The settings' disks first; one of the arguments at the same place is there instead. */
static int check_disks(const struct cli_args *args, struct run_plan *plan, char *error)
{
    struct disk_list *list = &plan->disk_list;
    char why[OPTION_WHY_BYTES];
    size_t n_settings;
    int r = 0;

    if (args->vtl2_settings == NULL && args->devices.n > 0)
        return wrong(EXIT_USAGE, error, "--device says what --vtl2-settings means: add that");
    if (args->vtl2_settings != NULL)
        r = read_settings(args, plan, error);
    n_settings = list->n;
    for (size_t i = 0; r == 0 && i < args->disks.n; i++) {
        if (disk_option_add(list, &args->disks.at[i], &plan->pool, why) < 0)
            r = wrong(EXIT_USAGE, error, "--disk: %s", why);
    }
    if (r != 0)
        return r;
    disk_option_override(list, n_settings);
    return disks_check(args->name, list, plan->mode == RUN_NESTED, &plan->disks, error);
}

static int check_nets(const struct cli_args *args, struct run_plan *plan, char *error)
{
    int r = nets_check(args->name, &args->nets, &plan->nets, error);

    if (r == 0 && nets_need_passt(&plan->nets) && find_in_path("passt", plan->passt) < 0)
        return wrong(
            EXIT_FAILED, error,
            "--net user needs passt: install it (apt install passt), or use another --net");
    return r;
}

static int check_remote(const struct cli_args *args, struct run_plan *plan, char *error)
{
    _Static_assert((int)REMOTE_ERROR_BYTES <= (int)CHECK_ERROR_BYTES, "each line fits");

    return remote_plan(args->operators, args->pki, plan->mode == RUN_NESTED, &plan->remote, error);
}

int check_run(const struct cli_args *args, const struct machine *m, struct run_plan *ret,
              char error[CHECK_ERROR_BYTES])
{
    struct run_plan *plan = ret;
    int r;

    *plan = (struct run_plan){.remote.listener = -1};
    plan->mode = check_mode((enum run_mode)args->mode, m, plan->why, sizeof(plan->why));
    if (operator_path(args, plan->socket, sizeof(plan->socket), error, CHECK_ERROR_BYTES) < 0)
        return EXIT_USAGE;
    r = check_guest(args, m, plan, error);
    if (r == 0 && plan->mode == RUN_HOSTED)
        r = check_hosted(args, m, plan, error);
    else if (r == 0)
        r = check_nested(args, plan, error);
    if (r == 0)
        r = check_disks(args, plan, error);
    if (r == 0)
        r = check_nets(args, plan, error);
    return r == 0 ? check_remote(args, plan, error) : r;
}

void check_done(struct run_plan *plan)
{
    disks_done(&plan->disks);
    nets_done(&plan->nets);
    remote_done(&plan->remote);
    pool_done(&plan->pool);
}
