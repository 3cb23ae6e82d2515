#include "init/verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/verify_look.h"

enum {
    MAX_THREADS = 1024,
};

/* --- reading /proc --- */

int verify_read_text(int dir_fd, const char *name, char *out, size_t out_len)
{
    AUTO_FD fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    size_t len = 0;

    if (fd < 0)
        return -errno;
    while (len < out_len - 1) {
        ssize_t n = read(fd, out + len, out_len - 1 - len);

        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    out[len] = '\0';
    return 0;
}

const char *verify_field(const char *text, const char *name, char out[VERIFY_LINK_BYTES])
{
    size_t len = strlen(name);

    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        if (strncmp(line, name, len) != 0 || line[len] != ':')
            continue;
        line += len + 1;
        line += strspn(line, " \t");
        (void)snprintf(out, VERIFY_LINK_BYTES, "%.*s", (int)strcspn(line, "\n"), line);
        return out;
    }
    return NULL;
}

/* --- what the status file tells --- */

static int expect_field(const struct look *l, const char *text, const char *name, const char *want)
{
    char is[VERIFY_LINK_BYTES];

    if (verify_field(text, name, is) == NULL)
        return why_say(l->why, -EPERM, "%s: not told by the kernel", name);
    if (strcmp(is, want) != 0)
        return why_say(l->why, -EPERM, "%s is '%s', not '%s'", name, is, want);
    return 0;
}

static int count_filters(const struct look *l, const char *text, unsigned long *ret)
{
    char value[VERIFY_LINK_BYTES];

    if (verify_field(text, "Seccomp_filters", value) == NULL)
        return why_say(l->why, -EPERM, "Seccomp_filters: not told by the kernel");
    *ret = strtoul(value, NULL, 10);
    return 0;
}

/* init may itself run under filters, in a container: every child inherits them. */
static int count_own_filters(const struct look *l, unsigned long *ret)
{
    char text[VERIFY_TEXT_BYTES];
    int r = verify_read_text(AT_FDCWD, "/proc/self/status", text, sizeof(text));

    return r < 0 ? why_errno(l->why, r, "/proc/self/status") : count_filters(l, text, ret);
}

static int expect_filters(const struct look *l, const char *text, unsigned long own)
{
    unsigned long is;
    int r = count_filters(l, text, &is);

    if (r < 0)
        return r;
    is -= own;
    if (is != l->expect->filters)
        return why_say(l->why, -EPERM, "Seccomp_filters is %lu, not %u", is, l->expect->filters);
    return 0;
}

static const struct {
    const char *name, *value;
} fixed_status[] = {
    {"Seccomp",    "2"               },
    {"NoNewPrivs", "1"               },
    {"CapInh",     "0000000000000000"},
    {"CapPrm",     "0000000000000000"},
    {"CapEff",     "0000000000000000"},
    {"CapBnd",     "0000000000000000"},
    {"CapAmb",     "0000000000000000"},
    {"Groups",     ""                },
};

/* Only what the CPU lets a process choose is "thread ..."; the rest is the machine's. */
static int expect_speculation(const struct look *l, const char *text, const char *name)
{
    char is[VERIFY_LINK_BYTES];

    if (verify_field(text, name, is) == NULL)
        return 0;
    if (strcmp(is, "thread vulnerable") == 0 || strcmp(is, "thread mitigated") == 0 ||
        strcmp(is, "conditional enabled") == 0 || strcmp(is, "conditional disabled") == 0)
        return why_say(l->why, -EPERM, "%s is '%s', not forced", name, is);
    return 0;
}

static int verify_status(const struct look *l, const char *text, unsigned long own_filters)
{
    char ids[VERIFY_LINK_BYTES];
    uint32_t uid = l->expect->uid;
    int r = 0;

    for (size_t i = 0; r == 0 && i < COUNT_OF(fixed_status); i++)
        r = expect_field(l, text, fixed_status[i].name, fixed_status[i].value);
    if (r == 0)
        r = expect_filters(l, text, own_filters);
    (void)snprintf(ids, sizeof(ids), "%u\t%u\t%u\t%u", uid, uid, uid, uid);
    if (r == 0)
        r = expect_field(l, text, "Uid", ids);
    if (r == 0)
        r = expect_field(l, text, "Gid", ids);
    if (r == 0 && !l->expect->may_have_closed) /* later a program may block what it likes */
        r = expect_field(l, text, "SigBlk", "0000000000000000");
    if (r == 0 && !l->expect->may_have_closed) /* and ignore what it likes */
        r = expect_field(l, text, "SigIgn", "0000000000000000");
    if (r == 0)
        r = expect_speculation(l, text, "Speculation_Store_Bypass");
    if (r == 0)
        r = expect_speculation(l, text, "SpeculationIndirectBranch");
    return r;
}

/* Filters, ids and capabilities are each thread's own. One that ends meanwhile is no matter. */
static int verify_thread(const struct look *l, const char *tid, unsigned long own_filters)
{
    char name[NAME_MAX + sizeof("task//status")], text[VERIFY_TEXT_BYTES];
    int r;

    (void)snprintf(name, sizeof(name), "task/%s/status", tid);
    r = verify_read_text(l->proc_fd, name, text, sizeof(text));
    if (r == -ENOENT || r == -ESRCH)
        return 0;
    return r < 0 ? why_errno(l->why, r, "%s", name) : verify_status(l, text, own_filters);
}

static int verify_threads_in(const struct look *l, DIR *dir)
{
    unsigned long own_filters = 0;
    unsigned left = MAX_THREADS;
    int r = count_own_filters(l, &own_filters);

    for (const struct dirent *d = readdir(dir); r == 0 && d != NULL; d = readdir(dir)) {
        if (d->d_name[0] == '.')
            continue;
        if (left-- == 0)
            return why_say(l->why, -EPERM, "more than %d threads", MAX_THREADS);
        r = verify_thread(l, d->d_name, own_filters);
    }
    return r == 0 && left == MAX_THREADS ? why_say(l->why, -EPERM, "it has no thread") : r;
}

static int verify_threads(const struct look *l)
{
    AUTO_FD fd = openat(l->proc_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int r;

    if (dir == NULL)
        return why_errno(l->why, -errno, "/proc/PID/task");
    (void)fd_steal(&fd);
    r = verify_threads_in(l, dir);
    (void)closedir(dir);
    return r;
}

/*
 * What may be dumped, may be traced and read by others of the same user: /proc shows it as theirs.
 * Before exec there is nothing of its own to read, and fs.suid_dumpable decides.
 */
static int verify_dumpable(const struct look *l)
{
    struct stat st;

    if (!l->expect->may_have_closed)
        return 0;
    if (fstatat(l->proc_fd, "status", &st, 0) < 0)
        return why_errno(l->why, -errno, "/proc/PID/status");
    return st.st_uid == 0 ? 0 : why_say(l->why, -EPERM, "it is dumpable");
}

/* As exec left it: randomized addresses, no data that can be executed. */
static int verify_personality(const struct look *l)
{
    char text[VERIFY_LINK_BYTES];
    int r = verify_read_text(l->proc_fd, "personality", text, sizeof(text));

    if (r < 0)
        return why_errno(l->why, r, "/proc/PID/personality");
    text[strcspn(text, "\n")] = '\0';
    return strcmp(text, "00000000") == 0 ? 0
                                         : why_say(l->why, -EPERM, "its personality is %s", text);
}

/* --- namespaces, cgroup, limits --- */

static int inode_at(int dir_fd, const char *name, uint64_t *ret)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, 0) < 0)
        return -errno;
    *ret = st.st_ino;
    return 0;
}

static int verify_namespaces(const struct look *l)
{
    static const char *const names[] = {"ns/mnt", "ns/pid",    "ns/ipc",
                                        "ns/uts", "ns/cgroup", "ns/net"};
    AUTO_FD own_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    uint64_t is = 0, own = 0;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        int r = inode_at(own_fd, names[i], &own);

        if (r == 0)
            r = inode_at(l->proc_fd, names[i], &is);
        if (r < 0)
            return why_errno(l->why, r, "%s", names[i]);
        if (is == own)
            return why_say(l->why, -EPERM, "%s is init's own", names[i]);
    }
    if (is != l->expect->net_ns) /* the last one */
        return why_say(l->why, -EPERM, "ns/net is not the empty one");
    return 0;
}

static int verify_cgroup(const struct look *l)
{
    char text[VERIFY_TEXT_BYTES];
    size_t len, want_len;
    const char *line;
    int r;

    if (l->expect->cgroup == NULL)
        return 0;
    r = verify_read_text(l->proc_fd, "cgroup", text, sizeof(text));
    if (r < 0)
        return why_errno(l->why, r, "/proc/PID/cgroup");
    line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    len = line == NULL ? 0 : strcspn(line + 1, "\n") + 1;
    want_len = strlen(l->expect->cgroup);
    if (len < want_len || memcmp(line + len - want_len, l->expect->cgroup, want_len) != 0)
        return why_say(l->why, -EPERM, "cgroup is not '%s'", l->expect->cgroup);
    return 0;
}

static uint64_t limit_value(const char *text, char **end)
{
    text += strspn(text, " ");
    if (strncmp(text, "unlimited", strlen("unlimited")) == 0) {
        *end = (char *)(uintptr_t)text + strlen("unlimited");
        return UINT64_MAX;
    }
    return strtoull(text, end, 10);
}

/* A line: the name, the soft limit, the hard one. */
static int verify_limit(const struct look *l, const char *text, const char *name, uint64_t most)
{
    const char *line = strstr(text, name);
    uint64_t soft, hard;
    char *end;

    if (line == NULL)
        return why_say(l->why, -EPERM, "%s: not told by the kernel", name);
    soft = limit_value(line + strlen(name), &end);
    hard = limit_value(end, &end);
    if (soft > most || hard > most)
        return why_say(l->why, -EPERM, "%s is %" PRIu64 ", not %" PRIu64, name, hard, most);
    return 0;
}

static int verify_limits(const struct look *l)
{
    const struct jail_limits *want = &l->expect->limits;
    const struct {
        const char *name;
        uint64_t most;
    } rows[] = {
        {"Max core file size",    0                                                    },
        {"Max file size",         want->file_bytes                                     },
        {"Max locked memory",     0                                                    },
        {"Max msgqueue size",     0                                                    },
        {"Max nice priority",     0                                                    },
        {"Max realtime priority", 0                                                    },
        {"Max pending signals",   JAIL_SIGNALS_PENDING                                 },
        {"Max stack size",        JAIL_STACK_BYTES                                     },
        {"Max open files",        want->descriptors                                    },
        {"Max processes",         want->threads                                        },
        {"Max data size",         want->data_bytes == 0 ? UINT64_MAX : want->data_bytes},
    };
    char text[VERIFY_TEXT_BYTES];
    int r = verify_read_text(l->proc_fd, "limits", text, sizeof(text));

    if (r < 0)
        return why_errno(l->why, r, "/proc/PID/limits");
    for (size_t i = 0; r == 0 && i < COUNT_OF(rows); i++)
        r = verify_limit(l, text, rows[i].name, rows[i].most);
    return r;
}

/* --- the root --- */

static int verify_empty(const struct look *l, int root_fd)
{
    AUTO_FD fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int n = 0;

    if (dir == NULL)
        return why_errno(l->why, -errno, "root");
    (void)fd_steal(&fd);
    while (n <= 2 && readdir(dir) != NULL)
        n++;
    (void)closedir(dir);
    return n == 2 ? 0 : why_say(l->why, -EPERM, "root is not empty");
}

/* One mount, and nothing on it: what is not mounted cannot be reached by any path. */
static int verify_mounts(const struct look *l)
{
    char text[VERIFY_TEXT_BYTES];
    int r = verify_read_text(l->proc_fd, "mountinfo", text, sizeof(text));
    const char *end = r < 0 ? NULL : strchr(text, '\n');

    if (r < 0)
        return why_errno(l->why, r, "/proc/PID/mountinfo");
    if (end == NULL || end[1] != '\0')
        return why_say(l->why, -EPERM, "root is not its only mount");
    return 0;
}

static int verify_root(const struct look *l)
{
    static const long want = ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC;
    AUTO_FD fd = openat(l->proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat root, cwd;
    struct statfs fs;

    if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &root) < 0 ||
        fstatat(l->proc_fd, "cwd", &cwd, 0) < 0)
        return why_errno(l->why, -errno, "root");
    if (fs.f_type != TMPFS_MAGIC)
        return why_say(l->why, -EPERM, "root is not a tmpfs");
    if ((fs.f_flags & want) != want)
        return why_say(l->why, -EPERM, "root is not mounted ro,nosuid,nodev,noexec");
    if (root.st_dev != cwd.st_dev || root.st_ino != cwd.st_ino)
        return why_say(l->why, -EPERM, "working folder is not the root");
    if (verify_mounts(l) < 0)
        return -EPERM;
    return verify_empty(l, fd);
}

int verify_process(pid_t pid, const struct verify_expect *e, struct why *why)
{
    static int (*const looks[])(const struct look *l) = {
        verify_threads, verify_dumpable, verify_personality, verify_namespaces,
        verify_cgroup,  verify_limits,   verify_root,        verify_files,
    };
    char path[32];
    struct look l = {.pid = pid, .expect = e, .why = why};
    AUTO_FD fd = -1;

    (void)snprintf(path, sizeof(path), "/proc/%d", pid);
    fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return why_errno(why, -errno, "%s", path);
    l.proc_fd = fd;
    for (size_t i = 0; i < COUNT_OF(looks); i++) {
        int r = looks[i](&l);

        if (r < 0)
            return r;
    }
    return 0;
}
