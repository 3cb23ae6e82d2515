#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/build_id.h"
#include "base/clock.h"
#include "base/fd.h"
#include "cli/binary.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/operator.h"
#include "cli/options.h"
#include "cli/programs.h"
#include "cli/query.h"
#include "cli/say.h"
#include "ipc/manifest.h"

enum {
    SETTLE_MS = 10 * 1000, /* for diag, which cannot tell of its own replacement */
    LOOK_MS = 50,
};

static const char SOCKET_END[] = ".sock";

enum result {
    RESULT_CURRENT, /* it was of that build already */
    RESULT_REPLACED,
    RESULT_KEPT,  /* it would not be replaced, and serves on */
    RESULT_LATER, /* it has nothing to do */
    RESULT_COUNT,
};

static const char *const result_texts[RESULT_COUNT] = {
    [RESULT_CURRENT] = "current",
    [RESULT_REPLACED] = "replaced",
    [RESULT_KEPT] = "kept",
    [RESULT_LATER] = "will start as the new one",
};

/* All VMs of this machine, one after the other. */
struct upgrade {
    const struct cli_args *args;
    char folder[PATH_MAX]; /* of the new programs */
    json_t *rows;          /* NULL: text */
    int status;
};

/* --- one process --- */

static bool is_build(const Bulkhead__AdminAnswer *processes, const char *name, const char *build)
{
    const Bulkhead__ProcessRow *row = query_row(processes, name);

    return row != NULL && strcmp(row->build_id, build) == 0 && strcmp(row->state, "running") == 0;
}

/* Is the new one about to be ready? However long it takes: the supervisor gives it up in time. */
static bool is_coming(const struct cli_args *vm, const char *name)
{
    static const char coming[] = "replacement";
    char path[64], text[QUERY_TEXT_BYTES];

    (void)snprintf(path, sizeof(path), "supervisor/%.32s/spare", name);
    return query_text(vm, true, path, text) == 0 && strncmp(text, coming, strlen(coming)) == 0;
}

/* Until it serves. */
static bool settles(const struct cli_args *vm, const char *name, const char *build)
{
    uint64_t end_ns = clock_now_ns() + SETTLE_MS * NS_PER_MS;
    bool is = false;

    while (!is && clock_now_ns() < end_ns) {
        struct timespec pause = {.tv_nsec = LOOK_MS * (long)NS_PER_MS};
        Bulkhead__AdminAnswer *processes;

        if (is_coming(vm, name))
            end_ns = clock_now_ns() + SETTLE_MS * NS_PER_MS;
        if (query_processes(vm, true, &processes) == 0) {
            is = is_build(processes, name, build);
            bulkhead__admin_answer__free_unpacked(processes, NULL);
        }
        if (!is)
            (void)nanosleep(&pause, NULL);
    }
    return is;
}

static enum result replace(const struct cli_args *vm, const char *name, int program,
                           const char *build)
{
    struct cli_args one = *vm;
    char about[128];

    one.target = name;
    (void)snprintf(about, sizeof(about), "%.48s: %.32s serves on as it is: ", vm->name, name);
    if (query_restart(&one, about, program) != 0 && !is_coming(vm, name))
        return RESULT_KEPT;
    if (settles(vm, name, build))
        return RESULT_REPLACED;
    (void)say(EXIT_FAILED, "%sthe new one did not come", about);
    return RESULT_KEPT;
}

/* For when there is something to do for it. */
static enum result leave(const struct cli_args *vm, const char *name, int program)
{
    struct cli_args one = *vm;
    char about[128];

    one.target = name;
    (void)snprintf(about, sizeof(about), "%.48s: %.32s will start as the old one: ", vm->name,
                   name);
    return query_restart(&one, about, program) == 0 ? RESULT_LATER : RESULT_KEPT;
}

/* Its VM says which, but names no other file than one of that process. */
static const char *program_of(enum process process, const Bulkhead__ProcessRow *row)
{
    const char *remote = manifest_program(process, true);

    return row != NULL && strcmp(row->program, remote) == 0 ? remote : manifest[process].program;
}

/* By the program of the same name in the folder. No row: it does not run. */
static enum result upgrade_process(const struct upgrade *u, const struct cli_args *vm,
                                   enum process process, const Bulkhead__ProcessRow *row)
{
    const char *name = manifest[process].name;
    char build[BUILD_ID_TEXT_BYTES];
    char path[2 * PATH_MAX];
    AUTO_FD program = -1;
    int r;

    (void)snprintf(path, sizeof(path), "%s/%s", u->folder, program_of(process, row));
    r = binary_seal(path, &program);
    if (r < 0) {
        (void)say(EXIT_FAILED, "%s: %s", path, r == -ENOEXEC ? "not a program" : strerror(-r));
        return RESULT_KEPT;
    }
    if (row == NULL)
        return leave(vm, name, program);
    build_id_read(program, build);
    if (build[0] != '\0' && strcmp(build, row->build_id) == 0)
        return RESULT_CURRENT;
    return replace(vm, name, program, build);
}

/* --- one VM --- */

static void tell(struct upgrade *u, const struct cli_args *vm, const char *process,
                 enum result result)
{
    if (u->rows != NULL)
        (void)json_array_append_new(u->rows, json_pack("{s:s, s:s, s:s}", "vm", vm->name, "process",
                                                       process, "result", result_texts[result]));
    else
        (void)printf("%s: %s: %s\n", vm->name, process, result_texts[result]);
    (void)fflush(stdout);
    if (result == RESULT_KEPT)
        u->status = EXIT_FAILED;
}

static void upgrade_vm(struct upgrade *u, const struct cli_args *vm)
{
    Bulkhead__AdminAnswer *processes;

    if (query_processes(vm, false, &processes) != 0) {
        u->status = EXIT_FAILED;
        return;
    }
    for (enum process p = 0; p < PROCESS_COUNT; p++) {
        const char *name = manifest[p].name;

        /* The supervisor holds the guest: it goes with it. */
        if (p != PROCESS_SUPERVISOR && manifest[p].program != NULL)
            tell(u, vm, name, upgrade_process(u, vm, p, query_row(processes, name)));
    }
    bulkhead__admin_answer__free_unpacked(processes, NULL);
}

/* --- all VMs --- */

static int is_socket(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    size_t end = sizeof(SOCKET_END) - 1;

    return len > end && strcmp(entry->d_name + len - end, SOCKET_END) == 0;
}

/* A socket that a dead VM left is none. */
static bool is_alive(const char *path)
{
    AUTO_FD fd = -1;
    int r = operator_connect(path, OPERATOR_ANSWER_S, &fd);

    return r != -ENOENT && r != -ECONNREFUSED;
}

static void upgrade_socket(struct upgrade *u, const char *folder, const char *file)
{
    struct cli_args vm = *u->args;
    char path[PATH_MAX];
    char name[NAME_MAX + 1];

    (void)snprintf(path, sizeof(path), "%.256s/%s", folder, file);
    (void)snprintf(name, sizeof(name), "%.*s", (int)(strlen(file) - strlen(SOCKET_END)), file);
    vm.name = name;
    vm.socket = path;
    if (is_alive(path))
        upgrade_vm(u, &vm);
}

static int upgrade_all(struct upgrade *u)
{
    char folder[PATH_MAX];
    struct dirent **entries = NULL;
    int n;

    (void)snprintf(folder, sizeof(folder), "%s/bulkhead", operator_folder());
    n = scandir(folder, &entries, is_socket, alphasort);
    if (n < 0 && errno != ENOENT)
        return say(EXIT_FAILED, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        upgrade_socket(u, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return u->status;
}

static int upgrade_named(struct upgrade *u)
{
    struct cli_args vm = *u->args;

    if (u->args->target != NULL)
        vm.name = u->args->target;
    vm.target = NULL;
    upgrade_vm(u, &vm);
    return u->status;
}

static int find_folder(struct upgrade *u)
{
    const char *wish = u->args->programs;
    const char *missing;

    if (wish == NULL && programs_find(u->folder) < 0)
        return say(EXIT_FAILED,
                   "Bulkhead's programs are not beside this one: say where with --programs DIR");
    if (wish != NULL && realpath(wish, u->folder) == NULL)
        return say(EXIT_USAGE, "--programs %s: %s", wish, strerror(errno));
    missing = programs_missing(u->folder);
    return missing == NULL
               ? 0
               : say(EXIT_USAGE, "--programs %s: no program %s there", u->folder, missing);
}

int upgrade_command(const struct cli_args *args)
{
    struct upgrade u = {.args = args};
    int status = find_folder(&u);

    if (status != 0)
        return status;
    u.rows = args->json ? json_array() : NULL;
    status = args->target != NULL || args->socket != NULL ? upgrade_named(&u) : upgrade_all(&u);
    if (u.rows != NULL)
        json_document(u.rows, stdout);
    return status;
}
