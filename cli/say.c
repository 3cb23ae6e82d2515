#include "cli/say.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The journal takes a line's priority from its beginning, and says by $JOURNAL_STREAM which stream is its. */
static bool is_journal(FILE *out)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(fileno(out), &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

int say(int status, const char *fmt, ...)
{
    char text[1024];
    const char *priority = "";
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (is_journal(stderr))
        priority = status == EXIT_OK ? "<5>" : "<3>"; /* notice; error, as syslog(3) numbers them */
    (void)fprintf(stderr, "%sbulkhead: %s\n", priority, text);
    return status;
}
