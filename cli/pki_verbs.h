/*
 * cli/pki_verbs.h - what `bulkhead pki` does. Each returns the exit status.
 */
#pragma once

struct cli_args;

int pki_init(const struct cli_args *args);
int pki_issue(const struct cli_args *args);
int pki_revoke(const struct cli_args *args);
int pki_push(const struct cli_args *args);
int pki_list(const struct cli_args *args);
