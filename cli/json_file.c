#include "cli/json_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

int json_file_wrong(const struct json_file *f, size_t at, char error[JSON_FILE_ERROR_BYTES],
                    const char *fmt, ...)
{
    struct document_position where = document_position_of(f->text, f->len, at);
    va_list args;
    int len = snprintf(error, JSON_FILE_ERROR_BYTES, "%.400s:%zu:%zu: ", f->path, where.line,
                       where.column);

    va_start(args, fmt);
    (void)vsnprintf(error + len, JSON_FILE_ERROR_BYTES - (size_t)len, fmt, args);
    va_end(args);
    return -EINVAL;
}

static int cannot_read(const char *path, int err, char *error)
{
    (void)snprintf(error, JSON_FILE_ERROR_BYTES, "%.400s: %s", path, strerror(err));
    return -EINVAL;
}

static int parse(struct json_file *f, char *error)
{
    char why[DOCUMENT_WHY_BYTES];
    size_t at = 0;
    int r = document_parse(f->text, f->len, &f->document, &at, why);

    if (r == -ENOMEM)
        return cannot_read(f->path, ENOMEM, error);
    return r < 0 ? json_file_wrong(f, at, error, "%s", why) : 0;
}

int json_file_parse(const char *path, const char *text, size_t len, struct json_file *ret,
                    char error[JSON_FILE_ERROR_BYTES])
{
    *ret = (struct json_file){.path = path, .text = malloc(len + 1), .len = len};
    if (ret->text == NULL)
        return cannot_read(path, ENOMEM, error);
    memcpy(ret->text, text, len);
    ret->text[len] = '\0';
    return parse(ret, error);
}

int json_file_read(const char *path, struct json_file *ret, char error[JSON_FILE_ERROR_BYTES])
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);

    *ret = (struct json_file){.path = path};
    if (fd < 0)
        return cannot_read(path, errno, error);
    ret->text = malloc(DOCUMENT_MAX_BYTES + 1);
    if (ret->text == NULL)
        return cannot_read(path, ENOMEM, error);
    while (ret->len <= DOCUMENT_MAX_BYTES) {
        ssize_t n = read(fd, ret->text + ret->len, DOCUMENT_MAX_BYTES + 1 - ret->len);

        if (n < 0)
            return cannot_read(path, errno, error);
        if (n == 0)
            break;
        ret->len += (size_t)n;
    }
    return parse(ret, error);
}

void json_file_done(struct json_file *f)
{
    document_free(f->document);
    free(f->text);
    *f = (struct json_file){0};
}

char *json_file_place(const struct json_file *f, size_t at, struct pool *pool)
{
    struct document_position where = document_position_of(f->text, f->len, at);

    return pool_printf(pool, "%s:%zu:%zu", f->path, where.line, where.column);
}

char *json_file_path(const struct json_file *f, const char *path, struct pool *pool)
{
    const char *slash = strrchr(f->path, '/');

    if (path[0] == '/' || slash == NULL)
        return pool_text(pool, path, strlen(path));
    return pool_printf(pool, "%.*s/%s", (int)(slash - f->path), f->path, path);
}
