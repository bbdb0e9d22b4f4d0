/*
 * crisp.h - declarations shared by the files of the crisp command.
 * The command is a plain client of crispd's socket and uses no other source, except the log files
 * and the CDI specifications on the same node.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/client.h"
#include "base/err.h"
#include "base/id.h"
#include "base/util.h"
#include "gen/cri_client.h"

/* Exit codes; a command that runs a program returns the program's exit code. */
enum cli_exit {
	CLI_EXIT_OK = 0,
	CLI_EXIT_FAILED = 1,
	CLI_EXIT_USAGE = 2,
};

struct cli_command;

struct cli {
	const char *socket;
	struct rpc_client *client; /* NULL until cli_connect */
	const struct cli_command *command;
	bool json;
	bool quiet; /* lists: ids only */
};

struct cli_command {
	const char *name, *args, *help;
	int (*run)(struct cli *cli, int argc, char **argv);
};

/* The commands; each returns an exit code. */
int cmd_attach(struct cli *cli, int argc, char **argv);
int cmd_cancel(struct cli *cli, int argc, char **argv);
int cmd_cdi(struct cli *cli, int argc, char **argv);
int cmd_check(struct cli *cli, int argc, char **argv);
int cmd_checkpoint(struct cli *cli, int argc, char **argv);
int cmd_exec(struct cli *cli, int argc, char **argv);
int cmd_explain(struct cli *cli, int argc, char **argv);
int cmd_gc(struct cli *cli, int argc, char **argv);
int cmd_images(struct cli *cli, int argc, char **argv);
int cmd_info(struct cli *cli, int argc, char **argv);
int cmd_inspect(struct cli *cli, int argc, char **argv);
int cmd_load(struct cli *cli, int argc, char **argv);
int cmd_logs(struct cli *cli, int argc, char **argv);
int cmd_pods(struct cli *cli, int argc, char **argv);
int cmd_port_forward(struct cli *cli, int argc, char **argv);
int cmd_ps(struct cli *cli, int argc, char **argv);
int cmd_pull(struct cli *cli, int argc, char **argv);
int cmd_pulls(struct cli *cli, int argc, char **argv);
int cmd_restore(struct cli *cli, int argc, char **argv);
int cmd_rm(struct cli *cli, int argc, char **argv);
int cmd_rmi(struct cli *cli, int argc, char **argv);
int cmd_run(struct cli *cli, int argc, char **argv);
int cmd_status(struct cli *cli, int argc, char **argv);
int cmd_stop(struct cli *cli, int argc, char **argv);
int cmd_version(struct cli *cli, int argc, char **argv);
int cmd_wipe(struct cli *cli, int argc, char **argv);

/* getopt_long for a command.  Handles -o json and -h itself, exits with CLI_EXIT_USAGE on a
 * mistake.  shorts begins with "+" when options end at the first argument. */
int cli_option(struct cli *cli, int argc, char **argv, const char *shorts,
	       const struct option *longs);
/* Print the mistake in the arguments and their usage; returns CLI_EXIT_USAGE. */
int cli_usage(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Parse an option's number, or exit with CLI_EXIT_USAGE. */
int64_t cli_number(const struct cli *cli, const char *option, const char *text, int64_t max);

/* Split NAME=VALUE in place, or exit with CLI_EXIT_USAGE. */
void cli_pair(const struct cli *cli, const char *option, char *text, char **ret_name,
	      char **ret_value);

/* Open the socket unless open; timeout_ms limits each following call, 0: none. */
int cli_connect(struct cli *cli, int64_t timeout_ms, struct err *e);
/* Print the error; returns CLI_EXIT_FAILED. */
int cli_fail(const struct err *e);

/* Kinds of objects that a command line can name. */
enum object_kind {
	OBJECT_KIND_POD = 1,
	OBJECT_KIND_CONTAINER = 2,
	OBJECT_KIND_IMAGE = 4,
};

/* Flag in kinds: a pod wins over its container of the same name; without the flag the container
 * wins. */
#define OBJECT_PREFER_POD 8U

struct found_object {
	enum object_kind kind;
	char id[128];
	char name[300];
	bool running; /* a ready pod, a running container */
};

/* Find the object by text: a whole id, an id's prefix, or an exact name.  kinds: or'ed.
 * ERR_INVALID: several match; the error lists them. */
int cli_resolve(struct cli *cli, const char *text, unsigned kinds, struct found_object *ret,
		struct err *e);

/* Free a response of gen/cri_client.h at the end of the scope. */
static inline void answer_freep(void *p)
{
	ProtobufCMessage *m = *(ProtobufCMessage **)p;

	if (m)
		protobuf_c_message_free_unpacked(m, NULL);
}
#define _cleanup_answer_ _cleanup_(answer_freep)

/* Pods and containers, shared by several commands. */
int pod_remove(struct cli *cli, const char *id, struct err *e); /* stops it first */
int container_stop(struct cli *cli, const char *id, int64_t grace_s, struct err *e);
int container_remove(struct cli *cli, const char *id, struct err *e);
int container_status(struct cli *cli, const char *id, bool verbose,
		     Runtime__V1__ContainerStatusResponse **ret, struct err *e);
