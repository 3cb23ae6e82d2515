#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/pki_authority.h"
#include "cli/pki_verbs.h"
#include "cli/say.h"

enum {
    NAME_COLUMN = 24,
};

struct listing {
    const struct pki_authority *a;
    json_t *json; /* NULL: a table */
    int status;
};

/* --- one row --- */

static const char *role_of(const char *file, const struct pki_facts *facts)
{
    if (strcmp(file, "ca.pem") == 0)
        return "ca";
    if (strcmp(file, "server.pem") == 0)
        return "server";
    return facts->has_role ? pki_role_text(facts->role) : "none";
}

static void print_row(const char *name, const char *role, const struct pki_facts *facts,
                      bool revoked)
{
    const char *state = revoked ? "revoked" : facts->expired ? "expired" : "valid";

    (void)printf("%-*s %-9s %-8s %.10s  %s\n", NAME_COLUMN, name, role, state, facts->expires,
                 facts->serial);
}

static json_t *row_json(const char *name, const char *role, const struct pki_facts *facts,
                        bool revoked)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "name", name, "role", role, "serial",
                     facts->serial, "expires", facts->expires, "expired", facts->expired, "revoked",
                     revoked);
}

static void warn(const char *file, const char *name, const struct pki_facts *facts)
{
    char mend[128];

    if (strcmp(file, "ca.pem") == 0)
        return; /* said when it was read */
    if (strcmp(file, "server.pem") == 0)
        (void)snprintf(mend, sizeof(mend), "`bulkhead pki init` makes another");
    else
        (void)snprintf(mend, sizeof(mend), "`bulkhead pki revoke %s`, then issue another", name);
    pki_warn(name, facts, mend);
}

static void show(struct listing *l, const char *file)
{
    char name[PKI_FILE_NAME_BYTES];
    AUTO_CERT *cert = NULL;
    struct pki_facts facts;
    const char *role;
    bool revoked;
    int r = pki_authority_cert(l->a, file, &cert, &facts);

    if (r < 0) {
        l->status = pki_file_trouble(&l->a->folder, file, r);
        return;
    }
    (void)snprintf(name, sizeof(name), "%.*s", (int)(strlen(file) - strlen(".pem")), file);
    role = role_of(file, &facts);
    revoked = pki_is_revoked(l->a->crl, cert);
    if (l->json != NULL)
        (void)json_array_append_new(l->json, row_json(name, role, &facts, revoked));
    else
        print_row(name, role, &facts, revoked);
    if (!revoked)
        warn(file, name, &facts);
}

/* --- all --- */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);

    return len > strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

static int is_cert(const struct dirent *entry)
{
    const char *name = entry->d_name;

    return name[0] != '.' && strlen(name) < PKI_FILE_NAME_BYTES && ends_with(name, ".pem") &&
           !ends_with(name, "-key.pem") && strcmp(name, "crl.pem") != 0;
}

static int show_all(struct listing *l)
{
    struct dirent **entries = NULL;
    int n = scandirat(l->a->folder.fd, ".", &entries, is_cert, alphasort);

    if (n < 0)
        return say(EXIT_FAILED, "%s: %s", l->a->folder.path, strerror(errno));
    if (l->json == NULL)
        (void)printf("%-*s %-9s %-8s %-10s  %s\n", NAME_COLUMN, "NAME", "ROLE", "STATE", "EXPIRES",
                     "SERIAL");
    for (int i = 0; i < n; i++) {
        show(l, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return l->status;
}

int pki_list(const struct cli_args *args)
{
    AUTO_AUTHORITY a = {.folder.fd = -1};
    struct listing l = {.a = &a};
    int status = pki_authority_open(args, false, &a);

    if (status == 0)
        status = pki_authority_read(&a, false);
    if (status != 0)
        return status;
    l.json = args->json ? json_array() : NULL;
    status = show_all(&l);
    if (l.json != NULL)
        json_document(l.json, stdout);
    return status;
}
