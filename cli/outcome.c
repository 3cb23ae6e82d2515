#include "cli/outcome.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/macro.h"
#include "cli/say.h"

struct guest_end_row {
    Bulkhead__GuestEnd how;
    int status;
    const char *text;
};

static const struct guest_end_row guest_ends[] = {
    {BULKHEAD__GUEST_END__GUEST_END_POWER_OFF,    EXIT_OK,           "powered off"                       },
    {BULKHEAD__GUEST_END__GUEST_END_RESET,        EXIT_RESET,        "reset itself"                      },
    {BULKHEAD__GUEST_END__GUEST_END_PANIC,        EXIT_PANIC,        "panicked"                          },
    {BULKHEAD__GUEST_END__GUEST_END_TRIPLE_FAULT, EXIT_TRIPLE_FAULT, "ended in a triple fault"           },
    {BULKHEAD__GUEST_END__GUEST_END_INTERNAL,     EXIT_INTERNAL,     "was ended by a failure of Bulkhead"},
};

static const struct guest_end_row *find_end(Bulkhead__GuestEnd how)
{
    for (size_t i = 0; i < COUNT_OF(guest_ends); i++) {
        if (guest_ends[i].how == how)
            return &guest_ends[i];
    }
    return &guest_ends[COUNT_OF(guest_ends) - 1];
}

static int say_text(char *text, int status, const char *line)
{
    (void)snprintf(text, OUTCOME_TEXT_BYTES, "%s", line);
    return status;
}

static int judge_scripts(const struct outcome *o)
{
    if (o->exec && o->script_status != 0)
        return o->script_status;
    return o->vtl2_exec ? o->vtl2_status : EXIT_OK;
}

/* The script that the guest's end came before; NULL: none. One that failed explains why the other was not waited for. */
static const char *unfinished_script(const struct outcome *o)
{
    if (o->exec && !o->script_done)
        return "the script";
    if (o->vtl2_exec && !o->vtl2_done && !(o->exec && o->script_status != 0))
        return "the script beside Bulkhead";
    return NULL;
}

static int judge_guest(const struct outcome *o, char *text)
{
    const struct guest_end_row *end = find_end(o->how);
    const char *unfinished = unfinished_script(o);
    bool good = o->how == BULKHEAD__GUEST_END__GUEST_END_POWER_OFF;

    if (good && unfinished == NULL)
        return judge_scripts(o);
    if (good)
        (void)snprintf(text, OUTCOME_TEXT_BYTES, "the guest powered off before %s had ended",
                       unfinished);
    else
        (void)snprintf(text, OUTCOME_TEXT_BYTES, "the guest %s%s%s", end->text,
                       o->how_text[0] != '\0' ? ": " : "", o->how_text);
    return good ? EXIT_INTERNAL : end->status;
}

static int judge_child(const struct outcome *o, char *text)
{
    const char *what = o->started ? "while the guest ran" : "before the guest started";

    if (WIFSIGNALED(o->child_status))
        (void)snprintf(text, OUTCOME_TEXT_BYTES, "the VM's process was killed by SIG%s %s",
                       sigabbrev_np(WTERMSIG(o->child_status)), what);
    else
        (void)snprintf(text, OUTCOME_TEXT_BYTES, "the VM's process ended with status %d %s",
                       WEXITSTATUS(o->child_status), what);
    return EXIT_INTERNAL;
}

static int judge_time(const struct outcome *o, int status, const char *what, unsigned seconds,
                      char *text)
{
    const char *name = o->started ? "" : o->waits_for;

    (void)snprintf(text, OUTCOME_TEXT_BYTES, "%s %u s: ended%s%s%s", what, seconds,
                   o->started ? "" : " before the guest started",
                   name[0] != '\0' ? ", waiting for " : "", name);
    return status;
}

/* In the order of what explains most. */
int outcome_judge(const struct outcome *o, char text[OUTCOME_TEXT_BYTES])
{
    text[0] = '\0';
    if (o->left)
        return EXIT_OK;
    if (o->signal != 0) {
        (void)snprintf(text, OUTCOME_TEXT_BYTES, "ended by SIG%s", sigabbrev_np(o->signal));
        return EXIT_SIGNAL + o->signal;
    }
    if (o->no_reader)
        return say_text(text, EXIT_FAILED, "nobody reads the output any more");
    if (o->error[0] != '\0')
        return say_text(text, EXIT_INTERNAL, o->error);
    if (o->guest_ended)
        return judge_guest(o, text);
    if (o->vtl2_done && o->vtl2_exec && !o->exec)
        return o->vtl2_status;
    if (o->timed_out)
        return judge_time(o, EXIT_TIMEOUT, "not done after", o->timeout_s, text);
    if (o->silent)
        return judge_time(o, EXIT_INTERNAL, "nothing was heard of the VM for", o->silence_s, text);
    if (o->child_gone)
        return judge_child(o, text);
    return say_text(text, EXIT_INTERNAL, "ended for no known reason");
}

bool outcome_is_failure(const struct outcome *o)
{
    char text[OUTCOME_TEXT_BYTES];

    (void)outcome_judge(o, text);
    return text[0] != '\0' && o->signal == 0 && !o->no_reader;
}
