/*
 * crisp_logs.c - the command `logs`: get the log's path from the daemon, then read the file.
 */
#include <poll.h>

#include "crisp.h"
#include "crisp_log.h"

#define FOLLOW_MS 100
#define LOGS_TIMEOUT_MS 60000

/* Until the container has exited. */
static int follow(struct cli *cli, const char *id, struct log_reader *r, struct err *e)
{
	for (;;) {
		_cleanup_answer_ Runtime__V1__ContainerStatusResponse *s = NULL;
		bool ended;
		int n = container_status(cli, id, false, &s, e);

		if (n < 0)
			return n;
		ended = s->status->state == RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED;
		n = log_reader_pump(r, e); /* read after the status, so that no record is missed */
		if (n < 0 || ended)
			return n;
		poll(NULL, 0, FOLLOW_MS);
	}
}

struct logs_options {
	bool follow, times;
	int64_t records;
};

static int logs_print(struct cli *cli, const char *name, const struct logs_options *o,
		      struct err *e)
{
	_cleanup_answer_ Runtime__V1__ContainerStatusResponse *s = NULL;
	_cleanup_(log_reader_done) struct log_reader reader = LOG_READER_NULL;
	struct found_object object;
	int r;

	r = cli_connect(cli, LOGS_TIMEOUT_MS, e);
	if (r == 0)
		r = cli_resolve(cli, name, OBJECT_KIND_CONTAINER, &object, e);
	if (r == 0)
		r = container_status(cli, object.id, false, &s, e);
	if (r < 0)
		return r;
	if (!s->status->log_path[0])
		return err_set(e, ERR_PRECONDITION, "container %.13s writes no log file",
			       object.id);
	r = log_reader_start(&reader, s->status->log_path, o->records, e);
	if (r < 0)
		return r;
	reader.times = o->times;
	return o->follow ? follow(cli, object.id, &reader, e) : log_reader_pump(&reader, e);
}

int cmd_logs(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "follow", no_argument, NULL, 'f' },
		{ "timestamps", no_argument, NULL, 't' },
		{ "tail", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	struct logs_options o = { .records = -1 };
	struct err e;
	int c;

	while ((c = cli_option(cli, argc, argv, "ftn:", longs)) != -1) {
		if (c == 'f')
			o.follow = true;
		else if (c == 't')
			o.times = true;
		else
			o.records = cli_number(cli, "--tail", optarg, INT32_MAX);
	}
	if (argc - optind != 1)
		return cli_usage(cli, "one container is needed");
	return logs_print(cli, argv[optind], &o, &e) < 0 ? cli_fail(&e) : CLI_EXIT_OK;
}
