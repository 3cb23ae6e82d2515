#include "init/process_end.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "init/verify_look.h"

enum {
    /* proc_pid_stat(5) counts from 1; the third follows the name, which may hold anything. */
    FIELD_STATE = 3,
    FIELD_EXIT_CODE = 52,
};

void proc_end_text(int wait_status, char ret[PROC_END_BYTES])
{
    int number = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    const char *name = WIFSIGNALED(wait_status) ? strsignal(number) : NULL;

    if (name != NULL)
        (void)snprintf(ret, PROC_END_BYTES, "signal %d (%s)", number, name);
    else
        (void)snprintf(ret, PROC_END_BYTES, "exit status %d", number);
}

int proc_end_status(pid_t pid, int *ret)
{
    char path[32], text[VERIFY_TEXT_BYTES];
    const char *at;
    int r;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    r = verify_read_text(AT_FDCWD, path, text, sizeof(text));
    if (r < 0)
        return r;
    at = strrchr(text, ')');
    for (int i = FIELD_STATE; at != NULL && i <= FIELD_EXIT_CODE; i++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return -EAGAIN;
    r = (int)strtol(at, NULL, 10);
    if (r == 0)
        return -EAGAIN;
    *ret = r;
    return 0;
}
