/*
 * fuzz_stream.c - streaming sessions of any bytes, from the upgrade on, with no container present:
 * queues stay bounded, each descriptor is closed, each token is given back once.
 *
 * The first byte of an input says in which pieces the rest comes, the second what the token stands
 * for.  Whatever comes, queues stay bounded, every descriptor is closed, and what was redeemed is
 * given up once.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"
#include "stream/conn.h"

#define DIALS 64 /* of one turn; what is more is never answered */
#define TURNS_BEHIND 4 /* for what the last bytes set off */
#define OUT_BOUND (8 * CONN_OUT_MAX)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* One client and one server; the loop's turns drive both. */
static struct world {
	struct conns conns;
	struct stream_ask ask;
	const unsigned char *data;
	size_t size, at, step;
	unsigned rest;
	int client;
	uint64_t redeem, begin, dial; /* asked for in this turn, 0: not */
	uint32_t pairs[DIALS];
	unsigned n_pairs;
	int open; /* redeemed and not gone */
} run;

/* --- the container and the pod --- */

/* What a forwarded port connects to is the other end of a pair already. */
int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
	(void)fd;
	(void)address;
	(void)len;
	return 0;
}

static void hook_redeem(uint64_t id, enum stream_kind kind, const char *token)
{
	assert(*token && !run.open);
	run.ask.kind = kind;
	run.redeem = id;
	run.open++;
}

static void hook_begin(uint64_t id)
{
	run.begin = id;
}

static void hook_dial(uint64_t id, uint32_t pair)
{
	run.dial = id;
	if (run.n_pairs < DIALS)
		run.pairs[run.n_pairs++] = pair;
}

static void hook_resize(uint64_t id, uint16_t width, uint16_t height)
{
	(void)id;
	assert(width && height);
}

static void hook_gone(uint64_t id)
{
	(void)id;
	assert(run.open == 1);
	run.open--;
}

static const struct stream_hooks hooks = {
	hook_redeem, hook_begin, hook_dial, hook_resize, hook_gone, NULL,
};

/* Says a little and reads all. */
static void answer_begin(struct conn *c)
{
	struct stream_fds fds = { -1, -1, -1 };
	int out[2];

	assert(pipe2(out, O_CLOEXEC | O_NONBLOCK) == 0 && write(out[1], "output", 6) == 6);
	close(out[1]);
	fds.out = out[0];
	fds.in = open("/dev/null", O_WRONLY | O_CLOEXEC);
	c->ops->given(c->session, &fds);
	c->ops->ended(c->session, &(struct stream_end){ .code = 3 });
}

static void answer_dial(struct conn *c, uint32_t pair)
{
	int fds[2] = { -1, -1 }, both[2];
	struct err e = ERR_NULL;

	if (!c->ops->dialed)
		return;
	if (pair % 4 == 3) {
		err_set(&e, ERR_UNAVAILABLE, "no pod");
		c->ops->dialed(c->session, pair, fds, &e);
		return;
	}
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both) == 0);
	assert(write(both[1], "target", 6) == 6);
	close(both[1]);
	fds[0] = both[0];
	c->ops->dialed(c->session, pair, fds, NULL);
}

static void answer_hooks(void)
{
	struct conn *c;

	if (run.redeem && (c = conn_find(&run.conns, run.redeem)))
		conn_admit(c, &run.ask);
	run.redeem = 0;
	if (run.begin && (c = conn_find(&run.conns, run.begin)))
		answer_begin(c);
	run.begin = 0;
	if (run.dial && (c = conn_find(&run.conns, run.dial)) && c->session)
		for (unsigned i = 0; i < run.n_pairs; i++)
			answer_dial(c, run.pairs[i]);
	run.dial = 0;
	run.n_pairs = 0;
}

/* --- the client --- */

static void client_turn(void)
{
	size_t n = MIN(run.step, run.size - run.at);
	char heard[4096];

	if (n) {
		ssize_t sent = send(run.client, run.data + run.at, n, MSG_NOSIGNAL);

		if (sent > 0)
			run.at += (size_t)sent;
		else if (errno != EAGAIN)
			run.at = run.size; /* it has been sent away */
	}
	while (recv(run.client, heard, sizeof(heard), 0) > 0)
		;
}

static bool turn_end(void *arg)
{
	(void)arg;
	conn_pump_all(&run.conns);
	answer_hooks();
	conn_pump_all(&run.conns);
	list_for_each(pos, &run.conns.all)
		assert(list_entry(pos, struct conn, node)->out.len <= OUT_BOUND);
	client_turn();
	if (run.at == run.size && run.rest-- == 0)
		loop_stop(run.conns.loop);
	return true;
}

static void first_turn(struct loop_post *p)
{
	(void)p;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct loop_post kick = { .fn = first_turn };
	struct err e = ERR_NULL;
	struct gate gate;
	int both[2], next;
	sigset_t pipe;

	if (size < 2)
		return 0;
	/* As on the server's thread. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe, NULL);
	run = (struct world){ .size = size - 2 };
	run.step = data[0] == 255 ? size : data[0] + 1U;
	run.ask = (struct stream_ask){
		.tty = data[1] & 1,
		.in = data[1] & 2,
		.out = data[1] & 4,
		.err = data[1] & 8,
		.in_once = data[1] & 16,
		.ports = { 80, 7 },
		.n_ports = data[1] >> 5 & 3,
	};
	run.data = data + 2;
	run.rest = TURNS_BEHIND;
	run.conns.hooks = &hooks;
	run.conns.idle_ns = INT64_C(1000000000) * 3600;
	list_init(&run.conns.all);
	list_init(&run.conns.marked);
	run.conns.loop = loop_new(&e);
	assert(run.conns.loop);
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both) == 0);
	run.client = both[1];
	gate_init(&gate, 4, 4, 4);
	conn_new(&run.conns, &gate, both[0], NULL);
	loop_set_turn_end(run.conns.loop, turn_end, NULL);
	loop_post(run.conns.loop, &kick);
	loop_run(run.conns.loop);
	conn_abort_all(&run.conns);
	assert(!gate.n_waiting && !gate.n_settled);
	assert(!run.conns.n && !run.open && list_empty(&run.conns.all));
	loop_free(run.conns.loop);
	close(run.client);
	/* The lowest free number is the same as ever: nothing was left open. */
	next = fcntl(0, F_DUPFD_CLOEXEC, 3);
	assert(next < 0 || next < 16);
	close_fdp(&next);
	return 0;
}
