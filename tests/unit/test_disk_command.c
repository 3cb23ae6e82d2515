#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.pb-c.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/say.h"
#include "tests/fakes/operator.h"

static char folder[] = "/tmp/test-disk-XXXXXX";
static const char *const names[] = {"a.img", "socket"};

static void enter(void)
{
    AUTO_FD fd = -1;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    fd = open("a.img", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
}

static void leave(void)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        (void)unlink(names[i]);
    (void)rmdir(folder);
}

/* The command, in a process of its own. */
static pid_t start(const char *action, const char *disk)
{
    struct cli_args args = {.name = "vm", .socket = "socket", .target = action, .detail = disk};
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(disk_command(&args));
    return pid;
}

static int status_of(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The call, and what came along; *ret_fd -1: nothing did. */
static Bulkhead__AdminCall *receive(int connection, int *ret_fd)
{
    uint8_t bytes[8192];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t len = recvmsg(connection, &msg, MSG_CMSG_CLOEXEC);
    Bulkhead__AdminCall *call;

    ck_assert_int_gt(len, 0);
    *ret_fd = -1;
    if (CMSG_FIRSTHDR(&msg) != NULL)
        memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
    call = bulkhead__admin_call__unpack(NULL, (size_t)len, bytes);
    ck_assert_ptr_nonnull(call);
    return call;
}

static const struct {
    const char *action, *disk;
    Bulkhead__DiskChange__Action is;
    uint32_t controller, lun, kind;
    int access; /* of the descriptor that comes along; -1: none does */
} rows[] = {
    {"add",    "a.img,lun=5",          BULKHEAD__DISK_CHANGE__ACTION__ADD,    0, 5,  DISK_DISK, O_RDWR  },
    {"add",    "a.img,lun=5,readonly", BULKHEAD__DISK_CHANGE__ACTION__ADD,    0, 5,  DISK_DISK, O_RDONLY},
    {"add",    "kind=dvd,lun=6",       BULKHEAD__DISK_CHANGE__ACTION__ADD,    0, 6,  DISK_DVD,  -1      },
    {"remove", "lun=5,controller=1",   BULKHEAD__DISK_CHANGE__ACTION__REMOVE, 1, 5,  DISK_DVD,  -1      },
    {"resize", "lun=0",                BULKHEAD__DISK_CHANGE__ACTION__RESIZE, 0, 0,  DISK_DVD,  -1      },
    {"insert", "a.img,lun=63",         BULKHEAD__DISK_CHANGE__ACTION__INSERT, 0, 63, DISK_DVD,  O_RDONLY},
    {"eject",  "controller=3,lun=1",   BULKHEAD__DISK_CHANGE__ACTION__EJECT,  3, 1,  DISK_DVD,  -1      },
};

START_TEST(the_vm_is_asked)
{
    AUTO_FD listener = listen_here();
    AUTO_FD connection = -1;
    AUTO_FD file = -1;
    pid_t pid = start(rows[_i].action, rows[_i].disk);
    Bulkhead__AdminCall *call;

    connection = accept(listener, NULL, NULL);
    ck_assert_int_ge(connection, 0);
    call = receive(connection, &file);
    ck_assert_int_eq(call->verb, BULKHEAD__ADMIN_CALL__VERB__DISK);
    ck_assert_ptr_nonnull(call->disk);
    ck_assert_int_eq(call->disk->action, rows[_i].is);
    ck_assert_uint_eq(call->disk->disk->controller, rows[_i].controller);
    ck_assert_uint_eq(call->disk->disk->lun, rows[_i].lun);
    ck_assert_uint_eq(call->disk->disk->kind, rows[_i].kind);
    ck_assert_uint_eq(call->disk->disk->identity.len, 16);
    ck_assert_int_eq(call->disk->disk->read_only, rows[_i].access != O_RDWR);
    ck_assert_uint_eq(call->disk->disk->n_paths, rows[_i].access >= 0 ? 1 : 0);
    ck_assert_int_eq(file >= 0, rows[_i].access >= 0);
    if (file >= 0) {
        struct flock any = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        AUTO_FD again = open("a.img", O_RDWR | O_CLOEXEC);

        ck_assert_int_eq(fcntl(file, F_GETFL) & O_ACCMODE, rows[_i].access);
        ck_assert_int_eq(fcntl(again, F_OFD_SETLK, &any), 0); /* init can lock it */
    }
    bulkhead__admin_call__free_unpacked(call, NULL);
    answer(connection, _i == 1 ? "no" : "", NULL);
    ck_assert_int_eq(status_of(pid), _i == 1 ? EXIT_FAILED : EXIT_OK);
}
END_TEST

static const struct {
    const char *action, *disk;
} wrongs[] = {
    {"push",   "lun=1"                   },
    {"add",    "a.img"                   },
    {"add",    "lun=1"                   },
    {"add",    "nothing.img,lun=1"       },
    {"add",    "a.img,lun=64"            },
    {"add",    "a.img,member=a.img,lun=1"},
    {"add",    "format=ram,size=1M,lun=1"},
    {"remove", "a.img,lun=1"             },
    {"remove", "controller=1"            },
    {"insert", "lun=1"                   },
    {"eject",  "a.img,lun=1"             },
};

START_TEST(what_is_wrong_is_seen_before_the_vm_is_asked)
{
    AUTO_FD listener = listen_here();

    ck_assert_int_eq(status_of(start(wrongs[_i].action, wrongs[_i].disk)), EXIT_USAGE);
    ck_assert_int_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_lt(accept(listener, NULL, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("disk_command");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_unchecked_fixture(tests, enter, leave);
    tcase_add_loop_test(tests, the_vm_is_asked, 0, COUNT_OF(rows));
    tcase_add_loop_test(tests, what_is_wrong_is_seen_before_the_vm_is_asked, 0, COUNT_OF(wrongs));
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
