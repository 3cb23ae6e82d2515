/*
 * init/main.c - PID 1, of a PID namespace on a plain host ("hosted") or of a VM.
 *
 * The only privileged process. It opens what the configuration names, jails, starts and reaps; it
 * decides nothing and parses nothing that comes from the guest.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "init/rights.h"
#include "init/vm.h"

static void complain(const struct vm *vm, const char *text)
{
    if (vm->place.nested)
        place_nested_say(text);
    else if (vm->report.fd < 0 && vm->place.report_fd < 0) /* otherwise it is reported */
        (void)dprintf(STDERR_FILENO, "bulkhead-init: %s\n", text);
}

static int live(struct vm *vm, bool hosted, struct why *why)
{
    int r = hosted ? place_hosted(&vm->place, why) : place_nested(&vm->place, why);

    if (r == 0)
        r = rights_check(why);
    if (r == 0)
        r = vm_start(vm, why);
    if (r == 0 && !vm->over && event_base_dispatch(vm->base) < 0)
        r = why_say(why, -1, "the event loop failed");
    return r;
}

/*
 * A shell that starts us in the background has us ignore SIGINT and SIGQUIT, and what is ignored is
 * inherited through clone and exec: no process of ours may depend on who started it.
 */
static void forget_ignored_signals(void)
{
    for (int signal_number = 1; signal_number < NSIG; signal_number++)
        (void)signal(signal_number, SIG_DFL);
}

int main(int argc, char **argv)
{
    bool hosted = argc > 1 && strcmp(argv[1], "hosted") == 0;
    struct vm *vm;
    struct why why = {0};
    bool nested;
    int r;

    forget_ignored_signals();
    vm = vm_new();
    if (vm == NULL)
        return 1;
    r = live(vm, hosted, &why);
    if (r < 0)
        complain(vm, why.text);
    nested = vm->place.nested;
    vm_done(vm, r < 0 ? why.text : NULL);
    if (nested)
        place_nested_end();
    return r < 0 ? 1 : 0;
}
