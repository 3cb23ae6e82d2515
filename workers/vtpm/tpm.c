#include "workers/vtpm/tpm.h"

#include <errno.h>
#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <libtpms/tpm_memory.h>
#include <libtpms/tpm_nvfilename.h>
#include <limits.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/wr.h"
#include "workers/vtpm/command.h"

enum {
    HEAP_PAD_BYTES = 1 << 20,
    /* TPM_ALG_ID, TPM_ECC_CURVE */
    ALG_RSA = 0x0001,
    ALG_NULL = 0x0010,
    ALG_ECDAA = 0x001a,
    ALG_ECC = 0x0023,
    CURVE_P256 = 0x0003, /* the smaller ones come before it */
};

/* libtpms gives its callbacks no context, and has one TPM per process: the one place that is not
 * an argument. */
static struct tpm **the_tpm(void)
{
    static struct tpm *attached;

    return &attached;
}

/* --- secrets --- */

static void blob_done(struct tpm_blob *b)
{
    if (b->bytes != NULL)
        explicit_bzero(b->bytes, b->len);
    free(b->bytes);
    *b = (struct tpm_blob){0};
}

static void blob_move(struct tpm_blob *to, struct tpm_blob *from)
{
    blob_done(to);
    *to = *from;
    *from = (struct tpm_blob){0};
}

static int blob_copy(struct tpm_blob *to, const uint8_t *bytes, size_t len)
{
    struct tpm_blob copy = {.bytes = malloc(len == 0 ? 1 : len), .len = (uint32_t)len};

    if (copy.bytes == NULL)
        return -ENOMEM;
    memcpy(copy.bytes, bytes, len);
    blob_move(to, &copy);
    return 0;
}

/* --- what libtpms calls --- */

static TPM_RESULT on_init(void)
{
    return TPM_SUCCESS;
}

/*
 * An export arrives by TPMLIB_SetState(). This is for manufacture alone: libtpms stores the new
 * TPM, turns it on, and wants back what it has stored; without it, it goes on with zeroes.
 */
static TPM_RESULT on_load(unsigned char **data, uint32_t *len, uint32_t number, const char *name)
{
    const struct tpm_blob *stored = &(*the_tpm())->stored;

    (void)number;
    if (stored->bytes == NULL || strcmp(name, TPM_PERMANENT_ALL_NAME) != 0)
        return TPM_RETRY;
    if (TPM_Malloc(data, stored->len) != TPM_SUCCESS)
        abort();
    memcpy(*data, stored->bytes, stored->len);
    *len = stored->len;
    return TPM_SUCCESS;
}

/* Never fails: without memory the process ends, and the last commit stands. */
static TPM_RESULT on_store(const unsigned char *data, uint32_t len, uint32_t number,
                           const char *name)
{
    (void)number;
    if (strcmp(name, TPM_PERMANENT_ALL_NAME) != 0)
        return TPM_SUCCESS;
    if (len > TPM_PERMANENT_BYTES_MAX || blob_copy(&(*the_tpm())->stored, data, len) < 0)
        abort();
    return TPM_SUCCESS;
}

static TPM_RESULT on_delete(uint32_t number, const char *name, TPM_BOOL must_exist)
{
    (void)number;
    (void)name;
    (void)must_exist;
    return TPM_SUCCESS;
}

static TPM_RESULT on_locality(TPM_MODIFIER_INDICATOR *locality, uint32_t number)
{
    (void)number;
    *locality = (*the_tpm())->locality;
    return TPM_SUCCESS;
}

static TPM_RESULT on_physical_presence(TPM_BOOL *asserted, uint32_t number)
{
    (void)number;
    *asserted = FALSE; /* nobody stands at the machine */
    return TPM_SUCCESS;
}

/* --- set-up --- */

static int compare_bytes(const void *a, const void *b)
{
    return *(const uint8_t *)a - *(const uint8_t *)b;
}

/*
 * What would be asked of the kernel once and later is asked now: qsort() wants to know the size of
 * memory, OpenSSL its configuration and its seed. Exports are large and short-lived: the heap keeps
 * what it has. The texts of OpenSSL's errors nobody would read.
 */
static int warm_up(void)
{
    uint8_t bytes[2048] = {0};

    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    (void)mallopt(M_TOP_PAD, HEAP_PAD_BYTES);
    qsort(bytes, sizeof(bytes), 1, compare_bytes);
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS,
                            NULL) != 1)
        return -EIO;
    return RAND_bytes(bytes, 1) == 1 ? 0 : -EIO;
}

int tpm_setup(struct tpm *t)
{
    struct libtpms_callbacks callbacks = {
        .sizeOfStruct = sizeof(callbacks),
        .tpm_nvram_init = on_init,
        .tpm_nvram_loaddata = on_load,
        .tpm_nvram_storedata = on_store,
        .tpm_nvram_deletename = on_delete,
        .tpm_io_init = on_init,
        .tpm_io_getlocality = on_locality,
        .tpm_io_getphysicalpresence = on_physical_presence,
    };

    if (*the_tpm() != NULL)
        return -EBUSY;
    if (warm_up() < 0 || TPMLIB_RegisterCallbacks(&callbacks) != TPM_SUCCESS ||
        TPMLIB_ChooseTPMVersion(TPMLIB_TPM_VERSION_2) != TPM_SUCCESS)
        return -EIO;
    /* libtpms prints a command that broke it: to a descriptor that cannot exist (profile.c). */
    TPMLIB_SetDebugFD(INT_MAX);
    *t = (struct tpm){0};
    *the_tpm() = t;
    return 0;
}

/* --- commands --- */

int tpm_execute(struct tpm *t, uint8_t locality, uint8_t *command, size_t len)
{
    t->locality = locality;
    t->response_len = 0;
    if (TPMLIB_Process(&t->response, &t->response_len, &t->response_cap, command, (uint32_t)len) !=
        TPM_SUCCESS)
        return -EIO;
    return command_response_code(t->response, t->response_len) == COMMAND_RC_FAILURE ? -EIO : 0;
}

static int execute_ok(struct tpm *t, uint8_t *command, size_t len)
{
    int r = tpm_execute(t, 0, command, len);

    if (r == 0 && command_response_code(t->response, t->response_len) != COMMAND_RC_OK)
        r = -EIO;
    return r;
}

void tpm_cancel(void)
{
    (void)TPMLIB_CancelCommand();
}

/* @spec TPM 2.0 Part 2 12.2.3.6 (TPMS_ECC_PARMS): the curve comes after two optional parts */
static bool curve_is_slow(struct rd *r)
{
    uint16_t curve;

    if (rd_be16(r) != ALG_NULL) /* symmetric: key bits, mode */
        (void)rd_be32(r);
    switch (rd_be16(r)) { /* scheme: hash, and a count */
    case ALG_NULL:
        break;
    case ALG_ECDAA:
        (void)rd_be32(r);
        break;
    default:
        (void)rd_be16(r);
    }
    curve = rd_be16(r);
    return !rd_ok(r) || curve == 0 || curve > CURVE_P256;
}

bool tpm_public_is_slow(const uint8_t *response, size_t len, bool private_part)
{
    struct rd r = rd_over(response, len);
    uint16_t type;
    size_t policy_len;

    (void)rd_span(&r, COMMAND_HEADER_BYTES + 2); /* header, size of the public area */
    type = rd_be16(&r);
    (void)rd_be16(&r); /* name algorithm */
    (void)rd_be32(&r); /* attributes */
    policy_len = rd_be16(&r);
    (void)rd_span(&r, policy_len);
    if (!rd_ok(&r) || command_response_code(response, len) != COMMAND_RC_OK)
        return false; /* no such key: the command fails at once */
    return type == ALG_ECC ? curve_is_slow(&r) : type == ALG_RSA && private_part;
}

bool tpm_key_is_slow(struct tpm *t, uint32_t handle, bool private_part)
{
    uint8_t command[COMMAND_HEADER_BYTES + 4];
    struct wr w = wr_over(command, sizeof(command));

    if (handle == COMMAND_HANDLE_NULL)
        return false;
    wr_be16(&w, COMMAND_NO_SESSIONS);
    wr_be32(&w, sizeof(command));
    wr_be32(&w, 0x173); /* ReadPublic */
    wr_be32(&w, handle);
    if (tpm_execute(t, 0, command, sizeof(command)) < 0)
        return true;
    return tpm_public_is_slow(t->response, t->response_len, private_part);
}

/* --- state --- */

static int power_on(struct tpm *t)
{
    t->powered = TPMLIB_MainInit() == TPM_SUCCESS;
    return t->powered ? 0 : -EIO;
}

static void power_off(struct tpm *t)
{
    if (t->powered)
        TPMLIB_Terminate();
    t->powered = false;
    blob_done(&t->stored);
}

/* A restored DRBG repeats what it said after the export; with this it does not. */
static int stir(struct tpm *t)
{
    uint8_t command[COMMAND_HEADER_BYTES + 2 + TPM_STIR_BYTES];
    uint8_t entropy[TPM_STIR_BYTES];
    struct wr w = wr_over(command, sizeof(command));
    int r;

    if (getrandom(entropy, sizeof(entropy), 0) != (ssize_t)sizeof(entropy))
        return -EIO;
    wr_be16(&w, COMMAND_NO_SESSIONS);
    wr_be32(&w, sizeof(command));
    wr_be32(&w, 0x146); /* StirRandom */
    wr_be16(&w, sizeof(entropy));
    wr_bytes(&w, entropy, sizeof(entropy));
    r = execute_ok(t, command, sizeof(command));
    explicit_bzero(command, sizeof(command));
    explicit_bzero(entropy, sizeof(entropy));
    return r;
}

static int restore_kept(struct tpm *t)
{
    power_off(t);
    if (TPMLIB_SetState(TPMLIB_STATE_PERMANENT, t->permanent.bytes, t->permanent.len) !=
            TPM_SUCCESS ||
        TPMLIB_SetState(TPMLIB_STATE_VOLATILE, t->volatile_state.bytes, t->volatile_state.len) !=
            TPM_SUCCESS ||
        power_on(t) < 0)
        return -EBADMSG;
    return stir(t);
}

int tpm_keep(struct tpm *t, struct span permanent, struct span volatile_state)
{
    int r = blob_copy(&t->permanent, permanent.at, permanent.len);

    return r < 0 ? r : blob_copy(&t->volatile_state, volatile_state.at, volatile_state.len);
}

int tpm_restore(struct tpm *t, struct span permanent, struct span volatile_state)
{
    int r = tpm_keep(t, permanent, volatile_state);

    return r < 0 ? r : restore_kept(t);
}

int tpm_roll_back(struct tpm *t)
{
    return restore_kept(t);
}

int tpm_manufacture(struct tpm *t)
{
    /* TPM2_Startup(TPM_SU_CLEAR) */
    uint8_t startup[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0};
    int r;

    power_off(t);
    r = power_on(t);
    if (r == 0)
        r = execute_ok(t, startup, sizeof(startup));
    if (r == 0)
        r = tpm_export(t);
    return r == 0 && t->permanent.bytes == NULL ? -EIO : r;
}

int tpm_export(struct tpm *t)
{
    struct tpm_blob now = {0};

    if (TPMLIB_GetState(TPMLIB_STATE_VOLATILE, &now.bytes, &now.len) != TPM_SUCCESS)
        return -ENOMEM;
    blob_move(&t->volatile_state, &now);
    t->n_exports++;
    if (t->stored.bytes != NULL)
        blob_move(&t->permanent, &t->stored);
    return 0;
}

void tpm_done(struct tpm *t)
{
    power_off(t);
    blob_done(&t->permanent);
    blob_done(&t->volatile_state);
    if (t->response != NULL)
        explicit_bzero(t->response, t->response_cap);
    free(t->response);
    *t = (struct tpm){0};
    *the_tpm() = NULL;
}
