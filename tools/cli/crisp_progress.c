/*
 * crisp_progress.c - a thread that polls ListPulls and draws a bar or prints lines.
 */
#include "crisp_progress.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "crisp_table.h"

#define LOOK_MS 200
#define QUIET_LOOKS 25 /* without a terminal: at least one line in so many polls */
#define BAR_CELLS 24
#define TEXT_MAX 400

struct progress {
	struct cli *cli;
	char *name;
	pthread_t thread;
	int stop_fd;
	bool tty, shown;
	unsigned looks; /* since the last line */
	char last[TEXT_MAX];
};

void progress_text(const Crisp__V1__Pull *p, char *out, size_t size)
{
	_cleanup_buf_ struct buf text = BUF_NULL, clean = BUF_NULL;
	char done[32], total[32], rate[32];

	buf_puts(&text, *p->phase ? p->phase : p->state);
	if (p->layers_total)
		buf_printf(&text, " %u/%u layers", p->layers_done, p->layers_total);
	format_bytes(p->bytes_done, done);
	format_bytes(p->bytes_total, total);
	format_bytes(p->rate, rate);
	if (p->bytes_total)
		buf_printf(&text, ", %s of %s, %s/s", done, total, rate);
	if (*p->host)
		buf_printf(&text, " from %s", p->host);
	if (p->retries)
		buf_printf(&text, ", %u %s", p->retries, p->retries == 1 ? "retry" : "retries");
	buf_add_clean(&clean, text.data, text.len);
	snprintf(out, size, "%s", clean.data);
}

static void show_bar(struct progress *g, const Crisp__V1__Pull *p, const char *text)
{
	unsigned cells =
		p->bytes_total ? (unsigned)(p->bytes_done * BAR_CELLS / p->bytes_total) : 0;

	cells = MIN(cells, (unsigned)BAR_CELLS);
	fprintf(stderr, "\r\033[K[%.*s%.*s] %s", (int)cells, "########################",
		(int)(BAR_CELLS - cells), "                        ", text);
	fflush(stderr);
	g->shown = true;
}

/* Print a line at once for changes other than rates and bytes. */
static void show_line(struct progress *g, const Crisp__V1__Pull *p, const char *text)
{
	char key[TEXT_MAX];

	snprintf(key, sizeof(key), "%s %u %s %u", p->phase, p->layers_done, p->host, p->retries);
	if (strcmp(key, g->last) == 0 && ++g->looks < QUIET_LOOKS)
		return;
	g->looks = 0;
	memcpy(g->last, key, sizeof(key));
	fprintf(stderr, "%s: %s\n", g->name, text);
}

static void look(struct progress *g)
{
	_cleanup_answer_ Crisp__V1__ListPullsResponse *resp = NULL;
	Crisp__V1__ListPullsRequest req = CRISP__V1__LIST_PULLS_REQUEST__INIT;
	char text[TEXT_MAX];
	struct err ignored = ERR_NULL;

	req.name = g->name;
	if (cri_call_list_pulls(g->cli->client, &req, &resp, &ignored) < 0 || !resp->n_pulls)
		return;
	progress_text(resp->pulls[0], text, sizeof(text));
	if (g->tty)
		show_bar(g, resp->pulls[0], text);
	else
		show_line(g, resp->pulls[0], text);
}

static void *run(void *arg)
{
	struct progress *g = arg;
	struct pollfd stop = { .fd = g->stop_fd, .events = POLLIN };

	while (poll(&stop, 1, LOOK_MS) == 0)
		look(g);
	if (g->shown)
		fputs("\r\033[K", stderr);
	return NULL;
}

struct progress *progress_start(struct cli *cli, const char *name)
{
	struct progress *g = xcalloc(1, sizeof(*g));

	g->cli = cli;
	g->name = xstrdup(name);
	g->tty = isatty(STDERR_FILENO);
	g->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (g->stop_fd >= 0 && pthread_create(&g->thread, NULL, run, g) == 0)
		return g;
	close_fdp(&g->stop_fd);
	free(g->name);
	free(g);
	return NULL;
}

void progress_stop(struct progress *g)
{
	const uint64_t one = 1;

	if (!g)
		return;
	(void)!write(g->stop_fd, &one, sizeof(one));
	pthread_join(g->thread, NULL);
	close_fdp(&g->stop_fd);
	free(g->name);
	free(g);
}
