#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/options.h"
#include "cli/password.h"
#include "cli/pki_authority.h"
#include "cli/pki_verbs.h"
#include "cli/say.h"
#include "ipc/remote.h"

/* The names of an operator's files. */
struct own_files {
    char cert[PKI_FILE_NAME_BYTES];
    char key[PKI_FILE_NAME_BYTES];
    char p12[PKI_FILE_NAME_BYTES];
};

static struct own_files files_of(const char *name)
{
    struct own_files f;

    (void)snprintf(f.cert, sizeof(f.cert), "%.47s.pem", name);
    (void)snprintf(f.key, sizeof(f.key), "%.47s-key.pem", name);
    (void)snprintf(f.p12, sizeof(f.p12), "%.47s.p12", name);
    return f;
}

/* One certificate that counts for each name, so that revoking a name revokes all it may do. */
static int check_free(const struct pki_authority *a, const char *name, const char *file)
{
    AUTO_CERT *old = NULL;
    struct pki_facts facts;
    int r;

    if (!pki_folder_has(&a->folder, file))
        return 0;
    r = pki_authority_cert(a, file, &old, &facts);
    if (r < 0)
        return pki_file_trouble(&a->folder, file, r);
    if (facts.expired || pki_is_revoked(a->crl, old))
        return 0;
    return say(
        EXIT_FAILED,
        "%s has a certificate until %.10s: take another name, or `bulkhead pki revoke %s` first",
        name, facts.expires, name);
}

static int choose_days(const struct cli_args *args, const struct pki_authority *a, int *ret)
{
    int wish = args->days != 0 ? (int)args->days : PKI_CLIENT_DAYS;

    *ret = pki_authority_days(a, wish);
    if (args->days != 0 && *ret < wish)
        return say(EXIT_USAGE, "--days %d: the CA itself ends in %d days", wish,
                   a->facts.days_left);
    return 0;
}

static int choose_password(const struct cli_args *args, struct password *ret)
{
    int r =
        args->password_file == NULL ? password_make(ret) : password_read(args->password_file, ret);

    if (r == -EBADMSG)
        return say(EXIT_USAGE,
                   "--password-file %s: its first line is not %d to %d characters of ASCII",
                   args->password_file, PASSWORD_MIN_BYTES, PASSWORD_MAX_BYTES);
    if (r < 0 && args->password_file != NULL)
        return say(EXIT_USAGE, "--password-file %s: %s", args->password_file, strerror(-r));
    return r < 0 ? say(EXIT_FAILED, "no random numbers: %s", strerror(-r)) : 0;
}

static int add_p12(const struct pki_authority *a, const struct pki_pair *client, const char *name,
                   const struct password *password, const char *file, struct pki_files *files)
{
    AUTO_P12 *p12 = NULL;
    BIO *out;
    int r = pki_make_p12(&a->ca, client, name, password->text, &p12);

    if (r < 0)
        return r;
    out = pki_files_add(files, file, true);
    return out != NULL && i2d_PKCS12_bio(out, p12) == 1 ? 0 : -ENOMEM;
}

/* The certificate takes its name last: one that is there has its key beside it. */
static int make(const struct cli_args *args, const struct pki_authority *a, int days,
                const struct password *password, struct pki_facts *ret)
{
    struct own_files own = files_of(args->detail);
    AUTO_FILES files = {.n = 0};
    AUTO_PAIR client = {0};
    int r = pki_make_client(&a->ca, args->detail, (enum pki_role)args->role, days, &client);

    if (r == 0)
        r = pki_read_facts(client.cert, ret);
    if (r == 0)
        r = pki_add_key(&files, own.key, client.key);
    if (r == 0)
        r = add_p12(a, &client, args->detail, password, own.p12, &files);
    if (r == 0)
        r = pki_add_cert(&files, own.cert, client.cert);
    if (r < 0)
        return say(EXIT_FAILED, "%s", strerror(-r));
    return pki_authority_write(a, &files);
}

static void tell_json(const char *folder, const struct own_files *own,
                      const struct pki_facts *facts, const char *password)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s}", "name", facts->name, "role", pki_role_text(facts->role),
                  "serial", facts->serial, "expires", facts->expires);

    (void)json_object_set_new(o, "certificate", json_sprintf("%s/%s", folder, own->cert));
    (void)json_object_set_new(o, "key", json_sprintf("%s/%s", folder, own->key));
    (void)json_object_set_new(o, "p12", json_sprintf("%s/%s", folder, own->p12));
    if (password != NULL)
        (void)json_object_set_new(o, "password", json_string(password));
    json_document(o, stdout);
}

/* The password is what nobody can ask for again. */
static void tell(const struct cli_args *args, const struct pki_authority *a,
                 const struct pki_facts *facts, const struct password *password)
{
    const char *folder = a->folder.path;
    const char *shown = args->password_file == NULL ? password->text : NULL;
    struct own_files own = files_of(args->detail);

    if (args->json) {
        tell_json(folder, &own, facts, shown);
        return;
    }
    (void)printf("%s, %s until %.10s\n", facts->name, pki_role_text(facts->role), facts->expires);
    (void)printf("  certificate   %s/%s\n", folder, own.cert);
    (void)printf("  key           %s/%s\n", folder, own.key);
    (void)printf("  for browsers  %s/%s\n", folder, own.p12);
    if (shown != NULL)
        (void)printf("  its password  %s (shown this once)\n", shown);
}

int pki_issue(const struct cli_args *args)
{
    AUTO_AUTHORITY a = {.folder.fd = -1};
    AUTO_PASSWORD password = {0};
    struct pki_facts facts;
    int days = 0;
    int status = choose_password(args, &password);

    if (status == 0)
        status = pki_authority_open(args, false, &a);
    if (status == 0)
        status = pki_authority_read(&a, true);
    if (status == 0)
        status = choose_days(args, &a, &days);
    if (status == 0)
        status = check_free(&a, args->detail, files_of(args->detail).cert);
    if (status == 0)
        status = make(args, &a, days, &password, &facts);
    if (status == 0)
        tell(args, &a, &facts, &password);
    return status;
}

/* --- revoking --- */

static int read_own(const struct pki_authority *a, const char *name, X509 **ret,
                    struct pki_facts *ret_facts)
{
    struct own_files own = files_of(name);
    int r = pki_authority_cert(a, own.cert, ret, ret_facts);

    if (r == -ENOENT)
        return say(EXIT_FAILED, "%s: nobody of that name: `bulkhead pki list` shows who there is",
                   name);
    return r < 0 ? pki_file_trouble(&a->folder, own.cert, r) : 0;
}

/* A VM takes no longer ones, and would not start with it. */
static bool is_too_long(const struct pki_files *list)
{
    char *text;

    return BIO_get_mem_data(list->at[0].bytes, &text) > TLS_PART_BYTES;
}

static int revoke(const struct pki_authority *a, X509 *cert)
{
    AUTO_FILES files = {.n = 0};
    AUTO_CRL *crl = NULL;
    int r = pki_make_crl(&a->ca, a->crl, cert, &crl);

    if (r == 0)
        r = pki_add_crl(&files, crl);
    if (r < 0)
        return say(EXIT_FAILED, "%s", strerror(-r));
    if (is_too_long(&files))
        return say(EXIT_FAILED,
                   "%s: the list of what is revoked is full: begin another CA in another folder",
                   a->folder.path);
    return pki_authority_write(a, &files);
}

int pki_revoke(const struct cli_args *args)
{
    AUTO_AUTHORITY a = {.folder.fd = -1};
    AUTO_CERT *cert = NULL;
    struct pki_facts facts;
    bool again = false;
    int status = pki_authority_open(args, false, &a);

    if (status == 0)
        status = pki_authority_read(&a, true);
    if (status == 0)
        status = read_own(&a, args->detail, &cert, &facts);
    if (status != 0)
        return status;
    again = pki_is_revoked(a.crl, cert);
    if (!again)
        status = revoke(&a, cert);
    if (status == 0 && args->json)
        json_document(json_pack("{s:s, s:s, s:b}", "name", args->detail, "serial", facts.serial,
                                "revoked", 1),
                      stdout);
    else if (status == 0)
        (void)printf("%s: %s; %s/crl.pem says so\n", args->detail,
                     again ? "was revoked already" : "revoked", a.folder.path);
    return status;
}
