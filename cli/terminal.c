#include "cli/terminal.h"

#include <errno.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "base/macro.h"

/* Written before the handlers are installed; see the header for why it is here. */
static struct {
    int fd;
    int screen; /* where one of its own was opened; 0: none was */
    struct termios before, raw;
    volatile sig_atomic_t active;
} terminal;

/* The alternate screen, without a cursor. */
static const char ENTER[] = "\033[?1049h\033[?25l";
static const char LEAVE[] = "\033[?25h\033[?1049l";

void terminal_restore(void)
{
    if (!terminal.active)
        return;
    terminal.active = 0;
    if (terminal.screen != 0)
        (void)!write(terminal.screen, LEAVE, sizeof(LEAVE) - 1);
    terminal.screen = 0;
    (void)tcsetattr(terminal.fd, TCSANOW, &terminal.before); /* never waits for a reader */
}

void terminal_screen(int fd)
{
    terminal.screen = fd;
    (void)!write(fd, ENTER, sizeof(ENTER) - 1);
}

void terminal_again(void)
{
    if (terminal.active)
        (void)tcsetattr(terminal.fd, TCSANOW, &terminal.raw);
}

/* SA_RESETHAND: the signal, sent again, does what it always did. */
static void on_crash(int number)
{
    terminal_restore();
    (void)raise(number);
}

static void restore_on_crash(void)
{
    static const int fatal[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};

    for (size_t i = 0; i < COUNT_OF(fatal); i++)
        (void)sigaction(fatal[i], &action, NULL);
    (void)signal(SIGTTOU, SIG_IGN); /* or giving it back from the background would stop us */
}

int terminal_raw(int fd)
{
    if (!isatty(fd) || tcgetpgrp(fd) != getpgrp())
        return -ENOTTY;
    if (tcgetattr(fd, &terminal.before) < 0)
        return -errno;
    terminal.fd = fd;
    terminal.raw = terminal.before;
    cfmakeraw(&terminal.raw);
    terminal.active = 1;
    restore_on_crash();
    if (tcsetattr(fd, TCSANOW, &terminal.raw) < 0) {
        terminal.active = 0;
        return -errno;
    }
    return 0;
}
