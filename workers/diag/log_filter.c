#include "workers/diag/log_filter.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/macro.h"
#include "ipc/manifest.h"
#include "ipc/records.h"

static const char WITHHELD[] = "[withheld]";

enum {
    NUMBER_CHARS = 20, /* of 64 bits */
};

struct out {
    char *text;
    size_t len;
};

static void put(struct out *o, const char *text, size_t len)
{
    size_t room = LOG_FILTERED_BYTES - 1 - o->len;

    len = len < room ? len : room;
    memcpy(o->text + o->len, text, len);
    o->len += len;
    o->text[o->len] = '\0';
}

/* Words that the code itself chooses among. */
static bool is_known(const char *text, size_t len)
{
    static const char *const words[] = {
        "",
        "up",
        "down",
        "restart",
        "revive",
        ", errors only",
        ", with another binary",
        ": out of memory",
    };
    const char *name;

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
            return true;
    }
    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        if (strlen(manifest[i].name) == len && memcmp(manifest[i].name, text, len) == 0)
            return true;
    }
    for (unsigned i = 0; (name = records_cause_name(i)) != NULL; i++) {
        if (strlen(name) == len && memcmp(name, text, len) == 0)
            return true;
    }
    return false;
}

static size_t number_len(const char *text, bool hex)
{
    static const char digits[] = "0123456789abcdef";
    size_t head = hex && strncmp(text, "0x", 2) == 0 ? 2 : !hex && text[0] == '-' ? 1 : 0;
    size_t len = strspn(text + head, hex ? digits : "0123456789");

    return len == 0 || len > NUMBER_CHARS ? 0 : head + len;
}

/* Up to where the template's own text goes on; to the end, when it does not. */
static size_t text_len(const char *text, const char *template)
{
    size_t literal = strcspn(template, "\1\2\3");
    const char *next;

    if (literal == 0)
        return *template == '\0' ? strlen(text) : strcspn(text, " :,");
    for (next = text; *next != '\0'; next++) {
        if (strncmp(next, template, literal) == 0 &&
            (template[literal] != '\0' || next[literal] == '\0'))
            return (size_t)(next - text);
    }
    return strlen(text);
}

/* False: the line is not of that template. What was put by then does not count. */
static bool matches(const char *template, const char *line, struct out *o)
{
    while (*template != '\0') {
        char kind = *template ++;
        size_t len = kind == 1 || kind == 2 ? number_len(line, kind == 2)
                     : kind == 3            ? text_len(line, template)
                                            : (size_t)(*line == kind);

        if (len == 0 && kind != 3)
            return false;
        if (kind == 3 && !is_known(line, len))
            put(o, WITHHELD, sizeof(WITHHELD) - 1);
        else
            put(o, line, len);
        line += len;
    }
    return *line == '\0';
}

void log_filter(const char *line, char ret[LOG_FILTERED_BYTES])
{
    struct out o = {.text = ret};

    for (const char *const *t = log_templates; *t != NULL; t++) {
        o.len = 0;
        ret[0] = '\0';
        if (matches(*t, line, &o))
            return;
    }
    o.len = 0;
    put(&o, WITHHELD, sizeof(WITHHELD) - 1);
}
