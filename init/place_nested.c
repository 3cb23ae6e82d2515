#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "init/place.h"

enum {
    MODULE_COMPRESSED = 4, /* MODULE_INIT_COMPRESSED_FILE of finit_module(2) */
    LINE_BYTES = 512,
    NAME_BYTES = 64,
};

static const char CONFIG_FILE[] = "/etc/bulkhead/config.pb";
static const char MODULES_FILE[] = "/etc/bulkhead/modules";
static const char PORTS_FOLDER[] = "/sys/class/virtio-ports";
static const uint64_t PORTS_WAIT_NS = 5ull * 1000 * 1000 * 1000;

void place_nested_say(const char *text)
{
    AUTO_FD fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
    char line[LINE_BYTES];
    int len = snprintf(line, sizeof(line), "<3>bulkhead: %s\n", text);

    if (fd < 0 || write(fd, line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line)) < 0)
        (void)dprintf(STDERR_FILENO, "bulkhead: %s\n", text);
}

/* --- mounts --- */

static const struct {
    const char *what, *where, *options;
    unsigned long flags;
    bool needed;
} mounts[] = {
    {"proc",     "/proc",          NULL,        MS_NOSUID | MS_NODEV | MS_NOEXEC, true },
    {"sysfs",    "/sys",           NULL,        MS_NOSUID | MS_NODEV | MS_NOEXEC, true },
    {"devtmpfs", "/dev",           "mode=0755", MS_NOSUID | MS_NOEXEC,            true },
    {"tmpfs",    "/run",           "mode=0755", MS_NOSUID | MS_NODEV,             true },
    {"tmpfs",    "/tmp",           "mode=1777", MS_NOSUID | MS_NODEV,             false},
    {"cgroup2",  "/sys/fs/cgroup", NULL,        MS_NOSUID | MS_NODEV | MS_NOEXEC, false},
};

static int mount_all(struct why *why)
{
    for (size_t i = 0; i < COUNT_OF(mounts); i++) {
        (void)mkdir(mounts[i].where, 0755);
        if (mount(mounts[i].what, mounts[i].where, mounts[i].what, mounts[i].flags,
                  mounts[i].options) == 0 ||
            errno == EBUSY || !mounts[i].needed)
            continue;
        return why_errno(why, -errno, "cannot mount %s", mounts[i].where);
    }
    return 0;
}

/* The guest's memory is a memfd: in large pages an emulated machine boots it a quarter faster. */
static void use_large_pages(void)
{
    AUTO_FD fd = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!write(fd, "always", strlen("always")); /* or it boots a little later */
}

/*
 * An initramfs cannot be left by pivot_root(2), which every jail does. So the root becomes a mount
 * of its own, on top of it: the same files, but something that can be left.
 */
static int leave_rootfs(struct why *why)
{
    static const char over[] = "/.root";

    (void)mkdir(over, 0700);
    if (mount("/", over, NULL, MS_BIND, NULL) < 0 || chdir(over) < 0 ||
        mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return why_errno(why, -errno, "cannot make the initramfs a mount of its own");
    (void)rmdir(over);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return why_errno(why, -errno, "cannot make the mounts private");
    return 0;
}

/* --- modules --- */

static bool is_compressed(const char *path)
{
    const char *end = strrchr(path, '.');

    return end != NULL &&
           (strcmp(end, ".xz") == 0 || strcmp(end, ".gz") == 0 || strcmp(end, ".zst") == 0);
}

/* "path" or "path parameters". A module that does not load (kvm-intel on AMD) is not the end. */
static void load_module(char *line)
{
    char *parameters = strchr(line, ' ');
    AUTO_FD fd = -1;
    long r;

    if (parameters != NULL)
        *parameters++ = '\0';
    fd = open(line, O_RDONLY | O_CLOEXEC);
    r = fd < 0 ? -1
               : syscall(SYS_finit_module, fd, parameters == NULL ? "" : parameters,
                         is_compressed(line) ? MODULE_COMPRESSED : 0);
    if (r < 0 && errno != EEXIST) {
        char text[LINE_BYTES];

        (void)snprintf(text, sizeof(text), "module %.300s: %s", line, strerror(errno));
        place_nested_say(text);
    }
}

static void load_modules(void)
{
    FILE *file = fopen(MODULES_FILE, "re");
    char line[LINE_BYTES];

    if (file == NULL)
        return;
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0' && line[0] != '#')
            load_module(line);
    }
    (void)fclose(file);
}

/* --- virtio ports --- */

struct port_name {
    const char *name;
    int *fd;
    bool needed;
};

static bool read_name(const char *port, char out[NAME_BYTES])
{
    char path[NAME_BYTES * 5];
    AUTO_FD fd = -1;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "%s/%s/name", PORTS_FOLDER, port);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, out, NAME_BYTES - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return true;
}

static void open_port(const char *port, const struct port_name *names, size_t n_names)
{
    char name[NAME_BYTES], path[NAME_BYTES * 5];

    if (!read_name(port, name))
        return;
    (void)snprintf(path, sizeof(path), "/dev/%s", port);
    for (size_t i = 0; i < n_names; i++) {
        if (*names[i].fd < 0 && strcmp(names[i].name, name) == 0)
            *names[i].fd = open(path, O_RDWR | O_CLOEXEC);
    }
}

static void open_ports(const struct port_name *names, size_t n_names)
{
    DIR *dir = opendir(PORTS_FOLDER);

    if (dir == NULL)
        return;
    for (const struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        if (d->d_name[0] != '.')
            open_port(d->d_name, names, n_names);
    }
    (void)closedir(dir);
}

static const char *missing(const struct port_name *names, size_t n_names, bool needed_only)
{
    for (size_t i = 0; i < n_names; i++) {
        if (*names[i].fd < 0 && (names[i].needed || !needed_only))
            return names[i].name;
    }
    return NULL;
}

/* They appear one after the other; the one that is not needed is not waited for. */
static int wait_for_ports(struct place *p, struct why *why)
{
    const struct port_name names[] = {
        {"bulkhead.report", &p->report_fd,  true },
        {"bulkhead.com1",   &p->com_fds[0], true },
        {"bulkhead.com2",   &p->com_fds[1], true },
        {"bulkhead.com3",   &p->com_fds[2], true },
        {"bulkhead.com4",   &p->com_fds[3], true },
        {"bulkhead.vtl2",   &p->vtl2_fd,    false},
    };
    uint64_t end_ns = clock_now_ns() + PORTS_WAIT_NS;
    struct timespec nap = {.tv_nsec = 2 * 1000 * 1000};
    const char *name;

    for (;;) {
        open_ports(names, COUNT_OF(names));
        name = missing(names, COUNT_OF(names), true);
        if (name == NULL)
            return 0;
        if (clock_now_ns() > end_ns)
            return why_say(why, -ETIMEDOUT, "no virtio port named %s", name);
        (void)nanosleep(&nap, NULL);
    }
}

int place_nested(struct place *p, struct why *why)
{
    int r;

    if (getpid() != 1)
        return why_say(why, -EPERM, "init: not PID 1 (on a plain host: bulkhead-init hosted)");
    p->nested = true; /* from here on the end is the end of the machine */
    r = leave_rootfs(why);
    if (r == 0)
        r = mount_all(why);
    if (r < 0)
        return r;
    use_large_pages();
    load_modules();
    r = wait_for_ports(p, why);
    if (r < 0)
        return r;
    p->config_fd = open(CONFIG_FILE, O_RDONLY | O_CLOEXEC);
    return p->config_fd < 0 ? why_errno(why, -errno, "%s", CONFIG_FILE) : 0;
}

/*
 * A reset, not a power-off: it needs no ACPI, and QEMU runs with -no-reboot. Devices are shut down
 * in order, so what was written to a port arrives.
 */
_Noreturn void place_nested_end(void)
{
    (void)reboot(RB_AUTOBOOT);
    (void)reboot(RB_POWER_OFF);
    for (;;)
        (void)pause();
}
