/*
 * cli/commands.h - what the subcommands do. Each returns the exit status.
 */
#pragma once

struct cli_args;

int run_command(const struct cli_args *args);
int ps_command(const struct cli_args *args);
int inspect_command(const struct cli_args *args);
int logs_command(const struct cli_args *args);
int metrics_command(const struct cli_args *args);
int restart_command(const struct cli_args *args);
int revive_command(const struct cli_args *args);
int audit_command(const struct cli_args *args);
int upgrade_command(const struct cli_args *args);
int disk_command(const struct cli_args *args);
int log_level_command(const struct cli_args *args);
int link_command(const struct cli_args *args);
int pcap_command(const struct cli_args *args);
int pki_command(const struct cli_args *args);
int events_command(const struct cli_args *args);
int crash_command(const struct cli_args *args);
int completion_command(const struct cli_args *args);
int trace_command(const struct cli_args *args);
int top_command(const struct cli_args *args);
int pause_command(const struct cli_args *args);
int resume_command(const struct cli_args *args);
int registers_command(const struct cli_args *args);
int dump_command(const struct cli_args *args);
int gdb_command(const struct cli_args *args);
int schema_command(const struct cli_args *args);
int help_command(const struct cli_args *args);
int version_command(const struct cli_args *args);
