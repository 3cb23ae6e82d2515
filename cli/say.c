#include "cli/say.h"

#include <stdarg.h>
#include <stdio.h>

int say(int status, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)fprintf(stderr, "bulkhead: %s\n", text);
    return status;
}
