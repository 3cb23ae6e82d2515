#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/options.h"
#include "cli/pki_authority.h"
#include "cli/pki_verbs.h"
#include "cli/say.h"

static const char server_file[] = "server.pem";
static const char server_key_file[] = "server-key.pem";

/* Whom a server is there for that says nothing else. */
static const struct text_list this_machine = {
    .at = {"localhost", "127.0.0.1", "::1"},
      .n = 3
};

static int check_hosts(const struct text_list *hosts)
{
    enum pki_host kind;

    for (size_t i = 0; i < hosts->n; i++) {
        if (pki_host_kind(hosts->at[i], &kind) < 0)
            return say(EXIT_USAGE, "--host %s: a name of DNS or an IP address is wanted",
                       hosts->at[i]);
    }
    return 0;
}

/* --- is the server's certificate still good? --- */

static bool is_for_host(X509 *cert, const char *host)
{
    enum pki_host kind;

    if (pki_host_kind(host, &kind) < 0)
        return false;
    return kind == PKI_HOST_ADDRESS
               ? X509_check_ip_asc(cert, host, 0) == 1
               : X509_check_host(cert, host, 0, X509_CHECK_FLAG_NO_WILDCARDS, NULL) == 1;
}

/* For these and no others. */
static bool is_for_hosts(X509 *cert, const struct text_list *hosts)
{
    AUTO_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    if (sk_GENERAL_NAME_num(names) != (int)hosts->n)
        return false;
    for (size_t i = 0; i < hosts->n; i++) {
        if (!is_for_host(cert, hosts->at[i]))
            return false;
    }
    return true;
}

static bool is_key_of(const struct pki_authority *a, X509 *cert)
{
    AUTO_BIO *bytes = NULL;
    AUTO_KEY *key = NULL;
    char *at = NULL;
    long len;

    if (pki_folder_read(&a->folder, server_key_file, true, &bytes) < 0)
        return false;
    len = BIO_get_mem_data(bytes, &at);
    key = pki_read_key(at, (size_t)len);
    return key != NULL && X509_check_private_key(cert, key) == 1;
}

static bool server_is_good(const struct pki_authority *a, const struct text_list *hosts)
{
    AUTO_CERT *cert = NULL;
    struct pki_facts facts;

    if (pki_authority_cert(a, server_file, &cert, &facts) < 0)
        return false;
    return !facts.expired && facts.days_left >= PKI_WARN_DAYS && is_key_of(a, cert) &&
           (hosts->n == 0 || is_for_hosts(cert, hosts));
}

/* --- making --- */

static int add_ca(struct pki_authority *a, struct pki_files *files)
{
    int r = pki_make_ca(&a->ca);

    if (r == 0)
        r = pki_read_facts(a->ca.cert, &a->facts);
    if (r == 0)
        r = pki_make_crl(&a->ca, NULL, NULL, &a->crl);
    if (r == 0)
        r = pki_add_key(files, "ca-key.pem", a->ca.key);
    if (r == 0)
        r = pki_add_crl(files, a->crl);
    return r;
}

/* As asked for; else as before; else for this machine. */
static int choose_hosts(const struct pki_authority *a, const struct text_list *asked,
                        GENERAL_NAMES **ret)
{
    AUTO_CERT *old = NULL;
    struct pki_facts facts;

    if (asked->n > 0)
        return pki_make_hosts(asked, ret);
    if (pki_authority_cert(a, server_file, &old, &facts) == 0)
        *ret = X509_get_ext_d2i(old, NID_subject_alt_name, NULL, NULL);
    return *ret != NULL ? 0 : pki_make_hosts(&this_machine, ret);
}

static int add_server(const struct pki_authority *a, const struct text_list *asked,
                      struct pki_files *files)
{
    AUTO_NAMES *hosts = NULL;
    AUTO_PAIR server = {0};
    int r = choose_hosts(a, asked, &hosts);

    if (r == 0)
        r = pki_make_server(&a->ca, hosts, pki_authority_days(a, PKI_SERVER_DAYS), &server);
    if (r == 0)
        r = pki_add_key(files, server_key_file, server.key);
    if (r == 0)
        r = pki_add_cert(files, server_file, server.cert);
    return r;
}

/* The CA's certificate takes its name last: where it is, all the rest is. */
static int make(struct pki_authority *a, bool new_ca, const struct text_list *hosts)
{
    AUTO_FILES files = {.n = 0};
    int r = new_ca ? add_ca(a, &files) : 0;

    if (r == 0)
        r = add_server(a, hosts, &files);
    if (r == 0 && new_ca)
        r = pki_add_cert(&files, "ca.pem", a->ca.cert);
    if (r < 0)
        return say(EXIT_FAILED, "%s", strerror(-r));
    return pki_authority_write(a, &files);
}

static void tell(const struct cli_args *args, const struct pki_authority *a, bool new_ca,
                 bool new_server)
{
    if (args->json)
        json_document(json_pack("{s:s, s:b, s:b, s:s}", "folder", a->folder.path, "new_ca", new_ca,
                                "new_server", new_server, "expires", a->facts.expires),
                      stdout);
    else if (new_ca)
        (void)printf("%s: a new CA, and a certificate for the server\n", a->folder.path);
    else
        (void)printf("%s: the CA is there, %s\n", a->folder.path,
                     new_server ? "and the server has a new certificate"
                                : "and the server's certificate: nothing is to be done");
}

int pki_init(const struct cli_args *args)
{
    AUTO_AUTHORITY a = {.folder.fd = -1};
    bool new_ca, new_server;
    int status = check_hosts(&args->hosts);

    if (status == 0)
        status = pki_authority_open(args, true, &a);
    if (status != 0)
        return status;
    new_ca = !pki_folder_has(&a.folder, "ca.pem");
    if (!new_ca)
        status = pki_authority_read(&a, true);
    new_server = new_ca || (status == 0 && !server_is_good(&a, &args->hosts));
    if (status == 0 && new_server)
        status = make(&a, new_ca, &args->hosts);
    if (status == 0)
        tell(args, &a, new_ca, new_server);
    return status;
}
