#include "tests/attack/lab.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/shm.h"

enum {
    MEMORY_BYTES = 16 << 20,
    DISK_BYTES = 1 << 20,
    SOME_GROUP = 4,
};

static const char SOCKET_PATH[] = "/tmp/bulkhead-attack.sock";
static const char SCRATCH[] = "/tmp/bulkhead-evil";
static const uint64_t VICTIM_WORD = 0x1122334455667788;

/* In the tester, and at the same address in the victim. */
static volatile uint64_t victim_word = VICTIM_WORD;

/* Mounts, a network and a /tmp of our own: two labs on one machine do not see each other. */
static void make_private(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    AUTO_FD fd = -1;

    if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", "/tmp", "tmpfs", 0, NULL) < 0)
        err(2, "mounts and a network of our own (needs root)");
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
        err(2, "loopback");
}

/*
 * What an init might have inherited: signals blocked and ignored, groups, a personality, limits as
 * high as they go. So that each step down is one.
 */
static void make_dirty(void)
{
    const gid_t group = SOME_GROUP;
    sigset_t set;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR2);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || setgroups(1, &group) < 0 ||
        personality(ADDR_NO_RANDOMIZE) < 0)
        err(2, "signals, groups, personality");
    for (int what = 0; what < RLIM_NLIMITS; what++) {
        struct rlimit l;

        if (getrlimit((__rlimit_resource_t)what, &l) == 0) {
            l.rlim_cur = l.rlim_max;
            (void)setrlimit((__rlimit_resource_t)what, &l);
        }
    }
}

/* One that is the storage worker's, so that it has something to reach. */
static void make_disk(struct lab *lab, Bulkhead__VmConfig *config)
{
    static uint8_t identity[16];
    static char path[] = "/tmp/bulkhead-attack.disk";
    AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    Bulkhead__Disk disk, *disks[] = {&disk};
    char *paths[] = {path};
    struct why why;

    if (fd < 0 || ftruncate(fd, DISK_BYTES) < 0)
        err(2, "%s", path);
    bulkhead__disk__init(&disk);
    disk.kind = DISK_DISK;
    disk.paths = paths;
    disk.n_paths = 1;
    disk.identity = (ProtobufCBinaryData){sizeof(identity), identity};
    config->disks = disks;
    config->n_disks = 1;
    lab->disks = malloc(sizeof(*lab->disks));
    if (lab->disks == NULL)
        errx(2, "no memory");
    disks_init(lab->disks);
    if (disks_open(lab->disks, &lab->objects, config, &why) < 0)
        errx(2, "%s", why.text);
}

static void make_objects(struct lab *lab)
{
    Bulkhead__VmConfig config;
    char kernel[] = "/dev/null", empty[] = "";
    int coms[COM_COUNT];
    int nets[NETS_MAX] = {-1, -1, -1, -1};
    struct why why;

    bulkhead__vm_config__init(&config);
    (void)snprintf(lab->operator_path, sizeof(lab->operator_path), "/tmp/bulkhead-attack.%d",
                   getpid());
    config.vcpus = 1;
    config.memory_bytes = MEMORY_BYTES;
    config.kernel_path = kernel;
    config.initrd_path = empty;
    config.operator_socket = lab->operator_path;
    for (int i = 0; i < COM_COUNT; i++) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            err(2, "socketpair");
        coms[i] = pair[0];
        lab->com_ends[i] = pair[1];
    }
    objects_init(&lab->objects);
    if (access("/dev/kvm", R_OK | W_OK) < 0) /* the attempts need its place, not KVM */
        lab->objects.fds[OBJECT_KVM][0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (objects_make(&lab->objects, &config, coms, nets, &why) < 0)
        errx(2, "%s", why.text);
    make_disk(lab, &config);
}

static void make_victim(struct lab *lab)
{
    lab->victim = fork();
    if (lab->victim < 0)
        err(2, "fork");
    if (lab->victim == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)pause();
    }
    lab->victim_word = (uintptr_t)&victim_word;
}

static void listen_at(const char *path, size_t path_len)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(to.sun_path, path, path_len);
    if (fd < 0 ||
        bind(fd, (struct sockaddr *)&to,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len)) < 0 ||
        listen(fd, 64) < 0)
        err(2, "listener");
}

static void make_secret(void)
{
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
        syscall(SYS_add_key, "user", "bulkhead-attack", "secret", (size_t)6,
                KEY_SPEC_SESSION_KEYRING) < 0)
        err(2, "key");
}

static void map_pages(struct lab *lab)
{
    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        void *board;
        int fd = lab->objects.fds[OBJECT_BOARD][i];

        if (fd < 0 || shm_map(fd, manifest_object_bytes(OBJECT_BOARD, i), true, &board) < 0)
            errx(2, "board of %s", manifest[i].name);
        lab->pages[i] = (void *)((char *)board + EVIL_PAGE_OFFSET);
    }
}

void lab_open(struct lab *lab, const char *evil)
{
    struct stat st;

    *lab = (struct lab){.control_end = -1};
    lab->evil_fd = open(evil, O_RDONLY | O_CLOEXEC);
    lab->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (lab->evil_fd < 0 || lab->null_fd < 0)
        err(2, "%s", evil);
    make_private();
    make_dirty();
    make_objects(lab);
    map_pages(lab);
    make_victim(lab);
    make_secret();
    listen_at("\0bulkhead-attack", sizeof("?bulkhead-attack") - 1);
    listen_at(SOCKET_PATH, sizeof(SOCKET_PATH));
    if (jail_net_ns(&lab->net_ns_fd) < 0 || fstat(lab->net_ns_fd, &st) < 0)
        err(2, "network namespace");
    lab->net_ns = st.st_ino;
}

void lab_close(struct lab *lab)
{
    (void)kill(lab->victim, SIGKILL);
    (void)waitpid(lab->victim, NULL, 0);
    disks_done(lab->disks);
    free(lab->disks);
    objects_done(&lab->objects);
}

bool lab_unharmed(struct lab *lab)
{
    uint64_t one = 1;

    if (kill(lab->victim, 0) < 0 || victim_word != VICTIM_WORD)
        return false;
    if (access("/proc/self/status", R_OK) < 0 || access(SCRATCH, F_OK) == 0)
        return false;
    for (unsigned i = 0; i < IRQ_LINE_COUNT; i++) {
        int fd = lab->objects.fds[OBJECT_IRQ][i];

        if ((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0)
            return false; /* and whoever writes to it might wait for ever */
        /* A full one refuses at once; it must not block, so it is asked like a peer would. */
        if (write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
            return false;
        if (read(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
            return false;
        one = 1;
    }
    return true;
}
