#include "supervisor/hyperv/crash.h"

#include <string.h>

#include "supervisor/hyperv/hv.h"

enum {
    CRASH_TEXT_MAX = 4096,
    CRASH_LINES_MAX = 64,
    CRASH_REPORTS_MAX = 8, /* of one VM: whoever dies more often writes logs for a purpose */
    PARAMETER_TEXT_AT = 3,
    PARAMETER_TEXT_LEN = 4,
};

static const uint64_t CRASH_NOTIFY = UINT64_C(1) << 63;
static const uint64_t CRASH_HAS_TEXT = UINT64_C(1) << 62;

int crash_read(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)vp;
    *ret = hv->crash[index];
    return 0;
}

int crash_write(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    (void)vp;
    hv->crash[index] = data;
    return 0;
}

int crash_read_control(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)hv;
    (void)vp;
    (void)index;
    *ret = CRASH_NOTIFY | CRASH_HAS_TEXT;
    return 0;
}

static void log_numbers(const struct hv *hv, unsigned vp)
{
    board_log(hv->config.board, LOG_LEVEL_ERROR,
              "vCPU %u: the guest reports a crash: %#llx %#llx %#llx %#llx %#llx", vp,
              (unsigned long long)hv->crash[0], (unsigned long long)hv->crash[1],
              (unsigned long long)hv->crash[2], (unsigned long long)hv->crash[3],
              (unsigned long long)hv->crash[4]);
}

/* Line by line; the log cuts long ones and replaces what cannot be printed. */
static void log_lines(const struct hv *hv, const char *text, size_t len)
{
    const char *end = text + len;

    for (unsigned i = 0; i < CRASH_LINES_MAX && text < end; i++) {
        size_t left = (size_t)(end - text);
        const char *newline = memchr(text, '\n', left);
        size_t line = newline != NULL ? (size_t)(newline - text) : left;

        if (line > 0)
            board_log(hv->config.board, LOG_LEVEL_ERROR, "guest: %.*s", (int)line, text);
        text += newline != NULL ? line + 1 : line;
    }
}

/*
 * The newest lines are the last ones, and they say why. So what is too much is left out at the
 * beginning.
 */
static size_t skip_lines(const char *text, size_t len)
{
    unsigned lines = 0;
    size_t at = len;

    while (at > 0 && (text[at - 1] != '\n' || lines++ < CRASH_LINES_MAX))
        at--;
    return at;
}

static void log_text(const struct hv *hv, unsigned vp)
{
    struct gpa from = {hv->crash[PARAMETER_TEXT_AT]};
    uint64_t len = hv->crash[PARAMETER_TEXT_LEN];
    char text[CRASH_TEXT_MAX];
    size_t skipped;

    if (len > sizeof(text))
        len = sizeof(text);
    if (gmem_copy_in(hv->config.memory, from, text, (size_t)len) < 0) {
        board_log(hv->config.board, LOG_LEVEL_ERROR,
                  "vCPU %u: the guest reports a crash with a text that is not in its memory", vp);
        return;
    }
    board_log(hv->config.board, LOG_LEVEL_ERROR, "vCPU %u: the guest reports a crash:", vp);
    skipped = skip_lines(text, (size_t)len);
    log_lines(hv, text + skipped, (size_t)len - skipped);
}

static void report(struct hv *hv, unsigned vp, uint64_t control)
{
    if (hv->config.board == NULL || hv->crash_reports >= CRASH_REPORTS_MAX)
        return;
    hv->crash_reports++;
    if (hv->config.history != NULL)
        history_vm(hv->config.history, EVENT_GUEST_CRASH, vp, 0);
    /* The log is the host's to read. Of a VM whose host must not look inside it gets no more than this:
     * neither numbers, which are addresses, nor text. */
    if (hv->config.confidential)
        board_log(hv->config.board, LOG_LEVEL_ERROR, "vCPU %u: the guest reports a crash", vp);
    else if ((control & CRASH_HAS_TEXT) != 0)
        log_text(hv, vp);
    else
        log_numbers(hv, vp);
}

int crash_write_control(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    (void)index;
    if ((data & CRASH_NOTIFY) != 0)
        report(hv, vp, data);
    return 0;
}
