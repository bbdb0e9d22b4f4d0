/*
 * fuzz_puller.c - any bytes as the report of an adopted puller: done is called once at most, with a
 * complete result or an error with a valid code.
 *
 * The input is the puller's end of the connection, from the first byte to the last.
 *
 * Whatever comes, done is called once at most, and its result is complete or its error has a code
 * that there is.
 */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/id.h"
#include "images/puller.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define TURNS 6 /* the bytes, the end, and what they set off */

static struct loop *loop;
static int turns;
static struct image_pull *pull;
static int reported;

static void on_progress(void *arg, const struct image_pull_progress *p)
{
	(void)arg;
	assert(p->phase <= IMAGE_PULL_PHASE_SYNCING);
	assert(memchr(p->host, '\0', sizeof(p->host)));
}

static void on_done(void *arg, struct image_pull_result *result, const struct err *err)
{
	(void)arg;
	reported++;
	if (err)
		assert(err->code > ERR_OK && err->code <= ERR_UNAUTHENTICATED);
	else
		assert(id_is_valid(result->image_id) && result->image);
}

/* The process that says hello is this one: it is not killed, and its end is not waited for. */
int pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned flags)
{
	(void)pidfd;
	(void)sig;
	(void)info;
	(void)flags;
	return 0;
}

static bool turn_end(void *arg)
{
	(void)arg;
	if (++turns == TURNS)
		loop_stop(loop);
	return true;
}

static const struct image_pull_ops ops = { on_progress, on_done };

static char dir[32] = "/tmp/crisp-fuzz-XXXXXX";

static void remove_dir(void)
{
	rmdir(dir);
}

/* Where the puller listens; closing the pull removes it. */
static int listener(void)
{
	static bool made;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!made) {
		made = true;
		sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
		assert(mkdtemp(dir));
		atexit(remove_dir);
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" ID ".sock", dir);
	assert(fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	assert(listen(fd, 4) == 0);
	return fd;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct err e = ERR_NULL;
	int fd, peer;

	if (size > 65536) /* what a socket takes at once */
		return 0;
	fd = listener();
	loop = loop_new(&e);
	assert(loop);
	loop_set_turn_end(loop, turn_end, NULL);
	reported = turns = 0;
	assert(image_pull_adopt(loop, dir, ID, &ops, NULL, &pull, &e) == 0);
	peer = accept(fd, NULL, NULL);
	assert(peer >= 0);
	(void)!write(peer, data, size);
	shutdown(peer, SHUT_WR);
	loop_run(loop);
	image_pull_close(pull);
	close_fdp(&peer);
	close_fdp(&fd);
	loop_free(loop);
	assert(reported <= 1);
	return 0;
}
