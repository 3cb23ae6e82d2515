#include "cli/render_records.h"

#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "cli/render.h"

enum {
    TIME_BYTES = 40,
    TEXT_BYTES = 160,
    NS_IN_MS = 1000 * 1000,
};

static const uint64_t NS_IN_S = 1000ull * 1000 * 1000;

static void put_time(uint64_t time_ns, char ret[TIME_BYTES])
{
    time_t seconds = (time_t)(time_ns / NS_IN_S);
    struct tm tm;
    size_t len = localtime_r(&seconds, &tm) == NULL
                     ? 0
                     : strftime(ret, TIME_BYTES, "%Y-%m-%d %H:%M:%S", &tm);

    (void)snprintf(ret + len, TIME_BYTES - len, ".%03u", (unsigned)(time_ns / NS_IN_MS % 1000));
}

/* --- events --- */

void render_event(const Bulkhead__EventRow *row, FILE *out)
{
    char time[TIME_BYTES];
    char who[32] = "VM";

    put_time(row->time_ns, time);
    if (row->process[0] != '\0' && row->generation != 0)
        (void)snprintf(who, sizeof(who), "%s/%u", row->process, row->generation);
    else if (row->process[0] != '\0')
        (void)snprintf(who, sizeof(who), "%s", row->process);
    (void)fprintf(out, "%s  %-14s %s", time, who, row->event);
    if (row->cause[0] != '\0')
        (void)fprintf(out, ": %s", row->cause);
    for (size_t i = 0; i < row->n_numbers; i++)
        (void)fprintf(out, " %s=%llu", row->numbers[i]->name,
                      (unsigned long long)row->numbers[i]->value);
    if (row->crash != 0)
        (void)fprintf(out, " (crash %llu)", (unsigned long long)row->crash);
    (void)fputc('\n', out);
}

/* --- crashes --- */

static bool has_signal(const Bulkhead__CrashRow *row)
{
    return WIFSIGNALED(row->wait_status);
}

/* "crash, SIGSEGV", "hang, SIGKILL", "crash, exit 3" */
static void put_cause(const Bulkhead__CrashRow *row, char ret[TEXT_BYTES])
{
    const char *signal = has_signal(row) ? sigabbrev_np(WTERMSIG(row->wait_status)) : NULL;

    if (signal != NULL)
        (void)snprintf(ret, TEXT_BYTES, "%s, SIG%s", row->cause, signal);
    else if (has_signal(row))
        (void)snprintf(ret, TEXT_BYTES, "%s, signal %d", row->cause, WTERMSIG(row->wait_status));
    else
        (void)snprintf(ret, TEXT_BYTES, "%s, exit %d", row->cause, WEXITSTATUS(row->wait_status));
}

static void put_doing(const Bulkhead__CrashRow *row, char ret[TEXT_BYTES])
{
    if (row->doing[0] == '\0')
        (void)snprintf(ret, TEXT_BYTES, "-");
    else
        (void)snprintf(ret, TEXT_BYTES, "%s %#x", row->doing, row->doing_code);
}

void render_crash_heading(FILE *out)
{
    (void)fprintf(out, "%-5s %-23s  %-10s %-5s %-33s %s\n", "NO", "TIME", "NAME", "GEN", "CAUSE",
                  "DOING");
}

void render_crashes(Bulkhead__CrashRow *const *rows, size_t n, FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        char time[TIME_BYTES], cause[TEXT_BYTES], doing[TEXT_BYTES];

        put_time(rows[i]->time_ns, time);
        put_cause(rows[i], cause);
        put_doing(rows[i], doing);
        (void)fprintf(out, "%-5llu %-23s  %-10s %-5u %-33s %s\n",
                      (unsigned long long)rows[i]->number, time, rows[i]->process,
                      rows[i]->generation, cause, doing);
    }
}

/* Why there is no code location, too. */
static void put_code(const Bulkhead__CrashRow *row, char ret[TEXT_BYTES])
{
    if (row->has_code)
        (void)snprintf(ret, TEXT_BYTES, "%#llx (addr2line -fe bulkhead-%s %#llx)",
                       (unsigned long long)row->code, row->process, (unsigned long long)row->code);
    else if (strcmp(row->cause, "forbidden system call") == 0)
        (void)snprintf(ret, TEXT_BYTES, "not known: whoever makes one is dead at once");
    else
        (void)snprintf(ret, TEXT_BYTES, "not known: it was killed, or ended by itself");
}

void render_crash(const Bulkhead__CrashRow *row, FILE *out)
{
    char text[TEXT_BYTES];

    put_cause(row, text);
    (void)fprintf(out, "crash %llu: %s, generation %u%s: %s\n", (unsigned long long)row->number,
                  row->process, row->generation, row->spare ? " (standing by)" : "", text);
    put_time(row->time_ns, text);
    (void)fprintf(out, "  time      %s\n  pid       %d\n", text, row->pid);
    render_uptime(row->served_ms, text, sizeof(text));
    (void)fprintf(out, "  served    %s\n  deaths    %u before\n", text, row->restarts);
    (void)fprintf(out, "  build id  %s\n", row->build_id);
    put_code(row, text);
    (void)fprintf(out, "  code      %s\n", text);
    put_doing(row, text);
    (void)fprintf(out, "  doing     %s\n", text);
    (void)fprintf(out, "  its log   %s\n", row->n_lines == 0 ? "says nothing" : "said last");
    for (size_t i = 0; i < row->n_lines; i++) {
        (void)fprintf(out, "    ");
        render_line(row->lines[i], false, out);
    }
}
