/*
 * cli/ossl.h - objects of OpenSSL that free themselves when their scope ends.
 */
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/macro.h"

#define OSSL_FREEP(name, type, release)                                                            \
    static inline void name(type **owner)                                                          \
    {                                                                                              \
        release(*owner);                                                                           \
        *owner = NULL;                                                                             \
    }

OSSL_FREEP(ossl_bio_freep, BIO, BIO_free_all)
OSSL_FREEP(ossl_key_freep, EVP_PKEY, EVP_PKEY_free)
OSSL_FREEP(ossl_cert_freep, X509, X509_free)
OSSL_FREEP(ossl_crl_freep, X509_CRL, X509_CRL_free)
OSSL_FREEP(ossl_names_freep, GENERAL_NAMES, GENERAL_NAMES_free)
OSSL_FREEP(ossl_name_freep, GENERAL_NAME, GENERAL_NAME_free)
OSSL_FREEP(ossl_integer_freep, ASN1_INTEGER, ASN1_INTEGER_free)
OSSL_FREEP(ossl_time_freep, ASN1_TIME, ASN1_TIME_free)
OSSL_FREEP(ossl_number_freep, BIGNUM, BN_free)
OSSL_FREEP(ossl_p12_freep, PKCS12, PKCS12_free)

#define AUTO_BIO     CLEANUP(ossl_bio_freep) BIO
#define AUTO_KEY     CLEANUP(ossl_key_freep) EVP_PKEY
#define AUTO_CERT    CLEANUP(ossl_cert_freep) X509
#define AUTO_CRL     CLEANUP(ossl_crl_freep) X509_CRL
#define AUTO_NAMES   CLEANUP(ossl_names_freep) GENERAL_NAMES
#define AUTO_NAME    CLEANUP(ossl_name_freep) GENERAL_NAME
#define AUTO_INTEGER CLEANUP(ossl_integer_freep) ASN1_INTEGER
#define AUTO_TIME    CLEANUP(ossl_time_freep) ASN1_TIME
#define AUTO_NUMBER  CLEANUP(ossl_number_freep) BIGNUM
#define AUTO_P12     CLEANUP(ossl_p12_freep) PKCS12
