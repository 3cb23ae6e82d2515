#include "init/why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int why_say(struct why *why, int err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(why->text, sizeof(why->text), fmt, args);
    va_end(args);
    return err;
}

int why_errno(struct why *why, int err, const char *fmt, ...)
{
    va_list args;
    size_t len;

    va_start(args, fmt);
    (void)vsnprintf(why->text, sizeof(why->text), fmt, args);
    va_end(args);
    len = strlen(why->text);
    (void)snprintf(why->text + len, sizeof(why->text) - len, ": %s", strerror(-err));
    return err;
}
